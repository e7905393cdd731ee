"""Which rows of a batch an attack still works on."""

import numpy as np
import tensorflow as tf

_SIZES = 2 ** np.arange(31)


def unfinished_rows(done):
    """Returns the rows not done, filled up to a power of two, int32 [K].

    Only for an attack on the very model that is scored: what is done costs
    no more passes, and few batch sizes occur.

    Args:
        done: bool [B].

    Returns:
        int32 [K]: the rows not done first, then as many others as bring
        their number to a power of two, at most B and at least 1.
    """
    order = tf.argsort(tf.cast(done, tf.int32), stable=True)
    left = tf.reduce_sum(tf.cast(~done, tf.int32))
    size = tf.reduce_min(tf.where(_SIZES >= left, _SIZES, _SIZES[-1]))
    return order[: tf.minimum(tf.cast(size, tf.int32), tf.shape(done)[0])]
