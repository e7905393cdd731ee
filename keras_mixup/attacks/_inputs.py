"""Checks of an attack's arguments, before any work starts."""

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _classifiers


def check_images(images, threat):
    """Returns `images` as float32 [B, H, W, C] within the threat's bounds.

    Raises:
        ValueError: for another dtype or rank, no image, NaN, or a pixel
            outside `threat.bounds`.
    """
    images = tf.convert_to_tensor(images)
    _checks.check(
        images.dtype == tf.float32,
        "images",
        "float32",
        images.dtype.name,
        hint=f"Pixels are expected in {list(threat.bounds)}.",
    )
    shape = tuple(images.shape)
    _checks.check(len(shape) == 4, "images", "of shape [B, H, W, C]", shape)
    _checks.check(shape[0] > 0, "images", "at least one image", shape)
    values = images.numpy()
    _checks.check(not np.isnan(values).any(), "images", "free of NaN", "NaN")
    low, high = threat.bounds
    expected = f"within the bounds [{low:g}, {high:g}]"
    low, high = np.float32(threat.bounds)
    _checks.check_within(values, "images", expected, low, high)
    return images


def check_labels(labels, num_images, name="labels"):
    """Returns int labels as int32 [B], probabilities as float32 [B, C].

    Raises:
        ValueError: for another shape, a count that differs from the images,
            or rows that are no probabilities.
    """
    labels = tf.convert_to_tensor(labels)
    shape = tuple(labels.shape)
    integers = labels.dtype.is_integer and len(shape) == 1
    # One-hot rows may have any dtype. One column is no classification.
    floats = len(shape) == 2 and shape[1] >= 2
    _checks.check(
        integers or (floats and name == "labels"),
        name,
        "integers of shape [B]"
        + (" or probabilities of shape [B, C]" if name == "labels" else ""),
        f"{labels.dtype.name} of shape {shape}",
    )
    _checks.check(
        shape[0] == num_images,
        name,
        f"one per image ({num_images})",
        f"{shape[0]} rows",
    )
    if integers:
        return tf.cast(labels, tf.int32)
    labels = tf.cast(labels, tf.float32)
    sums = labels.numpy().sum(axis=-1)
    okay = labels.numpy().min() >= 0.0 and np.allclose(sums, 1.0, atol=1e-3)
    _checks.check(
        okay, name, "rows of probabilities that sum to 1", "other rows"
    )
    return labels


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
    values = labels.numpy()
    _checks.check(
        values.min() >= 0 and values.max() < num_classes,
        name,
        f"in 0..{num_classes - 1}, the classes of the model's output",
        f"values in {values.min()}..{values.max()}",
    )
