"""The steps of FAB: to the linearised boundary, with a bias to the image."""

import typing

import tensorflow as tf

from keras_mixup import ops

# Keep divisions finite, as in the authors' code.
_TINY, _SHORTEST = 1e-12, 1e-8
# How far a searched point stays on the adversarial side, as a share of the way
# to the last adversarial point. Rounding must not decide on its side.
_MARGIN = 0.05


class Problem(typing.NamedTuple):
    """What is attacked and how, for the rows of one run.

    Attributes:
        norm: `"linf"` or `"l2"`.
        bounds: (low, high) of the pixels.
        images: float32 [B, H, W, C], clean.
        boundary: callable from points to (difference [B], its gradient).
            The difference is negative before the nearest boundary.
        judge: callable from points to (score [B], adversarial bool [B]).
    """

    norm: str
    bounds: tuple
    images: tf.Tensor
    boundary: typing.Callable
    judge: typing.Callable


class Nearest(typing.NamedTuple):
    """The closest adversarial points so far.

    Attributes:
        images: float32 [B, H, W, C].
        distance: float32 [B], infinite where there is none.
    """

    images: tf.Tensor
    distance: tf.Tensor


def distances(norm, offsets):
    """Returns the length of each row, float32 [B]."""
    axes = list(range(1, offsets.shape.rank))
    if norm == "linf":
        return tf.reduce_max(tf.abs(offsets), axis=axes)
    return tf.sqrt(tf.reduce_sum(offsets**2, axis=axes))


def nearest_boundary(model_fn, points, labels, norm):
    """Returns the class difference with the nearest linearised boundary.

    It is the z_c - z_y, c != y, with the smallest |z_c - z_y| / dual norm of
    its gradient (Croce and Hein, 2020, Eq. 8). Costs one forward pass and one
    backward pass for each wrong class. Only the best gradient is kept, so
    that memory does not grow with the number of classes.

    Args:
        model_fn: callable from images to logits [B, K].
        points: float32 [B, H, W, C].
        labels: int32 [B], y.
        norm: `"linf"` or `"l2"`.

    Returns:
        (difference [B], gradient [B, H, W, C]).
    """
    with tf.GradientTape(True, watch_accessed_variables=False) as tape:
        tape.watch(points)
        logits = tf.cast(model_fn(points), tf.float32)
    classes = logits.shape[-1]

    def body(offset, best, difference, gradient):
        chosen = (labels + offset) % classes
        weights = tf.one_hot(chosen, classes) - tf.one_hot(labels, classes)
        slope = ops.input_gradients(
            tape, logits, points, output_gradients=weights
        )
        value = tf.reduce_sum(weights * logits, axis=-1)
        dual = "l1" if norm == "linf" else "l2"
        ratio = tf.abs(value) / (_dual_norm(dual, slope) + _TINY)
        nearer = ratio < best
        return (
            offset + 1,
            tf.where(nearer, ratio, best),
            tf.where(nearer, value, difference),
            ops.select(nearer, slope, gradient),
        )

    zeros = tf.zeros_like(logits[:, 0])
    _, _, difference, gradient = tf.while_loop(
        lambda offset, *_: offset < classes,
        body,
        (tf.constant(1), zeros + float("inf"), zeros, tf.zeros_like(points)),
        parallel_iterations=1,
        maximum_iterations=classes - 1,
    )
    return difference, gradient


