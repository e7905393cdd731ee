"""Stateless random numbers: every draw is a pure function of a seed."""

import numbers
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from keras_mixup import _tensors

_INT32 = tf.int32


def seed_pair(seed: _tensors.SeedLike) -> tf.Tensor:
    """Returns a stateless seed, int32 [2].

    Args:
        seed: an int (any size), an int32 [2] tensor, or None for a fresh
            seed at every execution.
    """
    if seed is None:
        # In an exported graph, a SeedGenerator would replay its sequence after
        # each start of the server.
        return tf.random.uniform((2,), _INT32.min, _INT32.max, _INT32)
    if isinstance(seed, numbers.Integral):
        low, high = int(seed) & 0xFFFFFFFF, (int(seed) >> 32) & 0xFFFFFFFF
        signed = [v - (1 << 32) if v >= (1 << 31) else v for v in (low, high)]
        return tf.constant(signed, _INT32)
    return tf.cast(tf.convert_to_tensor(seed), _INT32)


def fold_in(seed: _tensors.Array, *data: _tensors.Size) -> tf.Tensor:
    """Returns a new int32 [2] seed that depends on `seed` and every number.

    Args:
        seed: int32 [2].
        *data: ints or integer scalars (step, replica, purpose), folded in
            one after the other, modulo 2^32; equal arguments give equal seeds.
    """
    for number in data:
        number = tf.cast(number, _INT32)
        seed = tf.random.experimental.stateless_fold_in(seed, number)
    return seed


@tf.function(jit_compile=False, reduce_retracing=True)
def fold_in_each(seed: _tensors.Array, values: _tensors.Array) -> tf.Tensor:
    """Returns int32 [B, 2]: `fold_in` of each value by itself.

    Args:
        seed: int32 [2].
        values: int64 [B].
    """
    return tf.map_fn(
        lambda value: fold_in(seed, value),
        values,
        fn_output_signature=tf.TensorSpec([2], tf.int32),
    )


def row_seeds(seed: _tensors.SeedLike, batch_size: _tensors.Size) -> tf.Tensor:
    """Returns int32 [B, 2]: one seed per row.

    Args:
        seed: None (fresh at every execution), an int, int32 [2], or int32
            [B, 2], which is returned as it is.
        batch_size: int or int scalar tensor, B.

    Raises:
        ValueError: for a seed of another shape.
    """
    if seed is None:
        shape = (batch_size, 2)
        return tf.random.uniform(shape, _INT32.min, _INT32.max, _INT32)
    pair = seed_pair(seed)
    if pair.shape.rank == 2 and pair.shape[-1] == 2:
        return pair
    if pair.shape.rank != 1:
        raise ValueError(
            "`seed` must be None, an int, or int32 of shape [2] or [B, 2]. "
            f"Received: seed of shape {pair.shape}"
        )
    return tf.random.stateless_uniform(
        (batch_size, 2), pair, minval=None, maxval=None, dtype=_INT32
    )


def row_uniform(
    seeds: _tensors.Array, shape: Sequence[Any], *data: _tensors.Size
) -> tf.Tensor:
    """Draws uniform numbers in [0, 1) for each row from its seed alone.

    Args:
        seeds: int32 [B, 2].
        shape: ints or int scalars, the shape of a row's numbers.
        *data: integer scalars folded into each seed first, as in `fold_in`.

    Returns:
        float32 [B, *shape]; a row's numbers do not depend on its neighbours.
    """
    return tf.map_fn(
        lambda seed: tf.random.stateless_uniform(shape, fold_in(seed, *data)),
        seeds,
        fn_output_signature=tf.float32,
    )


def row_normal(
    seeds: _tensors.Array, shape: Sequence[Any], *data: _tensors.Size
) -> tf.Tensor:
    """Draws standard normal numbers for each row; as `row_uniform`."""
    return tf.map_fn(
        lambda seed: tf.random.stateless_normal(shape, fold_in(seed, *data)),
        seeds,
        fn_output_signature=tf.float32,
    )


def row_bits(
    seeds: _tensors.Array, shape: Sequence[Any], *data: _tensors.Size
) -> tf.Tensor:
    """Draws int32 over all 2^32 values for each row; as `row_uniform`."""
    return tf.map_fn(
        lambda seed: tf.random.stateless_uniform(
            shape, fold_in(seed, *data), None, None, _INT32
        ),
        seeds,
        fn_output_signature=_INT32,
    )


def unit_interval(random_bits: _tensors.Array) -> tf.Tensor:
    """Maps bits to float32 in [0, 1), in steps of 2^-24."""
    high = tf.bitwise.right_shift(
        tf.bitcast(random_bits, tf.uint32), tf.constant(8, tf.uint32)
    )
    return tf.cast(high, tf.float32) * 2.0**-24
