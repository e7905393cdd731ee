"""A guess whether a classifier was ever trained."""

import numpy as np

# Keras starts them at zero, and the first step of training moves them.
_ZERO_AT_FIRST = ("beta", "bias", "moving_mean")


def looks_untrained(classifier):
    """Returns whether every bias and moving mean is zero, as at the start.

    Args:
        classifier: a built keras model; one without such weights gives False,
            since nothing can be told.
    """
    values = [
        np.asarray(weight)
        for weight in classifier.weights
        if weight.path.rsplit("/", 1)[-1] in _ZERO_AT_FIRST
    ]
    return bool(values) and not any(value.any() for value in values)
