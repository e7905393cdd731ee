"""Checks of two sets of feature vectors."""

import numpy as np

from keras_mixup import _checks
from keras_mixup import _inputs


def check_features(features_a, features_b):
    """Returns both as float64 [n, d] and [m, d].

    Raises:
        ValueError: for other shapes, fewer than two rows, NaN or infinity.
    """
    pairs = (("features_a", features_a), ("features_b", features_b))
    found = []
    for name, values in pairs:
        expected = "floats of shape [n, d], n >= 2"
        values = _inputs.read_array(values, name, expected).astype("float64")
        okay = values.ndim == 2 and len(values) >= 2 and values.shape[1] >= 1
        _checks.check(okay, name, expected, values.shape)
        finite = bool(np.isfinite(values).all())
        _checks.check(finite, name, "finite", "NaN or infinity")
        found.append(values)
    width = found[0].shape[1]
    expected = f"of {width} columns, as features_a"
    _checks.check(
        found[1].shape[1] == width, "features_b", expected, found[1].shape
    )
    return found
