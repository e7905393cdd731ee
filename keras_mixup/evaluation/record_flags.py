"""The red flags that records show by themselves."""

import json
import math
from typing import NamedTuple

import numpy as np

from keras_mixup.attacks import Facts
from keras_mixup.evaluation import flag_rules
from keras_mixup.evaluation.labels import percent
from keras_mixup.evaluation.records import Column
from keras_mixup.evaluation.records import Records
from keras_mixup.evaluation.records import Row

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

    Args:
        records: `Records`, or an iterable of `Record`, whose attacks are
            then unknown.

    Returns:
        `flag_rules.Findings`.
    """
    cells = _cells(Records(records))
    found = flag_rules.Findings()
    for name, rule in _RULES.items():
        for flag in rule(cells):
            found.looked_for.add(name)
            if flag is not None:
                found.append(flag)
    return found


class _Cell(NamedTuple):
    """One model under one attack.

    Attributes:
        row, column: `Row`, `Column`.
        facts: `Facts` of the attack.
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
    def budget(self):
        return self.column.budget

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
    """The attacked cells, but for worst cases and attackers told the draws."""
    found = []
    for row, own in records.by("row").items():
        for column, members in own.by("column").items():
            facts = records.facts_of(column)
            aside = facts.worst_case or facts.knows_draws
            if column.knowledge == "none" or aside:
                continue
            shares = {
                example: float(np.mean([r.hit for r in part]))
                for example, part in members.by("example_id").items()
            }
            black_box = facts.uses_gradients is False or not any(
                r.gradient_passes > 0 for r in members
            )
            draws = any(r.eval_seed is not None for r in members)
            found.append(_Cell(row, column, facts, draws, shares, black_box))
    return found


def _grouped(cells, key):
    groups = {}
    for cell in cells:
        groups.setdefault(key(cell), []).append(cell)
    return groups.values()


def _below(first, second):
    """Whether `first` is below `second` by more than chance, and both means."""
    common = sorted(first.shares.keys() & second.shares.keys())
    if not common:
        return False, 0.0, 0.0
    a = np.array([first.shares[example] for example in common])
    b = np.array([second.shares[example] for example in common])
    spread = math.sqrt(float(np.sum((a - b) ** 2)))
    below = float(np.sum(b - a)) > 1.96 * spread
    return below, float(a.mean()), float(b.mean())


def _compared(name, one, other):
    """The flag `name` if `one` leaves less than `other`, else None."""
    below, low, high = _below(one, other)
    if not below:
        return None
    first, second = one.column, other.column
    return flag_rules.flag(
        name,
        one.row,
        f"{percent(low)} under {first.attack} ({first.knowledge}), "
        f"{percent(high)} under {second.attack} ({second.knowledge}) on the "
        "same examples.",
        one.budget,
    )


def _black_box(name, cells):
    for group in _grouped(cells, lambda c: (c.row, c.budget)):
        white = [c for c in group if c.white_box and not c.black_box]
        for cell in group:
            if cell.black_box and white:
                best = min(white, key=lambda c: c.mean)
                yield _compared(name, cell, best)


def _oblivious(name, cells):
    for group in _grouped(cells, lambda c: (c.row, c.budget)):
        adaptive = [c for c in group if c.column.knowledge == "adaptive"]
        if group[0].row.defence == "none" or not adaptive:
            continue
        best = min(adaptive, key=lambda c: c.mean)
        for cell in group:
            if cell.column.knowledge in ("oblivious", "transfer"):
                yield _compared(name, cell, best)


def _radius(name, cells):
    white = [c for c in cells if c.white_box]
    for group in _grouped(
        white,
        lambda c: (
            c.row,
            c.column.knowledge,
            c.column.norm,
            c.like(*_OF_BUDGET),
        ),
    ):
        group.sort(key=lambda c: c.column.eps)
        for small, large in zip(group, group[1:], strict=False):
            below, low, high = _below(small, large)
            seen = (
                f"{percent(high)} under {large.column.attack} at this eps, "
                f"{percent(low)} at eps {small.column.eps:g}."
            )
            flag = flag_rules.flag(name, large.row, seen, large.budget)
            yield flag if below else None
        last = group[-1]
        if last.column.norm == "linf" and last.column.eps >= _UNBOUNDED:
            seen = f"{percent(last.mean)} are left under {last.column.attack}."
            flag = flag_rules.flag(name, last.row, seen, last.budget)
            yield flag if last.mean > _ABOUT_ZERO else None


def _effort(name, cells):
    """The two largest numbers of steps at equal draws, and of draws."""
    known = [c for c in cells if c.white_box and c.facts.num_steps is not None]

    def same(cell):
        return (
            cell.row,
            cell.budget,
            cell.column.knowledge,
            cell.like(*_OF_EFFORT),
        )

    for spent, equal in (
        ("num_steps", "num_draws"),
        ("num_draws", "num_steps"),
    ):
        usable = [c for c in known if getattr(c.facts, spent) is not None]
        for group in _grouped(
            usable, lambda c, equal=equal: (same(c), getattr(c.facts, equal))
        ):
            if len(group) > 1:
                group.sort(key=lambda c, s=spent: getattr(c.facts, s))
                *_, less, more = group
                yield _compared(name, more, less)


def _single_answer(name, cells):
    for cell in cells:
        adaptive = cell.draws and cell.column.knowledge == "adaptive"
        if not adaptive or cell.facts.averages_draws is None:
            continue
        seen = (
            f"The model draws, and {cell.column.attack} asks it for one draw."
        )
        flag = flag_rules.flag(name, cell.row, seen, cell.budget)
        yield None if cell.facts.averages_draws else flag


def _named(name, rule):
    return name, lambda cells: rule(name, cells)


_RULES = dict(
    (
        _named("randomised model under a deterministic attack", _single_answer),
        _named("black-box beats white-box", _black_box),
        _named("adaptive weaker than oblivious", _oblivious),
        _named("accuracy does not fall with eps", _radius),
        _named("more effort still helps", _effort),
    )
)
