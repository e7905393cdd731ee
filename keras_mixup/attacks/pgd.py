"""Projected gradient descent."""

from typing import Literal

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.attacks import _functions
from keras_mixup.attacks import base
from keras_mixup.attacks import gradient
from keras_mixup.threat import ThreatModel

LABEL_SOURCES = ("true", "predicted")


@registry.register(
    "attack",
    "pgd",
    label="PGD",
    flags={"label_source": "label_source"},
)
@registry.register(
    "attack",
    "varmixup_pgd",
    label="PGD of VarMixup",
    random_start=False,
    label_source="true",
)
class PGD(gradient.GradientAttack):
    """Projected gradient descent in L-infinity or L2 (Madry et al., 2018).

    It returns the last iterate; of several restarts, the one with the highest
    loss. From equal starts the iterates equal those of cleverhans.

    Args:
        threat: `ThreatModel`.
        step_size: float > 0 or `"2/255"`, in the unit of `threat.eps`.
        num_steps: int >= 1, the steps of each run.
        num_restarts: int >= 1, the runs. More than one needs a random start.
        random_start: bool, whether to start uniformly in the ball.
        loss: str, the loss that is maximised: `"cross_entropy"` (or `"ce"`),
            `"margin"`, `"probability_margin"` (that of the softmax), `"dlr"`
            (the margin relative to the spread of the top logits) or `"kl"`. In
            Python also a callable `(labels, logits) -> [B]`.
        label_source: `"true"` or `"predicted"`, the label that an untargeted
            attack leads away from. The released code of Mixup Inference takes
            the model's prediction on the clean image.
        momentum: float >= 0, the share of the past gradients in each step
            (Dong et al., 2018, "Boosting adversarial attacks with momentum",
            Eq. 6 and 7, where it is 1).

    Raises:
        ValueError: for arguments outside these ranges.

    Example:

    >>> attack = PGD(ThreatModel("linf", "8/255"), step_size="2/255")
    >>> attack(model, images, labels, seed=0).success
    """

    num_steps: int

    def __init__(
        self,
        threat: ThreatModel,
        step_size: float | str = 2 / 255,
        num_steps: int = 10,
        num_restarts: int = 1,
        random_start: bool = True,
        loss: str | _tensors.LossFn = "cross_entropy",
        label_source: Literal["true", "predicted"] = "true",
        momentum: float = 0.0,
    ) -> None:
        super().__init__(threat)
        self.step_size = check_step_size(step_size, threat)
        self.num_steps = _checks.check_integer(num_steps, "num_steps")
        self.num_restarts = _checks.check_integer(num_restarts, "num_restarts")
        self.random_start = _checks.check_flag(random_start, "random_start")
        _checks.check(
            random_start or self.num_restarts == 1,
            "num_restarts",
            "1 without a random start, since all restarts would be equal",
            num_restarts,
        )
        self.loss = gradient.check_loss(loss)
        self.label_source = _checks.check_choice(
            label_source, "label_source", LABEL_SOURCES
        )
        self.momentum = _checks.check_number(momentum, "momentum", low=0.0)

    @property
    def name(self) -> str:
        restarts = base.times(self.num_restarts)
        return f"pgd-{self.num_steps}{restarts}"

    def run(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
        adversarial = self.perturb(model_fn, images, labels, seed, targets)
        # Forward passes choose a restart and predict the clean image.
        queries = self.num_restarts if self.num_restarts > 1 else 0
        if self.label_source == "predicted" and targets is None:
            queries += 1
        return adversarial, self.num_steps * self.num_restarts, queries

    def perturb(
        self,
        model_fn: _tensors.ModelFn,
        images: _tensors.Array,
        labels: _tensors.Array,
        seed: _tensors.SeedLike,
        targets: _tensors.Array | None = None,
        start: _tensors.Array | None = None,
    ) -> tf.Tensor:
        """See `GradientAttack.perturb`."""
        model_fn, seed = _functions.as_function(model_fn), ops.seed_pair(seed)
        if targets is None:
            labels = attack_labels(model_fn, images, labels, self.label_source)

        def objective(candidates):
            logits = model_fn(candidates)
            return gradient.climbed(self.loss, labels, targets, logits)

        if start is not None:
            return self._ascend(objective, images, start)
        if self.num_restarts == 1:
            return self._restart(objective, images, ops.fold_in(seed, 0))
        return self._best_restart(objective, images, seed)

    def _restart(self, objective, images, seed):
        start = images
        if self.random_start:
            start = ops.random_start(self.threat, images, seed)
        return self._ascend(objective, images, start)

    def _ascend(self, objective, images, start):
        return gradient.ascend(
            self.threat,
            objective,
            images,
            start,
            self.step_size,
            self.num_steps,
            momentum=self.momentum,
        )

    def _best_restart(self, objective, images, seed):
        never = tf.zeros(tf.shape(images)[:1], tf.bool)

        def run(index):
            point = self._restart(objective, images, ops.fold_in(seed, index))
            return point, never, tf.stop_gradient(objective(point)), 0

        best, _ = gradient.best_of(self.num_restarts, run, images)
        return best


def check_step_size(step_size, threat):
    """Returns the step size as a float.

    Raises:
        ValueError: for one that is not positive, or, in L-infinity, wider
            than the bounds (as 2 where 2/255 is meant).
    """
    wide = threat.norm != "linf" or threat.unbounded
    high = None if wide else threat.bounds[1] - threat.bounds[0]
    # Without a ball nothing moves, so that any step will do.
    return _checks.check_number(
        step_size, "step_size", low=0.0, high=high, low_open=threat.eps > 0.0
    )


def attack_labels(model_fn, images, labels, label_source):
    """Returns the labels that an untargeted attack leads away from.

    Args:
        model_fn: callable from images to logits.
        images: float32 [B, H, W, C], clean.
        labels: int [B] or probabilities [B, C], the true ones.
        label_source: `"true"` or `"predicted"`.
    """
    if label_source == "true":
        return labels
    return ops.label_indices(tf.stop_gradient(model_fn(images)))
