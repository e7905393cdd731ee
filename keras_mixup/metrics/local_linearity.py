"""The local linearity error: the gap between the loss and its tangent."""

import functools
import weakref
from collections.abc import Sequence
from typing import Literal
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _classifiers
from keras_mixup import _inputs
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import ops
from keras_mixup import threat as threat_lib

# Step sizes of the stages, as fractions of eps.
_STAGES = (0.5, 0.125, 0.03)
# Random points among which each start takes the best.
_CANDIDATES = 20
# Callable -> {settings: compiled function}; an entry dies with its callable.
_COMPILED: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class _Ball(NamedTuple):
    """The ball of a `ThreatModel`; `eps` may be a tensor."""

    norm: str
    eps: object
    bounds: tuple


def local_linearity_error(
    model_fn: _tensors.ModelFn,
    images: _tensors.ArrayLike,
    labels: _tensors.ArrayLike,
    eps: _types.Number,
    num_steps: int = 21,
    num_starts: int = 3,
    norm: Literal["linf", "l2"] = "linf",
    bounds: Sequence[float] = (0.0, 1.0),
    loss_fn: _tensors.LossFn = ops.cross_entropy,
    batch_size: int = 128,
    seed: int = 0,
    draws_seed: int | None = None,
) -> np.ndarray:
    """Returns the largest gap between the loss and its tangent in a ball.

    gamma(eps, x, y) = max over ||delta|| <= eps of |l(x + delta) - l(x) -
    delta . grad l(x)| (VarMixup, section 5; Qin et al., 2019, Eq. 4),
    maximised by projected gradient ascent on the absolute value. Each start
    is the best of 20 random points; for the first start, a full step along
    the gradient is one more candidate. The largest value of all starts and
    stages counts, which is a lower bound of the maximum.

    Args:
        model_fn: callable from images [B, H, W, C] to logits [B, C], or with
            `draws_seed` a defence. It is traced in the first call; pass the
            same object to later calls.
        images: float [N, H, W, C] in [0, 1].
        labels: int [N], or probabilities [N, C].
        eps: float > 0 or a fraction, the radius.
        num_steps: int >= 3, ascent steps of each start.
        num_starts: int >= 1.
        norm: `"linf"` or `"l2"`.
        bounds: (low, high) that x + delta must not leave.
        loss_fn: callable (labels, logits) -> [B].
        batch_size: int >= 1, images at a time.
        seed: int, of the random starts.
        draws_seed: int, the seed of a defence's draws at x. They are held at
            every x + delta, so that the loss is one smooth function: another
            draw is no curvature, nor is a change of the predicted label that
            swaps all partners of Mixup Inference. None calls `model_fn` as it
            is. `lambda x: defence(x, seed=0)` fixes the seed alone.

    Returns:
        NumPy float32 [N]. The paper's Fig. 4 shows the mean over a test set.
        Costs about num_starts * (num_steps + 24) passes per image.

    Raises:
        ValueError: for arguments out of range, labels that are no classes of
            the model, or several outputs.
    """
    threat = threat_lib.ThreatModel(norm, eps, bounds, unbounded=True)
    _checks.check(threat.eps > 0, "eps", "a number > 0", eps)
    num_steps = _checks.check_integer(num_steps, "num_steps", len(_STAGES))
    num_starts = _checks.check_integer(num_starts, "num_starts")
    _checks.check(callable(model_fn), "model_fn", "a callable", model_fn)
    seed = _checks.check_seed(seed)
    images = _inputs.read_images(images, bounds=threat.bounds)
    labels = _inputs.read_labels(labels, len(images))
    batch_size = _checks.check_integer(batch_size, "batch_size")
    if draws_seed is not None:
        draws_seed = _checks.check_integer(draws_seed, "draws_seed", 0)
        okay = hasattr(model_fn, "predict_from_draws")
        expected = "a defence with `predict_from_draws` beside `draws_seed`"
        _checks.check(okay, "model_fn", expected, model_fn)
    settings = (loss_fn, norm, threat.bounds, num_steps, num_starts, draws_seed)
    errors = _compiled(model_fn, settings, images, labels)
    radius = tf.constant(threat.eps, tf.float32)
    found = []
    for number, first in enumerate(range(0, len(images), batch_size)):
        rows = slice(first, first + batch_size)
        own = ops.fold_in(ops.seed_pair(seed), number)
        batch = tf.constant(images[rows]), tf.constant(labels[rows])
        error, width = errors(*batch, radius, own)
        # The trace knows the classes: a label beyond them has no loss at all.
        _inputs.read_labels(labels, len(images), int(width))
        found.append(error.numpy())
    return np.concatenate(found)


