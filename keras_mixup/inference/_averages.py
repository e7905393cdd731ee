"""Averages over draws, taken chunk by chunk."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

# A finite replacement for log 0. Its difference from any log probability is
# finite, so the gradient of the running logsumexp has no NaN.
_LOG_ZERO = -1e30


class Average(NamedTuple):
    """A mean over draws that is computed in parts.

    Attributes:
        start: float, the total of no draws.
        of_chunk: callable, logits [n, B, C] -> float32 [B, C], a total.
        join: callable, two totals -> one.
        finish: callable, a total and the number of its inputs, float32 ->
            log probability.
    """

    start: float
    of_chunk: Callable
    join: Callable
    finish: Callable


def _sum_probabilities(logits):
    return tf.reduce_logsumexp(tf.nn.log_softmax(logits), axis=0)


def _join_logs(first, second):
    return tf.reduce_logsumexp([first, second], axis=0)


AVERAGES = {
    # Mixup Inference, Algorithm 1, with logarithms.
    "probabilities": Average(
        _LOG_ZERO,
        _sum_probabilities,
        _join_logs,
        lambda total, count: total - tf.math.log(count),
    ),
    "logits": Average(
        0.0,
        lambda logits: tf.reduce_sum(logits, axis=0),
        tf.add,
        lambda total, count: tf.nn.log_softmax(total / count),
    ),
}
