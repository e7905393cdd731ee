"""What the library asks of a classifier: a Keras model that gives logits."""

import keras
import numpy as np

from keras_mixup import _checks

_REMEDY = (
    "Remove the final softmax so that the model returns logits (train it "
    "with from_logits=True or through keras_mixup.training)"
)


def check_classifier(classifier, name="classifier"):
    """Raises unless `classifier` is a Keras model without a final softmax.

    Args:
        classifier: the object to check; only its structure is looked at.
        name: str, the argument's name in the error.

    Raises:
        ValueError: for another type, or a final softmax or sigmoid layer.
    """
    is_layer = isinstance(classifier, keras.layers.Layer)
    _checks.check(is_layer, name, "a keras.Model", classifier)
    last = _last_layer(classifier)
    activation = getattr(last, "activation", None)
    squashes = isinstance(last, keras.layers.Softmax) or activation in (
        keras.activations.softmax,
        keras.activations.sigmoid,
    )
    expected = "a model of logits, not one that ends in softmax"
    _checks.check(not squashes, name, expected, last.name, _REMEDY)


def _last_layer(layer):
    # The layers of a subclassed model are attributes in any order; what it
    # returns is looked at on the first batch (`check_logits`).
    symbolic = isinstance(layer, keras.Sequential) or (
        getattr(layer, "inputs", None) is not None
    )
    layers = getattr(layer, "layers", None) if symbolic else None
    return _last_layer(layers[-1]) if layers else layer


def check_logits(logits, num_classes=None, name="classifier"):
    """Raises unless a batch of outputs looks like logits.

    Args:
        logits: float [B, C], outputs for a few real images.
        num_classes: int or None, the width the labels need.
        name: str, the argument's name in the error.

    Raises:
        ValueError: for another rank or width, NaN or infinity, or rows that
            are probabilities (all in [0, 1] and summing to 1).
    """
    values = np.asarray(keras.ops.convert_to_numpy(logits), "float64")
    okay = values.ndim == 2 and values.shape[-1] >= 2
    expected = "a model with outputs [batch, classes], classes >= 2"
    _checks.check(okay, name, expected, values.shape)
    width_okay = num_classes is None or values.shape[-1] == num_classes
    expected = f"a model with {num_classes} outputs, one per class"
    _checks.check(width_okay, name, expected, values.shape[-1])
    finite = bool(np.isfinite(values).all())
    _checks.check(finite, name, "a model with finite outputs", "NaN or inf")
    sums_to_one = np.abs(values.sum(axis=-1) - 1.0).max(initial=0.0) < 1e-5
    inside = values.min(initial=0.0) >= -1e-6
    _checks.check(
        not (len(values) and inside and sums_to_one),
        name,
        "a model of logits, not of probabilities",
        "rows in [0, 1] that sum to 1",
        _REMEDY,
    )
