"""Sampling and resizing, differentiable in the images."""

from collections.abc import Sequence
from typing import Literal

import tensorflow as tf

from keras_mixup import _tensors


def sample_bilinear(
    images: _tensors.Array,
    rows: _tensors.Array,
    columns: _tensors.Array,
    fill: Literal["constant", "nearest"] = "constant",
) -> tf.Tensor:
    """Samples images at real-valued places.

    It is built from gathers, so its gradient is the exact transpose of the
    sampling. The gradient of TensorFlow's projective transform is approximate
    and would weaken an attack through a resampling defence.

    Args:
        images: float [B, H, W, C].
        rows: float32 [B, ...], where to sample; pixel i has its centre at i.
        columns: float32 [B, ...], of the same shape.
        fill: `"constant"` (0 beyond the image, interpolated towards its
            border pixels) or `"nearest"` (the nearest border pixel).

    Returns:
        [B, ..., C], differentiable in `images`, `rows` and `columns`.
    """
    shape = tf.shape(images)
    height, width = shape[1], shape[2]
    channels = images.shape[3]
    flat = tf.reshape(images, [shape[0], height * width, channels])
    top, left = tf.floor(rows), tf.floor(columns)
    total = 0.0
    for row_step in (0.0, 1.0):
        for column_step in (0.0, 1.0):
            row, column = top + row_step, left + column_step
            weight = (1.0 - tf.abs(rows - row)) * (
                1.0 - tf.abs(columns - column)
            )
            if fill == "constant":
                inside = _inside(row, height) & _inside(column, width)
                weight = tf.where(inside, weight, 0.0)
            index = _index(row, height) * width + _index(column, width)
            values = tf.gather(flat, index, axis=1, batch_dims=1)
            total += weight[..., None] * values
    return total


def sample_nearest(
    images: _tensors.Array, rows: _tensors.Array, columns: _tensors.Array
) -> tf.Tensor:
    """Samples the nearest pixel, 0 beyond the image.

    Args:
        images: float [B, H, W, C].
        rows: float32 [B, ...], where to sample; pixel i covers
            [i - 1/2, i + 1/2).
        columns: float32 [B, ...], of the same shape.

    Returns:
        [B, ..., C], differentiable in `images`.
    """
    shape = tf.shape(images)
    height, width = shape[1], shape[2]
    flat = tf.reshape(images, [shape[0], height * width, images.shape[3]])
    row, column = tf.floor(rows + 0.5), tf.floor(columns + 0.5)
    index = _index(row, height) * width + _index(column, width)
    values = tf.gather(flat, index, axis=1, batch_dims=1)
    inside = _inside(row, height) & _inside(column, width)
    return tf.where(inside[..., None], values, tf.zeros([], values.dtype))


def _inside(position, size):
    return (position >= 0.0) & (position <= tf.cast(size - 1, position.dtype))


def _index(position, size):
    last = tf.cast(size - 1, position.dtype)
    return tf.cast(tf.clip_by_value(position, 0.0, last), tf.int32)


def resize(images: _tensors.Array, size: Sequence[int]) -> tf.Tensor:
    """Returns images of another size, bilinear, antialiased when shrunk.

    Args:
        images: float32 [B, H, W, C].
        size: (height, width), ints.

    Returns:
        float32 [B, height, width, C], differentiable in `images`, within
        their range; the images themselves where the size is theirs.
    """
    height, width = images.shape[1:3]
    if (height, width) == tuple(size):
        return images
    shrinks = size[0] < height or size[1] < width
    return tf.image.resize(images, size, "bilinear", antialias=shrinks)
