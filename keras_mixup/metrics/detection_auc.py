"""How well a score separates adversarial from clean inputs."""

import numpy as np

from keras_mixup import _checks


def detection_auc(clean_scores, adversarial_scores):
    """Returns the area under the ROC curve of a detection score.

    It is the probability that a random adversarial input scores higher than a
    random clean one, ties counting one half: 1.0 is a perfect detector, 0.5 a
    coin, below 0.5 a score with the wrong sign.

    Args:
        clean_scores: float [n], e.g. `detection_score` of clean images;
            higher means more adversarial.
        adversarial_scores: float [m].

    Returns:
        float in [0, 1].

    Raises:
        ValueError: for other shapes, no values, or values that are NaN.

    Source: the Mann-Whitney form of the AUC (Hanley and McNeil, 1982) for the
    detector of Mixup Inference, section 3.2.2.

    Example:

    >>> detection_auc([0.1, 0.2], [0.2, 0.9])
    0.875
    """
    clean = _scores(clean_scores, "clean_scores")
    adversarial = _scores(adversarial_scores, "adversarial_scores")
    scores = np.concatenate([clean, adversarial])
    _, inverse, counts = np.unique(
        scores, return_inverse=True, return_counts=True
    )
    # The rank of a tied value is the mean of the ranks that it occupies.
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    n, m = len(clean), len(adversarial)
    wins = ranks[n:].sum() - m * (m + 1) / 2.0
    return float(wins / (n * m))


def _scores(values, name):
    values = np.asarray(values, np.float64)
    okay = values.ndim == 1 and values.size > 0
    expected = "floats of shape [n], n >= 1"
    _checks.check(okay, name, expected, values.shape)
    numbers = not np.any(np.isnan(values))
    _checks.check(numbers, name, "free of NaN", values)
    return values
