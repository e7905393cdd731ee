"""Checks of the inputs of a defence: a classifier and images."""

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _classifiers
from keras_mixup import _inputs


def known_shape(classifier, attribute):
    """Returns `input_shape` or `output_shape` as a tuple, None if unknown."""
    # A subclassed or unbuilt model has no symbolic shape to read.
    try:
        shape = getattr(classifier, attribute)
    except AttributeError:
        return None
    single = isinstance(shape, tuple) and not isinstance(shape[0], tuple)
    return shape if single else None


def check_input_shape(classifier, shape, name):
    """Raises `ValueError` if rows of `shape` do not fit the classifier."""
    expected = known_shape(classifier, "input_shape")
    if expected is None:
        return
    fits = tf.TensorShape(shape).is_compatible_with(expected[1:])
    text = f"of the classifier's input shape {list(expected[1:])}"
    _checks.check(fits, name, text, f"shape {list(shape)}")


def check_num_classes(classifier, num_classes):
    """Raises `ValueError` if the classifier has another number of classes."""
    shape = known_shape(classifier, "output_shape")
    if shape is None:
        return
    text = f"a classifier of {num_classes} classes, as many as the pool has"
    received = f"output shape {shape}"
    _checks.check(shape[-1] == num_classes, "classifier", text, received)


def num_classes(classifier, image_shape):
    """Returns the width of the classifier's output for [H, W, C] images."""
    shape = known_shape(classifier, "output_shape")
    if shape is None:
        inputs = keras.KerasTensor((None, *image_shape), "float32")
        shape = classifier.compute_output_spec(inputs).shape
    return shape[-1]


def check_images(images):
    """Raises `ValueError` unless images are float [B, H, W, C] in [0, 1].

    The values are checked in eager mode alone, since a graph cannot raise here.
    """
    fits = images.dtype.is_floating and images.shape.rank == 4
    shown = f"{images.dtype.name} of shape {images.shape}"
    hint = "Divide by 255." if images.dtype == tf.uint8 else ""
    expected = "float of shape [B, H, W, C] in [0, 1]"
    _checks.check(fits, "images", expected, shown, hint)
    _inputs.check_layout(images.shape)
    if not tf.executing_eagerly() or not tf.size(images):
        return
    _checks.check_within(images.numpy(), "images", "finite, in [0, 1]")


def check_logits(logits, expected_classes=None):
    """Raises `ValueError` unless outputs are logits of C classes.

    In eager mode it also refuses probabilities, such as those of a softmax
    inside a subclassed model.
    """
    _classifiers.check_output(logits)
    fits = logits.shape.rank == 2 and logits.shape[-1] is not None
    if expected_classes is not None:
        fits = fits and logits.shape[-1] == expected_classes
    width = "classes" if expected_classes is None else expected_classes
    expected = f"a model whose output has shape [B, {width}]"
    received = f"output shape {logits.shape}"
    _checks.check(fits, "classifier", expected, received)
    if tf.executing_eagerly() and tf.size(logits):
        _classifiers.check_logits(logits)
