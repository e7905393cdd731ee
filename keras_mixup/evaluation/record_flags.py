"""The red flags that records show by themselves."""

import math
import re
from typing import NamedTuple

import numpy as np

from keras_mixup.evaluation import flag_rules
from keras_mixup.evaluation import specs
from keras_mixup.evaluation import tables

_BLACK_BOX = ("square", "spsa")
# Attacks that take the loss at a single answer of the model for the loss; an
# `AveragedAttack` says how many answers it takes the mean of.
_SINGLE_ANSWER = re.compile(
    r"^(cleverhans-)?(pgd|t?apgd|targetedapgd|t?fab|targetedfab|square)\b"
    r"(?!.* of \d+ draws)"
    r"|^autoattack(?!.*rand)"
)
_SETTINGS = re.compile(
    r"^(?P<family>.*?)-(?P<steps>\d+)((x| of )(?P<draws>\d+))?\b"
)
_ABOUT_ZERO = 0.1
_UNBOUNDED = 0.5


def from_records(records):
    """Returns the red flags that records show.

    Differences count when they are larger than chance: those of the same
    examples, by McNemar's test at 5 %.

    Args:
        records: iterable of `Record`.

    Returns:
        list of `flag_rules.RedFlag`.
    """
    shares = _shares(records)
    rules = (_single_answer, _black_box, _oblivious, _radius, _effort)
    return [found for rule in rules for found in rule(shares)]


def place(name, budget):
    """Returns `RedFlag.where` for a model's name and (norm, eps)."""
    return f"{name} ({tables.radius_text(*budget)})"


class _Cell(NamedTuple):
    """One model under one attack, as in `Summary`, and whether it draws."""

    model: str
    defence: str
    attack: str
    knowledge: str
    norm: str | None
    eps: float | None
    draws: bool
    by_gradient: bool

    @property
    def row(self):
        return self[:2]

    @property
    def budget(self):
        return self[4:6]

    @property
    def is_white_box(self):
        # On a defence an oblivious attack is none.
        return self.defence == "none" or self.knowledge == "adaptive"

    @property
    def black_box(self):
        return any(kind in self.attack for kind in _BLACK_BOX)

    @property
    def where(self):
        return place(tables.row_label(self.row), self.budget)


def _shares(records):
    """Returns {cell: {example id: share of right answers}}."""
    skipped = (specs.WORST_CASE, specs.KNOWS_DRAWS)
    groups = {}
    for record in records:
        if record.knowledge == "none" or record.attack.startswith(skipped):
            continue
        groups.setdefault(record[2:8], []).append(record)
    shares = {}
    for fields, members in groups.items():
        cell = _Cell(
            *fields,
            draws=any(r.eval_seed is not None for r in members),
            by_gradient=any(r.gradient_passes > 0 for r in members),
        )
        hits = {}
        for r in members:
            hits.setdefault(r.example_id, []).append(r.prediction == r.label)
        shares[cell] = {i: float(np.mean(h)) for i, h in hits.items()}
    return shares


def _below(first, second):
    """Whether `first` is below `second` by more than chance, and both means.

    Both are {example id: share}; the examples in common count.
    """
    common = sorted(first.keys() & second.keys())
    if not common:
        return False, 0.0, 0.0
    a = np.array([first[example] for example in common])
    b = np.array([second[example] for example in common])
    spread = math.sqrt(float(np.sum((a - b) ** 2)))
    below = float(np.sum(b - a)) > 1.96 * spread
    return below, float(a.mean()), float(b.mean())


def _lowest(cells, shares):
    return min(cells, key=lambda c: np.mean(list(shares[c].values())))


def _per_budget(shares):
    """Yields the cells of one model and one budget, as lists."""
    groups = {}
    for cell in shares:
        groups.setdefault((cell.row, cell.budget), []).append(cell)
    yield from groups.values()


def _compared(name, one, other, shares):
    """Yields the flag `name` if `one` leaves less than `other`."""
    below, low, high = _below(shares[one], shares[other])
    if below:
        yield flag_rules.flag(
            name,
            one.where,
            f"{100 * low:.1f} % under {one.attack} ({one.knowledge}), "
            f"{100 * high:.1f} % under {other.attack} ({other.knowledge}) on "
            "the same examples.",
        )


def _black_box(shares):
    for cells in _per_budget(shares):
        white = [
            c
            for c in cells
            if c.by_gradient and c.is_white_box and not c.black_box
        ]
        for cell in cells:
            if cell.black_box and white:
                best = _lowest(white, shares)
                name = "black-box beats white-box"
                yield from _compared(name, cell, best, shares)


def _oblivious(shares):
    for cells in _per_budget(shares):
        adaptive = [c for c in cells if c.knowledge == "adaptive"]
        if cells[0].defence == "none" or not adaptive:
            continue
        best = _lowest(adaptive, shares)
        for cell in cells:
            if cell.knowledge in ("oblivious", "transfer"):
                name = "adaptive weaker than oblivious"
                yield from _compared(name, cell, best, shares)


def _radius(shares):
    name = "accuracy does not fall with eps"
    groups = {}
    for cell in filter(lambda c: c.is_white_box, shares):
        groups.setdefault(cell[:5], []).append(cell)
    for cells in groups.values():
        cells.sort(key=lambda c: c.eps)
        for small, large in zip(cells, cells[1:], strict=False):
            below, low, high = _below(shares[small], shares[large])
            if below:
                seen = (
                    f"{100 * high:.1f} % under {large.attack} at this eps, "
                    f"{100 * low:.1f} % at eps {small.eps:g}."
                )
                yield flag_rules.flag(name, large.where, seen)
        last = cells[-1]
        left = float(np.mean(list(shares[last].values())))
        wide = last.norm == "linf" and last.eps >= _UNBOUNDED
        if wide and left > _ABOUT_ZERO:
            seen = f"{100 * left:.1f} % are left under {last.attack}."
            yield flag_rules.flag(name, last.where, seen)


def _effort(shares):
    """The two largest numbers of steps at equal draws, and of draws."""
    groups = {}
    for cell in shares:
        found = _SETTINGS.match(cell.attack)
        if not found or not cell.is_white_box:
            continue
        steps, draws = int(found["steps"]), int(found["draws"] or 0)
        rest = found["family"], cell.attack[found.end() :]
        same = (cell.row, cell.budget, cell.knowledge, *rest)
        groups.setdefault((*same, "draws", draws), []).append((steps, cell))
        groups.setdefault((*same, "steps", steps), []).append((draws, cell))
    for members in groups.values():
        if len(members) > 1:
            *_, (_, less), (_, more) = sorted(members, key=lambda m: m[0])
            yield from _compared("more effort still helps", more, less, shares)


def _single_answer(shares):
    for cell in shares:
        adaptive = cell.draws and cell.knowledge == "adaptive"
        if adaptive and _SINGLE_ANSWER.match(cell.attack):
            yield flag_rules.flag(
                "randomised model under a deterministic attack",
                cell.where,
                f"The model draws, and {cell.attack} asks it once per step.",
            )
