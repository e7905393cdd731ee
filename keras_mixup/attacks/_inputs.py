"""Checks of an attack's arguments, before any work starts."""

import contextlib

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _classifiers
from keras_mixup import _inputs
from keras_mixup._inputs import read_pairs as read_pairs


def check_images(images, threat):
    """Returns `images` as float32 [B, H, W, C] within the threat's bounds.

    Raises:
        ValueError: as `_inputs.read_images`.
    """
    return tf.constant(_inputs.read_images(images, bounds=threat.bounds))


def check_labels(labels, num_images, name="labels"):
    """Returns int labels as int32 [B], probabilities as float32 [B, C].

    Raises:
        ValueError: as `_inputs.read_labels`; for targets that are no classes.
    """
    labels = _inputs.read_labels(labels, num_images, name=name)
    okay = labels.ndim == 1 or name == "labels"
    expected = "integers of shape [B]"
    _checks.check(okay, name, expected, f"shape {labels.shape}")
    return tf.constant(labels)


def check_logits(logits, num_images):
    """Raises unless the model gave finite logits [B, C] with C >= 2."""
    _classifiers.check_output(logits, "model_fn")
    rows = logits.shape[0] if logits.shape.rank else None
    expected = "a map from images [B, H, W, C] to logits [B, C]"
    received = f"{rows} rows for {num_images} images"
    _checks.check(rows == num_images, "model_fn", expected, received)
    _classifiers.check_logits(logits, name="model_fn")


def check_label_range(labels, num_classes, name="labels"):
    """Raises unless every label names one of the model's classes."""
    if labels.shape.rank == 2:
        width = labels.shape[-1]
        expected = f"[B, {num_classes}], as wide as the model's output"
        _checks.check(width == num_classes, name, expected, tuple(labels.shape))
        return
    _inputs.read_labels(labels, num_classes=num_classes, name=name)


def check_targets(targets, labels):
    """Raises where a target is the label itself: that is no attack."""
    count = int(tf.reduce_sum(tf.cast(targets == labels, tf.int32)))
    received = f"{count} targets that are the label of their image"
    hint = "`attacks.random_targets` draws other classes"
    expected = "other classes than the labels"
    _checks.check(not count, "targets", expected, received, hint)


@contextlib.contextmanager
def numpy_refused(function, images):
    """Says what is wrong where a graph cannot hold a model.

    Args:
        function: callable from images to logits, which the body traces.
        images: float32 [B, H, W, C].

    Raises:
        ValueError: when the body fails and the function works outside of it.
    """
    try:
        yield
    except (AttributeError, NotImplementedError, RuntimeError, TypeError) as e:
        try:
            function(images[:1])
        except Exception:
            raise e from None
        raise ValueError(
            "`model_fn` must be a function of TensorFlow operations, which a "
            "graph can hold. Received: one that needs the values of its "
            "images, such as model.predict or a use of NumPy. Give the model "
            f"itself. ({type(e).__name__}: {str(e).splitlines()[-1].strip()})"
        ) from e
