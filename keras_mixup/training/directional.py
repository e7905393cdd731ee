"""Directional adversarial training: move towards an image, keep the label."""

from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import registry
from keras_mixup.training import mixup


@registry.register("algorithm", "directional_adversarial_training", label="DAT")
class DirectionalAdversarialTraining(mixup.Mixup):
    """Trains on images moved towards another image, with their own labels.

    Minimises CE(f(lambda x_i + (1 - lambda) x_j), y_i). The partners x_j are
    a random permutation of the batch (Archambault et al., "MixUp as
    Directional Adversarial Training", 2019, section 3). There is no attack:
    the direction is that of the partner.

    In expectation `Mixup` with lambda ~ Beta(a, a) is this with lambda ~
    Beta(a + 1, a) (their Theorem 1 and its corollary). That is the default;
    the gradients of single steps differ. A step costs one classifier pass.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        alpha: float > 0; lambda is drawn from Beta(alpha + 1, alpha).
        mix_weight: None, or what replaces the Beta distribution, as in
            `Mixup`.
        weight_per: `"sample"` or `"batch"`, as in `Mixup`.
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range.
    """

    def __init__(
        self,
        classifier: keras.Model,
        alpha: float = 1.0,
        mix_weight: _types.MixWeight | None = None,
        weight_per: Literal["sample", "batch"] = "sample",
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(
            classifier,
            alpha=alpha,
            mix_weight=mix_weight,
            weight_per=weight_per,
            seed=seed,
            name=name,
        )

    def default_mix_weight(self) -> tuple[str, float, float]:
        """Returns ("beta", alpha + 1, alpha)."""
        return ("beta", self.alpha + 1.0, self.alpha)

    def prepare_batch(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> _tensors.Batch:
        """Returns the mixed images and the targets as they came."""
        mixed = super().prepare_batch(images, targets, draws)
        return {**mixed, "targets": targets}

    def mix_sample_weight(
        self, weights: tf.Tensor, draws: _tensors.Draws, batch: _tensors.Batch
    ) -> _tensors.Batch:
        """Returns the weights as they came: labels are not mixed."""
        del draws, batch
        return {"sample_weight": weights}
