"""The table of the per-example worst case over all attacks."""

from keras_mixup import _tables
from keras_mixup.evaluation.labels import row_label
from keras_mixup.reporting import tables
from keras_mixup.reporting.comparison import comparisons
from keras_mixup.threat import budget_text

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


def rows(records, probed=None):
    """Returns the rows of `HEADER`, tuples of str, in percent.

    Args:
        records, probed: as for `comparisons`.
    """
    return [
        _row(found)
        for found in comparisons(records, probed)
        if found.adaptive is not None and found.adaptive.worst_case
    ]


def _row(found):
    estimate = found.adaptive.estimate
    interval = f"[{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"
    shares = (estimate.majority, estimate.always, estimate.never)
    beside = (tables.NOT_APPLICABLE,) * 2
    if found.row.defence != "none":
        beside = (tables.NOT_MEASURED,) * 2
    if found.undefended is not None:
        bare = f"{100 * found.undefended.accuracy:.1f}"
        doubt = ", in doubt" if found.claim == "doubt" else ""
        beside = bare, f"{100 * found.difference:+.1f}{doubt}"
    return (
        row_label(found.row),
        f"{budget_text(found.budget)}, n={estimate.num_examples}",
        f"{100 * estimate.accuracy:.1f} {interval}",
        *(f"{100 * share:.1f}" for share in shares),
        *beside,
    )


def to_text(lines):
    """Returns `rows` for a terminal, under their header."""
    return "\n".join(_tables.to_columns([HEADER, *lines]))
