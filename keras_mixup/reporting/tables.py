"""Accuracy tables from records, with adaptive beside oblivious numbers."""

import csv
import html
import io
from typing import NamedTuple

from keras_mixup import _tables
from keras_mixup.evaluation import records as records_lib
from keras_mixup.evaluation.labels import row_label
from keras_mixup.reporting import _html
from keras_mixup.threat import budget_text

NOT_MEASURED = "not measured"
NOT_APPLICABLE = "–"
_GROUPS = {
    "none": "no attack",
    "oblivious": "attack ignores the defence",
    "transfer": "attack on another model",
    "adaptive": "attack goes through the defence",
}
_ORDER = tuple(_GROUPS)


class Table(NamedTuple):
    """A table as text, before any format.

    Attributes:
        groups: tuple of (title, span), over the columns after the first.
        header: tuple of str, one per column.
        rows: tuple of tuples of str.
        knowledge: tuple of str, of each column after the first.
        notes: tuple of str, to be printed below.
    """

    groups: tuple
    header: tuple
    rows: tuple
    knowledge: tuple
    notes: tuple


def accuracy_table(records):
    """Makes the table of accuracies: a row per model, a column per attack.

    Within one norm and radius the adaptive columns follow the oblivious ones.
    A missing number of a defence reads "not measured". If no adaptive attack
    was run on any defence, an adaptive column is added to say so.

    Args:
        records: iterable of `Record`.

    Returns:
        `Table`; cells are "percent" or "percent ± standard deviation over the
        evaluation seeds", and the number of examples where it is smaller.
    """
    records = records_lib.Records(records)
    summaries = records_lib.summarize(records)
    cells = {(s.row, s.column): s for s in summaries}
    rows = list(dict.fromkeys(s.row for s in summaries))
    kinds = columns(summaries, records.facts)
    count = max((s.num_examples for s in summaries), default=0)
    body = tuple(
        (row_label(row), *(_cell(cells, row, c, count) for c in kinds))
        for row in rows
    )
    return Table(
        groups=_groups(kinds),
        header=("model", *(column.attack for column in kinds)),
        rows=body,
        knowledge=tuple(column.knowledge for column in kinds),
        notes=tuple(_notes(summaries, body, count, kinds, records)),
    )


def columns(summaries, facts=None):
    """Returns the table's columns, a list of `Column`.

    The order is no attack first, then budget by budget, oblivious before
    adaptive. A budget with a defence and without adaptive numbers gets an
    empty adaptive column.

    Args:
        summaries: iterable of `Summary`.
        facts: dict `Column` -> `Facts`, or None.
    """
    summaries = list(summaries)
    known = records_lib.Records((), facts or {})
    found = dict.fromkeys(s.column for s in summaries)
    budgets = list(dict.fromkeys(column.budget for column in found))
    for budget in budgets:
        inside = [s for s in summaries if s.column.budget == budget]
        adaptive = any(s.knowledge == "adaptive" for s in inside)
        attacked = any(s.knowledge != "none" for s in inside)
        defended = any(s.defence != "none" for s in inside)
        if attacked and defended and not adaptive:
            found[records_lib.Column("adaptive", "adaptive", *budget)] = None
    return sorted(
        found,
        key=lambda column: (
            column.knowledge != "none",
            budgets.index(column.budget),
            _ORDER.index(column.knowledge),
            known.facts_of(column).worst_case,
        ),
    )


def missing_text(cells, row, column):
    """Returns the text of a missing number of a `Row` in a `Column`.

    `cells` are the measured pairs (row, column).
    """
    # Controls at another radius are not run on the defences.
    meant = column.knowledge == "none" or any(
        r == row and c.budget == column.budget for r, c in cells
    )
    defended = row.defence != "none"
    return NOT_MEASURED if meant and defended else NOT_APPLICABLE


