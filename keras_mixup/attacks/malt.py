"""MALT: Auto-PGD towards the classes nearest to a model that is linear."""

from typing import Literal

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import registry
from keras_mixup.attacks import apgd
from keras_mixup.attacks import base
from keras_mixup.attacks import targets as targets_lib
from keras_mixup.threat import ThreatModel


@registry.register(
    "attack",
    "malt",
    label="MALT",
    flags={"num_steps": "apgd_steps", "num_targets": "num_targets"},
)
class MALT(apgd.TargetedAPGD):
    """Mesoscopic Almost Linearity Targeting (Melamed et al., 2024).

    Targeted Auto-PGD as `TargetedAPGD`, with other targets (arXiv 2407.02240;
    made from its formula, not compared with its listing). Of the likeliest
    wrong classes it takes those with the largest
    (z_c - z_y) / ||grad z_c - grad z_y||_2 on the clean image: if the model
    is linear up to the boundary, these are the nearest ones. The paper has 100
    candidates and 9 targets.

    The ranking costs one gradient pass for each candidate.

    Args:
        threat: `ThreatModel`.
        num_targets: int >= 1, the classes tried, at most all candidates.
        num_candidates: int >= 1, the likeliest wrong classes, which are
            ranked.
        num_steps: as for `TargetedAPGD`.
        num_restarts: as for `TargetedAPGD`.
        best: as for `TargetedAPGD`.
        early_stop: as for `TargetedAPGD`.

    Raises:
        ValueError: for arguments outside these ranges.

    Example:

    >>> attack = MALT(ThreatModel("linf", "8/255"), num_targets=3)
    >>> attack(model, images, labels, seed=0).success
    """

    def __init__(
        self,
        threat: ThreatModel,
        num_targets: int = 9,
        num_candidates: int = 100,
        num_steps: int = 100,
        num_restarts: int = 1,
        best: Literal["adversarial", "loss"] = "adversarial",
        early_stop: bool = False,
    ) -> None:
        super().__init__(
            threat, num_targets, num_steps, num_restarts, best, early_stop
        )
        self.num_candidates = _checks.check_integer(
            num_candidates, "num_candidates"
        )
        _checks.check(
            num_candidates >= num_targets,
            "num_candidates",
            f"at least num_targets={num_targets}",
            num_candidates,
        )

    @property
    def name(self) -> str:
        restarts = base.times(self.num_restarts)
        return f"malt-{self.num_targets}x{self.num_steps}{restarts}"

    def rank(
        self, model_fn: _tensors.ModelFn, images: tf.Tensor, labels: tf.Tensor
    ) -> tf.Tensor:
        """See `TargetedAPGD.rank`."""
        return targets_lib.nearest_targets(
            model_fn, images, labels, self.num_targets, self.num_candidates
        )

    def rank_cost(self, num_classes: int) -> tuple[int, int]:
        """See `TargetedAPGD.rank_cost`."""
        return min(self.num_candidates, num_classes - 1), 0
