"""The base of both forms of FAB: one run after another."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup.attacks import _active
from keras_mixup.attacks import _fab_loop
from keras_mixup.attacks import base
from keras_mixup.threat import ThreatModel


class BoundaryAttack(base.Attack):
    """The base of `FAB` and `TargetedFAB`."""

    # It ends at the boundary of the attacked model, however many steps are
    # left.
    transferable = False
    uses_gradients = True
    num_steps: int

    def __init__(
        self,
        threat: ThreatModel,
        num_steps: int = 100,
        num_restarts: int = 1,
        alpha_max: float = 0.1,
        eta: float = 1.05,
        beta: float = 0.9,
        search_steps: int = 3,
    ) -> None:
        super().__init__(threat)
        self.num_steps = _checks.check_integer(num_steps, "num_steps")
        self.num_restarts = _checks.check_integer(num_restarts, "num_restarts")
        self.alpha_max = _checks.check_number(
            alpha_max, "alpha_max", low=0.0, high=1.0
        )
        self.eta = _checks.check_number(eta, "eta", low=1.0)
        self.beta = _checks.check_number(beta, "beta", low=0.0, high=1.0)
        self.search_steps = _checks.check_integer(
            search_steps, "search_steps", 0
        )

    def towards(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        classes: tf.Tensor,
        seed: tf.Tensor,
        reach: bool = False,
    ) -> _tensors.Attacked:
        """Attacks towards one class after another, each with all restarts.

        Args:
            classes: int32 [T, B].
            reach: bool, whether only that class is a success.
        """

        def make(run, rows):
            targets = tf.gather(classes, run // self.num_restarts)
            targets = tf.gather(targets, rows)
            own = None if reach else tf.gather(labels, rows)

            def boundary(points):
                return _fab_loop.one_boundary(model_fn, points, targets, own)

            aims = targets if reach else own
            return boundary, judge_of(model_fn, aims, reach)

        num_runs = classes.shape[0] * self.num_restarts
        return self.runs(make, images, seed, num_runs, 1)

    def runs(
        self,
        make: Callable[..., Any],
        images: tf.Tensor,
        seed: tf.Tensor,
        num_runs: _tensors.Size,
        cost: _tensors.Size,
    ) -> _tensors.Attacked:
        """Attacks unbroken images run after run; keeps the closest points.

        Args:
            make: callable (run, rows) -> (boundary, judge) for these rows.
            cost: int, gradient passes of a step.

        Returns:
            (images, gradient passes [B], queries [B]).
        """
        rows = tf.shape(images)[0]
        seeds = ops.row_seeds(seed, rows)
        _, wrong = make(tf.constant(0), tf.range(rows))[1](images)
        distance = tf.where(wrong, 0.0, float("inf"))

        def body(run, nearest, count):
            done = nearest.distance <= self.threat.eps
            chosen = _active.unfinished_rows(done)
            part = self._run(make, images, seeds, run, nearest, chosen)
            nearest = _fab_loop.Nearest(
                *(
                    tf.tensor_scatter_nd_update(whole, chosen[:, None], own)
                    for whole, own in zip(nearest, part, strict=True)
                )
            )
            return run + 1, nearest, count + tf.cast(~done, tf.int32)

        def unfinished(run, nearest, count):
            return tf.reduce_any(nearest.distance > self.threat.eps)

        _, nearest, count = tf.while_loop(
            unfinished,
            body,
            (
                tf.constant(0),
                _fab_loop.Nearest(images, distance),
                tf.zeros([rows], tf.int32),
            ),
            parallel_iterations=1,
            maximum_iterations=num_runs,
        )
        broken = nearest.distance <= self.threat.eps
        found = ops.select(broken, nearest.images, images)
        searched = self.search_steps + 2 if self.search_steps else 0
        queries = count * (self.num_steps + searched) + 1
        return found, count * self.num_steps * cost, queries

    def _run(self, make, images, seeds, run, nearest, chosen):
        """One run on the chosen rows; returns their `Nearest`."""
        nearest = _fab_loop.Nearest(*(tf.gather(t, chosen) for t in nearest))
        clean = tf.gather(images, chosen)
        boundary, judge = make(run, chosen)
        problem = _fab_loop.Problem(
            self.threat.norm, self.threat.bounds, clean, boundary, judge
        )
        own_seeds = tf.gather(seeds, chosen)
        start = self._start(clean, own_seeds, run, nearest.distance)
        before = nearest
        nearest = _fab_loop.descend(
            problem,
            start,
            nearest,
            self.num_steps,
            self.alpha_max,
            self.eta,
            self.beta,
        )
        nearest = _fab_loop.search(problem, nearest, self.search_steps)
        # Rows that only fill up the batch stay as they are.
        filled = before.distance <= self.threat.eps
        return _fab_loop.Nearest(
            *(
                ops.select(filled, old, new)
                for old, new in zip(before, nearest, strict=True)
            )
        )

    def _start(self, images, seeds, run, distance):
        # The first run of each class starts at the image, the others half as
        # far away as the best point, at most eps / 2.
        shape = tf.shape(images)[1:]
        if self.threat.norm == "linf":
            noise = 2.0 * ops.row_uniform(seeds, shape, run) - 1.0
        else:
            noise = ops.row_normal(seeds, shape, run)
        length = _fab_loop.distances(
            self.threat.norm, tf.ensure_shape(noise, images.shape)
        )
        radius = 0.5 * tf.minimum(distance, self.threat.eps)
        radius = tf.where(run % self.num_restarts == 0, 0.0, radius)
        scale = tf.math.divide_no_nan(radius, length)
        start = images + tf.reshape(scale, [-1, 1, 1, 1]) * noise
        start = tf.ensure_shape(start, images.shape)
        return tf.clip_by_value(start, *self.threat.bounds)


def judge_of(model_fn, aims, reach):
    """Returns a callable from points to (score [B], adversarial bool [B])."""

    def judge(points):
        logits = tf.stop_gradient(tf.cast(model_fn(points), tf.float32))
        hit = ops.label_indices(logits) == aims
        score = ops.margin(aims, logits)
        return (-score, hit) if reach else (score, ~hit)

    return judge
