"""Auto-PGD, the gradient attack of AutoAttack, untargeted and targeted."""

from typing import Literal

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.attacks import _auto_pgd
from keras_mixup.attacks import base
from keras_mixup.attacks import gradient
from keras_mixup.attacks import targets as targets_lib

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

    Steps of 2 eps with momentum 0.75; at checkpoints the step size of an
    image halves, and it goes back to its best point, when its loss rose too
    rarely or its best loss did not change. Needs no step size.

    Returns, for each image, the latest iterate that fooled the model, as the
    authors' code does, else the one with the highest loss. The random start
    lies at full eps.

    Args:
        threat: `ThreatModel`.
        loss: `"cross_entropy"` (or `"ce"`), `"dlr"` (difference of logits
            ratio), `"margin"`, `"kl"`, or a callable `(labels, logits) ->
            [B]` that is maximised. Towards a target, `"dlr"` is its targeted
            form and the others lower their value at the target.
        num_steps: int >= 1.
        num_restarts: int >= 1.
        best: `"adversarial"`, as said above, or `"loss"`: always the iterate
            with the highest loss, right for a randomised model, which one
            lucky draw may fool.
        early_stop: bool, whether a run ends once every image of the batch
            was fooled. Only for a deterministic model that is itself scored.

    Raises:
        ValueError: for arguments outside these ranges.

    Example:

    >>> attack = APGD(ThreatModel("linf", "8/255"), loss="dlr")
    >>> attack(model, images, labels, seed=0).success
    """

    def __init__(
        self,
        threat,
        loss: str = "cross_entropy",
        num_steps: int = 100,
        num_restarts: int = 1,
        best: Literal["adversarial", "loss"] = "adversarial",
        early_stop: bool = False,
    ):
        super().__init__(threat, num_steps, num_restarts, best, early_stop)
        self.loss = gradient.check_loss(loss)

    @property
    def name(self):
        loss = getattr(self.loss, "__name__", self.loss)
        loss = _SHORT.get(loss, loss)
        restarts = f"x{self.num_restarts}" if self.num_restarts > 1 else ""
        return f"apgd-{loss}-{self.num_steps}{restarts}"

    def run(self, model_fn, images, labels, targets, seed):
        """Counts `num_steps + 1` gradient passes in each restart."""
        found, passes = self._search(model_fn, images, labels, seed, targets)
        return found, passes, 0

    def perturb(
        self,
        model_fn,
        images,
        labels,
        seed,
        targets=None,
        start=None,
        seeded=False,
    ):
        """See `GradientAttack.perturb`.

        With `seeded` the model is called as `model_fn(images, seed=...)`,
        with another int32 [2] at every step: a randomised model whose draws
        follow `seed`.
        """
        model_fn, seed = base.as_function(model_fn), ops.seed_pair(seed)
        found, _ = self._search(
            model_fn, images, labels, seed, targets, start, seeded
        )
        return found

    def _search(
        self,
        model_fn,
        images,
        labels,
        seed,
        targets=None,
        start=None,
        seeded=False,
    ):
        def run(index):
            restart = ops.fold_in(seed, index)

            def evaluate(point, step):
                options = {}
                if seeded:
                    options["seed"] = ops.fold_in(restart, 1, step)
                logits = model_fn(point, **options)
                return self._judge(labels, targets, logits)

            return self.ascend(evaluate, images, restart, start)

        if start is not None or self.num_restarts == 1:
            found, _, _, passes = run(0)
            return found, passes
        return self.best_of(self.num_restarts, run, images)

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

    The classes are the `num_targets` most likely wrong ones on the clean
    image, likeliest first. Any wrong prediction counts as success (AutoAttack
    calls this attack APGD-T). Given `targets`, it leads to these alone, and
    only reaching them counts.

    Args:
        threat: `ThreatModel`.
        num_targets: int >= 1; at most the number of wrong classes is used.
        num_steps: int >= 1, for each class.
        num_restarts: int >= 1, for each class.
        best, early_stop: as for `APGD`.

    Raises:
        ValueError: for arguments outside these ranges.
    """

    def __init__(
        self,
        threat,
        num_targets: int = 9,
        num_steps: int = 100,
        num_restarts: int = 1,
        best: Literal["adversarial", "loss"] = "adversarial",
        early_stop: bool = False,
    ):
        super().__init__(threat, num_steps, num_restarts, best, early_stop)
        self.num_targets = _checks.check_integer(num_targets, "num_targets")

    @property
    def name(self):
        restarts = f"x{self.num_restarts}" if self.num_restarts > 1 else ""
        return f"apgd-t-{self.num_targets}x{self.num_steps}{restarts}"

    def run(self, model_fn, images, labels, targets, seed):
        """Counts one query and `num_steps + 1` gradients for each run."""
        found, passes = self._search(model_fn, images, labels, targets, seed)
        return found, passes, 0 if targets is not None else 1

    def perturb(self, model_fn, images, labels, seed, targets=None, start=None):
        """See `GradientAttack.perturb`."""
        model_fn, seed = base.as_function(model_fn), ops.seed_pair(seed)
        return self._search(model_fn, images, labels, targets, seed, start)[0]

    def _search(self, model_fn, images, labels, targets, seed, start=None):
        if targets is not None:
            classes, reach = targets[None], True
        else:
            ranked = targets_lib.likeliest_targets(
                model_fn(images), labels, self.num_targets
            )
            classes, reach = tf.transpose(ranked), False
        return self._towards(
            model_fn, images, labels, classes, seed, reach, start
        )

    def run_towards(self, model_fn, images, labels, targets, seed):
        """Like `run`, towards one class each; any wrong prediction counts."""
        found, passes = self._towards(
            model_fn, images, labels, targets[None], seed
        )
        return found, passes, 0

    def _towards(
        self, model_fn, images, labels, classes, seed, reach=False, start=None
    ):
        """`classes`: int32 [T, B]; restarts are inside, classes outside."""
        num_runs = classes.shape[0] * self.num_restarts

        def run(index):
            targets = tf.gather(classes, index // self.num_restarts)

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

        if num_runs == 1:
            found, _, _, passes = run(0)
            return found, passes
        return self.best_of(num_runs, run, images)
