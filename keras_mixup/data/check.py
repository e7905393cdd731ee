"""Checks of images and labels before training."""

from collections.abc import Sequence

from keras_mixup import _checks
from keras_mixup import _inputs
from keras_mixup import _tensors


def check_images(
    images: _tensors.ArrayLike,
    labels: _tensors.ArrayLike | None = None,
    image_shape: Sequence[int] | None = None,
    num_classes: int | None = None,
) -> None:
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
    checked = _inputs.read_images(images)
    shape = checked.shape[1:]
    fits = image_shape is None or shape == tuple(image_shape)
    expected = f"of shape [B, {', '.join(map(str, image_shape or ()))}]"
    _checks.check(fits, "images", expected, f"shape {checked.shape}")
    if labels is not None:
        _inputs.read_labels(labels, len(checked), num_classes)
