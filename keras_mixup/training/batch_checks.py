"""Checks of images, labels and weights of a batch, inside a graph."""

import contextlib
import re
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import ops

_FAILED = re.compile(r"assertion failed: (\[`(?:x|y|sample_weight)` .*\])")
_PARTS = re.compile(r"\[(.*?)\](?= \[|$)")


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """Shortens the error of a check here to what is wrong.

    Raises:
        tf.errors.InvalidArgumentError: the same, without the trace of the
            graph that TensorFlow puts in front.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = _FAILED.search(error.message)
        if found is None:
            raise
        text = " ".join(" ".join(_PARTS.findall(found[1])).split())
        raise tf.errors.InvalidArgumentError(
            error.node_def, error.op, text
        ) from None


def assert_images(images, bounds, place):
    """Returns `images`; the step fails by name where some are unusable.

    Args:
        images: float [B, ...].
        bounds: (low, high) of a value; what is outside by rounding will do.
        place: list, what the message says behind the rows.

    Raises:
        tf.errors.InvalidArgumentError: in the graph, for a value outside the
            bounds, NaN or infinity.
    """
    images = tf.convert_to_tensor(images)
    low, high = bounds
    slack = _checks.ROUNDING * (high - low)
    # NaN fails both comparisons.
    inside = (images >= low - slack) & (images <= high + slack)
    fits = tf.reduce_all(inside, axis=range(1, len(images.shape)))
    text = (
        f"`x` must be float in [{low:g}, {high:g}]. Received: NaN, infinity or "
        "other values in the rows "
    )
    return _asserted(images, fits, text, tf.where(~fits)[:, 0], place)


def assert_labels(labels, num_classes, place):
    """Returns `labels`; the step fails by name where some are unusable.

    Args:
        labels: int [B] or [B, 1], or probabilities [B, C].
        num_classes: int, C.
        place: list, what the message says behind the unusable labels.

    Raises:
        tf.errors.InvalidArgumentError: in the graph, for a label that is no
            class, a row that is negative or does not sum to 1 within 1e-3.
    """
    labels = tf.convert_to_tensor(labels)
    if labels.dtype.is_integer and labels.shape[1:] in ((), (1,)):
        inside = (labels >= 0) & (tf.cast(labels, tf.int64) < num_classes)
        fits = tf.reshape(inside, [-1])
    else:
        rows = ops.label_probabilities(labels, num_classes)
        # NaN fails as well.
        fits = tf.abs(tf.reduce_sum(rows, axis=-1) - 1.0) <= 1e-3
        fits &= tf.reduce_min(rows, axis=-1) >= 0.0
    text = (
        f"`y` must be in 0..{num_classes - 1}, or rows of probabilities that "
        "sum to 1. Received: "
    )
    return _asserted(labels, fits, text, tf.boolean_mask(labels, ~fits), place)


def assert_sample_weight(weights, place):
    """Returns `weights`; the step fails where one is not finite or negative.

    Args:
        weights: float [B] or [B, 1].
        place: list, what the message says behind the unusable weights.

    Raises:
        tf.errors.InvalidArgumentError: in the graph, for such a weight.
    """
    weights = tf.convert_to_tensor(weights)
    fits = (weights >= 0) & (weights <= weights.dtype.max)
    text = "`sample_weight` must be finite and >= 0. Received: "
    bad = tf.boolean_mask(weights, ~fits)
    return _asserted(weights, fits, text, bad, place)


def _asserted(values, fits, text, bad, place):
    okay = tf.reduce_all(fits)
    check = tf.debugging.Assert(okay, [text, bad, *place], summarize=9)
    if check is None:  # eager mode has already checked
        return values
    with tf.control_dependencies([check]):
        return tf.identity(values)


def check_sample_weight(weights, count):
    """Raises unless there is one finite weight >= 0 for each example."""
    okay = weights.shape in ((count,), (count, 1))
    okay = okay and np.isfinite(weights).all() and (weights >= 0.0).all()
    expected = f"finite weights >= 0 of shape [{count}]"
    _checks.check(okay, "sample_weight", expected, f"shape {weights.shape}")
