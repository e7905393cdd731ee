"""Mixup and an attack one after the other, in either order."""

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
from keras_mixup.training import interpolated
from keras_mixup.training import mixup


@registry.register("algorithm", "mix_then_attack", label="Mix then attack")
class MixThenAttack(mixup.Mixing, adversarial.AdversarialTraining):
    """Mixes the pairs first, then attacks the mixed images.

    x_m = lambda x_i + (1 - lambda) x_j, y_m likewise; the attack perturbs
    x_m within the ball around it, and the weights are trained on
    L(x_m + delta, y_m) (adversarially optimized mixup paper, Algorithm 2;
    Rice et al., 2020, who draw one lambda per batch). The cross-entropy
    stands for the paper's KL divergence: y_m is fixed, so the two differ by
    its entropy alone. The clean loss is that of plain mixup on the same
    pairs.

    With k attack steps a train step costs k + 1 classifier passes, and k + 2
    with a clean loss.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        attack: `attacks.GradientAttack`, such as PGD, APGD or FGSM.
        alpha: float > 0; the weight lambda is drawn from Beta(alpha, alpha).
        mix_weight: None, or what replaces the Beta distribution, as in
            `Mixup`.
        weight_per: `"sample"` or `"batch"`, as in `Mixup`.
        clean_weight: float >= 0, the weight of the clean loss, as in
            `AdversarialTraining`. 0 is the listing.
        attack_training: bool, as in `AdversarialTraining`.
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range.
    """

    def __init__(
        self,
        classifier: keras.Model,
        attack: attacks.GradientAttack,
        alpha: float = 0.5,
        mix_weight: _types.MixWeight | None = None,
        weight_per: Literal["sample", "batch"] = "sample",
        clean_weight: float = 0.0,
        attack_training: bool = False,
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(
            classifier,
            attack,
            clean_weight=clean_weight,
            attack_training=attack_training,
            seed=seed,
            name=name,
        )
        self.set_mixing(alpha, mix_weight, weight_per)

    def draw(
        self, batch_size: _tensors.Size, seed: tf.Tensor
    ) -> _tensors.Draws:
        """Returns the attack's seed, the permutation and the weights."""
        pairs = self.draw_pairs(batch_size, ops.fold_in(seed, 1))
        return {**super().draw(batch_size, seed), **pairs}

    def prepare_batch(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> _tensors.Batch:
        """Returns the attacked mixtures, and the mixtures as clean images."""
        images = mixup.mix_with_partner(images, draws)
        targets = mixup.mix_with_partner(targets, draws)
        return super().prepare_batch(images, targets, draws)


@registry.register("algorithm", "attack_then_mix", label="Attack then mix")
class AttackThenMix(interpolated.InterpolatedAdversarialTraining):
    """Attacks the single images first, then mixes the attacked ones.

    x'_m = lambda x'_i + (1 - lambda) x'_j and y_m likewise, with
    x' = attack(x, y). The loss is L(x'_m, y_m) (adversarially optimized mixup
    paper, Algorithm 3). This is interpolated adversarial training without
    its clean half. `clean_weight` = 1 brings that half back and gives
    `InterpolatedAdversarialTraining`. The cross-entropy stands for the
    paper's KL divergence, as in `MixThenAttack`.

    With k attack steps a train step costs k + 1 classifier passes, and k + 2
    with a clean loss.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        attack: `attacks.GradientAttack`, such as PGD, APGD or FGSM.
        alpha: float > 0; the weight lambda is drawn from Beta(alpha, alpha),
            for each pair.
        mix_weight: None, or what replaces the Beta distribution, as in
            `Mixup`.
        clean_weight: float >= 0, the weight w of the clean loss in
            (L + w L_clean) / (1 + w). L_clean is mixup on other pairs.
        attack_training: bool, as in `AdversarialTraining`.
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range.
    """

    def __init__(
        self,
        classifier: keras.Model,
        attack: attacks.GradientAttack,
        alpha: float = 0.5,
        mix_weight: _types.MixWeight | None = None,
        clean_weight: float = 0.0,
        attack_training: bool = False,
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(
            classifier,
            attack,
            alpha=alpha,
            mix_weight=mix_weight,
            attack_training=attack_training,
            seed=seed,
            name=name,
        )
        self.clean_weight = _checks.check_number(
            clean_weight, "clean_weight", low=0.0
        )
