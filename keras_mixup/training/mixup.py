"""Mixup: train on interpolations of pairs of examples."""

from typing import Literal

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _settings
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.training import base


@registry.register("algorithm", "mixup", label="Mixup")
class Mixup(base.Algorithm):
    """Trains on convex combinations of two examples and of their labels.

    x~ = lambda x_i + (1 - lambda) x_j, the labels likewise, with x_j a
    random permutation of the batch (Zhang et al., 2018; Mixup Inference,
    section 2.2). Costs one classifier pass per step.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        alpha: float > 0, lambda ~ Beta(alpha, alpha).
        mix_weight: None, or what replaces the Beta distribution: a float in
            [0, 1], ("uniform", low, high) or ("beta", a, b). Mixup
            Inference, B.1, suggests the lambda that inference will use.
        weight_per: `"sample"` (a lambda for each pair, as in the Mixup
            Inference code) or `"batch"` (one for all).
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range.
    """

    def __init__(
        self,
        classifier,
        alpha: float = 1.0,
        mix_weight: _settings.MixWeight | None = None,
        weight_per: Literal["sample", "batch"] = "sample",
        seed=0,
        name=None,
    ):
        super().__init__(classifier, seed=seed, name=name)
        self.alpha = _checks.check_number(
            alpha, "alpha", low=0.0, low_open=True
        )
        self.mix_weight = ops.check_mix_weight(mix_weight, optional=True)
        self.weight_per = _checks.check_choice(
            weight_per, "weight_per", ("sample", "batch")
        )

    def draw(self, batch_size, seed):
        """Returns {"permutation": int32 [B], "mix_weight": float32 [B]}."""
        distribution = self.mix_weight
        if distribution is None:
            distribution = ("beta", self.alpha, self.alpha)
        return draw_pairs(batch_size, distribution, seed, self.weight_per)

    def prepare_batch(self, images, targets, draws):
        """Returns the mixed images and the mixed targets."""
        return {
            "images": mix_with_partner(images, draws),
            "targets": mix_with_partner(targets, draws),
        }


def draw_pairs(batch_size, distribution, seed, weight_per="sample"):
    """Draws a partner and a lambda for every example of a batch.

    Args:
        batch_size: int or int scalar tensor, B.
        distribution: what `ops.check_mix_weight` returned.
        seed: int32 [2].
        weight_per: `"sample"` or `"batch"`.

    Returns:
        {"permutation": int32 [B], "mix_weight": float32 [B]}.
    """
    shape = [batch_size] if weight_per == "sample" else []
    weight = ops.sample_mix_weight(shape, distribution, ops.fold_in(seed, 0))
    return {
        "mix_weight": tf.broadcast_to(weight, [batch_size]),
        "permutation": ops.random_permutation(batch_size, ops.fold_in(seed, 1)),
    }


def mix_with_partner(values, draws):
    """Mixes each row with the row that the permutation names, [B, ...]."""
    partner = tf.gather(values, draws["permutation"])
    return ops.mix(draws["mix_weight"], values, partner)
