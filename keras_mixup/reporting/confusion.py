"""Which class is taken for which, without an attack and under the worst one."""

import html

import numpy as np

from keras_mixup.evaluation.labels import row_label
from keras_mixup.reporting.class_table import MAX_CLASSES
from keras_mixup.reporting.comparison import comparisons
from keras_mixup.threat import budget_text


def matrices(records):
    """Returns the confusion of each model, clean and under its worst attack.

    The worst attack is that of `comparisons`: through the defence where that
    was measured.

    Args:
        records: `Records`.

    Returns:
        list of (title, classes, counts): a str, a tuple of int, and an int
        array [true class, predicted class] that counts answers over all
        examples and evaluation seeds. Empty for records of a single class or
        of more than `MAX_CLASSES`.
    """
    records = records.unique()
    classes = _classes(records)
    if not 2 <= len(classes) <= MAX_CLASSES:
        return []
    cells, found = records.by("cell"), []
    for (row, column), own in cells.items():
        if column.knowledge == "none":
            title = f"{row_label(row)}, clean"
            found.append((title, classes, _counts(own, classes)))
    for compared in comparisons(records):
        standing = compared.adaptive or compared.oblivious
        if standing is not None:
            own = cells[compared.row, standing.column]
            attack = f"{standing.column.attack} "
            attack += f"({budget_text(compared.budget)})"
            title = f"{row_label(compared.row)}, {attack}"
            found.append((title, classes, _counts(own, classes)))
    return found


def to_html(title, classes, counts, class_names=()):
    """Returns one of `matrices` as an HTML fragment, shares in percent.

    Args:
        title, classes, counts: as `matrices` returns them.
        class_names: sequence of str, or empty for the numbers.
    """
    names = [_name(number, class_names) for number in classes]
    head = "".join(f'<th scope="col"><span>{n}</span></th>' for n in names)
    lines = []
    for place, (name, row) in enumerate(zip(names, counts, strict=True)):
        shares = row / max(row.sum(), 1)
        cells = "".join(
            _cell(share, place == column) for column, share in enumerate(shares)
        )
        lines.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    return (
        f'<figure class="matrix"><figcaption>{html.escape(title)}</figcaption>'
        f'<table class="confusion"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></figure>"
    )


def _classes(records):
    seen = {r.label for r in records} | {r.prediction for r in records}
    return tuple(sorted(seen))


def _counts(records, classes):
    place = {number: n for n, number in enumerate(classes)}
    counts = np.zeros((len(classes),) * 2, int)
    for record in records:
        counts[place[record.label], place[record.prediction]] += 1
    return counts


def _cell(share, right):
    kind = "right" if right else "wrong"
    text = f"{100 * share:.0f}" if share > 0 else ""
    return f'<td class="{kind}" style="--share:{share:.2f}">{text}</td>'


def _name(number, class_names):
    known = number < len(class_names)
    return html.escape(str(class_names[number] if known else number))
