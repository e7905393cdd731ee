"""Random numbers for each row from that row's seed alone.

A row's numbers depend on nothing but its own seed, so that its answer does
not change with its neighbours or its place in the batch.
"""

import tensorflow as tf


# Compiled, since an eager `map_fn` pays the price of an op call per row.
@tf.function(reduce_retracing=True, jit_compile=False, autograph=False)
def _bits(seeds, shape):
    return tf.map_fn(
        lambda seed: tf.random.stateless_uniform(
            shape, seed, minval=None, maxval=None, dtype=tf.int32
        ),
        seeds,
        fn_output_signature=tf.TensorSpec(shape, tf.int32),
    )


@tf.function(reduce_retracing=True, jit_compile=False, autograph=False)
def _normal(seeds, shape):
    return tf.map_fn(
        lambda seed: tf.random.stateless_normal(shape, seed),
        seeds,
        fn_output_signature=tf.TensorSpec(shape, tf.float32),
    )


def bits(seeds, *shape):
    """Returns int32 [B, *shape], uniform over all 2^32 values.

    Args:
        seeds: int32 [B, 2].
        *shape: ints, the shape of a row's numbers.
    """
    return _bits(seeds, shape)


def normal(seeds, *shape):
    """Returns standard normal float32 [R, *shape] from seeds int32 [R, 2]."""
    return _normal(seeds, shape)


def integers(random_bits, count):
    """Maps bits to int32 in [0, count).

    Args:
        random_bits: int32, from `bits`.
        count: positive int, or int32 tensor that broadcasts.

    Returns:
        int32. The remainder favours no value by more than count / 2^32.
    """
    wide = tf.cast(tf.bitcast(random_bits, tf.uint32), tf.int64)
    return tf.cast(wide % tf.cast(count, tf.int64), tf.int32)


def never_empty(function, rows):
    """Returns `function(rows)`; `function` gets at least one row.

    Some kernels refuse an empty batch; one row of zeros is added to it and
    taken from the answer again.

    Args:
        function: callable from [B, ...] to [B, ...].
        rows: float32 [B, ...].
    """
    if rows.shape[0]:
        return function(rows)
    count = tf.shape(rows)[0]
    extra = tf.cast(tf.equal(count, 0), tf.int32)
    pads = [[0, extra]] + [[0, 0]] * (rows.shape.rank - 1)
    return function(tf.pad(rows, pads))[:count]
