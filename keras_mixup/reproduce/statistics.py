"""What a comparison compares: a mean over images, an AUC, an ECE."""

from typing import Any
from typing import NamedTuple

import numpy as np

from keras_mixup.metrics import calibration
from keras_mixup.metrics import detection_auc
from keras_mixup.metrics import estimates

_SAMPLES = 2000


class Statistic(NamedTuple):
    """A number of a set of images, of corruptions or of networks.

    Attributes:
        of: callable of a float array [n, k], values of one network, that
            returns it; None for the mean of an array [n].
        factor: float, of what is shown.
        digits: int, behind the point.
        noun: str, what is counted.
    """

    of: Any = None
    factor: float = 1.0
    digits: int = 3
    noun: str = "images"


class Difference(NamedTuple):
    """The difference of a statistic on the same images.

    Attributes:
        first, second: floats.
        difference, error: floats, first minus second and half of its 95 %
            interval.
        num_examples: int.
        says: +1 where the first is higher beyond chance, -1 where it is
            lower, 0 for neither.
        p: float, two-sided, of the test that `says` rests on; None by samples.
        bounds: (low, high) of the difference for a claim that two are close;
            None where a value is no share.
    """

    first: float
    second: float
    difference: float
    error: float
    num_examples: int
    says: int
    p: float | None = None
    bounds: tuple | None = None


def _auc(scores):
    return detection_auc(scores[:, 0], scores[:, 1])


def _calibration_error(answers):
    return calibration.calibration_error(answers[:, 0], answers[:, 1] > 0.5)


ACCURACY = Statistic(None, 100.0, 1)
MEAN = Statistic()
AUC = Statistic(_auc)
CALIBRATION = Statistic(_calibration_error)
CORRUPTIONS = Statistic(None, 100.0, 1, "kinds of corruption")
# Each value is 1 or 0: the exact test is that of signs.
NETWORKS = Statistic(None, 100.0, 1, "networks")


def differ(first, second, statistic):
    """Returns the `Difference` of two sets of values; None without any.

    Args:
        first, second: dicts image -> value, a float, or with a `statistic.of`
            a list of k floats for each network, whose statistics are
            averaged; or a float, a level that the other one is compared with.
        statistic: `Statistic`.
    """
    known = [own for own in (first, second) if isinstance(own, dict)]
    common = sorted(set.intersection(*map(set, known)))
    if not common:
        return None
    if statistic.of is None:
        return _of_means(*_arrays(first, second, common))
    return _of_samples(*_arrays(first, second, common), statistic.of)


def _arrays(first, second, common):
    for own in (first, second):
        if isinstance(own, dict):
            yield np.array([own[image] for image in common], np.float64)
        else:
            yield np.full(len(common), float(own))


def _of_means(first, second):
    difference, error = estimates.mean_difference(first, second)
    says = 1 if estimates.is_less(second, first) else 0
    if estimates.is_less(first, second):
        says = -1
    means = float(first.mean()), float(second.mean())
    values, bounds = np.concatenate([first, second]), None
    if values.min() >= 0.0 and values.max() <= 1.0:
        bounds = estimates.difference_bounds(first, second)
    return Difference(
        *means,
        difference,
        error,
        len(first),
        says,
        estimates.p_value(first, second),
        bounds,
    )


def _of_samples(first, second, of):
    """By the bootstrap: images drawn with replacement, in pairs."""

    def value(own, rows):
        if own.ndim == 1:
            return own[0]
        return np.mean([of(network[rows]) for network in own.swapaxes(0, 1)])

    count, random = len(first), np.random.default_rng(0)
    whole = np.arange(count)
    found = []
    for _ in range(_SAMPLES):
        rows = random.integers(count, size=count)
        found.append(value(first, rows) - value(second, rows))
    low, high = np.quantile(found, (0.025, 0.975))
    pair = float(value(first, whole)), float(value(second, whole))
    says = 1 if low > 0.0 else -1 if high < 0.0 else 0
    error = float(high - low) / 2
    difference, bounds = pair[0] - pair[1], (float(low), float(high))
    return Difference(*pair, difference, error, count, says, None, bounds)
