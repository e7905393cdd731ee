"""A guess whether a classifier was trained."""

import keras
import numpy as np

from keras_mixup import _checks

# Keras initialises these with zero. The first training step changes them.
_ZERO_AT_FIRST = ("beta", "bias", "moving_mean")


def looks_untrained(classifier: keras.layers.Layer) -> bool:
    """Returns whether every bias and moving mean is zero, as at the start.

    Frozen layers do not count, since training leaves them as they are.

    Args:
        classifier: a built keras model. Without such weights the result is
            False.
    """
    _checks.check_instance(
        classifier, "classifier", keras.layers.Layer, "a keras.Model"
    )
    values = [
        np.asarray(weight)
        for layer in _trainable_layers(classifier)
        for weight in layer.weights
        if weight.path.rsplit("/", 1)[-1] in _ZERO_AT_FIRST
    ]
    return bool(values) and not any(value.any() for value in values)


def _trainable_layers(layer):
    if not layer.trainable:
        return []
    parts = getattr(layer, "layers", None)
    if not parts:
        return [layer]
    return [found for part in parts for found in _trainable_layers(part)]
