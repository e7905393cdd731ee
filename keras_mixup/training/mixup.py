"""Mixup: train on interpolations of pairs of examples."""

from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.training import base


class Mixing:
    """Mixin of the algorithms that mix pairs: partners and lambda.

    Attributes:
        alpha: float, lambda ~ Beta(alpha, alpha).
        mix_weight: None, or what replaces the Beta distribution.
        weight_per: `"sample"` or `"batch"`.
    """

    def set_mixing(
        self,
        alpha: float,
        mix_weight: _types.MixWeight | None = None,
        weight_per: Literal["sample", "batch"] = "sample",
    ) -> None:
        """Checks and keeps the arguments that `Mixup` describes.

        Raises:
            ValueError: when one is out of its range.
        """
        self.alpha = _checks.check_number(
            alpha, "alpha", low=0.0, low_open=True
        )
        self.mix_weight = ops.check_mix_weight(mix_weight, optional=True)
        self.weight_per = _checks.check_choice(
            weight_per, "weight_per", ("sample", "batch")
        )

    def default_mix_weight(self) -> tuple[str, float, float]:
        """Returns lambda's distribution where `mix_weight` names none."""
        return ("beta", self.alpha, self.alpha)

    def draw_pairs(
        self, batch_size: _tensors.Size, seed: tf.Tensor
    ) -> _tensors.Draws:
        """Draws a partner and a lambda for every example of a batch.

        Args:
            batch_size: int or int scalar tensor, B.
            seed: int32 [2].

        Returns:
            {"permutation": int32 [B], "mix_weight": float32 [B]}.
        """
        distribution = self.mix_weight
        if distribution is None or isinstance(distribution, str):
            distribution = self.default_mix_weight()
        weight = ops.sample_mix_weight(
            [batch_size] if self.weight_per == "sample" else [],
            distribution,
            ops.fold_in(seed, 0),
        )
        order = ops.random_permutation(batch_size, ops.fold_in(seed, 1))
        return {
            "mix_weight": tf.broadcast_to(weight, [batch_size]),
            "permutation": order,
        }

    def mix_sample_weight(
        self, weights: tf.Tensor, draws: _tensors.Draws, batch: _tensors.Batch
    ) -> _tensors.Batch:
        """Returns a pair's weight: the mix of both sides' with lambda."""
        weight = batch.get("mix_weight", draws["mix_weight"])
        pairs = {**draws, "mix_weight": weight}
        return {"sample_weight": mix_with_partner(weights, pairs)}


@registry.register("algorithm", "mixup", label="Mixup")
class Mixup(Mixing, base.Algorithm):
    """Trains on convex combinations of two examples and of their labels.

    x~ = lambda x_i + (1 - lambda) x_j, and labels likewise. The partners x_j
    are a random permutation of the batch (Zhang et al., 2018; Mixup
    Inference, section 2.2). A step costs one classifier pass.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        alpha: float > 0; the weight lambda is drawn from Beta(alpha, alpha).
        mix_weight: None, or what replaces the Beta distribution: a float in
            [0, 1], ("uniform", low, high) or ("beta", a, b). Mixup
            Inference, B.1, suggests the lambda that inference will use.
        weight_per: `"sample"` for a lambda of each pair, `"batch"` for one of
            all pairs. The Mixup Inference code draws per sample.
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
        super().__init__(classifier, seed=seed, name=name)
        self.set_mixing(alpha, mix_weight, weight_per)

    def draw(
        self, batch_size: _tensors.Size, seed: tf.Tensor
    ) -> _tensors.Draws:
        """Returns {"permutation": int32 [B], "mix_weight": float32 [B]}."""
        return self.draw_pairs(batch_size, seed)

    def prepare_batch(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> _tensors.Batch:
        """Returns the mixed images and the mixed targets."""
        return {
            "images": mix_with_partner(images, draws),
            "targets": mix_with_partner(targets, draws),
        }


def mix_with_partner(values, draws):
    """Mixes each row with the row that the permutation names, [B, ...]."""
    partner = tf.gather(values, draws["permutation"])
    return ops.mix(draws["mix_weight"], values, partner)
