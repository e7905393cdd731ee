"""The loop of Auto-PGD: ascent with momentum and a step size that halves."""

import typing

import numpy as np
import tensorflow as tf

from keras_mixup import ops

# Croce and Hein (2020), section 3: momentum weight, share of increasing
# steps below which the step size is halved, first interval, decrement and
# shortest interval as percentages of the number of steps.
MOMENTUM = 0.75
INCREASING = 0.75
INTERVAL, DECREMENT, SHORTEST = 22, 3, 6


class State(typing.NamedTuple):
    """What Auto-PGD carries from step to step, one row per image."""

    step: tf.Tensor  # int32 scalar, the index of `point`
    point: tf.Tensor  # [B, H, W, C], to be evaluated next
    previous: tf.Tensor  # the point before, for the momentum
    best: tf.Tensor  # where the loss was highest
    best_gradient: tf.Tensor
    adversarial: tf.Tensor  # the latest point that fooled the model
    broken: tf.Tensor  # bool [B], whether any point did
    best_loss: tf.Tensor  # [B]
    checked_loss: tf.Tensor  # best loss at the last checkpoint
    last_loss: tf.Tensor  # loss of the point before
    increases: tf.Tensor  # steps that raised the loss since the checkpoint
    halved: tf.Tensor  # bool [B], whether the last checkpoint halved
    step_size: tf.Tensor  # [B, 1, 1, 1]


