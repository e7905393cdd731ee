"""Images and labels that a user gives, read in one place."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_mixup import _checks

_SHAPE = "of shape [B, H, W, C], with at least one image"


def read_array(values: Any, name: str, expected: str) -> np.ndarray:
    """Returns `values` as an array of numbers or truth values.

    Args:
        values: NumPy, a nested list or an eager tensor.
        name: str, the argument's name in the error.
        expected: str, completes "`name` must be ...".

    Raises:
        ValueError: for anything else, such as rows of unequal lengths.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        array = np.empty(0, object)
    # NumPy does not count bfloat16 among its own kinds.
    okay = array.dtype.kind in "biufcV" and array.dtype.names is None
    received = f"{type(values).__name__} of dtype {array.dtype}"
    _checks.check(okay, name, expected, received)
    return array


def read_pairs(
    images: Any, labels: Any = None, name: str = "images"
) -> tuple[Any, Any]:
    """Returns images and labels, taken out of a data set where one is given.

    Args:
        images: an array, returned as it is, or a finite `tf.data.Dataset` or
            `keras.utils.PyDataset` of pairs (images, labels): batches, or
            single images [H, W, C]. All of it is read into memory, once.
        labels: an array, or None beside a data set.
        name: str, the argument's name in the error.

    Raises:
        ValueError: for arrays without labels, a data set beside labels, one
            without an end, or with other elements than pairs.
    """
    batches = _batches(images, name)
    if batches is None:
        _checks.check(labels is not None, "labels", "given with images", labels)
        return images, labels
    received = type(images).__name__
    okay = labels is None
    _checks.check(okay, "labels", f"None beside a {received}", "labels")
    pairs = []
    for batch in batches:
        okay = isinstance(batch, (tuple, list)) and len(batch) == 2
        expected = "a data set of pairs (images, labels)"
        shown = f"{received} of {type(batch).__name__}"
        if isinstance(batch, (tuple, list)):
            shown += f"s of {len(batch)}"
        _checks.check(okay, name, expected, shown)
        pairs.append([np.asarray(part) for part in batch])
    _checks.check(pairs, name, "a data set that is not empty", received)
    join = np.stack if pairs[0][0].ndim == 3 else np.concatenate
    first, second = zip(*pairs, strict=True)
    return join(first), join(second)


def _batches(images, name):
    """Returns an iterable over a data set's elements; None for an array."""
    expected = "a data set with an end"
    hint = "Give images.take(n), or the number of batches"
    if hasattr(images, "element_spec") and hasattr(images, "cardinality"):
        endless = int(images.cardinality()) == -1
        _checks.check(not endless, name, expected, "an infinite one", hint)
        return images
    if hasattr(images, "num_batches") and hasattr(images, "__getitem__"):
        number = images.num_batches
        _checks.check(number is not None, name, expected, number, hint)
        return (images[index] for index in range(number))
    return None


def read_labels(
    labels: Any,
    count: int | None = None,
    num_classes: int | None = None,
    name: str = "labels",
) -> np.ndarray:
    """Returns labels as int32 [n], or as probabilities float32 [n, C].

    Args:
        labels: integers [n] or [n, 1], or probabilities [n, C >= 2], such as
            one-hot rows, of any dtype; NumPy, a list or an eager tensor.
        count: int n, or None for any number.
        num_classes: int C, or None for any.
        name: str, the argument's name in the error.

    Raises:
        ValueError: for another shape or dtype, a label below 0, beyond the
            classes or beyond int32, rows that are negative or do not sum to 1
            within 1e-3.
    """
    labels = read_array(labels, name, "integers [n] or probabilities [n, C]")
    shape = labels.shape
    integral = np.issubdtype(labels.dtype, np.integer)
    if integral and shape[1:] == (1,):
        labels = labels[:, 0]
    soft = labels.ndim == 2 and labels.shape[1] >= 2
    soft = soft and num_classes in (None, labels.shape[1])
    fits = soft or (integral and labels.ndim == 1)
    rows = "n" if count is None else count
    columns = "C" if num_classes is None else num_classes
    expected = f"integers of shape [{rows}] or [{rows}, 1], or probabilities "
    expected += f"of shape [{rows}, {columns}], one per image"
    fits = fits and count in (None, len(labels))
    _checks.check(fits, name, expected, f"{labels.dtype} of shape {shape}")
    if not soft:
        return _in_range(labels, num_classes, name).astype(np.int32)
    labels = labels.astype(np.float32)
    sums = labels.sum(axis=-1)
    # NaN fails both comparisons.
    okay = labels.min(initial=0.0) >= 0.0
    okay = okay and np.abs(sums - 1.0).max(initial=0.0) <= 1e-3
    expected = "rows of probabilities, which are >= 0 and sum to 1"
    least, largest = sums.min(initial=np.inf), sums.max(initial=-np.inf)
    shown = f"rows that sum to {least:g}..{largest:g}"
    _checks.check(okay, name, expected, shown)
    return labels


