"""Checks of an attack's arguments, before any work starts."""

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _classifiers
from keras_mixup import _inputs


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
