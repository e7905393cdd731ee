"""Adversarial training: train on the worst image that an attack finds."""

from typing import Any

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import attacks
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.training import base


def check_attack(attack):
    """Returns `attack` if it can run inside a train step.

    Raises:
        ValueError: when it is no `attacks.GradientAttack` with `perturb`.
    """
    gradient = attacks.GradientAttack
    okay = isinstance(attack, gradient)
    expected = "an attacks.GradientAttack, such as PGD, APGD or FGSM"
    _checks.check(okay, "attack", expected, attack)
    okay = type(attack).perturb is not gradient.perturb
    hint = f"{type(attack).__name__} does not define `perturb`."
    _checks.check(okay, "attack", "one with `perturb`", attack, hint)
    return attack


def mean_with_clean(batch, losses, clean, weight):
    """Returns (losses + weight clean) / (1 + weight), [B].

    Where either half has its own examples, their weights are taken from the
    batch and multiply its losses.
    """
    if "clean_sample_weight" in batch:
        losses *= batch.pop("sample_weight")
        clean *= batch.pop("clean_sample_weight")
    return (losses + weight * clean) / (1.0 + weight)


def _is_synchronized(layer):
    parts = getattr(layer, "layers", ())
    own = getattr(layer, "synchronized", False)
    return bool(own) or any(_is_synchronized(part) for part in parts)


@registry.register("algorithm", "adversarial_training", label="AT")
class AdversarialTraining(base.Algorithm):
    """Trains on adversarial images, or on these and the clean ones.

    Minimises (L(x + delta, y) + w L(x, y)) / (1 + w), where the attack finds
    delta against the weights of this step and w is `clean_weight`. 0 is
    Algorithm 1 of the adversarially optimized mixup paper (Madry et al.,
    2018). 1 is the 1:1 mini-batch of Mixup Inference, section 4.1.

    With k attack steps a train step costs k + 1 classifier passes, and k + 2
    with a clean loss.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        attack: `attacks.GradientAttack`, such as PGD, APGD or FGSM.
        clean_weight: float >= 0, the weight w of the clean loss.
        attack_training: bool, whether BatchNormalization uses batch
            statistics, and moves its averages, in the attack's passes. Most
            papers say False. The robust overfitting code, the base of the
            WRN-34 rows, attacks in training mode.
        joint_batch: bool, whether both losses come from one pass over the
            adversarial and the clean images, so that BatchNormalization
            takes its statistics over both. Otherwise either half has a pass
            and statistics of its own. Without BatchNormalization and Dropout
            they are equal.
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range.
    """

    def __init__(
        self,
        classifier: keras.Model,
        attack: attacks.GradientAttack,
        clean_weight: float = 0.0,
        attack_training: bool = False,
        joint_batch: bool = False,
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(classifier, seed=seed, name=name)
        self.attack = check_attack(attack)
        self.clean_weight = _checks.check_number(
            clean_weight, "clean_weight", low=0.0
        )
        self.attack_training = _checks.check_flag(
            attack_training, "attack_training"
        )
        self.joint_batch = _checks.check_flag(joint_batch, "joint_batch")
        okay = self.clean_weight > 0.0 or not joint_batch
        expected = "False without a clean loss (clean_weight=0)"
        _checks.check(okay, "joint_batch", expected, joint_batch)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Chooses the optimizer; arguments as in `Algorithm.compile`.

        Raises:
            ValueError: as there; and for `attack_training` with synchronised
                BatchNormalization on several replicas.
        """
        replicas = self.distribute_strategy.num_replicas_in_sync
        if self.attack_training and replicas > 1:
            hint = (
                "The classifier has synchronised BatchNormalization, which "
                "TensorFlow cannot reduce over replicas inside a loop"
            )
            okay = not _is_synchronized(self.classifier)
            expected = "False under a strategy"
            _checks.check(okay, "attack_training", expected, True, hint)
        super().compile(*args, **kwargs)

    def draw(
        self, batch_size: _tensors.Size, seed: tf.Tensor
    ) -> _tensors.Draws:
        """Returns {"attack_seed": int32 [2]}, which fixes the random start."""
        del batch_size
        return {"attack_seed": ops.fold_in(seed, 0)}

    def attacked_model(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the logits that the attack climbs on, [B, C]."""
        return self.classifier(images, training=self.attack_training)

    def prepare_batch(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> _tensors.Batch:
        """Returns the adversarial images, the targets, the clean images."""
        adversarial = self.attack.perturb(
            self.attacked_model, images, targets, draws["attack_seed"]
        )
        return {
            "images": adversarial,
            "targets": targets,
            "clean_images": images,
            "clean_targets": targets,
        }

    def batch_loss(self, batch: _tensors.Batch) -> tuple[tf.Tensor, Any]:
        """Returns the weighted mean of both losses, and the attacked logits."""
        if self.joint_batch:
            return self._joint_loss(batch)
        losses, logits = super().batch_loss(batch)
        if not self.clean_weight:
            return losses, logits
        clean_logits = self.classifier(batch["clean_images"], training=True)
        clean = ops.cross_entropy(batch["clean_targets"], clean_logits)
        return mean_with_clean(batch, losses, clean, self.clean_weight), logits

    def _joint_loss(self, batch):
        both = tf.concat([batch["images"], batch["clean_images"]], axis=0)
        logits = self.classifier(both, training=True)
        self.keep_layer_losses(batch)
        count = tf.shape(batch["images"])[0]
        attacked, clean_logits = logits[:count], logits[count:]
        losses = ops.cross_entropy(batch["targets"], attacked)
        clean = ops.cross_entropy(batch["clean_targets"], clean_logits)
        losses = mean_with_clean(batch, losses, clean, self.clean_weight)
        return losses, attacked
