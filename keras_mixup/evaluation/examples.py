"""The images to be scored, in batches of one size."""

from typing import NamedTuple

import numpy as np

from keras_mixup import data


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
        found = data.image_set(images, labels, example_ids)
        self.images, self.labels, self.example_ids = found

    def batches(self, batch_size):
        """Yields every example once, in `Batch`es of `batch_size` rows."""
        count = len(self.labels)
        for start in range(0, count, batch_size):
            # Padding keeps one shape, so that nothing is traced again for
            # the last batch; the added rows are never counted.
            picked = np.arange(start, start + batch_size)
            picked[picked >= count] = start
            yield Batch(
                data.as_float(self.images[picked]),
                self.labels[picked],
                self.example_ids[picked],
                min(batch_size, count - start),
            )
