"""The gap between a model's confidence and its accuracy."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import ops


@keras.saving.register_keras_serializable("keras_mixup")
class ExpectedCalibrationError(keras.metrics.Metric):
    """Mean gap between confidence and accuracy over bins of confidence.

    The bins have equal widths. A prediction's bin is that of its confidence,
    the largest probability. The error is the mean over all predictions of
    |accuracy - mean confidence| of their bin (VarMixup, section 5; Guo et
    al., 2017, Eq. 3). The value is that of
    `tfp.stats.expected_calibration_error`, computed batch by batch.

    Args:
        num_bins: int >= 1, default 15 as in Guo et al.
        name: str.
        dtype: None, or the dtype of the sums.

    Call arguments:
        y_true: int [B], or probabilities [B, C].
        y_pred: float [B, C], logits or log probabilities; a defence's answer.
        sample_weight: None, or float [B].

    Raises:
        ValueError: for a number of bins below 1.

    Example:

    >>> metric = ExpectedCalibrationError()
    >>> metric.update_state(labels, classifier(images))
    >>> float(metric.result())
    """

    def __init__(
        self,
        num_bins: int = 15,
        name: str = "expected_calibration_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.num_bins = _checks.check_integer(num_bins, "num_bins")
        self._counts = self._add("counts")
        self._correct = self._add("correct")
        self._confidence = self._add("confidence")

    def _add(self, name):
        shape = (self.num_bins,)
        return self.add_weight(shape=shape, initializer="zeros", name=name)

    def update_state(
        self,
        y_true: _tensors.ArrayLike,
        y_pred: _tensors.ArrayLike,
        sample_weight: _tensors.ArrayLike | None = None,
    ) -> None:
        """Adds a batch to the sums."""
        probabilities = tf.nn.softmax(tf.cast(y_pred, tf.float32))
        labels = ops.label_indices(y_true)
        predicted = tf.argmax(probabilities, axis=-1)
        correct = tf.cast(tf.cast(labels, tf.int64) == predicted, self.dtype)
        confidence = tf.cast(tf.reduce_max(probabilities, axis=-1), self.dtype)
        weight = tf.ones_like(confidence)
        if sample_weight is not None:
            weight = tf.cast(sample_weight, self.dtype)
        bins = tf.histogram_fixed_width_bins(
            confidence, tf.constant([0.0, 1.0], self.dtype), self.num_bins
        )
        for total, values in (
            (self._counts, tf.ones_like(weight)),
            (self._correct, correct),
            (self._confidence, confidence),
        ):
            total.assign_add(
                tf.math.unsorted_segment_sum(
                    weight * values, bins, self.num_bins
                )
            )

    def result(self) -> tf.Tensor:
        """Returns the error, a scalar in [0, 1]; 0 before any update."""
        gaps = tf.abs(self._correct - self._confidence)
        count = tf.reduce_sum(self._counts)
        return tf.math.divide_no_nan(tf.reduce_sum(gaps), count)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_bins": self.num_bins}


def confidence_bins(
    confidence: _tensors.ArrayLike,
    right: _tensors.ArrayLike,
    num_bins: int = 15,
) -> list[tuple[int, float, float]]:
    """Returns the bins of `ExpectedCalibrationError`, from single answers.

    Args:
        confidence: float [n] in [0, 1], the largest probability of each.
        right: bool [n], whether that class is the true one.
        num_bins: int >= 1, of equal width.

    Returns:
        list of (number of answers, share of right ones, mean confidence), for
        each bin; both numbers are 0 in an empty one.

    Raises:
        ValueError: for other shapes or values, or a number of bins below 1.
    """
    num_bins = _checks.check_integer(num_bins, "num_bins")
    found = np.asarray(confidence, np.float64)
    okay = found.ndim == 1 and found.size > 0
    expected = "numbers in [0, 1], one for each answer"
    _checks.check(okay, "confidence", expected, found.shape)
    _checks.check_within(found, "confidence", "numbers in [0, 1]")
    hits = np.asarray(right, np.float64)
    expected = f"of shape {found.shape}, as confidence"
    _checks.check(hits.shape == found.shape, "right", expected, hits.shape)
    place = np.minimum((found * num_bins).astype(int), num_bins - 1)
    counts = np.bincount(place, minlength=num_bins)
    sums = (
        np.bincount(place, values, num_bins) / np.maximum(counts, 1)
        for values in (hits, found)
    )
    return list(
        zip(counts.tolist(), *(own.tolist() for own in sums), strict=True)
    )


def calibration_error(
    confidence: _tensors.ArrayLike,
    right: _tensors.ArrayLike,
    num_bins: int = 15,
) -> float:
    """Returns the value of `ExpectedCalibrationError`, from single answers.

    Args:
        confidence, right, num_bins: as for `confidence_bins`.

    Returns:
        float in [0, 1].

    Example:

    >>> round(calibration_error([0.9, 0.8], [True, False]), 6)
    0.45
    """
    bins = confidence_bins(confidence, right, num_bins)
    total = sum(count for count, _, _ in bins)
    return sum(
        count * abs(accuracy - mean) / total for count, accuracy, mean in bins
    )
