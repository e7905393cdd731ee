"""Reconstruction errors, one number per image."""

import math

import tensorflow as tf

from keras_mixup import _tensors


def squared_error(
    images: _tensors.Array, restored: _tensors.Array
) -> tf.Tensor:
    """Returns the mean squared difference of each image, float32 [B].

    Args:
        images: float32 [B, H, W, C].
        restored: float [B, H, W, C].
    """
    errors = (tf.cast(restored, tf.float32) - images) ** 2
    return tf.reduce_mean(errors, axis=[1, 2, 3])


def psnr(images: _tensors.Array, restored: _tensors.Array) -> tf.Tensor:
    """Returns the peak signal-to-noise ratio of each image in dB, [B].

    Args:
        images: float32 [B, H, W, C] in [0, 1].
        restored: float32 [B, H, W, C] in [0, 1].

    Returns:
        -10 log10 of the mean squared error; at most 100 dB.
    """
    error = tf.maximum(squared_error(images, restored), 1e-10)
    return tf.math.log(error) * (-10.0 / math.log(10.0))
