"""What the library asks of a classifier: a Keras model that gives logits."""

import warnings

import keras
import numpy as np

from keras_mixup import _checks

_REMEDY = (
    "Remove the final softmax or sigmoid: keras_mixup.models.to_logits(model) "
    "does so and keeps the weights"
)
_ONE_OUTPUT = "a model with one output, the logits [batch, classes]"
_SHARED = (
    "keras.Model(model.inputs[0], model.outputs[i]) has one of them alone, and "
    "the same weights. Of a subclassed model, call another one that returns "
    "model(x)[i]"
)
_SQUASHING = ("softmax", "sigmoid", "hard_sigmoid", "sparsemax")
# What a row of probabilities may lack to 1, by the dtype of the outputs.
_LACK = {"bfloat16": 2.0**-7, "float16": 2.0**-10}
# So many rows that all sum to 1 as far as bfloat16 can tell are no chance:
# they were cast after the softmax.
_NO_CHANCE = 4
_INSIDE = (
    "All outputs of {} lie in [0, 1], as those of a sigmoid do. The losses and "
    "attacks here take outputs for logits: probabilities make gradients small, "
    "and the model looks robust. If they are probabilities, remove the final "
    "sigmoid: keras_mixup.models.to_logits(model) does so and keeps the "
    "weights."
)


def check_classifier(classifier, name="classifier"):
    """Raises unless `classifier` is a Keras model without a final softmax.

    Args:
        classifier: the object to check; only its structure is looked at.
        name: str, the argument's name in the error.

    Raises:
        ValueError: for another type, several outputs, or a final softmax or
            sigmoid.
    """
    is_layer = isinstance(classifier, keras.layers.Layer)
    _checks.check(is_layer, name, "a keras.Model", classifier)
    outputs = _outputs(classifier)
    names = ", ".join(getattr(classifier, "output_names", ()))
    one = len(outputs) <= 1
    _checks.check(one, name, _ONE_OUTPUT, f"outputs {names}", _SHARED)
    last = last_layer(classifier)
    expected = "a model of logits, not one that ends in softmax"
    _checks.check(not squashes(last), name, expected, last.name, _REMEDY)


def check_model(model, name):
    """Raises as `check_classifier`, for Keras layers alone.

    Args:
        model: any callable; of another one nothing is known.
        name: str, the argument's name in the error.
    """
    if isinstance(model, keras.layers.Layer):
        check_classifier(model, name)


def squashes(layer):
    """Returns whether a layer or operation gives probabilities."""
    functions = layer, getattr(layer, "activation", None)
    names = [getattr(f, "__name__", type(f).__name__) for f in functions]
    return any(name.lower().startswith(_SQUASHING) for name in names)


def _outputs(layer):
    # A subclassed model has no symbolic outputs.
    return getattr(layer, "outputs", None) or ()


def last_layer(layer):
    """Returns what computes a model's output: a layer or an operation."""
    # The layers of a subclassed model are attributes in any order; what it
    # returns is looked at on the first batch (`check_logits`).
    symbolic = isinstance(layer, keras.Sequential) or (
        getattr(layer, "inputs", None) is not None
    )
    layers = getattr(layer, "layers", None) if symbolic else None
    # Operations such as keras.ops.softmax are no layers.
    layers = getattr(layer, "operations", layers) if layers else None
    return last_layer(layers[-1]) if layers else layer


def check_output(output, name="classifier"):
    """Raises unless a model's output is a single array or tensor."""
    several = isinstance(output, (dict, list, tuple))
    received = output
    if several:
        keys = output if isinstance(output, dict) else range(len(output))
        received = f"{type(output).__name__} of {', '.join(map(str, keys))}"
    _checks.check(not several, name, _ONE_OUTPUT, received, _SHARED)


def check_logits(logits, num_classes=None, name="classifier"):
    """Raises unless a batch of outputs looks like logits.

    Args:
        logits: float [B, C], outputs for a few real images.
        num_classes: int or None, the width the labels need.
        name: str, the argument's name in the error.

    Raises:
        ValueError: for another rank or width, NaN or infinity, or rows that
            are probabilities (all in [0, 1] and summing to 1, as far as the
            outputs' dtype can tell; four rows or more as far as bfloat16 can).

    Warns:
        UserWarning: four or more rows lie in [0, 1], and are not all equal.
    """
    check_output(logits, name)
    lack = _LACK.get(keras.backend.standardize_dtype(logits.dtype), 1e-5)
    values = np.asarray(keras.ops.convert_to_numpy(logits), "float64")
    okay = values.ndim == 2 and values.shape[-1] >= 2
    expected = "a model with outputs [batch, classes], classes >= 2"
    _checks.check(okay, name, expected, values.shape)
    width_okay = num_classes is None or values.shape[-1] == num_classes
    expected = f"a model with {num_classes} outputs, one per class"
    _checks.check(width_okay, name, expected, values.shape[-1])
    finite = bool(np.isfinite(values).all())
    _checks.check(finite, name, "a model with finite outputs", "NaN or inf")
    if len(values) >= _NO_CHANCE:
        lack = _LACK["bfloat16"]
    sums_to_one = np.abs(values.sum(axis=-1) - 1.0).max(initial=0.0) < lack
    inside = values.min(initial=0.0) >= -1e-6
    _checks.check(
        not (len(values) and inside and sums_to_one),
        name,
        "a model of logits, not of probabilities",
        "rows in [0, 1] that sum to 1",
        _REMEDY,
    )
    constant = values.max(initial=0.0) == values.min(initial=0.0)
    inside = inside and values.max(initial=0.0) <= 1.0 + 1e-6
    if inside and not constant and len(values) >= _NO_CHANCE:
        warnings.warn(_INSIDE.format(name), stacklevel=3)
