"""SPSA: gradients estimated from queries, for whole batches."""

import typing

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.attacks import base
from keras_mixup.attacks import gradient
from keras_mixup.threat import ThreatModel

OPTIMIZERS = ("adam", "sign")
# Adam's own defaults (Kingma and Ba, 2015), as in cleverhans.
_DECAY, _SQUARE_DECAY, _EPSILON = 0.9, 0.999, 1e-7
# Bits drawn at once, one sign each.
_WORD = 32
_SHIFTS = np.arange(_WORD, dtype="uint32")


class _State(typing.NamedTuple):
    step: tf.Tensor  # int32 scalar
    points: tf.Tensor  # float32 [B, H, W, C]
    mean: tf.Tensor  # Adam's, like the points
    square: tf.Tensor
    done: tf.Tensor  # bool [B], stopped early
    queries: tf.Tensor  # int32 [B]


@registry.register(
    "attack",
    "spsa",
    label="SPSA",
    flags={"num_steps": "spsa_steps", "num_samples": "spsa_samples"},
)
class SPSA(base.Attack):
    """Gradient-free attack by random finite differences (Uesato et al., 2018).

    Each step estimates the gradient as the mean of (f(x + delta v) - f(x -
    delta v)) v / (2 delta) over random sign vectors v (Algorithm 1; Spall,
    1992), then moves and projects. An image's draws depend on its seed alone.
    The attack returns the last iterate; of several restarts, the one with the
    highest loss. It asks at points up to `delta` outside of the pixel bounds.

    Args:
        threat: `ThreatModel`.
        num_steps: int >= 1, the steps of each run.
        num_samples: even int >= 2, the queries at each step. Half of them
            mirror the other half.
        learning_rate: float > 0 or `"2/255"`, of Adam or of sign steps, in
            the unit of `threat.eps`.
        delta: float > 0, the length of the differences in each pixel.
        optimizer: `"adam"` as in the paper and in cleverhans, or `"sign"`
            for steps along the sign of the estimate (in L2 its direction).
        num_restarts: int >= 1, the runs.
        random_start: bool, whether to start uniformly in the ball.
        loss: the loss that is maximised, as for `PGD`.
        early_stop: bool, whether an image stops once it fools the model; then
            each step costs one query more. Images that are scored on another
            model must take all steps.
        max_batch_size: int >= 2, images per pass through the model. It bounds
            the memory and changes the result only by rounding.

    Raises:
        ValueError: for arguments outside these ranges.

    Example:

    >>> attack = SPSA(ThreatModel("linf", "8/255"), num_steps=20)
    >>> attack(model, images, labels, seed=0).queries
    """

    uses_gradients = False

    def __init__(
        self,
        threat: ThreatModel,
        num_steps: int = 20,
        num_samples: int = 128,
        learning_rate: float | str = 0.01,
        delta: float = 0.01,
        optimizer: _types.PythonOnly[typing.Literal["adam", "sign"]] = "adam",
        num_restarts: int = 1,
        random_start: bool = True,
        loss: _types.PythonOnly[str | _tensors.LossFn] = "margin",
        early_stop: bool = False,
        max_batch_size: _types.PythonOnly[int] = 1024,
    ) -> None:
        super().__init__(threat)
        self.num_steps = _checks.check_integer(num_steps, "num_steps")
        self.num_samples = check_pairs(num_samples)
        self.learning_rate = _checks.check_number(
            learning_rate, "learning_rate", low=0.0, low_open=True
        )
        self.delta = _checks.check_number(
            delta, "delta", low=0.0, low_open=True
        )
        self.optimizer = _checks.check_choice(
            optimizer, "optimizer", OPTIMIZERS
        )
        self.num_restarts = _checks.check_integer(num_restarts, "num_restarts")
        self.random_start = _checks.check_flag(random_start, "random_start")
        self.loss = gradient.check_loss(loss)
        self.early_stop = _checks.check_flag(early_stop, "early_stop")
        self.max_batch_size = _checks.check_integer(
            max_batch_size, "max_batch_size", 2
        )

    @property
    def name(self) -> str:
        restarts = base.times(self.num_restarts)
        return f"spsa-{self.num_steps}x{self.num_samples}{restarts}"

    def run(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
        loss = gradient.loss_function(self.loss)
        seeds = ops.row_seeds(seed, tf.shape(images)[0])

        def evaluate(points, repeats=1):
            """Returns loss and success; each image has `repeats` rows."""
            logits = tf.stop_gradient(model_fn(points))
            aims = labels if targets is None else targets
            aims = tf.repeat(aims, repeats, axis=0)
            hit = ops.label_indices(logits) == ops.label_indices(aims)
            if targets is None:
                return loss(aims, logits), ~hit
            return -loss(aims, logits), hit

        if self.num_restarts == 1:
            state = self._restart(evaluate, images, seeds, 0)
            return state.points, 0, state.queries

        def run(index):
            state = self._restart(evaluate, images, seeds, index)
            value, hit = evaluate(state.points)
            return state.points, hit, value, state.queries + 1

        best, queries = gradient.best_of(self.num_restarts, run, images)
        return best, 0, queries

    def _restart(self, evaluate, images, seeds, restart):
        """Returns the `_State` after all steps of one restart."""
        start = images
        if self.random_start:
            own = ops.row_bits(seeds, [2], restart, 0)
            start = ops.random_start(
                self.threat, images, tf.ensure_shape(own, [None, 2])
            )
        zeros = tf.zeros_like(images)
        rows = tf.shape(images)[:1]
        state = _State(
            tf.constant(0),
            start,
            zeros,
            zeros,
            tf.zeros(rows, tf.bool),
            tf.zeros(rows, tf.int32),
        )

        def body(state):
            if self.early_stop:
                state = state._replace(done=evaluate(state.points)[1])
            gradient = self._estimate(
                evaluate, state.points, seeds, restart, state.step
            )
            return (self._move(images, state, gradient),)

        (state,) = tf.while_loop(
            lambda state: ~tf.reduce_all(state.done),
            body,
            (state,),
            parallel_iterations=1,
            maximum_iterations=self.num_steps,
        )
        return state

    def _estimate(self, evaluate, points, seeds, restart, step):
        """Returns the estimated gradient; one pass per chunk of samples."""
        pairs, shape = self.num_samples // 2, tf.shape(points)
        size = tf.reduce_prod(shape[1:])
        # All signs of a step are drawn at once, one bit each, so that they do
        # not depend on the chunks.
        words = -(-size // _WORD)
        bits = ops.row_bits(seeds, [pairs, words], restart, 1, step)
        chunk = tf.maximum(self.max_batch_size // (2 * shape[0]), 1)

        def body(first, total):
            signs = _signs(bits[:, first : first + chunk], size)
            count = tf.shape(signs)[1]
            signs = tf.reshape(signs, tf.concat([[-1], shape[1:]], axis=0))
            centres = tf.repeat(points, count, axis=0)
            moves = self.delta * signs
            both = tf.stack([centres + moves, centres - moves], axis=1)
            both = tf.reshape(both, tf.concat([[-1], shape[1:]], axis=0))
            both = tf.ensure_shape(both, [None, *points.shape[1:]])
            values = tf.reshape(evaluate(both, 2 * count)[0], [-1, 2])
            rise = tf.reshape(values[:, 0] - values[:, 1], [-1, 1, 1, 1])
            by_image = tf.concat([shape[:1], [count], shape[1:]], axis=0)
            total += tf.reduce_sum(tf.reshape(rise * signs, by_image), axis=1)
            return first + chunk, tf.ensure_shape(total, points.shape)

        _, total = tf.while_loop(
            lambda first, _: first < pairs,
            body,
            (tf.constant(0), tf.zeros_like(points)),
            parallel_iterations=1,
            maximum_iterations=pairs,
        )
        return total / (2.0 * self.delta * pairs)

    def _move(self, images, state, gradient):
        mean = _DECAY * state.mean + (1.0 - _DECAY) * gradient
        square = _SQUARE_DECAY * state.square
        square += (1.0 - _SQUARE_DECAY) * gradient**2
        if self.optimizer == "sign":
            moved = ops.steepest_direction(self.threat.norm, gradient)
        else:
            count = tf.cast(state.step + 1, tf.float32)
            moved = mean / (1.0 - _DECAY**count)
            moved /= tf.sqrt(square / (1.0 - _SQUARE_DECAY**count)) + _EPSILON
        moved = state.points + self.learning_rate * moved
        moved = ops.project(self.threat, images, moved)
        spent = tf.where(state.done, 0, self.num_samples)
        return _State(
            state.step + 1,
            ops.select(state.done, state.points, moved),
            mean,
            square,
            state.done,
            state.queries + spent + int(self.early_stop),
        )


def check_pairs(num_samples):
    """Returns a number of mirrored samples as an int; it must be even."""
    number = _checks.check_integer(num_samples, "num_samples", 2)
    _checks.check(number % 2 == 0, "num_samples", "even", num_samples)
    return number


def _signs(words, size):
    """Unpacks int32 [B, N, W] to signs, float32 [B, N, size]."""
    words = tf.bitcast(words, tf.uint32)[..., None]
    bits = tf.bitwise.right_shift(words, _SHIFTS)
    bits = tf.bitwise.bitwise_and(bits, tf.constant(1, tf.uint32))
    flat = tf.concat([tf.shape(words)[:2], [-1]], axis=0)
    signs = 2.0 * tf.cast(bits, tf.float32) - 1.0
    return tf.reshape(signs, flat)[..., :size]
