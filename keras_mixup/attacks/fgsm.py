"""The fast gradient sign method: one step, or several, with momentum."""

from typing import Literal

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import registry
from keras_mixup.attacks import pgd
from keras_mixup.threat import ThreatModel


@registry.register(
    "attack",
    "fgsm",
    label="FGSM",
    flags={"num_steps": "fgsm_steps", "momentum": "fgsm_momentum"},
)
class FGSM(pgd.PGD):
    """Fast gradient sign method, in L-infinity or L2.

    It takes one step as long as the radius, from the image itself (Goodfellow
    et al., 2015, "Explaining and harnessing adversarial examples", section
    4). Where `step_size` is None, a step is eps / `num_steps`. With
    `num_steps` > 1 it is the basic iterative method (Kurakin et al., 2017,
    Eq. 2), with `momentum` also MI-FGSM (Dong et al., 2018, Algorithm
    1). With a random start and a step of 1.25 eps it is the attack of fast
    adversarial training (Wong et al., 2020, "Fast is better than free").

    Args:
        threat: `ThreatModel`.
        num_steps: int >= 1, the steps.
        step_size: float > 0 or `"2/255"`, in the unit of `threat.eps`.
        momentum: float >= 0, the share of the past gradients in each step.
        random_start: bool, whether to start uniformly in the ball.
        loss: str, the loss that is maximised, as for `PGD`.
        label_source: `"true"` or `"predicted"`, the label that an untargeted
            attack leads away from.

    Raises:
        ValueError: for arguments outside these ranges.

    Example:

    >>> attack = FGSM(ThreatModel("linf", "8/255"))
    >>> attack(model, images, labels, seed=0).success
    """

    def __init__(
        self,
        threat: ThreatModel,
        num_steps: int = 1,
        step_size: float | str | None = None,
        momentum: float = 0.0,
        random_start: bool = False,
        loss: str | _tensors.LossFn = "cross_entropy",
        label_source: Literal["true", "predicted"] = "true",
    ) -> None:
        if step_size is None:
            num_steps = _checks.check_integer(num_steps, "num_steps")
            step_size = getattr(threat, "eps", 0.0) / num_steps
        super().__init__(
            threat,
            step_size,
            num_steps,
            random_start=random_start,
            loss=loss,
            label_source=label_source,
            momentum=momentum,
        )

    @property
    def name(self) -> str:
        if self.num_steps == 1:
            return "fgsm"
        return f"{'mi-fgsm' if self.momentum else 'bim'}-{self.num_steps}"
