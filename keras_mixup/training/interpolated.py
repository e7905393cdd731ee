"""Interpolated adversarial training: mixup of clean and attacked images."""

import keras
import tensorflow as tf

from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import attacks
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.training import adversarial
from keras_mixup.training import mixup


@registry.register(
    "algorithm", "interpolated_adversarial_training", label="IAT"
)
class InterpolatedAdversarialTraining(
    mixup.Mixing, adversarial.AdversarialTraining
):
    """Mixup on the clean images and, apart from it, on the attacked ones.

    Minimises the mean of L(mix(x)) and L(mix(x + delta)). Each half draws
    its own pairs and its own lambda (Lamb et al., 2019, Algorithm 1; Mixup
    Inference, A.2 and its released code). The attack perturbs the single
    images. With k attack steps a train step costs k + 2 classifier passes.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        attack: `attacks.GradientAttack`, such as PGD, APGD or FGSM.
        alpha: float > 0; the weight lambda is drawn from Beta(alpha, alpha),
            for each pair.
        mix_weight: None, or what replaces the Beta distribution, as in
            `Mixup`.
        attack_training: bool, as in `AdversarialTraining`.
        joint_batch: bool, as in `AdversarialTraining`: one pass over both
            halves, as in the released code of Mixup Inference.
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range.
    """

    def __init__(
        self,
        classifier: keras.Model,
        attack: attacks.GradientAttack,
        alpha: float = 1.0,
        mix_weight: _types.MixWeight | None = None,
        attack_training: bool = False,
        joint_batch: bool = False,
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(
            classifier,
            attack,
            clean_weight=1.0,
            attack_training=attack_training,
            joint_batch=joint_batch,
            seed=seed,
            name=name,
        )
        self.set_mixing(alpha, mix_weight)

    def draw(
        self, batch_size: _tensors.Size, seed: tf.Tensor
    ) -> _tensors.Draws:
        """Returns the attack's seed and the pairs of either half."""
        pairs = {
            half: self.draw_pairs(batch_size, ops.fold_in(seed, number))
            for number, half in enumerate(("clean", "adversarial"), start=1)
        }
        return {**super().draw(batch_size, seed), **pairs}

    def prepare_batch(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> _tensors.Batch:
        """Returns the mixed adversarial and the mixed clean examples."""
        batch = super().prepare_batch(images, targets, draws)
        mixed = {}
        for half, pair in (("", "adversarial"), ("clean_", "clean")):
            images, targets = batch[f"{half}images"], batch[f"{half}targets"]
            mixed[f"{half}images"] = self.mix_images(images, draws[pair])
            mixed[f"{half}targets"] = mixup.mix_with_partner(
                targets, draws[pair]
            )
        return mixed

    def mix_sample_weight(
        self, weights: tf.Tensor, draws: _tensors.Draws, batch: _tensors.Batch
    ) -> _tensors.Batch:
        """Returns the weights of the pairs of either half."""
        halves = {
            "sample_weight": "adversarial",
            "clean_sample_weight": "clean",
        }
        return {
            key: mixup.mix_with_partner(weights, draws[half])
            for key, half in halves.items()
        }

    def mix_images(self, images: tf.Tensor, draws: _tensors.Draws) -> tf.Tensor:
        """Returns the images mixed with their partners, [B, H, W, C]."""
        return mixup.mix_with_partner(images, draws)
