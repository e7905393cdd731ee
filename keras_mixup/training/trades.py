"""TRADES: accuracy on the clean image, smoothness around it."""

from typing import Any
from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import attacks
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.training import adversarial

# Standard deviation of the noise that Zhang et al.'s code starts from.
_START_NOISE = 1e-3


@registry.register("algorithm", "trades", label="TRADES")
class TRADES(adversarial.AdversarialTraining):
    """Trains on the clean loss plus the change that an attack can make.

    Minimises CE(f(x), y) + beta KL(f(x) || f(x')), where x' climbs on
    KL(p || f(.)) inside the ball, with p = softmax f(x) held fixed (Zhang et
    al., "Theoretically Principled Trade-off between Robustness and
    Accuracy", 2019, Eq. 5 and Algorithm 1). The gradient of the KL term
    flows through both of its arguments, as in the authors' code; x' is held
    fixed.

    With k attack steps a train step costs k + 2 classifier passes: k for the
    climb, the clean one, which also gives p, and the one at x'. `beta=0` is
    `ERM` and costs one pass.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        attack: `attacks.GradientAttack`, such as PGD, APGD or FGSM,
            with the loss "kl" or "cross_entropy". Their gradients agree
            while p is fixed.
        beta: float >= 0, the weight of the KL term. The paper calls it
            1 / lambda and reports 1 and 6.
        start: `"normal"`, x + 0.001 N(0, 1) as in the authors' code, which
            clips it after the first step only; or `"attack"`, where the
            attack's own settings start.
        attack_targets: `"shared"`, p is that of the training pass, since the
            listing has one f, and the climb follows that pass; or
            `"separate"`, p comes from a pass of its own in the attack's mode
            and the climb precedes the training pass, as in the authors'
            code. They differ where the classifier has BatchNormalization,
            whose averages the training pass moves, or Dropout, and
            `attack_training` is false. The second costs one more pass.
        attack_training: bool, as in `AdversarialTraining`.
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range; for an attack with
            the margin loss or predicted labels; for restarts with
            `start="normal"`, which would all be equal; for an attack without
            a random start with `start="attack"`, since the KL term has no
            slope at x itself.
    """

    def __init__(
        self,
        classifier: keras.Model,
        attack: attacks.GradientAttack,
        beta: float = 6.0,
        start: _types.PythonOnly[Literal["normal", "attack"]] = "normal",
        attack_targets: Literal["shared", "separate"] = "shared",
        attack_training: bool = False,
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(
            classifier,
            attack,
            attack_training=attack_training,
            seed=seed,
            name=name,
        )
        self.beta = _checks.check_number(beta, "beta", low=0.0)
        self.start = _checks.check_choice(start, "start", ("normal", "attack"))
        self.attack_targets = _checks.check_choice(
            attack_targets, "attack_targets", ("shared", "separate")
        )
        _check_soft_attack(attack, start)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Chooses the optimizer; arguments as in `Algorithm.compile`.

        Raises:
            ValueError: as there; and for `weight_perturbation` beside
                `attack_training`.
        """
        super().compile(*args, **kwargs)
        okay = not (self.weight_perturbation and self.attack_training)
        hint = "The pass that finds the perturbation moves no averages"
        expected = "False with weight_perturbation"
        _checks.check(okay, "attack_training", expected, True, hint)

    def prepare_batch(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> _tensors.Batch:
        """Returns the clean batch and the attack's seed, or its result.

        With shared targets the attack waits for the clean training pass,
        which gives p.
        """
        batch = {"images": images, "targets": targets, **draws}
        if self.attack_targets == "separate" and self.beta:
            logits = self.attacked_model(images)
            batch["around"] = self._climb(batch, logits)
        return batch

    def batch_loss(self, batch: _tensors.Batch) -> tuple[tf.Tensor, Any]:
        """Returns the losses above and the clean logits; two passes more."""
        losses, logits = super().batch_loss(batch)
        if not self.beta:
            return losses, logits
        # The ascent lies inside the tape, but no gradient enters it: its
        # start and its result are behind stop_gradient. A second pass, from
        # perturbed weights, finds its result in the batch.
        if "around" not in batch:
            batch["around"] = self._climb(batch, logits)
        around = self.classifier(batch["around"], training=True)
        return losses + self.beta * ops.kl_divergence(
            _probabilities(logits), around
        ), logits

    def _climb(self, batch, logits):
        images, seed = batch["images"], batch["attack_seed"]
        soft = tf.stop_gradient(_probabilities(logits))
        start = None
        if self.start == "normal":
            noise = tf.random.stateless_normal(tf.shape(images), seed)
            start = images + _START_NOISE * noise
        return self.attack.perturb(
            self.attacked_model, images, soft, seed, start=start
        )


def _probabilities(logits):
    # A bfloat16 softmax would lose the small probabilities.
    return tf.nn.softmax(tf.cast(logits, tf.float32))


def _check_soft_attack(attack, start):
    loss = getattr(attack, "loss", None)
    okay = callable(loss) or loss in ("kl", "cross_entropy", "ce")
    expected = 'an attack with loss="kl" (or "cross_entropy")'
    _checks.check(okay, "attack", expected, attack)
    source = getattr(attack, "label_source", "true")
    expected = "an attack on the labels it is given"
    _checks.check(source == "true", "attack", expected, attack)
    restarts = getattr(attack, "num_restarts", 1)
    expected = 'an attack without restarts for start="normal"'
    okay = start != "normal" or restarts == 1
    _checks.check(okay, "attack", expected, attack)
    expected = 'an attack with a random start for start="attack"'
    okay = start != "attack" or getattr(attack, "random_start", True)
    _checks.check(okay, "attack", expected, attack)
