"""One table over several runs: text, Markdown, CSV and a page."""

import csv
import html
import io
import string
from typing import NamedTuple

from keras_mixup import _tables
from keras_mixup.evaluation import estimates
from keras_mixup.evaluation.records import Row
from keras_mixup.metrics.estimates import Estimate
from keras_mixup.reporting import _html
from keras_mixup.reporting import tables
from keras_mixup.reporting._page import PAGE
from keras_mixup.reporting.comparison import Comparison
from keras_mixup.reporting.comparison import comparisons
from keras_mixup.threat import budget_text

HEADER = (
    "run",
    "model",
    "defence",
    "clean",
    "oblivious",
    "adaptive, worst",
    "worst attack",
    "gradient passes",
    "queries",
    "red flags",
)
_KINDS = {
    "run": "model",
    "oblivious": "oblivious",
    "adaptive, worst": "adaptive",
}
NOTE = (
    "Accuracy in percent with its 95 % interval, on the same {} examples; "
    "{}. Sorted by the accuracy under the worst attack of those that know the "
    "defence, which alone measures robustness. It is an upper bound: a better "
    "attack can only lower it. Passes and queries are those of that attack, "
    "per example."
)


class Line(NamedTuple):
    """One model of one run.

    Attributes:
        run: str, the run folder's name.
        row: `Row`.
        clean: `Estimate` without an attack, or None.
        compared: `Comparison`.
        flags: tuple of str, the names of its red flags.
        example_ids: frozenset of int, the compared examples.
    """

    run: str
    row: Row
    clean: Estimate | None
    compared: Comparison
    flags: tuple
    example_ids: frozenset

    @property
    def standing(self):
        """`Standing` under the worst adaptive attack, or None."""
        return self.compared.adaptive


def lines(run, records, probed=None):
    """Returns a `Line` for each model of a run, norm and radius.

    Args:
        run: str, the run's name.
        records: `Records`.
        probed: dict model name -> `Findings`, as in red_flags.json.
    """
    rows, found = records.unique().by("row"), []
    for compared in comparisons(records, probed):
        own = rows[compared.row]
        ids = compared.example_ids
        clean = own.where(
            lambda r, ids=ids: r.knowledge == "none" and r.example_id in ids
        )
        found.append(
            Line(
                run,
                compared.row,
                estimates.from_records(clean) if clean else None,
                compared,
                compared.red_flags,
                ids,
            )
        )
    return found


def order(found):
    """Returns `Line`s, the most robust first; those not measured last."""

    def key(line):
        known = line.standing is not None
        accuracy = line.standing.accuracy if known else 0.0
        return not known, -accuracy, line.run, line.row

    return sorted(found, key=key)


def cells(line):
    """Returns the texts of a `Line` under `HEADER`."""
    compared, standing = line.compared, line.standing
    oblivious = tables.NOT_APPLICABLE
    if line.row.defence != "none":
        oblivious = _accuracy(
            compared.oblivious and compared.oblivious.estimate
        )
    passes = queries = attack = tables.NOT_MEASURED
    if standing is not None:
        attack = standing.column.attack
        passes, queries = (
            f"{n:g}" for n in (standing.gradient_passes, standing.queries)
        )
    return (
        line.run,
        line.row.model,
        line.row.defence,
        _accuracy(line.clean),
        oblivious,
        _accuracy(standing and standing.estimate),
        attack,
        passes,
        queries,
        ", ".join(line.flags) or "none found",
    )


def to_text(found):
    """Returns the table for a terminal."""
    return "\n".join(_tables.to_columns([HEADER, *map(cells, found)]))


def to_markdown(found):
    """Returns the table in Markdown, with its note."""
    return (
        f"{_tables.to_markdown([HEADER, *map(cells, found)])}\n{note(found)}\n"
    )


def to_csv(found):
    """Returns the table as CSV, numbers in [0, 1] and empty where unknown."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    parts = ("accuracy", "low", "high")
    measured = [
        f"{n}_{p}" for n in ("clean", "oblivious", "adaptive") for p in parts
    ]
    others = ("norm", "eps", "examples", "attack", "gradient_passes", "queries")
    writer.writerow(
        ["run", "model", "defence", *measured, *others, "red_flags"]
    )
    for line in found:
        standing, oblivious = line.standing, line.compared.oblivious
        estimated = (
            line.clean,
            oblivious and oblivious.estimate,
            standing and standing.estimate,
        )
        values = [
            "" if e is None else getattr(e, p) for e in estimated for p in parts
        ]
        last = ["", "", ""]
        if standing is not None:
            last = [standing.column.attack, standing.gradient_passes]
            last += [standing.queries]
        head = [line.run, *line.row, *values, *line.compared.budget]
        count = line.compared.num_examples
        writer.writerow([*head, count, *last, "; ".join(line.flags)])
    return text.getvalue()


def to_html(found, title="Runs compared"):
    """Returns the table as a page of its own."""
    kinds = [_KINDS.get(name, "") for name in HEADER]
    table = _html.table(HEADER, map(cells, found), kinds, style="accuracy")
    table += _html.download("comparison.csv", to_csv(found), "Download as CSV")
    text = f'{table}<p class="caveat">{html.escape(note(found))}</p>'
    page = string.Template(PAGE)
    return page.substitute(title=html.escape(title), body=text)


def note(found):
    """Returns the sentences below the table."""
    budgets = {line.compared.budget: None for line in found}
    shown = " and ".join(map(budget_text, budgets))
    return NOTE.format(found[0].compared.num_examples, shown)


def _accuracy(estimate):
    if estimate is None:
        return tables.NOT_MEASURED
    low, high = 100 * estimate.low, 100 * estimate.high
    return f"{100 * estimate.accuracy:.1f} [{low:.1f}, {high:.1f}]"
