"""The red flags that records show by themselves."""

import itertools
import json
from typing import NamedTuple

import numpy as np

from keras_mixup.attacks import Facts
from keras_mixup.evaluation import flag_rules
from keras_mixup.evaluation.labels import percent
from keras_mixup.evaluation.records import Column
from keras_mixup.evaluation.records import Records
from keras_mixup.evaluation.records import Row
from keras_mixup.metrics import estimates

_PLACE = ("model", "column")
_ABOUT_ZERO = 0.1
_UNBOUNDED = 0.5
# Settings that follow from the budget, or from the effort.
_OF_BUDGET = ("threat", "step_size")
_OF_EFFORT = ("num_steps", "num_draws", "selection_draws", "step_size")


def from_records(records):
    """Returns the red flags that records show.

    A difference counts when it is larger than chance: that of the same
    examples, by McNemar's test at 5 %. What an attack is, its facts say, not
    its name: where they are unknown, what needs them is not looked for.
    What attacks themselves showed counts as well: their gradients, and which
    part of AutoAttack broke what.

    Args:
        records: `Records`, or an iterable of `Record`, whose attacks are
            then unknown.

    Returns:
        `flag_rules.Findings`.
    """
    records = Records(records)
    cells = list(_cells(records))
    found = flag_rules.Findings()
    for name, rule in RULES.items():
        for cell, seen in rule(cells):
            found.note(name, cell.row, seen, cell.column.budget)
    models, columns = ({getattr(r, n) for r in records} for n in _PLACE)
    for (row, column), own in records.evidence.items():
        if row.model in models and column in columns:
            uses = records.facts_of(column).uses_gradients
            for name, seen in _attack_itself(column.attack, own, uses):
                found.note(name, row, seen, column.budget)
    return found


def _attack_itself(attack, evidence, uses_gradients):
    """Yields (rule, what is seen) of an attack's gradients and parts."""
    if evidence.gradients is not None:
        begin = "Under {}, the gradient is"
        if uses_gradients is False:
            begin = "{} follows no gradient. That of the model is"
        poor = [
            f"{begin.format(part or attack)} exactly zero on {health.zero} of "
            f"{health.rows} rows, and no finite number on {health.nonfinite}."
            for part, health in evidence.poor
        ]
        yield "zero or NaN gradients", " ".join(poor) or None
    if len({part.uses_gradients for part in evidence.parts}) > 1:
        blind = [
            f"Inside {attack}, {part.name} broke {part.broken} of "
            f"{part.attacked} images that gradients left standing."
            for part in evidence.unseen
        ]
        yield "black-box beats white-box", " ".join(blind) or None


class _Cell(NamedTuple):
    """One model under one attack.

    Attributes:
        draws: bool, whether the model draws.
        shares: dict example id -> share of right answers.
        black_box: bool, whether no gradient was asked for.
    """

    row: Row
    column: Column
    facts: Facts
    draws: bool
    shares: dict
    black_box: bool

    @property
    def place(self):
        return self.row, self.column.budget

    @property
    def white_box(self):
        # An oblivious attack does not know the defence.
        return self.row.defence == "none" or self.column.knowledge == "adaptive"

    @property
    def mean(self):
        return float(np.mean(list(self.shares.values())))

    def like(self, *aside):
        """What attacks have in common that differ in `aside` alone."""
        if not self.facts.settings:
            return self.column.attack
        return json.dumps(_without(self.facts.settings, aside), sort_keys=True)


def _without(settings, aside):
    return {
        key: _without(value, aside) if isinstance(value, dict) else value
        for key, value in settings.items()
        if key not in aside
    }


def _cells(records):
    """The attacked cells, but for worst cases and those that do not count."""
    for (row, column), members in records.by("cell").items():
        facts = records.facts_of(column)
        aside = facts.worst_case or not all(map(members.counts, members))
        if column.knowledge == "none" or aside:
            continue
        black_box = facts.uses_gradients is False or not any(
            r.gradient_passes > 0 for r in members
        )
        draws = any(r.eval_seed is not None for r in members)
        yield _Cell(row, column, facts, draws, members.shares(), black_box)