def to_text(table):
    """Returns the table for a terminal."""
    header = [_two_lines(table, i) for i in range(len(table.header))]
    lines = [[h[0] for h in header], [h[1] for h in header], *table.rows]
    padded = _tables.to_columns(lines, str.rjust)
    rule = "-" * max(map(len, padded))
    return "\n".join([*padded[:2], rule, *padded[2:], rule, *table.notes])


def to_markdown(table):
    """Returns the table in GitHub's Markdown."""
    names = [table.header[0]]
    for name, knowledge in zip(table.header[1:], table.knowledge, strict=True):
        names.append(name if knowledge == "none" else f"{name}, {knowledge}")
    body = _tables.to_markdown([names, *table.rows], "---:")
    notes = "\n".join(f"- {note}" for note in table.notes)
    return f"{body}\n{notes}\n"


def to_html(table):
    """Returns the table as an HTML fragment; classes name the knowledge."""
    kinds = ("model", *table.knowledge)
    body = _html.table(
        table.header, table.rows, kinds, table.groups, "accuracy"
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in table.notes)
    return f'{body}\n<ul class="notes">{notes}</ul>'


def _groups(columns):
    titles = []
    for column in columns:
        title = _GROUPS[column.knowledge]
        if column.knowledge != "none":
            title = f"{title} ({budget_text(column.budget)})"
        if titles and titles[-1][0] == title:
            titles[-1][1] += 1
        else:
            titles.append([title, 1])
    return tuple((title, span) for title, span in titles)


def _cell(cells, row, column, count):
    found = cells.get((row, column))
    if found is None:
        return missing_text(cells, row, column)
    text = f"{100 * found.accuracy:.1f}"
    if found.std is not None:
        text += f" ± {100 * found.std:.1f}"
    if found.num_examples != count:
        text += f" (n={found.num_examples})"
    return text


def _notes(summaries, body, count, columns, records):
    yield f"Accuracy in percent: true label predicted; {count} examples."
    seeds = max((s.num_seeds for s in summaries), default=0)
    if seeds > 1:
        yield (
            f"± is the standard deviation over {seeds} evaluation seeds of "
            "the defence's own draws."
        )
    yield from _calibration(summaries)
    if any(records.facts_of(column).worst_case for column in columns):
        yield (
            "Worst-case: per example the strongest image of all attacks with "
            "this radius, or the clean one. It is chosen on other draws than "
            "those that score it."
        )
    if any(NOT_MEASURED in row for row in body):
        yield (
            "Not measured: without an adaptive attack the oblivious accuracy "
            "is only an upper bound. It is no evidence of robustness."
        )
    if any(s.defence == "none" and s.eps is not None for s in summaries):
        yield (
            "Rows without a defence: every attack is white-box, and the "
            "adaptive one has no draws."
        )


def _calibration(summaries):
    """The note on the calibration error of clean answers, if it is known."""
    found = [
        f"{row_label(s.row)} {s.calibration_error:.3f}"
        for s in summaries
        if s.knowledge == "none" and s.calibration_error is not None
    ]
    if found:
        yield (
            "Expected calibration error on clean images, 15 bins: "
            f"{', '.join(found)}."
        )


def _two_lines(table, index):
    if index == 0:
        return "", table.header[0]
    knowledge = table.knowledge[index - 1]
    shown = "" if knowledge == "none" else knowledge
    titles = [title for title, span in table.groups for _ in range(span)]
    radii = {title.partition("(")[2] for title in titles if "(" in title}
    if shown and len(radii) > 1:
        shown += f" ({titles[index - 1].partition('(')[2]}"
    return shown, table.header[index]


def to_csv(records):
    """Returns one line for each model and attack as CSV, a str.

    Shares are in [0, 1]; what was not measured is empty. The columns are those
    of `Summary`.

    Args:
        records: iterable of `Record`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(records_lib.Summary._fields)
    writer.writerows(records_lib.summarize(records))
    return text.getvalue()
