"""The threshold of a detector that few clean images exceed."""

import numpy as np

from keras_mixup import _checks
from keras_mixup import _tensors


def lowest_threshold(scores: _tensors.ArrayLike, rate: float) -> float:
    """Returns the lowest score that at most a share of the scores exceeds.

    Args:
        scores: float [n], n >= 1, of clean images.
        rate: float in [0, 1), the share.

    Raises:
        ValueError: a score is NaN: it exceeds nothing and is exceeded by
            nothing.
    """
    falling = np.sort(np.asarray(scores))[::-1]
    missing = int(np.isnan(falling).sum())
    expected, received = "free of NaN", f"{missing} of {len(falling)} NaN"
    _checks.check(not missing, "scores", expected, received)
    count = len(falling)
    above = int(rate * count)
    # 0.29 * 100 is 28.999...96. The share above / count is what a reader
    # computes, and it is correctly rounded: 29 / 100 is the float 0.29.
    if (above + 1) / count <= rate:
        above += 1
    elif above / count > rate:
        above -= 1
    return float(falling[above])
