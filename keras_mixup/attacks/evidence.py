"""What the attacks themselves showed: their gradients, and their parts."""

import math
from typing import NamedTuple

from keras_mixup import ops
from keras_mixup.attacks import results
from keras_mixup.attacks.results import AttackPart


class Evidence(NamedTuple):
    """What one attack showed on one model.

    Attributes:
        gradients: `ops.GradientHealth`, or None if no gradient was followed.
        parts: tuple of `attacks.AttackPart`, of `AutoAttack`.
    """

    gradients: ops.GradientHealth | None = None
    parts: tuple = ()

    def plus(self, other):
        """Returns the `Evidence` of this batch and another one."""
        parts = self.parts or other.parts
        if self.parts and other.parts:
            pairs = zip(self.parts, other.parts, strict=True)
            parts = tuple(_joined(*pair) for pair in pairs)
        return Evidence(_sum(self.gradients, other.gradients), parts)

    @property
    def poor(self):
        """tuple of (name, `GradientHealth`): where gradients led nowhere.

        The name is that of a part, or None for the attack as a whole.
        """
        whole = (None, self.gradients)
        found = [(part.name, part.gradients) for part in self.parts] or [whole]
        return tuple(one for one in found if one[1] and one[1].poor)

    @property
    def unseen(self):
        """list of `AttackPart`: what gradients did not find."""
        most = self.parts[0].attacked if self.parts else 0
        return results.unseen_by_gradients(self.parts, most)

    @property
    def doubtful(self):
        """bool: whether anything here may yet become a red flag."""
        blind = any(p.broken and not p.uses_gradients for p in self.parts)
        return blind or any(
            one.gradients and any(one.gradients[1:])
            for one in (self, *self.parts)
        )


def of_result(result, share=1.0):
    """Returns the `Evidence` of an attack's result, None without any.

    Args:
        result: `AttackResult`, or what a foreign attack returned.
        share: float in (0, 1], of the rows that are no padding.
    """
    gradients = _scaled(getattr(result, "gradients", None), share)
    parts = tuple(
        AttackPart(
            *part[:2],
            *(math.ceil(share * count) for count in part[2:4]),
            _scaled(part.gradients, share),
        )
        for part in getattr(result, "parts", ())
    )
    return Evidence(gradients, parts) if gradients or parts else None


def from_json(value):
    """Returns the `Evidence` that was written as JSON, nested lists."""
    gradients, parts = value
    parts = tuple(AttackPart(*p[:4], _health(p[4])) for p in parts)
    return Evidence(_health(gradients), parts)


def _health(value):
    return None if value is None else ops.GradientHealth(*value)


def _scaled(health, share):
    return health and _health(math.ceil(share * count) for count in health)


def _sum(first, second):
    return first.plus(second) if first and second else first or second


def _joined(first, second):
    return AttackPart(
        *first[:2],
        first.attacked + second.attacked,
        first.broken + second.broken,
        _sum(first.gradients, second.gradients),
    )
