"""Checks of images and labels before training."""

import numpy as np

from keras_mixup import _checks


def check_images(images, labels=None, image_shape=None, num_classes=None):
    """Raises unless images and labels have the form that training needs.

    Args:
        images: float32 [B, H, W, C] in [0, 1], B >= 1; NumPy or an eager
            tensor.
        labels: None, int [B], or probabilities float [B, num_classes].
        image_shape: None for any, or the expected (H, W, C).
        num_classes: None for any, or int; integer labels must lie below it.

    Raises:
        ValueError: for any other form; the text names it.
    """
    images = np.asarray(images)
    shape, shown = images.shape, f"shape {images.shape}"
    okay = images.dtype == np.float32
    hint = "Convert with keras_mixup.data.as_float"
    expected = "float32 in [0, 1]"
    _checks.check(okay, "images", expected, f"dtype {images.dtype}", hint)
    okay = images.ndim == 4 and 0 not in shape[1:]
    _checks.check(okay, "images", "of shape [B, H, W, C]", shown)
    _checks.check(shape[0], "images", "at least one image", shown)
    sides = shape[1:] if image_shape is None else tuple(image_shape)
    expected = f"of shape [B, {', '.join(map(str, sides))}]"
    _checks.check(shape[1:] == sides, "images", expected, shown)
    hint = "Divide 0..255 by 255; the model normalises by mean and std"
    _checks.check_within(images, "images", "finite, in [0, 1]", hint=hint)
    if labels is not None:
        _check_labels(np.asarray(labels), len(images), num_classes)


def _check_labels(labels, count, num_classes):
    shown = f"{labels.dtype} of shape {labels.shape}"
    okay = labels.shape[:1] == (count,)
    _checks.check(okay, "labels", f"one per image, {count}", shown)
    if labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer):
        limit, expected = np.inf, "at least 0"
        if num_classes is not None:
            limit = num_classes - 1
            expected = f"{expected} and at most {limit}"
        _checks.check_within(labels, "labels", expected, 0, limit)
        return
    floating = np.issubdtype(labels.dtype, np.floating)
    wide = num_classes in (None, *labels.shape[1:])
    classes = "num_classes" if num_classes is None else num_classes
    expected = f"integers [B] or probabilities [B, {classes}]"
    okay = labels.ndim == 2 and floating and wide
    _checks.check(okay, "labels", expected, shown)
    sums = labels.sum(-1)
    # False for NaN.
    okay = labels.min() >= 0.0 and np.abs(sums - 1.0).max() <= 1e-3
    shown = f"row sums in [{sums.min():g}, {sums.max():g}]"
    expected = "non-negative rows that sum to 1"
    _checks.check(okay, "labels", expected, shown)
