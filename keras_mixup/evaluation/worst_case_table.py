"""Per example the worst of all attacks: how much is left, and how surely."""

from keras_mixup.evaluation import estimates
from keras_mixup.evaluation import specs
from keras_mixup.evaluation import tables

HEADER = (
    "model",
    "budget",
    "P(correct), 95 % interval",
    "majority vote",
    "always right",
    "never right",
    "undefended",
    "difference",
)


def rows(records):
    """Returns the rows of `HEADER`, tuples of str, in percent.

    The interval counts examples, not their draws; the difference is to the
    undefended model's own worst case on the same examples.

    Args:
        records: iterable of `Record`.
    """
    cells = {}
    for record in records:
        if record.attack == specs.WORST_CASE:
            cell = (*record[2:4], *record[6:8])
            cells.setdefault(cell, []).append(record)
    return [_row(cells, cell) for cell in cells]


def _row(cells, cell):
    model, defence, *budget = cell
    found = estimates.from_records(cells[cell])
    interval = f"[{100 * found.low:.1f}, {100 * found.high:.1f}]"
    shares = (found.majority, found.always, found.never)
    ids = {record.example_id for record in cells[cell]}
    base = [
        record
        for record in cells.get((model, "none", *budget), ())
        if record.example_id in ids
    ]
    beside = tables.NOT_APPLICABLE, tables.NOT_APPLICABLE
    if defence != "none":
        beside = tables.NOT_MEASURED, tables.NOT_MEASURED
        if {record.example_id for record in base} == ids:
            plain = estimates.from_records(base).accuracy
            gain = 100 * (found.accuracy - plain)
            beside = f"{100 * plain:.1f}", f"{gain:+.1f}"
    return (
        tables.row_label((model, defence)),
        f"{tables.radius_text(*budget)}, n={found.num_examples}",
        f"{100 * found.accuracy:.1f} {interval}",
        *(f"{100 * share:.1f}" for share in shares),
        *beside,
    )


def to_text(lines):
    """Returns `rows` for a terminal, under their header."""
    shown = [HEADER, *lines]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in shown
    )
