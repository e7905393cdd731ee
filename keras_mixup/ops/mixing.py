"""The three parts of mixup: a weight, a partner, an interpolation."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from keras_mixup import _tensors


def sample_beta(
    shape: Sequence[Any] | tf.Tensor,
    concentration1: float,
    concentration0: float,
    seed: _tensors.Array,
) -> tf.Tensor:
    """Draws from Beta(a, b).

    Args:
        shape: int sequence or int32 tensor, the shape of the result.
        concentration1: float > 0, a.
        concentration0: float > 0, b.
        seed: int32 [2].

    Returns:
        float32 of shape `shape`, in [0, 1]. tensorflow-probability draws in
        log space, so a tiny concentration gives 0 or 1 instead of NaN. Unlike
        `keras.random.beta` it compiles under XLA.
    """
    beta = tfp.distributions.Beta(float(concentration1), float(concentration0))
    return beta.sample(shape, seed=seed)


def random_permutation(size: _tensors.Size, seed: _tensors.Array) -> tf.Tensor:
    """Returns a uniformly random permutation of range(size), int32 [size].

    Args:
        size: int or int scalar tensor.
        seed: int32 [2].
    """
    # Sorting random keys, since stateless_shuffle has no XLA kernel on CPUs.
    # Equal keys (with a probability of n^2 / 2^33) keep their order.
    keys = tf.random.stateless_uniform(
        [size], seed, minval=None, maxval=None, dtype=tf.int32
    )
    return tf.argsort(keys, stable=True)


def mix(
    weight: float | _tensors.Array, left: _tensors.Array, right: _tensors.Array
) -> tf.Tensor:
    """Returns `weight * left + (1 - weight) * right`, row by row.

    Args:
        weight: scalar, or [B] with one weight per row.
        left: [B, ...].
        right: [B, ...] of the same shape.

    Returns:
        [B, ...]. Mixup (Zhang et al., 2018); Mixup Inference, section 2.2.
    """
    left = tf.convert_to_tensor(left)
    weight = tf.cast(weight, left.dtype)
    if weight.shape.rank:
        ones = tf.ones(left.shape.rank - weight.shape.rank, tf.int32)
        weight = tf.reshape(weight, tf.concat([tf.shape(weight), ones], 0))
    return weight * left + (1.0 - weight) * right
