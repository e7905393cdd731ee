"""Checks of images and labels before training."""

import numpy as np


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
    _check_layout(images, image_shape)
    _check_values(images)
    if labels is not None:
        _check_labels(np.asarray(labels), len(images), num_classes)


def _refuse(name, expected, received, hint=""):
    tail = f". {hint}" if hint else ""
    raise ValueError(f"`{name}` must be {expected}. Received: {received}{tail}")


def _check_layout(images, image_shape):
    shape = images.shape
    if images.dtype != np.float32:
        hint = "Convert with keras_mixup.data.as_float"
        text = f"images of dtype {images.dtype}"
        _refuse("images", "float32 in [0, 1]", text, hint)
    text = f"images of shape {shape}"
    if images.ndim != 4 or 0 in shape[1:]:
        _refuse("images", "of shape [B, H, W, C]", text)
    if shape[0] == 0:
        _refuse("images", "at least one image", text)
    if image_shape is not None and shape[1:] != tuple(image_shape):
        expected = f"of shape [B, {', '.join(map(str, image_shape))}]"
        _refuse("images", expected, text)


def _check_values(images):
    low, high = images.min(), images.max()
    if not np.isfinite([low, high]).all():
        count = images.size - np.count_nonzero(np.isfinite(images))
        _refuse("images", "finite", f"images with {count} NaN or infinities")
    if low < 0.0 or high > 1.0:
        hint = "Divide 0..255 by 255; the model normalises by mean and std"
        text = f"images in [{low:g}, {high:g}]"
        _refuse("images", "in [0, 1]", text, hint)


def _check_labels(labels, count, num_classes):
    if labels.shape[:1] != (count,):
        expected = f"one per image, {count}"
        _refuse("labels", expected, f"labels of shape {labels.shape}")
    integral = np.issubdtype(labels.dtype, np.integer)
    if labels.ndim == 1 and integral:
        low, high = labels.min(), labels.max()
        limit = high + 1 if num_classes is None else num_classes
        if low < 0 or high >= limit:
            expected = f"in 0..{limit - 1}" if num_classes else "at least 0"
            _refuse("labels", expected, f"labels in {low}..{high}")
        return
    floating = np.issubdtype(labels.dtype, np.floating)
    wide = num_classes in (None, *labels.shape[1:])
    if labels.ndim != 2 or not floating or not wide:
        classes = "num_classes" if num_classes is None else num_classes
        expected = f"integers [B] or probabilities [B, {classes}]"
        text = f"labels of shape {labels.shape} and dtype {labels.dtype}"
        _refuse("labels", expected, text)
    sums = labels.sum(-1)
    # Negated, since NaN fails every comparison.
    if not (labels.min() >= 0.0 and np.abs(sums - 1.0).max() <= 1e-3):
        text = f"labels with row sums in [{sums.min():g}, {sums.max():g}]"
        _refuse("labels", "non-negative rows that sum to 1", text)