def _grouped(cells, key):
    groups = {}
    for cell in cells:
        groups.setdefault(key(cell), []).append(cell)
    return groups.values()


def _strongest(cells, key):
    """One cell for each value of `key`, the lowest; in order of the values.

    Attacks that differ in the step size alone are one attack.
    """
    lowest = [min(c, key=lambda c: c.mean) for c in _grouped(cells, key)]
    return sorted(lowest, key=key)


def _compared(one, other):
    """Yields (`one`, what is seen if it leaves less than `other`).

    Nothing without a common example.
    """
    pair = estimates.paired_shares(one.shares, other.shares)
    if len(pair[0]):
        low, high = (percent(part.mean()) for part in pair)
        first, second = one.column, other.column
        seen = (
            f"{low} under {first.attack} ({first.knowledge}), {high} under "
            f"{second.attack} ({second.knowledge}) on the same examples."
        )
        yield one, seen if estimates.is_less(*pair) else None


def _black_box(cells):
    for group in _grouped(cells, lambda c: c.place):
        white = [c for c in group if c.white_box and not c.black_box]
        for cell in filter(lambda c: c.black_box, group if white else ()):
            yield from _compared(cell, min(white, key=lambda c: c.mean))


def _oblivious(cells):
    defended = (c for c in cells if c.row.defence != "none")
    for group in _grouped(defended, lambda c: c.place):
        adaptive = [c for c in group if c.column.knowledge == "adaptive"]
        for cell in group if adaptive else ():
            if cell.column.knowledge in ("oblivious", "transfer"):
                yield from _compared(cell, min(adaptive, key=lambda c: c.mean))


def _radius(cells):
    def key(cell):
        column = cell.column
        return cell.row, column.knowledge, column.norm, cell.like(*_OF_BUDGET)

    for group in _grouped((c for c in cells if c.white_box), key):
        group = _strongest(group, lambda c: c.column.eps)
        for place, large in enumerate(group[1:], 1):
            small = min(group[:place], key=lambda c: c.mean)
            pair = estimates.paired_shares(small.shares, large.shares)
            if len(pair[0]):
                low, high = (percent(part.mean()) for part in pair)
                seen = (
                    f"{high} under {large.column.attack} at this eps, {low} "
                    f"at eps {small.column.eps:g}."
                )
                yield large, seen if estimates.is_less(*pair) else None
        last = group[-1]
        if last.column.norm == "linf" and last.column.eps >= _UNBOUNDED:
            seen = f"{percent(last.mean)} are left under {last.column.attack}."
            yield last, seen if last.mean > _ABOUT_ZERO else None


def _effort(cells):
    """The two largest numbers of steps at equal draws, and of draws."""
    known = [c for c in cells if c.white_box and c.facts.num_steps is not None]
    for spent, equal in itertools.permutations(("num_steps", "num_draws")):

        def key(cell, equal=equal):
            same = cell.column.knowledge, cell.like(*_OF_EFFORT)
            return cell.place, same, getattr(cell.facts, equal)

        usable = [c for c in known if getattr(c.facts, spent) is not None]
        for group in _grouped(usable, key):
            group = _strongest(group, lambda c, s=spent: getattr(c.facts, s))
            for less, more in itertools.pairwise(group[-2:]):
                yield from _compared(more, less)


def _single_answer(cells):
    for cell in cells:
        averages = cell.facts.averages_draws
        if cell.draws and cell.white_box and averages is not None:
            seen = (
                f"The model draws, and {cell.column.attack} asks it for one "
                "draw."
            )
            yield cell, None if averages else seen


RULES = {
    "randomised model under a deterministic attack": _single_answer,
    "black-box beats white-box": _black_box,
    "adaptive weaker than oblivious": _oblivious,
    "accuracy does not fall with eps": _radius,
    "more effort still helps": _effort,
}
