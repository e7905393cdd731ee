"""Receiver operating characteristic of a detector of adversarial inputs."""

import numpy as np

from keras_mixup import _checks
from keras_mixup import _inputs
from keras_mixup import _tensors


def roc_curve(
    clean_scores: _tensors.ArrayLike, adversarial_scores: _tensors.ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ROC curve of a detection score.

    There is one point per threshold, from (0, 0) to (1, 1); equal scores
    share a point. `detection_auc` is the area below the straight lines
    between the points.

    Args:
        clean_scores: float [n]; higher means more adversarial.
        adversarial_scores: float [m].

    Returns:
        (false_positives, true_positives): float64 [k] each, the shares of
        clean and of adversarial inputs at or above the threshold, rising
        from 0 to 1.

    Raises:
        ValueError: for other shapes, no values, or NaN.

    Source: Fawcett, 2006, An introduction to ROC analysis; the detector of
    Mixup Inference, section 3.2.2.

    Example:

    >>> roc_curve([0.1], [0.9])
    (array([0., 0., 1.]), array([0., 1., 1.]))
    """
    clean = _scores(clean_scores, "clean_scores")
    adversarial = _scores(adversarial_scores, "adversarial_scores")
    thresholds = np.unique(np.concatenate([clean, adversarial]))[::-1]
    shares = [
        1.0 - np.searchsorted(np.sort(scores), thresholds) / len(scores)
        for scores in (clean, adversarial)
    ]
    false, true = (np.concatenate([[0.0], share]) for share in shares)
    return false, true


def _scores(values, name):
    expected = "floats of shape [n], n >= 1"
    values = _inputs.read_array(values, name, expected).astype(np.float64)
    okay = values.ndim == 1 and values.size > 0
    _checks.check(okay, name, expected, values.shape)
    numbers = not np.any(np.isnan(values))
    _checks.check(numbers, name, "free of NaN", values)
    return values
