"""RegMixup: mixup beside the clean loss, as a regularizer."""

from typing import Any
from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.training import mixup


@registry.register("algorithm", "regmixup", label="RegMixup")
class RegMixup(mixup.Mixup):
    """Trains on the clean images and on mixtures of them.

    Minimises CE(f(x), y) + eta CE(f(x~), y~), where x~ and y~ are those of
    `Mixup` (Pinto et al., "RegMixup: Mixup as a Regularizer Can Surprisingly
    Improve Accuracy and Out Distribution Robustness", 2022, section 3). A
    large alpha keeps lambda near 1/2. Loss and accuracy of the log are those
    of the sum and of the clean images. A step costs two classifier passes.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        alpha: float > 0; the weight lambda is drawn from Beta(alpha, alpha).
            The paper has 10 and 20.
        mixup_weight: float >= 0, eta, the weight of the mixup loss. The
            paper has 1.
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
        alpha: float = 10.0,
        mixup_weight: float = 1.0,
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
        self.mixup_weight = _checks.check_number(
            mixup_weight, "mixup_weight", low=0.0
        )

    def prepare_batch(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> _tensors.Batch:
        """Returns the clean batch and, as `"mixed_..."`, the mixed one."""
        mixed = super().prepare_batch(images, targets, draws)
        mixed = {f"mixed_{key}": value for key, value in mixed.items()}
        return {"images": images, "targets": targets, **mixed}

    def mix_sample_weight(
        self, weights: tf.Tensor, draws: _tensors.Draws, batch: _tensors.Batch
    ) -> _tensors.Batch:
        """Returns the weights of the examples and of the pairs."""
        mixed = mixup.mix_with_partner(weights, draws)
        return {"sample_weight": weights, "mixed_sample_weight": mixed}

    def batch_loss(self, batch: _tensors.Batch) -> tuple[tf.Tensor, Any]:
        """Returns the losses above and the clean logits; two passes."""
        losses, logits = super().batch_loss(batch)
        mixed_logits = self.classifier(batch["mixed_images"], training=True)
        mixed = ops.cross_entropy(batch["mixed_targets"], mixed_logits)
        if "mixed_sample_weight" in batch:
            losses *= batch.pop("sample_weight")
            mixed *= batch.pop("mixed_sample_weight")
        return losses + self.mixup_weight * mixed, logits