def _compiled(model_fn, settings, images, labels):
    """Returns (images, labels, eps, seed) -> (errors, width of the output).

    It is traced once per model.
    """
    specs = [
        tf.TensorSpec([None, *values.shape[1:]], values.dtype)
        for values in (images, labels)
    ]
    key = (*settings, *specs)
    try:
        known = _COMPILED.setdefault(model_fn, {})
        # The cache must not keep the model alive.
        find = weakref.ref(model_fn)
    except TypeError:
        known, find = {}, lambda: model_fn
    if key not in known:
        known[key] = tf.function(
            functools.partial(_errors, find, *settings),
            input_signature=[
                *specs,
                tf.TensorSpec([], tf.float32),
                tf.TensorSpec([2], tf.int32),
            ],
            jit_compile=False,
            autograph=False,
        )
    return known[key]


def _errors(
    find,
    loss_fn,
    norm,
    bounds,
    num_steps,
    num_starts,
    draws_seed,
    images,
    labels,
    eps,
    seed,
):
    model_fn = find()
    answer, widths = model_fn, []
    if draws_seed is not None:
        draws = model_fn.draw(images, draws_seed)

        def answer(points):
            return model_fn.predict_from_draws(points, draws)

    def loss(points):
        outputs = answer(points)
        _classifiers.check_output(outputs, "model_fn")
        width = outputs.shape[-1]
        okay = labels.shape.rank == 1 or labels.shape[-1] == width
        expected = f"of shape [N] or [N, {width}], the classes"
        _checks.check(okay, "labels", expected, f"shape {labels.shape}")
        widths.append(width)
        return loss_fn(labels, outputs)

    ball = _Ball(norm, eps, bounds)
    gap = _Gap(loss, images)
    found = _maximise(ball, gap, images, num_steps, num_starts, seed)
    return found, tf.constant(widths[0])


class _Gap:
    """|l(x + delta) - l(x) - delta . grad l(x)| as a function of x + delta."""

    def __init__(self, loss, images):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            self._base = loss(images)
            total = tf.reduce_sum(self._base)
        self._loss, self._images = loss, images
        self.slope = ops.input_gradients(tape, total, images)

    def __call__(self, points):
        axes = list(range(1, points.shape.rank))
        along = (points - self._images) * self.slope
        tangent = self._base + tf.reduce_sum(along, axis=axes)
        return tf.abs(self._loss(points) - tangent)


def _maximise(ball, gap, images, num_steps, num_starts, seed):
    """Returns the largest gap found, float32 [B]; one loop over all stages."""
    stages = len(_STAGES)

    def body(index, point, best):
        start, stage = index // stages, index % stages
        own = ops.fold_in(seed, start)
        point, best = tf.cond(
            tf.equal(stage, 0),
            lambda: _start(ball, gap, images, start, own, best),
            lambda: (point, best),
        )
        point = ops.projected_ascent(
            gap,
            point,
            tf.gather(tf.constant(_STAGES), stage) * ball.eps,
            lambda moved: ops.project(ball, images, moved),
            (stage + 1) * num_steps // stages - stage * num_steps // stages,
            directions=lambda slope: ops.steepest_direction(ball.norm, slope),
        )
        return index + 1, point, tf.maximum(best, gap(point))

    count = num_starts * stages
    _, _, best = tf.while_loop(
        lambda index, *_: index < count,
        body,
        (tf.constant(0), images, tf.zeros(tf.shape(images)[:1])),
        parallel_iterations=1,
        maximum_iterations=count,
    )
    return best


def _start(ball, gap, images, number, seed, best):
    """Returns the best of some points for each image, and the largest gap.

    The first start also tries a full step along the gradient of the loss.
    """
    along = ball.eps * ops.steepest_direction(ball.norm, gap.slope)
    point = ops.project(ball, images, images + along)
    first = tf.cast(tf.equal(number, 0), tf.float32)
    highest = first * gap(point) - (1.0 - first)

    def body(index, point, highest):
        other = ops.random_start(ball, images, ops.fold_in(seed, index))
        value = gap(other)
        point = ops.select(value > highest, other, point)
        return index + 1, point, tf.maximum(highest, value)

    _, point, highest = tf.while_loop(
        lambda index, *_: index < _CANDIDATES,
        body,
        (tf.constant(0), point, highest),
        parallel_iterations=1,
        maximum_iterations=_CANDIDATES,
    )
    return point, tf.maximum(best, highest)