def _in_range(labels, num_classes, name):
    low, high = (labels.min(), labels.max()) if labels.size else (0, 0)
    # A larger one would come out of the cast to int32 as another class.
    most = _checks.LARGEST if num_classes is None else num_classes - 1
    inside = low >= 0 and high <= most
    expected = "at least 0"
    if num_classes is not None:
        expected = f"in 0..{most}, the classes"
    elif high > most:
        expected = f"in 0..{most}"
    _checks.check(inside, name, expected, f"labels in {low}..{high}")
    return labels


def read_classes(
    labels: Any,
    count: int | None = None,
    num_classes: int | None = None,
    name: str = "labels",
) -> np.ndarray:
    """Returns the classes of `read_labels` alone, int32 [n]."""
    labels = read_labels(labels, count, num_classes, name)
    return labels if labels.ndim == 1 else labels.argmax(-1).astype(np.int32)


def read_images(
    images: Any,
    name: str = "images",
    bounds: Sequence[float] = (0.0, 1.0),
    levels: bool = False,
) -> np.ndarray:
    """Returns images as float32, or the uint8 levels as they are.

    Pixels that stand outside the bounds by rounding, such as the 1.0000013
    of TensorFlow's own `resize`, are clipped.

    Args:
        images: float [B, H, W, C] of any precision, B >= 1; NumPy or an
            eager tensor.
        name: str, the argument's name in the error.
        bounds: (low, high), the range of a pixel.
        levels: bool, whether uint8 is taken as well.

    Raises:
        ValueError: for another shape or dtype, NaN, infinity, a pixel outside
            the bounds, or channels in the first place.
    """
    images = read_array(images, name, _SHAPE)
    okay = images.ndim == 4 and 0 not in images.shape
    _checks.check(okay, name, _SHAPE, f"shape {images.shape}")
    check_layout(images.shape, name)
    if levels and images.dtype == np.uint8:
        return images
    low, high = bounds
    expected = f"{'uint8, or ' * levels}float in [{low:g}, {high:g}]"
    hint = "Divide images in 0..255 by 255" if high <= 1.0 else ""
    floating = is_floating(images.dtype)
    _checks.check(floating, name, expected, f"dtype {images.dtype}", hint)
    images = images.astype(np.float32, copy=False)
    _checks.check_within(images, name, expected, low, high, hint)
    if images.min() < np.float32(low) or images.max() > np.float32(high):
        images = images.clip(np.float32(low), np.float32(high))
    return images


def is_floating(dtype: Any) -> bool:
    """Returns whether a NumPy dtype is one of floats of any precision."""
    # NumPy does not count bfloat16 as floating.
    return np.issubdtype(dtype, np.floating) or dtype.name == "bfloat16"


def check_layout(shape: Any, name: str = "images") -> None:
    """Raises if images [B, H, W, C] evidently have their channels first.

    Args:
        shape: tuple of four sizes, None for those that are not known.
        name: str, the argument's name in the error.

    Raises:
        ValueError: for one or three rows of more than four channels.
    """
    _, first, rows, last = (size or 0 for size in shape)
    okay = first not in (1, 3) or min(rows, last) <= 4
    hint = "Give np.moveaxis(images, 1, -1), and put keras.layers.Permute"
    hint += "((3, 1, 2)) before a model that wants its channels first"
    received = f"shape {tuple(shape)}, channels first"
    _checks.check(okay, name, "of shape [B, H, W, C]", received, hint)
