"""The images and labels that a user passes, as an `ImageSet`."""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from keras_mixup import _checks
from keras_mixup import _inputs
from keras_mixup import _tensors
from keras_mixup.data.pipeline import as_float
from keras_mixup.data.specs import ImageSet
from keras_mixup.data.specs import check_set


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


def padded_batches(examples: ImageSet, batch_size: int) -> Iterator[Batch]:
    """Yields every example once, in `Batch`es of `batch_size` rows.

    Padding keeps one shape, so that nothing is traced again for the last
    batch. The added rows never count.

    Args:
        examples: `ImageSet`.
        batch_size: int.
    """
    count = len(check_set(examples, "examples").labels)
    _checks.check_integer(batch_size, "batch_size")
    for start in range(0, count, batch_size):
        picked = np.arange(start, start + batch_size)
        picked[picked >= count] = start
        images, labels, ids = (part[picked] for part in examples)
        size = min(batch_size, count - start)
        yield Batch(as_float(images), labels, ids, size)


def digests(examples):
    """Returns dict example id, as str -> digest of image and label, str.

    Args:
        examples: `ImageSet`. Bytes and the same values scaled to [0, 1] have
            one digest.
    """
    shown = {}
    for image, label, example in zip(*examples, strict=True):
        if image.dtype != np.uint8:
            # Scaled bytes are the same image.
            image = np.round(255.0 * image, 3)
        digest = zlib.crc32(image.astype(np.float32).tobytes())
        shown[str(example)] = f"{digest:08x} {label}"
    return shown


def image_set(
    images: _tensors.Images,
    labels: _tensors.ArrayLike | None = None,
    example_ids: _tensors.ArrayLike | None = None,
) -> ImageSet:
    """Returns checked images and labels as an `ImageSet`.

    Args:
        images: uint8 or float [n, H, W, C]; floats in [0, 1]. Or a data set
            of both, see `_inputs.read_pairs`.
        labels: int [n] or [n, 1], or one-hot [n, C].
        example_ids: int [n], all different, or None for 0..n-1.

    Raises:
        ValueError: for no images, another shape or dtype, values outside
            [0, 1], NaN, counts that do not match, or an id given twice.
    """
    images, labels = _inputs.read_pairs(images, labels)
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
