"""Projected gradient ascent over nested tensors, the one inner loop."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_mixup import _tensors
from keras_mixup.ops import gradients
from keras_mixup.ops import random


def projected_ascent(
    objective: Callable[..., Any],
    start: Any,
    step_sizes: Any,
    projections: Any,
    num_steps: int,
    directions: Any = tf.sign,
    seed: _tensors.Array | None = None,
    momentum: float = 0.0,
) -> Any:
    """Maximises an objective by projected steps; a graph loop.

    Each step computes the gradient of the summed objective with respect to
    every tensor of the point, turns it into a direction, takes one step of
    the given size and projects (Madry et al., 2018; Mixup Inference, Eq. 18).

    Args:
        objective: callable from a point to a tensor that is summed: a scalar
            or one value per row. With `seed` it is called as
            `objective(point, seed=...)`, with another seed at each step.
        start: a tensor or nested structure of float tensors, the start.
        step_sizes: a number or tensor for each tensor of `start`, in the
            same structure.
        projections: a callable for each tensor of `start`, in the same
            structure, applied to it after each step.
        num_steps: int >= 0.
        directions: one callable from a gradient to a direction for all
            tensors, or a structure like `start`; `tf.sign` by default.
        seed: None, or int32 [2].
        momentum: float >= 0, mu of Dong et al., 2018, Eq. 6. The direction is
            taken from the sum g <- mu g + gradient, where the gradient of
            each row is scaled to a mean absolute value of 1. 0 takes the
            gradient alone.

    Returns:
        The last point, in the structure of `start`, behind `stop_gradient`.
        Costs `num_steps` gradients of the objective and no other pass.

    Raises:
        ValueError: when the objective has no gradient at the point.
    """
    flat_start = [tf.convert_to_tensor(t) for t in tf.nest.flatten(start)]
    sizes = tf.nest.flatten(step_sizes)
    projectors = tf.nest.flatten(projections)
    if callable(directions):
        directors = [directions] * len(flat_start)
    else:
        directors = tf.nest.flatten(directions)

    def slopes_at(step, point):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(point)
            packed = tf.nest.pack_sequence_as(start, point)
            if seed is None:
                value = objective(packed)
            else:
                value = objective(packed, seed=random.fold_in(seed, step))
            total = tf.reduce_sum(value)
        return gradients.input_gradients(tape, total, point)

    def body(step, point, last, sums):
        found = slopes = slopes_at(step, list(point))
        if momentum:
            pairs = zip(sums, slopes, strict=True)
            slopes = [momentum * a + _to_mean_one(b) for a, b in pairs]
        moved = [
            projector(tensor + tf.cast(size, tensor.dtype) * director(slope))
            for tensor, slope, size, projector, director in zip(
                point, slopes, sizes, projectors, directors, strict=True
            )
        ]
        return step + 1, moved, found, slopes if momentum else sums

    # Without momentum, the point is the only loop variable.
    # Ones, so that no step at all counts as no zero gradient.
    last = [tf.ones_like(t) for t in flat_start]
    sums = [tf.zeros_like(t) for t in flat_start] if momentum else []
    _, point, last, _ = tf.while_loop(
        lambda step, *_: step < num_steps,
        body,
        (tf.constant(0), flat_start, last, sums),
        parallel_iterations=1,
        # XLA needs the bound to differentiate or unroll the loop.
        maximum_iterations=num_steps,
    )
    gradients.observe(last, point, flat_start)
    point = [tf.stop_gradient(tensor) for tensor in point]
    return tf.nest.pack_sequence_as(start, point)


def _to_mean_one(slope):
    axes = list(range(1, slope.shape.rank))
    size = tf.reduce_mean(tf.abs(slope), axis=axes, keepdims=True)
    return tf.math.divide_no_nan(slope, size)
