"""What is averaged over draws, chunk by chunk."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

# A finite stand-in for log 0: its difference from any log probability is
# finite, so that the running logsumexp has no NaN in its gradient.
_LOG_ZERO = -1e30


class Average(NamedTuple):
    """A mean over draws that can be taken in parts.

    Attributes:
        start: float, what no draw at all makes.
        of_chunk: callable, logits [n, B, C] -> float32 [B, C].
        join: callable, two of those -> one.
        finish: callable, one of those and the count N -> log probability.
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
    # Mixup Inference, Algorithm 1, on the scale of logs.
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
