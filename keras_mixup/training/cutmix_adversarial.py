"""CutMix inside adversarial training: cut first, then attack the result."""

from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import attacks
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.training import adversarial
from keras_mixup.training import base
from keras_mixup.training import cutmix
from keras_mixup.training import mixup
from keras_mixup.training import trades


class CutMixing(mixup.Mixing, base.Algorithm):
    """Mixin: what an algorithm attacks are images with boxes in them."""

    def draw(
        self, batch_size: _tensors.Size, seed: tf.Tensor
    ) -> _tensors.Draws:
        """Returns the algorithm's own draws, the pairs and the centre."""
        inner = ops.fold_in(seed, 1)
        return {
            **super().draw(batch_size, seed),
            **self.draw_pairs(batch_size, inner),
            "centre": cutmix.draw_centre(batch_size, inner),
        }

    def prepare_batch(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> _tensors.Batch:
        """Returns the algorithm's batch of the images with their boxes."""
        cut = cutmix.paste_boxes(images, targets, draws)
        batch = super().prepare_batch(cut["images"], cut["targets"], draws)
        return {**batch, "mix_weight": cut["mix_weight"]}


@registry.register(
    "algorithm", "cutmix_adversarial_training", label="CutMix AT"
)
class CutMixAdversarialTraining(CutMixing, adversarial.AdversarialTraining):
    """Pastes boxes as `CutMix` does, then trains on the attacked result.

    The attack climbs L(f(x_m + delta), y_m) inside the ball around x_m, the
    image with its box, and the weights descend the same loss. Rebuffi et
    al., "Data Augmentation Can Improve Robustness", 2021, section 4, augment
    in this way before the attack; their loss is that of `CutMixTRADES`. A
    box and a lambda serve the whole batch, as in `CutMix`.

    With k attack steps a train step costs k + 1 classifier passes, and k + 2
    with a clean loss.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        attack: `attacks.GradientAttack`, such as PGD, APGD or FGSM.
        alpha: float > 0; the weight lambda is drawn from Beta(alpha, alpha).
        mix_weight: None, or what replaces the Beta distribution, as in
            `Mixup`. A number gives boxes of one size: 0.61 is a window of 20
            in 32 pixels.
        clean_weight: float >= 0, the weight of the loss on x_m without the
            attack, as in `AdversarialTraining`.
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
        alpha: float = 1.0,
        mix_weight: _types.MixWeight | None = None,
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
        self.set_mixing(alpha, mix_weight, "batch")


@registry.register("algorithm", "cutmix_trades", label="CutMix TRADES")
class CutMixTRADES(CutMixing, trades.TRADES):
    """Pastes boxes as `CutMix` does, then trains on them as `TRADES` does.

    Minimises CE(f(x_m), y_m) + beta KL(f(x_m) || f(x')), where x_m is the
    image with its box and x' lies in the ball around it (Rebuffi et al.,
    "Data Augmentation Can Improve Robustness", 2021, section 4). Beside it
    they average the weights: `compile(weight_average=EMA(0.995))`.

    With k attack steps a train step costs k + 2 classifier passes.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        attack: `attacks.GradientAttack`, as for `TRADES`.
        beta: float >= 0, the weight of the KL term.
        start: `"normal"` or `"attack"`, as in `TRADES`.
        attack_targets: `"shared"` or `"separate"`, as in `TRADES`.
        alpha: float > 0; the weight lambda is drawn from Beta(alpha, alpha).
        mix_weight: None, or what replaces the Beta distribution, as in
            `CutMixAdversarialTraining`.
        attack_training: bool, as in `AdversarialTraining`.
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: as `TRADES`, and for an argument out of its range.
    """

    def __init__(
        self,
        classifier: keras.Model,
        attack: attacks.GradientAttack,
        beta: float = 6.0,
        start: _types.PythonOnly[Literal["normal", "attack"]] = "normal",
        attack_targets: _types.PythonOnly[
            Literal["shared", "separate"]
        ] = "shared",
        alpha: float = 1.0,
        mix_weight: _types.MixWeight | None = None,
        attack_training: bool = False,
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(
            classifier,
            attack,
            beta=beta,
            start=start,
            attack_targets=attack_targets,
            attack_training=attack_training,
            seed=seed,
            name=name,
        )
        self.set_mixing(alpha, mix_weight, "batch")
