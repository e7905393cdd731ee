"""What the adversary may do: a norm, a radius and the pixel bounds."""

from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np

from keras_mixup import _checks
from keras_mixup import _config
from keras_mixup import _tensors
from keras_mixup import _types

# What float32 images of order one can be off after a projection.
_TOLERANCE = 1e-5
_LARGEST = float(np.finfo(np.float32).max)


@keras.saving.register_keras_serializable("keras_mixup")
class ThreatModel(_config.Configurable):
    """The set of allowed inputs around a clean image.

    An adversarial image `x'` of `x` satisfies `||x' - x|| <= eps` in the norm
    and lies in `bounds`, in the same unit as the images ([0, 1] here).

    Args:
        norm: `"linf"` or `"l2"` (over all pixels and channels of an image).
        eps: float >= 0 or a fraction such as `"8/255"`, in pixel units. In
            L-infinity it is at most the width of `bounds`, unless
            `unbounded` is true.
        bounds: (low, high), the valid pixel range, finite.
        unbounded: bool, allows an L-infinity `eps` as wide as the bounds or
            wider, for the check that an unbounded attack always succeeds.

    Raises:
        ValueError: for an unknown norm, a negative eps, empty or infinite
            bounds, or an L-infinity eps wider than the bounds.

    Example:

    >>> ThreatModel("linf", "8/255").eps
    0.03137254901960784
    """

    def __init__(
        self,
        norm: Literal["linf", "l2"],
        eps: _types.Number,
        bounds: Sequence[float] = (0.0, 1.0),
        unbounded: bool = False,
    ) -> None:
        self.norm = _checks.check_choice(norm, "norm", ("linf", "l2"))
        pair = isinstance(bounds, (tuple, list)) and len(bounds) == 2
        okay = pair and float(bounds[0]) < float(bounds[1])
        # What is outside by rounding is clipped, in parts of their width.
        okay = okay and all(abs(float(n)) <= _LARGEST for n in bounds)
        expected = "a pair (low, high), low < high, both finite"
        _checks.check(okay, "bounds", expected, bounds)
        self.bounds = (float(bounds[0]), float(bounds[1]))
        self.unbounded = _checks.check_flag(unbounded, "unbounded")
        self.eps = _checks.check_number(eps, "eps", low=0.0)
        self._check_unit(eps)

    def _check_unit(self, received):
        width = self.bounds[1] - self.bounds[0]
        if self.norm != "linf" or self.unbounded or self.eps <= width:
            return
        _checks.check(
            False,
            "eps",
            f"at most {width:g}, since images lie in {list(self.bounds)}",
            received,
            hint=f'Did you mean "{self.eps:g}/255"?',
        )

    def excess(
        self, clean: _tensors.ArrayLike, adversarial: _tensors.ArrayLike
    ) -> tuple[float, float] | None:
        """Returns how far images leave the threat model; None if they do not.

        Args:
            clean: float [B, H, W, C].
            adversarial: float [B, H, W, C].

        Returns:
            (ball, bounds): float, largest distance minus eps, and largest
            pixel outside the bounds. One of them is more than rounding.
        """
        change = np.asarray(adversarial, np.float64) - np.asarray(clean)
        change = change.reshape(len(change), -1)
        order = np.inf if self.norm == "linf" else 2
        distance = np.linalg.norm(change, order, axis=1).max()
        low, high = self.bounds
        outside = max(low - np.min(adversarial), np.max(adversarial) - high)
        left = float(distance) - self.eps, float(outside)
        within = max(left) <= _TOLERANCE * max(1.0, self.eps)
        return None if within and not np.isnan(distance) else left

    def __eq__(self, other):
        same = isinstance(other, ThreatModel)
        return same and self.get_config() == other.get_config()

    def __hash__(self):
        return hash((self.norm, self.eps, self.bounds, self.unbounded))


def budget_text(budget):
    """Returns a `Budget` as people write it: `L-inf, eps 8/255`."""
    norm, eps = budget
    return f"{'L-inf' if norm == 'linf' else 'L2'}, eps {number_text(eps)}"


def number_text(value):
    """Returns a pixel distance as people write it: `8/255` or `0.1`."""
    levels = round(value * 255 * 4) / 4
    if float(f"{value:.3g}") != value and abs(levels / 255 - value) < 1e-9:
        return f"{levels:g}/255"
    return f"{value:g}"
