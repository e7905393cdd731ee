"""Accuracy under the per-example worst case of several attacks."""

import numpy as np

from keras_mixup import _checks
from keras_mixup import _inputs
from keras_mixup import _tensors


def robust_accuracy(
    labels: _tensors.ArrayLike, predictions: _tensors.ArrayLike
) -> float:
    """Returns the share of examples that are correct under every attack.

    An example counts if all its predictions equal the true label. A targeted
    attack breaks an example with any wrong class.

    Args:
        labels: int [n] or [n, 1], or one-hot [n, C], the true labels.
        predictions: int [num_attacks, n], or [n] for a single attack; include
            the predictions on the clean images, since an example that is
            wrong without an attack is not robust.

    Returns:
        float in [0, 1].

    Raises:
        ValueError: for other shapes, or without any example or attack.

    Source: the per-example worst case of Croce and Hein, 2020
    (arXiv 2003.01690), section 6.

    Example:

    >>> robust_accuracy([0, 1, 2], [[0, 1, 2], [0, 2, 2]])
    0.6666666666666666
    """
    labels = _inputs.read_classes(labels)
    _checks.check(len(labels), "labels", "at least one", labels.shape)
    expected = f"integers of shape [num_attacks, {len(labels)}]"
    predictions = _inputs.read_array(predictions, "predictions", expected)
    predictions = np.atleast_2d(predictions)
    integral = np.issubdtype(predictions.dtype, np.integer)
    _checks.check(integral, "predictions", expected, predictions.dtype)
    _checks.check(
        predictions.ndim == 2
        and len(predictions) > 0
        and predictions.shape[1] == len(labels),
        "predictions",
        expected,
        predictions.shape,
    )
    return float(np.mean(np.all(predictions == labels, axis=0)))
