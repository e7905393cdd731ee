"""How well a score separates adversarial from clean inputs."""

import numpy as np

from keras_mixup import _tensors
from keras_mixup.metrics import roc_curve


def detection_auc(
    clean_scores: _tensors.ArrayLike, adversarial_scores: _tensors.ArrayLike
) -> float:
    """Returns the area under the ROC curve of a detection score.

    It is the probability that a random adversarial input scores higher than a
    random clean one; ties count one half. 1.0 is a perfect detector, 0.5 is
    chance, and below 0.5 the score has the wrong sign.

    Args:
        clean_scores: float [n], e.g. `detection_score` of clean images;
            higher means more adversarial.
        adversarial_scores: float [m].

    Returns:
        float in [0, 1].

    Raises:
        ValueError: for other shapes, no values, or values that are NaN.

    Source: Hanley and McNeil, 1982; the detector of Mixup Inference, section
    3.2.2.

    Example:

    >>> detection_auc([0.1, 0.2], [0.2, 0.9])
    0.875
    """
    false, true = roc_curve.roc_curve(clean_scores, adversarial_scores)
    return float(np.trapezoid(true, false))
