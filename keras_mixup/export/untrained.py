"""A guess whether a classifier was trained."""

import numpy as np

# Keras initialises these with zero. The first training step changes them.
_ZERO_AT_FIRST = ("beta", "bias", "moving_mean")


def looks_untrained(classifier):
    """Returns whether every bias and moving mean is zero, as at the start.

    Args:
        classifier: a built keras model. Without such weights the result is
            False.
    """
    values = [
        np.asarray(weight)
        for weight in classifier.weights
        if weight.path.rsplit("/", 1)[-1] in _ZERO_AT_FIRST
    ]
    return bool(values) and not any(value.any() for value in values)
