"""The norm ball: random starts, steepest directions, projections."""

from typing import Literal

import numpy as np
import tensorflow as tf

from keras_mixup import _tensors
from keras_mixup.ops import random
from keras_mixup.threat import ThreatModel

_TINY = float(np.finfo("float32").tiny)


def _image_axes(images):
    return list(range(1, images.shape.rank))


def _l2_norm(values):
    axes = _image_axes(values)
    # Entries below 1e-19 have squares that underflow in float32, so all are
    # scaled by the largest entry first.
    largest = tf.reduce_max(tf.abs(values), axis=axes, keepdims=True)
    scale = tf.where(largest > 0.0, largest, tf.ones_like(largest))
    squares = tf.reduce_sum((values / scale) ** 2, axis=axes, keepdims=True)
    return scale * tf.sqrt(squares)


def random_start(
    threat: ThreatModel, images: _tensors.Array, seed: _tensors.Array
) -> tf.Tensor:
    """Draws a point uniformly from the ball around each image, then clips.

    Args:
        threat: `ThreatModel`.
        images: float32 [B, H, W, C] in the threat's bounds.
        seed: int32 [2], or int32 [B, 2] for draws that depend on the row's
            seed alone.

    Returns:
        float32 [B, H, W, C] in the ball and in the bounds (Madry et al.,
        2018, section 2.1, for L-infinity).
    """
    images = tf.convert_to_tensor(images)
    shape, eps = tf.shape(images), threat.eps
    if tf.convert_to_tensor(seed).shape.rank == 2:
        return _row_start(threat, images, seed)
    if threat.norm == "linf":
        noise = tf.random.stateless_uniform(shape, seed, -eps, eps)
        return tf.clip_by_value(images + noise, *threat.bounds)
    normal = tf.random.stateless_normal(shape, random.fold_in(seed, 0))
    direction = normal / tf.maximum(_l2_norm(normal), _TINY)
    per_image = [shape[0]] + [1] * (images.shape.rank - 1)
    uniform = tf.random.stateless_uniform(per_image, random.fold_in(seed, 1))
    dimension = tf.cast(tf.reduce_prod(shape[1:]), tf.float32)
    noise = eps * direction * uniform ** (1.0 / dimension)
    return tf.clip_by_value(images + noise, *threat.bounds)


def _row_start(threat, images, seeds):
    shape = tf.shape(images)[1:]
    if threat.norm == "linf":
        noise = 2.0 * random.row_uniform(seeds, shape, 0) - 1.0
    else:
        normal = random.row_normal(seeds, shape, 0)
        normal = tf.ensure_shape(normal, images.shape)
        uniform = random.row_uniform(seeds, [1] * len(images.shape[1:]), 1)
        dimension = tf.cast(tf.reduce_prod(shape), tf.float32)
        direction = normal / tf.maximum(_l2_norm(normal), _TINY)
        noise = direction * uniform ** (1.0 / dimension)
    moved = images + threat.eps * tf.ensure_shape(noise, images.shape)
    return tf.clip_by_value(moved, *threat.bounds)


def steepest_direction(
    norm: Literal["linf", "l2"], gradient: _tensors.Array
) -> tf.Tensor:
    """Returns the unit-length direction of steepest ascent in the norm.

    Args:
        norm: `"linf"` (the sign) or `"l2"` (the normalised gradient).
        gradient: [B, ...].

    Returns:
        [B, ...], zero where the gradient is zero.
    """
    gradient = tf.convert_to_tensor(gradient)
    if norm == "linf":
        return tf.sign(gradient)
    length = _l2_norm(gradient)
    return gradient / tf.where(length > 0.0, length, tf.ones_like(length))


def project(
    threat: ThreatModel, images: _tensors.Array, candidates: _tensors.Array
) -> tf.Tensor:
    """Projects candidates into the bounds and the ball around the images.

    Args:
        threat: `ThreatModel`.
        images: float32 [B, ...], the centres.
        candidates: float32 [B, ...].

    Returns:
        float32 [B, ...], in the ball and in the bounds. The order is bounds,
        ball, bounds, as in cleverhans, so that L2 iterates agree with its
        PGD. The last clipping moves a point towards its centre.
    """
    offset = tf.clip_by_value(candidates, *threat.bounds) - images
    if threat.norm == "linf":
        offset = tf.clip_by_value(offset, -threat.eps, threat.eps)
    else:
        length = tf.maximum(_l2_norm(offset), _TINY)
        offset = offset * tf.minimum(1.0, threat.eps / length)
    return tf.clip_by_value(images + offset, *threat.bounds)
