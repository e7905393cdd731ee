"""The shortest step from a point in a box to a hyperplane."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import tensorflow as tf

from keras_mixup import _tensors
from keras_mixup.ops import selection

_TINY = float(np.finfo("float32").tiny)


def step_to_hyperplane(
    norm: Literal["linf", "l2"],
    points: _tensors.Array,
    normals: _tensors.Array,
    gaps: _tensors.Array,
    bounds: Sequence[float],
) -> tf.Tensor:
    """Returns the shortest step d with <w, d> = gap that stays in the box.

    Minimises ||d|| in the norm, subject to <w, d> = gap and low <= x + d <=
    high (Croce and Hein, 2020, "Minimally distorted adversarial examples",
    Eq. 5). Where the box does not reach the hyperplane, d is the step to the
    box's corner nearest to it.

    The solution moves every coordinate towards the hyperplane by min(t g,
    room), with g = 1 in L-infinity and g = |w| in L2. The distance covered is
    a concave, piecewise linear function of t. Newton's method from t = 0
    reaches the exact t in finitely many steps, without sorting.

    Args:
        norm: `"linf"` or `"l2"`.
        points: float32 [B, D] in the box, x.
        normals: float32 [B, D], w; where it is zero d is zero.
        gaps: float32 [B].
        bounds: (low, high), the box.

    Returns:
        float32 [B, D].
    """
    largest = tf.reduce_max(tf.abs(normals), axis=1, keepdims=True)
    scale = tf.where(largest > 0.0, largest, tf.ones_like(largest))
    slopes = tf.abs(normals) / scale
    upwards = (normals > 0.0) == (gaps[:, None] > 0.0)
    room = selection.select(upwards, bounds[1] - points, points - bounds[0])
    # Products with 0 and 1 are faster than `tf.where`.
    room = tf.maximum(room, 0.0) * tf.cast(slopes > 0.0, tf.float32)
    # Divided after the clip, since tiny normals would give infinite gaps.
    gains = slopes * room
    limit = tf.reduce_sum(gains, axis=1, keepdims=True)
    wanted = tf.minimum(tf.abs(gaps[:, None]), 2.0 * scale * limit) / scale
    # Where a slope is zero there is no room, so any rate will do.
    rates = slopes if norm == "l2" else tf.ones_like(limit)
    times = _times(slopes * rates, rates, room, gains, wanted)
    covered = tf.minimum(times * rates, room)
    step = selection.select((wanted < limit)[:, 0], covered, room)
    return selection.select(upwards, step, -step)


def _times(steepness, rates, room, gains, wanted):
    """Solves sum(slopes * min(t * rates, room)) = wanted for t, [B, 1].

    `steepness` and `gains` are the slopes times the rates and the room.
    """

    def newton(times, _):
        free = tf.cast(times * rates < room, tf.float32)
        slope = tf.reduce_sum(free * steepness, axis=1, keepdims=True)
        fixed = tf.reduce_sum((1.0 - free) * gains, axis=1, keepdims=True)
        left = wanted - fixed
        next_times = left / tf.maximum(slope, _TINY)
        # Rounding must not decrease t, nor divide by zero if nothing is free.
        next_times = tf.where(slope > 0.0, next_times, times)
        rising = next_times > times
        return tf.where(rising, next_times, times), tf.reduce_any(rising)

    start = tf.zeros_like(wanted)
    times, _ = tf.while_loop(
        lambda _, rising: rising,
        newton,
        (start, tf.constant(True)),
        parallel_iterations=1,
        # Every step but the last fixes at least one coordinate.
        maximum_iterations=tf.shape(gains)[1] + 1,
    )
    return times