def one_boundary(model_fn, points, targets, labels=None):
    """Returns z_t - z_y; without labels, z_t minus the highest other logit.

    Args:
        model_fn: callable from images to logits [B, K].
        points: float32 [B, H, W, C].
        targets: int32 [B], t.
        labels: int32 [B], y, or None.

    Returns:
        (difference [B], its gradient [B, H, W, C]); one gradient pass.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(points)
        logits = tf.cast(model_fn(points), tf.float32)
        if labels is None:
            difference = -ops.margin(targets, logits)
        else:
            towards = tf.gather(logits, targets, batch_dims=1)
            difference = towards - tf.gather(logits, labels, batch_dims=1)
        total = tf.reduce_sum(difference)
    return difference, ops.input_gradients(tape, total, points)


def descend(problem, start, nearest, num_steps, alpha_max, eta, beta):
    """Runs FAB (Croce and Hein, 2020, Algorithm 1); one graph loop.

    Args:
        problem: `Problem`.
        start: float32 [B, H, W, C].
        nearest: `Nearest`, before the run.
        num_steps: int >= 1.
        alpha_max: float, highest weight of the step from the clean image.
        eta: float >= 1, by how much steps overshoot the boundary.
        beta: float, share of the distance kept on the way back.

    Returns:
        `Nearest`.
    """

    def body(points, _, nearest):
        points, slope = _step(problem, points, alpha_max, eta)
        _, adversarial = problem.judge(points)
        nearest = _closer(problem, nearest, points, adversarial)
        back = problem.images + beta * (points - problem.images)
        return ops.select(adversarial, back, points), slope, nearest

    points, slope, nearest = tf.while_loop(
        lambda *_: True,
        body,
        (start, start, nearest),
        parallel_iterations=1,
        maximum_iterations=num_steps,
    )
    # Without a slope there is no boundary, wherever the bias led.
    ops.observe([slope], [points], [points])
    return nearest


def search(problem, nearest, num_steps):
    """Moves the points found towards their images (section 3, final search).

    Each step takes the score as linear between the last points on both sides
    of the boundary. It tries the point where the score would be zero.

    Args:
        problem: `Problem`.
        nearest: `Nearest`.
        num_steps: int >= 0; with s steps it costs s + 2 queries.

    Returns:
        `Nearest`, nowhere farther than before.
    """
    if num_steps == 0:
        return nearest
    far, offset = nearest.images, nearest.images - problem.images
    inner, outer = (
        tf.zeros_like(nearest.distance),
        tf.ones_like(nearest.distance),
    )
    below, above = problem.judge(problem.images)[0], problem.judge(far)[0]
    for _ in range(num_steps):
        share = tf.math.divide_no_nan(above, above - below)
        share = tf.clip_by_value(share, 0.0, 1.0) * (1.0 - _MARGIN)
        middle = outer - share * (outer - inner)
        scale = tf.reshape(middle, [-1, 1, 1, 1])
        points = _rounded(problem, problem.images + scale * offset)
        score, adversarial = problem.judge(points)
        nearest = _closer(problem, nearest, points, adversarial)
        outer = tf.where(adversarial, middle, outer)
        above = tf.where(adversarial, score, above)
        inner = tf.where(adversarial, inner, middle)
        below = tf.where(adversarial, below, score)
    return nearest


def _step(problem, points, alpha_max, eta):
    """Eq. 9 and 10: the mean of overshot steps from point and image."""
    images = problem.images
    difference, gradient = problem.boundary(points)
    difference, gradient = (
        tf.stop_gradient(difference),
        tf.stop_gradient(gradient),
    )
    across = tf.reduce_sum(gradient * (points - images), axis=[1, 2, 3])
    rows = tf.shape(points)[0]
    flat = [
        tf.reshape(tensor, [rows, -1]) for tensor in (points, images, gradient)
    ]
    steps = ops.step_to_hyperplane(
        problem.norm,
        tf.concat(flat[:2], axis=0),
        tf.concat([flat[2], flat[2]], axis=0),
        tf.concat([-difference, across - difference], axis=0),
        problem.bounds,
    )
    own, from_image = (
        tf.reshape(part, tf.shape(points))
        for part in (steps[:rows], steps[rows:])
    )
    lengths = [
        tf.maximum(distances(problem.norm, part), _SHORTEST)
        for part in (own, from_image)
    ]
    alpha = tf.minimum(lengths[0] / (lengths[0] + lengths[1]), alpha_max)
    alpha = tf.reshape(alpha, [-1, 1, 1, 1])
    moved = (1.0 - alpha) * (points + eta * own)
    moved += alpha * (images + eta * from_image)
    return _rounded(problem, moved), gradient


def _rounded(problem, points):
    # Rounds as the final projection does. Otherwise a point on the boundary
    # could be judged on its other side.
    points = tf.clip_by_value(points, *problem.bounds)
    points = problem.images + (points - problem.images)
    return tf.clip_by_value(points, *problem.bounds)


def _closer(problem, nearest, points, adversarial):
    distance = distances(problem.norm, points - problem.images)
    better = adversarial & (distance < nearest.distance)
    return Nearest(
        ops.select(better, points, nearest.images),
        tf.where(better, distance, nearest.distance),
    )


def _dual_norm(dual, gradient):
    if dual == "l1":
        return tf.reduce_sum(tf.abs(gradient), axis=[1, 2, 3])
    return distances("l2", gradient)
