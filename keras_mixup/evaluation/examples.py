"""The images to be scored, in batches of one size."""

from typing import NamedTuple

import numpy as np

from keras_mixup import _checks


class Batch(NamedTuple):
    """Rows of one fixed-size batch; the last one repeats its first row.

    Attributes:
        images: float32 [batch_size, H, W, C] in [0, 1].
        labels: int32 [batch_size].
        example_ids: int64 [batch_size].
        size: int, how many leading rows count.
    """

    images: np.ndarray
    labels: np.ndarray
    example_ids: np.ndarray
    size: int


class Examples:
    """Checked images, labels and ids.

    Args:
        images: uint8 or float [n, H, W, C]; floats in [0, 1].
        labels: int [n], or one-hot [n, C].
        example_ids: int [n], all different, or None for 0..n-1.

    Raises:
        ValueError: for no images, another shape or dtype, values outside
            [0, 1], NaN, counts that do not match, or an id given twice.
    """

    def __init__(self, images, labels, example_ids=None):
        self.images = _check_images(np.asarray(images))
        count = len(self.images)
        self.labels = _check_labels(np.asarray(labels), count)
        if example_ids is None:
            example_ids = np.arange(count)
        ids = np.asarray(example_ids)
        okay = ids.shape == (count,) and np.issubdtype(ids.dtype, np.integer)
        okay = okay and len(np.unique(ids)) == count
        expected = f"{count} different integers"
        _checks.check(okay, "example_ids", expected, ids.shape)
        self.example_ids = ids.astype(np.int64)

    def batches(self, batch_size):
        """Yields every example once, in `Batch`es of `batch_size` rows."""
        for start in range(0, len(self.labels), batch_size):
            rows = np.arange(start, min(start + batch_size, len(self.labels)))
            # Padding keeps one shape, so that nothing is traced again for
            # the last batch; the added rows are never counted.
            padding = np.full(batch_size - len(rows), start)
            picked = np.concatenate([rows, padding])
            yield Batch(
                _to_float(self.images[picked]),
                self.labels[picked],
                self.example_ids[picked],
                len(rows),
            )


def _check_images(images):
    okay = images.ndim == 4 and len(images) > 0
    expected = "of shape [n, height, width, channels], n >= 1"
    _checks.check(okay, "images", expected, images.shape)
    if images.dtype == np.uint8:
        return images
    floating = np.issubdtype(images.dtype, np.floating)
    _checks.check(floating, "images", "uint8 or float", images.dtype)
    _checks.check_within(images, "images", "finite floats in [0, 1]")
    return images


def _check_labels(labels, count):
    if labels.ndim == 2:
        labels = labels.argmax(axis=-1)
    okay = labels.shape == (count,) and np.issubdtype(labels.dtype, np.integer)
    shown = f"{labels.dtype} of shape {labels.shape}"
    _checks.check(okay, "labels", f"integers of shape [{count}]", shown)
    _checks.check(labels.min() >= 0, "labels", ">= 0", int(labels.min()))
    return labels.astype(np.int32)


def _to_float(images):
    if images.dtype == np.uint8:
        return images.astype(np.float32) / np.float32(255)
    return images.astype(np.float32)
