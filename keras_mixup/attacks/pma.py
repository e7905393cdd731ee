"""Probability Margin Attack: long cosine steps on a loss of probabilities."""

import math
import typing

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.attacks import _functions
from keras_mixup.attacks import base
from keras_mixup.attacks import gradient
from keras_mixup.threat import ThreatModel


class State(typing.NamedTuple):
    """What one run carries from step to step, one row per image."""

    step: tf.Tensor  # int32 scalar
    point: tf.Tensor  # [B, H, W, C], to be judged next
    slope: tf.Tensor  # its gradient at the last step
    found: tf.Tensor  # the first point that fooled the model
    fooled: tf.Tensor  # bool [B], whether any point did


@registry.register(
    "attack", "pma", label="PMA", flags={"num_steps": "pma_steps"}
)
class PMA(gradient.GradientAttack):
    """Probability Margin Attack (Xie et al., 2024, arXiv 2411.15210).

    It maximises max_{c != y} p_c - p_y, the margin of the probabilities. The
    schedule is that of the authors' code, which is that of Ma et al.
    (Imbalanced Gradients). Each restart has two runs from other points,
    uniform in the ball. The first step raises p_y. Up to the middle, the first
    run lowers p_y and the second raises the largest other p_c. From there on
    both climb the margin. In each half, the step size falls from 2 eps to zero
    along a cosine.

    An image keeps its first point that fools the model, so that a run ends
    once every image has one. With `targets`, the target's probability takes
    the place of the largest other one. L2 steps follow the normalised
    gradient; the paper has L-infinity alone.

    Args:
        threat: `ThreatModel`.
        num_steps: int >= 1, the steps of each of the two runs.
        num_restarts: int >= 1, the pairs of runs.

    Raises:
        ValueError: for arguments outside these ranges.

    Example:

    >>> attack = PMA(ThreatModel("linf", "8/255"))
    >>> attack(model, images, labels, seed=0).success
    """

    # A fooled image takes no further step.
    transferable = False

    def __init__(
        self, threat: ThreatModel, num_steps: int = 100, num_restarts: int = 1
    ) -> None:
        super().__init__(threat)
        self.num_steps = _checks.check_integer(num_steps, "num_steps")
        self.num_restarts = _checks.check_integer(num_restarts, "num_restarts")

    @property
    def name(self) -> str:
        return f"pma-{self.num_steps}{base.times(self.num_restarts)}"

    def perturb(
        self,
        model_fn: _tensors.ModelFn,
        images: _tensors.Array,
        labels: _tensors.Array,
        seed: _tensors.SeedLike,
        targets: _tensors.Array | None = None,
        start: _tensors.Array | None = None,
    ) -> tf.Tensor:
        """See `GradientAttack.perturb`; a start serves both runs."""
        model_fn, seed = _functions.as_function(model_fn), ops.seed_pair(seed)
        return self._search(model_fn, images, labels, targets, seed, start)[0]

    def run(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
        """Counts a gradient pass for each step, a query for each run's end."""
        found, cost = self._search(model_fn, images, labels, targets, seed)
        return found, cost[:, 0], cost[:, 1]

    def _search(self, model_fn, images, labels, targets, seed, start=None):
        images = tf.convert_to_tensor(images)
        labels = ops.label_indices(labels)

        def judge(point):
            logits = model_fn(point)
            own, other = _rivals(labels, targets, tf.nn.softmax(logits))
            predicted = ops.label_indices(logits)
            if targets is None:
                return own, other, predicted != labels
            return own, other, predicted == targets

        def run(index):
            first = start
            if start is None:
                own_seed = ops.fold_in(seed, index)
                first = ops.random_start(self.threat, images, own_seed)
            state = self._climb(judge, images, first, index % 2 == 1)
            own, other, hit = judge(state.point)
            found = ops.select(state.fooled, state.found, state.point)
            spent = tf.stack([state.step, 1])
            spent = tf.tile(spent[None], [tf.shape(images)[0], 1])
            return found, state.fooled | hit, other - own, spent

        num_runs = 2 * (1 if start is not None else self.num_restarts)
        nothing = tf.zeros([tf.shape(images)[0], 2], tf.int32)
        return gradient.best_of(
            num_runs,
            run,
            images,
            fooled_first=True,
            until_fooled=True,
            nothing=nothing,
        )

    def _climb(self, judge, images, start, second):
        steps = self.num_steps

        def body(state):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(state.point)
                own, other, hit = judge(state.point)
                rise = tf.where(second, other, -own)
                late = tf.cast(state.step, tf.float32) >= steps / 2
                loss = tf.where(late, other - own, rise)
                loss = tf.where(state.step < 1, own, loss)
            slope = ops.input_gradients(tape, loss, state.point)
            size = tf.gather(step_sizes(self.threat.eps, steps), state.step)
            move = ops.steepest_direction(self.threat.norm, slope)
            moved = ops.project(self.threat, images, state.point + size * move)
            news = hit & ~state.fooled
            return (
                State(
                    step=state.step + 1,
                    point=ops.select(state.fooled | hit, state.point, moved),
                    slope=slope,
                    found=ops.select(news, state.point, state.found),
                    fooled=state.fooled | hit,
                ),
            )

        never = tf.zeros(tf.shape(images)[:1], tf.bool)
        (state,) = tf.while_loop(
            lambda state: ~tf.reduce_all(state.fooled),
            body,
            (State(tf.constant(0), start, tf.ones_like(start), start, never),),
            parallel_iterations=1,
            maximum_iterations=steps,
        )
        ops.observe([state.slope], [state.point], [start])
        return tf.nest.map_structure(tf.stop_gradient, state)


def step_sizes(eps, num_steps):
    """Returns the step sizes, a list of `num_steps` floats, two cosines.

    Args:
        eps: float, the radius.
        num_steps: int >= 1.
    """
    half, sizes = num_steps / 2, []
    for step in range(num_steps):
        place = step - 1 - (half if step > half else 0.0)
        angle = math.pi * place / (num_steps - half)
        sizes.append(eps * (1.0 + math.cos(angle)))
    return sizes


def _rivals(labels, targets, probabilities):
    """Returns p_y and the largest other p_c, or the target's, [B] each."""
    own = tf.gather(probabilities, labels, batch_dims=1)
    if targets is not None:
        return own, tf.gather(probabilities, targets, batch_dims=1)
    return own, ops.margin(labels, probabilities) + own
