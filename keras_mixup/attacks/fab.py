"""FAB: the closest adversarial point, found along the decision boundary."""

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.attacks import _fab_loop
from keras_mixup.attacks import _fab_runs
from keras_mixup.attacks import base
from keras_mixup.attacks import targets as targets_lib
from keras_mixup.threat import ThreatModel


@registry.register(
    "attack", "fab", label="FAB", flags={"num_steps": "fab_steps"}
)
class FAB(_fab_runs.BoundaryAttack):
    """Fast Adaptive Boundary attack (Croce and Hein, 2020), untargeted.

    It looks for the adversarial point closest to the image. Each step goes to
    the nearest linearised class boundary inside the pixel bounds, with a bias
    to the image. Whenever the model errs, it goes back a little. A point
    within `threat.eps` is returned, otherwise the clean image.

    Each step costs one backward pass for every wrong class. `TargetedFAB`
    costs one for each target. With `targets`, it leads to these alone and
    costs one.

    Args:
        threat: `ThreatModel`.
        num_steps: int >= 1, the steps of each run.
        num_restarts: int >= 1, the runs. The first one starts at the image,
            the others at random within eps / 2. Broken images run no more.
        alpha_max: float in [0, 1], largest weight of the bias to the image.
        eta: float >= 1, how far steps overshoot the boundary.
        beta: float in [0, 1], share of the distance kept on the way back.
        search_steps: int >= 0, the steps of the paper's final search towards
            the image, which AutoAttack's code leaves out.

    Raises:
        ValueError: for arguments outside these ranges.

    Example:

    >>> attack = FAB(ThreatModel("l2", 0.5))
    >>> attack(model, images, labels, seed=0).success
    """

    @property
    def name(self) -> str:
        return f"fab-{self.num_steps}{base.times(self.num_restarts)}"

    def run(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
        """Counts a gradient pass per step and wrong class."""
        labels = ops.label_indices(labels)
        if targets is not None:
            return self.towards(
                model_fn, images, labels, targets[None], seed, reach=True
            )

        def make(run, rows):
            own = tf.gather(labels, rows)

            def boundary(points):
                return _fab_loop.nearest_boundary(
                    model_fn, points, own, self.threat.norm
                )

            return boundary, _fab_runs.judge_of(model_fn, own, reach=False)

        wrong_classes = model_fn(images[:1]).shape[-1] - 1
        return self.runs(make, images, seed, self.num_restarts, wrong_classes)


@registry.register(
    "attack",
    "targeted_fab",
    label="FAB-T",
    flags={"num_steps": "fab_steps", "num_targets": "num_targets"},
)
class TargetedFAB(_fab_runs.BoundaryAttack):
    """FAB towards one wrong class after another.

    It tries the most likely wrong classes on the clean image, likeliest
    first. Any wrong prediction is a success, and a broken image takes no
    further target (AutoAttack calls this attack FAB-T). With `targets` it
    leads to these alone, and only a target is a success.

    Args:
        threat: `ThreatModel`.
        num_targets: int >= 1, the classes tried, at most all wrong ones.
        num_steps: int >= 1, the steps of each run.
        num_restarts: int >= 1, the runs towards each class.
        alpha_max: as for `FAB`.
        eta: as for `FAB`.
        beta: as for `FAB`.
        search_steps: as for `FAB`.

    Raises:
        ValueError: for arguments outside these ranges.
    """

    def __init__(
        self,
        threat: ThreatModel,
        num_targets: int = 9,
        num_steps: int = 100,
        num_restarts: int = 1,
        alpha_max: float = 0.1,
        eta: float = 1.05,
        beta: float = 0.9,
        search_steps: int = 3,
    ) -> None:
        super().__init__(
            threat,
            num_steps,
            num_restarts,
            alpha_max,
            eta,
            beta,
            search_steps,
        )
        self.num_targets = _checks.check_integer(num_targets, "num_targets")

    @property
    def name(self) -> str:
        restarts = base.times(self.num_restarts)
        return f"fab-t-{self.num_targets}x{self.num_steps}{restarts}"

    def run(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
        """Counts a gradient pass per step; see `run_towards`."""
        labels = ops.label_indices(labels)
        if targets is not None:
            return self.towards(
                model_fn, images, labels, targets[None], seed, reach=True
            )
        ranked = targets_lib.likeliest_targets(
            model_fn(images), labels, self.num_targets
        )
        found, passes, queries = self.towards(
            model_fn, images, labels, tf.transpose(ranked), seed
        )
        return found, passes, queries + 1

    def run_towards(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
        """As `run`, towards one class each; any wrong class is a success."""
        labels = ops.label_indices(labels)
        return self.towards(model_fn, images, labels, targets[None], seed)
