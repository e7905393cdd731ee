"""Random numbers for each row from that row's seed alone.

So a row's answer does not depend on its neighbours or its place in the batch.
"""

import tensorflow as tf


# Compiled, since an eager `map_fn` calls its ops for each row.
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
    """Returns int32 [B, *shape], uniform over all values, from seeds [B, 2]."""
    return _bits(seeds, shape)


def normal(seeds, *shape):
    """Returns standard normal float32 [R, *shape] from seeds int32 [R, 2]."""
    return _normal(seeds, shape)


def integers(random_bits, count):
    """Maps int32 bits to int32 in [0, count).

    No value is more likely than another by more than count / 2^32.
    """
    wide = tf.cast(tf.bitcast(random_bits, tf.uint32), tf.int64)
    return tf.cast(wide % tf.cast(count, tf.int64), tf.int32)


def never_empty(function, rows):
    """Returns `function(rows)`; `function` gets at least one row.

    Some kernels refuse an empty batch. A row of zeros is added to it, and
    removed from the result.
    """
    if rows.shape[0]:
        return function(rows)
    count = tf.shape(rows)[0]
    extra = tf.cast(tf.equal(count, 0), tf.int32)
    pads = [[0, extra]] + [[0, 0]] * (rows.shape.rank - 1)
    padded = tf.pad(rows, pads)
    if rows.shape[1:].is_fully_defined():
        # LiteRT does not follow the shape through the padding.
        padded = tf.reshape(padded, [-1, *rows.shape[1:]])
    return function(padded)[:count]
