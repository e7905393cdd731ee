"""Which rows of a batch an attack still works on."""

import numpy as np
import tensorflow as tf

# Few sizes, so that few shapes are set up. From 57 rows on, filling up to the
# next size adds at most an eighth.
_SIZES = np.concatenate(
    [np.array([1, 2, 4]), 8 * np.arange(1, 9)]
    + [2**power * np.arange(9, 17) for power in range(3, 27)]
)


def filled_size(count):
    """Returns the number of rows to which `count` rows are filled up.

    Args:
        count: int, or int scalar tensor, >= 0.

    Returns:
        int32 scalar: 1, 2, 4, multiples of 8 up to 128, of 16 up to 256, of
        32 up to 512, and so on.
    """
    sizes, count = tf.constant(_SIZES, tf.int32), tf.cast(count, tf.int32)
    return tf.gather(sizes, tf.searchsorted(sizes, count[None])[0])


def unfinished_rows(done):
    """Returns the rows not done, filled up to one of few sizes, int32 [K].

    Finished rows cost no more passes. This is right only where the attacked
    model is itself scored.

    Args:
        done: bool [B].

    Returns:
        int32 [K]: the unfinished rows, then finished ones up to
        `filled_size` rows, at least 1 and at most B.
    """
    order = tf.argsort(tf.cast(done, tf.int32), stable=True)
    left = tf.reduce_sum(tf.cast(~done, tf.int32))
    return order[: tf.minimum(filled_size(left), tf.shape(done)[0])]