def checkpoints(num_steps):
    """Returns the steps after which the step size may be halved.

    Args:
        num_steps: int >= 1.

    Returns:
        tuple of ints; 22, 41, 57, 70, 80, 87, 93, 99 for 100 steps (Croce
        and Hein, 2020, Eq. 2, with the rounding of their code).
    """
    interval = max(INTERVAL * num_steps // 100, 1)
    decrement = max(DECREMENT * num_steps // 100, 1)
    shortest = max(SHORTEST * num_steps // 100, 1)
    marks, step = [], interval
    while step <= num_steps:
        marks.append(step)
        interval = max(interval - decrement, shortest)
        step += interval
    return tuple(marks)


def first_point(threat, images, seed):
    """Draws a start on the surface of the ball, clipped to the bounds.

    Args:
        threat: `ThreatModel`.
        images: float32 [B, H, W, C].
        seed: int32 [2].
    """
    images = tf.convert_to_tensor(images)
    shape, axes = tf.shape(images), list(range(1, images.shape.rank))
    if threat.norm == "linf":
        noise = tf.random.stateless_uniform(shape, seed, -1.0, 1.0)
        largest = tf.reduce_max(tf.abs(noise), axis=axes, keepdims=True)
        noise = tf.math.divide_no_nan(noise, largest)
    else:
        noise = tf.random.stateless_normal(shape, seed)
        noise = ops.steepest_direction("l2", noise)
    return tf.clip_by_value(images + threat.eps * noise, *threat.bounds)


def ascend(evaluate, threat, images, start, num_steps, early_stop=False):
    """Runs Auto-PGD (Croce and Hein, 2020, Algorithm 1); one graph loop.

    Args:
        evaluate: callable `(point, step) -> (loss [B], fooled bool [B])`.
        threat: `ThreatModel`.
        images: float32 [B, H, W, C], the centres of the balls.
        start: float32 [B, H, W, C], the first point.
        num_steps: int >= 1.
        early_stop: bool, whether to end once every row was fooled.

    Returns:
        `State`; its `step` counts the gradient passes, at most
        `num_steps + 1`.
    """
    images, start = tf.convert_to_tensor(images), tf.convert_to_tensor(start)
    intervals = np.zeros(num_steps + 1, "int32")
    marks = checkpoints(num_steps)
    intervals[list(marks)] = np.diff((0, *marks))

    project = _projector(threat, images)

    def body(state):
        loss, gradient, fooled = _evaluate(evaluate, state)
        state = _record(state, loss, gradient, fooled)
        interval = tf.gather(intervals, state.step)
        state, gradient = tf.cond(
            interval > 0,
            lambda: _check(state, gradient, interval),
            lambda: (state, gradient),
        )
        return (_move(threat.norm, project, state, gradient),)

    def unfinished(state):
        if early_stop:
            return ~tf.reduce_all(state.broken)
        return True

    (state,) = tf.while_loop(
        unfinished,
        body,
        (_initial(threat, start),),
        parallel_iterations=1,
        maximum_iterations=num_steps + 1,
    )
    # Not finite where the last loss is no number.
    nothing = state.last_loss - state.last_loss
    ops.observe([state.best_gradient, nothing], [state.best], [start])
    return tf.nest.map_structure(tf.stop_gradient, state)


def _initial(threat, start):
    rows = tf.shape(start)[:1]
    zeros = tf.zeros(rows, start.dtype)
    eps = tf.cast(threat.eps, start.dtype)
    return State(
        step=tf.constant(0),
        point=start,
        previous=start,
        best=start,
        best_gradient=tf.zeros_like(start),
        adversarial=start,
        broken=tf.zeros(rows, tf.bool),
        best_loss=zeros - float("inf"),
        checked_loss=zeros,
        last_loss=zeros,
        increases=zeros,
        # True, so that the first checkpoint looks at increases alone.
        halved=tf.ones(rows, tf.bool),
        step_size=tf.fill(_per_image(start), 2.0 * eps),
    )


def _evaluate(evaluate, state):
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(state.point)
        loss, fooled = evaluate(state.point, state.step)
        total = tf.reduce_sum(loss)
    gradient = ops.input_gradients(tape, total, state.point)
    return tf.stop_gradient(loss), gradient, fooled


def _record(state, loss, gradient, fooled):
    better = loss > state.best_loss
    rises = tf.cast(loss > state.last_loss, loss.dtype)
    # The start's loss is no step: the first step is compared with zero, as
    # in the reference, whose row before the first is still empty.
    first, zeros = state.step == 0, tf.zeros_like(loss)
    return state._replace(
        best=ops.select(better, state.point, state.best),
        best_gradient=ops.select(better, gradient, state.best_gradient),
        best_loss=tf.where(better, loss, state.best_loss),
        adversarial=ops.select(fooled, state.point, state.adversarial),
        broken=state.broken | fooled,
        increases=tf.where(first, zeros, state.increases + rises),
        last_loss=tf.where(first, zeros, loss),
        checked_loss=tf.where(first, loss, state.checked_loss),
    )


def _check(state, gradient, interval):
    # Conditions 1 and 2 of section 3.2; both halve and go back to the best.
    enough = INCREASING * tf.cast(interval, state.increases.dtype)
    stuck = ~state.halved & (state.checked_loss >= state.best_loss)
    halve = (state.increases <= enough) | stuck
    smaller = state.step_size / 2.0
    state = state._replace(
        step_size=ops.select(halve, smaller, state.step_size),
        point=ops.select(halve, state.best, state.point),
        halved=halve,
        checked_loss=state.best_loss,
        increases=tf.zeros_like(state.increases),
    )
    return state, ops.select(halve, state.best_gradient, gradient)


def _move(norm, project, state, gradient):
    point = state.point
    direction = ops.steepest_direction(norm, gradient)
    ahead = project(point + state.step_size * direction)
    weight = tf.where(state.step == 0, 1.0, MOMENTUM)
    weight = tf.cast(weight, point.dtype)
    momentum = (1.0 - weight) * (point - state.previous)
    moved = point + weight * (ahead - point) + momentum
    return state._replace(
        step=state.step + 1,
        previous=point,
        point=project(moved),
    )


def _projector(threat, images):
    """Returns a projection onto the ball, then the bounds.

    The authors' code has this order. `ops.project` follows cleverhans and
    clips to the bounds first, which gives another point in L2.
    """
    if threat.norm == "linf":
        # A box: its corners are the same in every step.
        low = tf.clip_by_value(images - threat.eps, *threat.bounds)
        high = tf.clip_by_value(images + threat.eps, *threat.bounds)
        return lambda point: tf.minimum(tf.maximum(point, low), high)
    axes = list(range(1, images.shape.rank))

    def project(point):
        offset = point - images
        squares = tf.reduce_sum(offset**2, axis=axes, keepdims=True)
        length = tf.maximum(tf.sqrt(squares), threat.eps)
        eps = tf.cast(threat.eps, length.dtype)
        factor = tf.math.divide_no_nan(eps, length)
        return tf.clip_by_value(images + factor * offset, *threat.bounds)

    return project


def _per_image(images):
    return [tf.shape(images)[0]] + [1] * (images.shape.rank - 1)
