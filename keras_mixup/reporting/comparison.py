"""The accuracy of a model under attack, beside that without its defence.

Verdicts, robustness cards, the worst-case table and the report are formatted
from `comparisons`, so they always agree.
"""

from typing import NamedTuple

import numpy as np

from keras_mixup.evaluation import estimates
from keras_mixup.evaluation import specs
from keras_mixup.evaluation.estimates import Estimate
from keras_mixup.evaluation.labels import budget_text
from keras_mixup.evaluation.labels import row_label
from keras_mixup.evaluation.records import Budget
from keras_mixup.evaluation.records import Column
from keras_mixup.evaluation.records import Records
from keras_mixup.evaluation.records import Row

_IGNORING = ("oblivious", "transfer")
_EVERY = (*_IGNORING, "adaptive")


class Standing(NamedTuple):
    """The accuracy of one model under one attack.

    Attributes:
        column: `Column` of the attack.
        worst_case: bool, whether it is the per-example worst of several.
        estimate: `Estimate` of the accuracy.
        gradient_passes, queries: float, mean per example.
    """

    column: Column
    worst_case: bool
    estimate: Estimate
    gradient_passes: float
    queries: float

    @property
    def accuracy(self):
        """float in [0, 1]."""
        return self.estimate.accuracy


class Comparison(NamedTuple):
    """A model at one norm and radius, beside the model without its defence.

    All numbers are of the same examples. None stands for a number that was not
    measured on them.

    Attributes:
        row: `Row` of the model.
        budget: `Budget`.
        num_examples: int, the compared ones.
        partial: bool, whether the records have more examples.
        oblivious: `Standing` under the worst attack that ignores the defence.
        adaptive: `Standing` under the worst attack of all, provided that one
            goes through the defence. For a model without a defence every
            attack counts.
        undefended: `Standing` of the model without the defence under its
            worst attack; None for a model without one.
        difference: float, adaptive minus undefended.
        error: float, its 95 % sampling error, paired by example.
    """

    row: Row
    budget: Budget
    num_examples: int
    partial: bool
    oblivious: Standing | None
    adaptive: Standing | None
    undefended: Standing | None
    difference: float | None
    error: float | None

    @property
    def place(self):
        """str: the model, norm and radius, and the examples if not all."""
        text = budget_text(self.budget)
        if self.partial:
            text = f"{text}, {self.num_examples} examples"
        return f"{row_label(self.row)} ({text})"


def comparisons(records):
    """Returns one `Comparison` per norm, radius and model.

    The examples are those of the worst case if it was measured. Otherwise they
    are those of the adaptive attack that saw most. An attack that saw fewer is
    left out, since accuracies on different examples cannot be compared.

    The worst attack is the per-example worst case if it was measured, otherwise
    the single attack with the lowest accuracy. An attacker who knows the
    defence may also ignore it, so oblivious attacks count. An attack that knows
    the defence's draws has another threat model and never counts.

    Args:
        records: `Records`, or an iterable of `Record`.
    """
    records = Records(records).unique()
    total = len(records.by("example_id"))
    attacked = records.where(lambda r: r.knowledge != "none")
    attacked = attacked.where(
        lambda r: not attacked.facts_of(r.column).knows_draws
    )
    found = []
    for budget, part in attacked.by("budget").items():
        rows = part.by("row")
        for row, own in rows.items():
            bare = rows.get(Row(row.model, "none"))
            found.append(_compared(row, budget, own, bare, total))
    return found


def _compared(row, budget, own, bare, total):
    is_bare = row.defence == "none"
    cells = own.by("column")
    ids = _compared_examples(cells, own, is_bare)
    oblivious = None if is_bare else _worst(cells, own, ids, _IGNORING)
    adaptive = None
    if is_bare or any(column.knowledge == "adaptive" for column in cells):
        adaptive = _worst(cells, own, ids, _EVERY)
    undefended = None
    if not is_bare and bare is not None:
        undefended = _worst(bare.by("column"), bare, ids, _EVERY)
    difference = error = None
    if adaptive and undefended:
        difference, error = estimates.paired_difference(
            adaptive[1], undefended[1]
        )
    return Comparison(
        row,
        budget,
        len(ids),
        len(ids) < total,
        *(pair and pair[0] for pair in (oblivious, adaptive, undefended)),
        difference,
        error,
    )


def is_worst_case(records, column):
    """Whether a column of the records is the worst of several attacks."""
    known = records.facts_of(column)
    # The name is reserved: `evaluate` refuses it for a single attack.
    return known.worst_case or column.attack == specs.WORST_CASE


def _compared_examples(cells, records, is_bare):
    """The ids on which everything is compared, a set."""
    seen = {c: set(own.by("example_id")) for c, own in cells.items()}
    for column, ids in seen.items():
        if is_worst_case(records, column):
            return ids
    adaptive = [ids for c, ids in seen.items() if c.knowledge == "adaptive"]
    return max((not is_bare and adaptive) or seen.values(), key=len)


def _worst(cells, records, ids, kinds):
    """(`Standing`, its records) of the worst attack, or None.

    `cells` is a dict `Column` -> `Records` of one model and budget, `ids` the
    compared examples, `kinds` the kinds of knowledge that count.
    """
    found = []
    for column, own in cells.items():
        kept = own.where(lambda r: r.example_id in ids)
        if column.knowledge not in kinds or set(kept.by("example_id")) != ids:
            continue
        worst_case = is_worst_case(records, column)
        if worst_case and "adaptive" in kinds:
            return _standing(column, kept, True), kept
        if not worst_case:
            found.append((_standing(column, kept, False), kept))
    # A tie goes to the attack that is right on fewer of the first examples,
    # so that neither names nor order matter.
    return min(
        found,
        key=lambda pair: (pair[0].accuracy, sorted(pair[1].shares().items())),
        default=None,
    )


def _standing(column, records, worst_case):
    return Standing(
        column,
        worst_case,
        estimates.from_records(records),
        float(np.mean([r.gradient_passes for r in records])),
        float(np.mean([r.queries for r in records])),
    )
