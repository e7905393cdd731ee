"""Mixup Inference: mixing the input with samples of known classes."""

from collections.abc import Sequence
from typing import Any
from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.inference import _partners
from keras_mixup.inference import base
from keras_mixup.inference import pool as pool_module


class MixupInference(base.RandomizedInference):
    """The common base of MI-OL and MI-PL, which draw partners differently."""

    uses_prediction = True
    other_labels = True

    def __init__(
        self,
        classifier: keras.layers.Layer,
        pool: pool_module.SamplePool,
        mix_weight: _types.MixWeight = 0.5,
        num_draws: int = 30,
        max_inputs: int | None = 4096,
        **kwargs: Any,
    ) -> None:
        super().__init__(classifier, num_draws, max_inputs, **kwargs)
        self._check_pool(pool)
        self.pool = pool
        self.mix_weight = ops.check_mix_weight(mix_weight)
        if self.other_labels:
            _partners.check_other_classes(pool)
            classes = pool.num_classes
            _partners.warn_small_weight(self.mix_weight, classes, "mix_weight")

    def _check_pool(self, pool):
        _partners.check_image_pool(pool, self.classifier)

    def draw_rows(
        self,
        seeds: tf.Tensor,
        labels: tf.Tensor | None,
        image_shape: tf.TensorShape,
    ) -> _tensors.Draws:
        return _partners.draw_partners(
            seeds,
            labels,
            self.pool,
            self.mix_weight,
            self.num_draws,
            self.other_labels,
        )

    def apply(self, images: _tensors.Array, draws: _tensors.Draws) -> tf.Tensor:
        return _partners.mix_with_pool(self.pool, images, draws)

    def check_image_shape(self, shape: Sequence[int | None]) -> None:
        _partners.check_same_shape(self.pool, shape)

    def _expected_classes(self):
        return self.pool.num_classes


@registry.register(
    "defence",
    "mixup_inference_ol",
    label="MI-OL",
    flags={"num_draws": "num_draws"},
)
class MixupInferenceOL(MixupInference):
    """Mixes with images of other labels than the predicted one (MI-OL).

    For each draw, a label is uniform over the others, and a pool image is
    uniform within that label (Mixup Inference, section 3.2.2). An attack
    through the defence removes most of its published robustness. Report the
    adaptive accuracy beside the oblivious one.

    Costs 1 + N classifier inputs per image.

    Args:
        classifier: `keras.Model` from images to logits.
        pool: `SamplePool` of training images.
        mix_weight: float in [0, 1], `("uniform", low, high)` or
            `("beta", a, b)`, the weight of the input (default 0.5). Warns
            when it is fixed at 1 / classes or less (Eq. 17).
        num_draws: int >= 1, the draws N of a prediction.

    Other arguments, call arguments, returns: see `RandomizedInference`.

    Raises:
        ValueError: for a classifier that ends in softmax, or one that does
            not fit the pool in classes or image shape.

    Example:

    >>> defence = MixupInferenceOL(classifier, pool, mix_weight=0.6)
    >>> log_probabilities = defence(images, seed=0)
    """


@registry.register(
    "defence",
    "mixup_inference_pl",
    label="MI-PL",
    flags={"num_draws": "num_draws"},
)
class MixupInferencePL(MixupInference):
    """Mixes with images of the predicted label (MI-PL).

    Mixup Inference, section 3.2.1. The answer on a clean image hardly
    changes, so a fall of the confidence detects adversarial images.

    Costs 1 + N classifier inputs per image.

    Args:
        classifier: `keras.Model` from images to logits.
        pool: `SamplePool` of training images.
        mix_weight: float in [0, 1], `("uniform", low, high)` or
            `("beta", a, b)`, the weight of the input (default 0.5).
        num_draws: int >= 1, the draws N of a prediction.
        score: `"component"` (the predicted label's component, the paper) or
            `"max_difference"` (the largest component before minus the
            largest after, as in the released code).

    Other arguments, call arguments, returns: see `RandomizedInference`.

    Raises:
        ValueError: as for `MixupInferenceOL`, or for an unknown score.
    """

    other_labels = False

    def __init__(
        self,
        classifier: keras.layers.Layer,
        pool: pool_module.SamplePool,
        mix_weight: _types.MixWeight = 0.5,
        num_draws: int = 30,
        max_inputs: int | None = 4096,
        score: Literal["component", "max_difference"] = "component",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            classifier, pool, mix_weight, num_draws, max_inputs, **kwargs
        )
        self.score = _checks.check_choice(score, "score", _partners.SCORES)

    def predict_with_score(
        self,
        images: _tensors.Array,
        draws: _tensors.Draws,
        logits: _tensors.Array | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the log mean probability [B, C] and the score [B].

        Args:
            images: float32 [B, H, W, C].
            draws: what `draw` returned.
            logits: the clean logits if the caller has them.
        """
        images = self._checked(images)
        logits = self.classify(images) if logits is None else logits
        answer = self.predict_from_draws(images, draws)
        return answer, _partners.detection_score(self.score, logits, answer)

    def detection_score(
        self, images: _tensors.Array, seed: _tensors.SeedLike = None
    ) -> tf.Tensor:
        """Returns float32 [B] in [-1, 1]; higher is more adversarial.

        F(x) minus F_MI-PL(x) at the predicted label (Mixup Inference, section
        3.2.1). Eq. 11 and 14 define its gap between adversarial and clean
        images. Eq. 11 prints the difference with the opposite sign.

        Args:
            images: float32 [B, H, W, C] in [0, 1].
            seed: as for the layer's call.
        """
        images = self._checked(images)
        logits = self.classify(images)
        draws = self.draw(images, seed, logits)
        return self.predict_with_score(images, draws, logits)[1]
