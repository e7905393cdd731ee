"""Checks of images and labels before training."""

import numpy as np

from keras_mixup import _checks
from keras_mixup import _inputs


def check_images(images, labels=None, image_shape=None, num_classes=None):
    """Raises unless images and labels have the form that training needs.

    Args:
        images: what should be float [B, H, W, C] in [0, 1], B >= 1; NumPy
            or an eager tensor.
        labels: None, int [B] or [B, 1], or probabilities [B, num_classes].
        image_shape: None for any, or the expected (H, W, C).
        num_classes: None for any, or int; integer labels must lie below it.

    Raises:
        ValueError: for any other form; the text names it.
    """
    if num_classes is not None:
        _checks.check_integer(num_classes, "num_classes", 2)
    shape = _inputs.read_images(images).shape[1:]
    fits = image_shape is None or shape == tuple(image_shape)
    expected = f"of shape [B, {', '.join(map(str, image_shape or ()))}]"
    _checks.check(fits, "images", expected, f"shape {np.shape(images)}")
    if labels is not None:
        _inputs.read_labels(labels, len(images), num_classes)
