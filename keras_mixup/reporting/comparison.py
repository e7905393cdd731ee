"""The accuracy of a model under attack, beside that without its defence.

Verdicts, robustness cards, the worst-case table and the report are formatted
from `comparisons`, so they always agree.
"""

import json
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import numpy as np

from keras_mixup.evaluation import estimates
from keras_mixup.evaluation import red_flags
from keras_mixup.evaluation.labels import row_label
from keras_mixup.evaluation.records import Budget
from keras_mixup.evaluation.records import Column
from keras_mixup.evaluation.records import Record
from keras_mixup.evaluation.records import Records
from keras_mixup.evaluation.records import Row
from keras_mixup.metrics.estimates import Estimate
from keras_mixup.threat import budget_text

# What each claim is called in tables and on cards.
CLAIMS = {
    "none": "no gain beyond chance",
    "loss": "the defence loses",
    "unlike": "this says nothing, since it was attacked in fewer ways",
    "doubt": "this gain is in doubt, since the attacks may be weak",
    "gain": "under the attacks tried here",
}
SINGLE = "One adaptive attack only: the worst of several leaves less."
_LEVEL = 0.05
_EFFORT = ("num_steps", "num_draws", "selection_draws", "step_size")
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
    def accuracy(self) -> float:
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
        p: float, two-sided, of the test that the two are equal: McNemar's
            exact one where every example is right or wrong.
        unpaired: bool, whether the undefended model lacks the worst attack
            of the defended one. Then the difference is a lower bound.
        num_adaptive: int, how many attacks through the defence count.
        red_flags: tuple of str, the names of the red flags of the model at
            this norm and radius.
        example_ids: frozenset of int, the compared examples.
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
    p: float | None = None
    unpaired: bool = False
    num_adaptive: int = 0
    red_flags: tuple = ()
    example_ids: frozenset = frozenset()

    @property
    def claim(self) -> str | None:
        """str: what may be said of the difference, a key of `CLAIMS`; or None.

        All texts are made from it. A gain beyond chance is in doubt where an
        attack raised a red flag, since it may be weak.
        """
        if self.difference is None or self.p is None:
            return None
        if self.p >= _LEVEL:
            return "none"
        if self.difference > 0.0:
            return "doubt" if self.red_flags else "gain"
        return "unlike" if self.unpaired else "loss"

    @property
    def single(self) -> bool:
        """bool: whether a single attack through the defence was tried."""
        return self.row.defence != "none" and self.num_adaptive == 1

    @property
    def place(self) -> str:
        """str: the model, norm and radius, and the examples if not all."""
        text = budget_text(self.budget)
        if self.partial:
            text = f"{text}, {self.num_examples} examples"
        return f"{row_label(self.row)} ({text})"


def comparisons(
    records: Iterable[Record],
    probed: Mapping[str, Any] | None = None,
) -> list[Comparison]:
    """Returns one `Comparison` per norm, radius and model.

    The examples are those of the worst case if it was measured. Otherwise they
    are those of the adaptive attack that saw most. An attack that saw fewer is
    left out, since accuracies on different examples cannot be compared.

    The worst attack is the per-example worst case if it was measured, otherwise
    the single attack with the lowest accuracy. An attacker who knows the
    defence may also ignore it, so oblivious attacks count. An attack that knows
    the defence's draws has another threat model and never counts, nor does an
    adaptive one of which that is unknown.

    The undefended model counts with the attacks that the defended one met as
    well. Where it lacks the worst of these, its number is too high. Then a gain
    may be larger, and nothing follows of a loss.

    Args:
        records: `Records`, or an iterable of `Record`, whose attacks are then
            unknown.
        probed: dict model name -> `Findings` of `red_flags.probe`, or None.
    """
    records = Records(records).unique()
    total = len(records.by("example_id"))
    attacked = records.where(lambda r: r.knowledge != "none")
    attacked = attacked.where(attacked.counts)
    flags = red_flags.from_records(records)
    found = []
    for budget, part in attacked.by("budget").items():
        rows = part.by("row")
        for row, own in rows.items():
            bare = rows.get(Row(row.model, "none"))
            names = _flag_names(row, budget, flags, probed or {})
            one = _compared(row, budget, own, bare, total)
            found.append(one._replace(red_flags=names))
    return found


def _flag_names(row, budget, flags, probed):
    name = row.model if row.defence == "none" else row.defence
    own = [*flags.of(row), *probed.get(name, ())]
    fits = (f for f in own if f.budget is None or tuple(f.budget) == budget)
    return tuple(sorted({flag.name for flag in fits}))


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
        undefended, shared = _beside(bare.by("column"), bare, ids, own)
    difference, unpaired = (None, None, None), False
    if adaptive and undefended:
        unpaired = adaptive[0].column not in shared
        difference = estimates.paired_difference(adaptive[1], undefended[1])
    return Comparison(
        row,
        budget,
        len(ids),
        len(ids) < total,
        *(pair and pair[0] for pair in (oblivious, adaptive, undefended)),
        *difference,
        unpaired,
        _count_adaptive(own, ids),
        example_ids=frozenset(ids),
    )


def _beside(cells, bare, ids, own):
    """The undefended model under the attacks that both met, or None."""
    met = own.where(lambda r: r.example_id in ids).by("column")
    shared = {column: part for column, part in cells.items() if column in met}
    return _worst(shared, bare, ids, _EVERY), shared


def _count_adaptive(own, ids):
    """How many attacks through the model count; more steps are no other one."""
    kinds = set()
    for column, part in own.by("column").items():
        facts, seen = own.facts_of(column), set(part.by("example_id"))
        if column.knowledge == "adaptive" and not facts.worst_case:
            told = {k: v for k, v in facts.settings.items() if k not in _EFFORT}
            if ids <= seen:
                kinds.add(json.dumps(told or column.attack, sort_keys=True))
    return len(kinds)


def _compared_examples(cells, records, is_bare):
    """The ids on which everything is compared, a set."""
    seen = {c: set(own.by("example_id")) for c, own in cells.items()}
    for column, ids in seen.items():
        if records.facts_of(column).worst_case:
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
        worst_case = records.facts_of(column).worst_case
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
