"""Auto-PGD, the gradient attack of AutoAttack, untargeted and targeted."""

from typing import Literal

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.attacks import _auto_pgd
from keras_mixup.attacks import base
from keras_mixup.attacks import gradient
from keras_mixup.attacks import targets as targets_lib
from keras_mixup.threat import ThreatModel

# Named as AutoAttack's authors name them.
_SHORT = {"cross_entropy": "ce"}


@registry.register(
    "attack",
    "apgd",
    label="APGD",
    flags={"num_steps": "apgd_steps", "loss": "apgd_loss"},
)
class APGD(_auto_pgd.AutoPGD):
    """Auto-PGD (Croce and Hein, 2020, "Reliable evaluation", Algorithm 1).

    The first steps have size 2 eps, the momentum is 0.75. At a checkpoint, an
    image whose loss rose too rarely goes back to its best point and halves
    its step size. The random start lies on the surface of the ball.

    Each image gets the latest iterate that fooled the model, as in the
    authors' code, otherwise the one with the highest loss.

    Args:
        threat: `ThreatModel`.
        loss: str, the loss that is maximised: `"cross_entropy"` (or `"ce"`),
            `"dlr"`, `"margin"`, `"probability_margin"` or `"kl"`. In Python
            also a callable, as for `PGD`. Towards a target, `"dlr"` is its
            targeted form.
        num_steps: int >= 1, the steps of each run.
        num_restarts: int >= 1, the runs from other random starts.
        best: `"adversarial"` as above, or `"loss"` for the iterate with the
            highest loss. The latter suits a randomised model, which one lucky
            draw may fool.
        early_stop: bool, whether a run ends once it fooled the model on every
            image. Only for a deterministic model that is itself scored.

    Raises:
        ValueError: for arguments outside these ranges.

    Example:

    >>> attack = APGD(ThreatModel("linf", "8/255"), loss="dlr")
    >>> attack(model, images, labels, seed=0).success
    """

    def __init__(
        self,
        threat: ThreatModel,
        loss: str | _tensors.LossFn = "cross_entropy",
        num_steps: int = 100,
        num_restarts: int = 1,
        best: Literal["adversarial", "loss"] = "adversarial",
        early_stop: bool = False,
    ) -> None:
        super().__init__(threat, num_steps, num_restarts, best, early_stop)
        self.loss = gradient.check_loss(loss)

    @property
    def name(self) -> str:
        loss = getattr(self.loss, "__name__", self.loss)
        loss = _SHORT.get(loss, loss)
        return f"apgd-{loss}-{self.num_steps}{base.times(self.num_restarts)}"

    def run(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
        """Counts `num_steps + 1` gradient passes in each restart."""
        return *self.search(model_fn, images, labels, targets, seed), 0

    def search(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
        start: tf.Tensor | None = None,
        seeded: bool = False,
    ) -> tuple[tf.Tensor, _tensors.Size]:
        """See `AutoPGD.search`.

        With `seeded`, each step calls `model_fn(images, seed=...)` with
        another int32 [2]: a randomised model whose draws follow `seed`.
        """

        def run(index):
            restart = ops.fold_in(seed, index)

            def evaluate(point, step):
                options = {}
                if seeded:
                    options["seed"] = ops.fold_in(restart, 1, step)
                logits = model_fn(point, **options)
                return self._judge(labels, targets, logits)

            return self.ascend(evaluate, images, restart, start)

        num_runs = self.num_restarts if start is None else 1
        return self.best_of(num_runs, run, images)

    def _judge(self, labels, targets, logits):
        predicted = ops.label_indices(logits)
        if targets is None:
            fooled = predicted != ops.label_indices(labels)
        else:
            fooled = predicted == targets
        if targets is not None and self.loss == "dlr":
            towards = ops.targeted_difference_of_logits_ratio
            return towards(labels, targets, logits), fooled
        return gradient.climbed(self.loss, labels, targets, logits), fooled


@registry.register(
    "attack",
    "targeted_apgd",
    label="APGD-T",
    flags={"num_steps": "apgd_steps", "num_targets": "num_targets"},
)
class TargetedAPGD(_auto_pgd.AutoPGD):
    """Auto-PGD on the targeted DLR, towards one wrong class after another.

    It tries the most likely wrong classes on the clean image, likeliest
    first. Any wrong prediction is a success (AutoAttack calls this attack
    APGD-T). With `targets` it leads to these alone, and only a target is a
    success.

    Args:
        threat: `ThreatModel`.
        num_targets: int >= 1, the classes tried, at most all wrong ones.
        num_steps: int >= 1, the steps towards each class.
        num_restarts: int >= 1, the runs towards each class.
        best: as for `APGD`.
        early_stop: as for `APGD`.

    Raises:
        ValueError: for arguments outside these ranges.
    """

    def __init__(
        self,
        threat: ThreatModel,
        num_targets: int = 9,
        num_steps: int = 100,
        num_restarts: int = 1,
        best: Literal["adversarial", "loss"] = "adversarial",
        early_stop: bool = False,
    ) -> None:
        super().__init__(threat, num_steps, num_restarts, best, early_stop)
        self.num_targets = _checks.check_integer(num_targets, "num_targets")

    @property
    def name(self) -> str:
        restarts = base.times(self.num_restarts)
        return f"apgd-t-{self.num_targets}x{self.num_steps}{restarts}"

    def run(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
        """Counts `num_steps + 1` gradients for each run, and the ranking."""
        found, passes = self.search(model_fn, images, labels, targets, seed)
        if targets is not None:
            return found, passes, 0
        more, queries = self.rank_cost(model_fn(images[:1]).shape[-1])
        return found, passes + more, queries

    def rank(
        self, model_fn: _tensors.ModelFn, images: tf.Tensor, labels: tf.Tensor
    ) -> tf.Tensor:
        """Returns the classes to lead to, in their order, int32 [B, T]."""
        return targets_lib.likeliest_targets(
            model_fn(images), labels, self.num_targets
        )

    def rank_cost(self, num_classes: int) -> tuple[int, int]:
        """Returns (gradient passes, queries) of `rank` for each image."""
        del num_classes
        return 0, 1

    def search(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
        start: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, _tensors.Size]:
        """See `AutoPGD.search`."""
        if targets is not None:
            classes = targets[None]
        else:
            classes = tf.transpose(self.rank(model_fn, images, labels))
        reach = targets is not None
        return self._towards(
            model_fn, images, labels, classes, seed, reach, start
        )

    def run_towards(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
        """As `run`, towards one class each; any wrong class is a success."""
        found, passes = self._towards(
            model_fn, images, labels, targets[None], seed
        )
        return found, passes, 0

    def _towards(
        self, model_fn, images, labels, classes, seed, reach=False, start=None
    ):
        """Runs all restarts towards each row of `classes`, int32 [T, B]."""
        num_restarts = self.num_restarts if start is None else 1

        def run(index):
            targets = tf.gather(classes, index // num_restarts)

            def evaluate(point, step):
                del step
                logits = model_fn(point)
                loss = ops.targeted_difference_of_logits_ratio(
                    labels, targets, logits
                )
                predicted = ops.label_indices(logits)
                if reach:
                    return loss, predicted == targets
                return loss, predicted != ops.label_indices(labels)

            own = ops.fold_in(seed, index)
            return self.ascend(evaluate, images, own, start)

        return self.best_of(classes.shape[0] * num_restarts, run, images)
