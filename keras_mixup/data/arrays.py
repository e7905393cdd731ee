"""Images and labels that a user brings, read in one place."""

import numpy as np

from keras_mixup import _checks
from keras_mixup import _inputs
from keras_mixup.data.specs import ImageSet


def image_set(images, labels, example_ids=None):
    """Returns checked images and labels as an `ImageSet`.

    Args:
        images: uint8 or float [n, H, W, C]; floats in [0, 1].
        labels: int [n] or [n, 1], or one-hot [n, C].
        example_ids: int [n], all different, or None for 0..n-1.

    Raises:
        ValueError: for no images, another shape or dtype, values outside
            [0, 1], NaN, counts that do not match, or an id given twice.
    """
    images = _inputs.read_images(images, levels=True)
    count = len(images)
    if example_ids is None:
        example_ids = np.arange(count)
    ids = np.asarray(example_ids)
    okay = ids.shape == (count,) and np.issubdtype(ids.dtype, np.integer)
    okay = okay and len(np.unique(ids)) == count
    expected = f"{count} different integers"
    _checks.check(okay, "example_ids", expected, ids.shape)
    labels = _inputs.read_classes(labels, count)
    return ImageSet(images, labels, ids.astype(np.int64))
