"""The base of both forms of Auto-PGD: one run, and the choice of a run."""

from collections.abc import Callable
from typing import Any
from typing import Literal

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup.attacks import _apgd_loop
from keras_mixup.attacks import _functions
from keras_mixup.attacks import gradient
from keras_mixup.threat import ThreatModel

BEST = ("adversarial", "loss")


class AutoPGD(gradient.GradientAttack):
    """The base of `APGD` and `TargetedAPGD`."""

    def __init__(
        self,
        threat: ThreatModel,
        num_steps: int,
        num_restarts: int,
        best: Literal["adversarial", "loss"],
        early_stop: bool,
    ) -> None:
        super().__init__(threat)
        self.num_steps = _checks.check_integer(num_steps, "num_steps")
        self.num_restarts = _checks.check_integer(num_restarts, "num_restarts")
        self.best = _checks.check_choice(best, "best", BEST)
        self.early_stop = _checks.check_flag(early_stop, "early_stop")

    def perturb(
        self,
        model_fn: _tensors.ModelFn,
        images: _tensors.Array,
        labels: _tensors.Array,
        seed: _tensors.SeedLike,
        targets: _tensors.Array | None = None,
        start: _tensors.Array | None = None,
        **options: Any,
    ) -> tf.Tensor:
        """See `GradientAttack.perturb`; options as for `search`."""
        model_fn, seed = _functions.as_function(model_fn), ops.seed_pair(seed)
        return self.search(
            model_fn, images, labels, targets, seed, start, **options
        )[0]

    def search(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
        start: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, _tensors.Size]:
        """Returns (images, gradient passes); arguments as for `perturb`."""
        raise TypeError(f"{type(self).__name__} must define `search`.")

    def ascend(
        self,
        evaluate: Callable[..., Any],
        images: tf.Tensor,
        seed: tf.Tensor,
        start: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """One run: (images, fooled [B], highest loss [B], passes)."""
        if start is None:
            first = ops.fold_in(seed, 0)
            start = _apgd_loop.first_point(self.threat, images, first)
        else:
            start = ops.project(self.threat, images, start)
        state = _apgd_loop.ascend(
            evaluate,
            self.threat,
            images,
            start,
            self.num_steps,
            self.early_stop,
        )
        found = state.best
        if self.best == "adversarial":
            found = ops.select(state.broken, state.adversarial, state.best)
        return found, state.broken, state.best_loss, state.step

    def best_of(
        self, num_runs: int, run: Callable[..., Any], images: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the best of the runs, and their passes."""
        if num_runs == 1:
            found, _, _, passes = run(0)
            return found, passes
        return gradient.best_of(
            num_runs,
            run,
            images,
            fooled_first=self.best == "adversarial",
            until_fooled=self.early_stop,
        )
