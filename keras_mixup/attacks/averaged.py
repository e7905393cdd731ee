"""Any attack on a randomised defence, through the mean over its draws."""

import typing

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import registry
from keras_mixup.attacks import base
from keras_mixup.attacks import eot


@registry.register(
    "attack", "averaged_attack", label="averaged attack", flags={}
)
@registry.register(
    "attack",
    "averaged_square",
    label="averaged Square",
    attack="square",
    flags={"num_draws": "adaptive_draws"},
)
@registry.register(
    "attack", "averaged_spsa", label="averaged SPSA", attack="spsa"
)
class AveragedAttack(base.Attack):
    """An attack on the mean of a randomised model over fresh draws.

    Each time the inner attack calls the model, it gets the log mean
    probability over `num_draws` fresh draws (`ExpectationOverTransformation`).
    A gradient-free attack thus asks averaged queries. For PGD and APGD there
    is `MixupInferenceAttack`. A model that is an
    `ExpectationOverTransformation` itself must have as many draws.

    Args:
        attack: `Attack` on deterministic models, such as `Square` or `SPSA`.
            It must take all steps on every image, since one lucky draw would
            end it otherwise.
        num_draws: int >= 1, the draws of the defence for each query.

    Raises:
        ValueError: for arguments outside these ranges; in a call, for an
            `ExpectationOverTransformation` of another number of draws.

    Example:

    >>> attack = AveragedAttack(Square(threat), num_draws=15)
    >>> attack(defence, images, labels, seed=0).queries
    """

    knowledge = "adaptive"
    averages_draws = True
    num_draws: int

    def __init__(self, attack: base.Attack, num_draws: int = 15) -> None:
        okay = isinstance(attack, base.Attack) and attack.transferable
        expected = "an attack that takes all steps on every image"
        _checks.check(okay, "attack", expected, attack)
        knows = attack.knowledge == "oblivious"
        expected = "an attack on deterministic models"
        _checks.check(knows, "attack", expected, attack)
        self.compiled = attack.compiled
        super().__init__(attack.threat)
        self.attack = attack
        self.uses_gradients = attack.uses_gradients
        self.num_steps = attack.num_steps
        self.num_draws = _checks.check_integer(num_draws, "num_draws")
        self._mean: eot.ExpectationOverTransformation | None = None

    @property
    def name(self) -> str:
        return f"{self.attack.name} of {self.num_draws} draws"

    def plain_attack(self) -> base.Attack:
        """Returns the attack for a model without draws: the inner one."""
        return self.attack

    def target_of(self, model_fn: _tensors.ModelFn) -> _tensors.ModelFn:
        if hasattr(model_fn, "reseed"):
            return eot.checked(model_fn, self.num_draws)
        # One model at a time: each trace holds memory.
        if self._mean is None or self._mean.model_fn is not model_fn:
            self._mean = eot.ExpectationOverTransformation(
                model_fn, self.num_draws
            )
        return self._mean

    def run(
        self,
        model_fn: typing.Any,  # what `target_of` returned
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
        model_fn.reseed(seed)
        adversarial, passes, queries = self.attack.run(
            model_fn, images, labels, targets, seed
        )
        return adversarial, *eot.whole_cost(model_fn, passes, queries)
