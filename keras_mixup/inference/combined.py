"""MI-Combined: MI-PL as the detector, MI-OL as the answer."""

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
from keras_mixup.inference import _rows
from keras_mixup.inference import base
from keras_mixup.inference import pool as pool_module


@registry.register(
    "defence",
    "mixup_inference_combined",
    label="MI-Combined",
    flags={
        "num_draws": "num_draws",
        "pl_weight": "pl_weight",
        "ol_weight": "ol_weight",
        "threshold": "threshold",
        "fallback": "fallback",
    },
)
class MixupInferenceCombined(base.RandomizedInference):
    """MI-PL detects adversarial images, and MI-OL classifies these.

    Where MI-PL's detection score is above the threshold, the answer is
    MI-OL's. Elsewhere it is the fallback's (Mixup Inference, section 4.3).
    Choose the threshold on validation data.

    Costs 1 + 2 N classifier inputs per image. Draws are `"pl_indices"`,
    `"pl_mix_weight"`, `"ol_indices"`, `"ol_mix_weight"`, each [B, N]. `apply`
    returns MI-PL's N inputs, then MI-OL's N.

    Args:
        classifier: `keras.Model` from images to logits.
        pool: `SamplePool` of training images.
        pl_weight: MI-PL's weight of the input, default 0.5; the forms of
            `mix_weight` in `MixupInferenceOL`.
        ol_weight: MI-OL's weight of the input, default 0.4. (Table 4 prints
            both weights under one name; the released code assigns them so.)
        threshold: float in [-1, 1], the score that counts as an attack.
        num_draws: int >= 1, the draws N of a prediction.
        fallback: `"input"` (F(x), the paper) or `"mixup_pl"` (MI-PL's mean,
            the released code).
        score: `"component"` or `"max_difference"`, see `MixupInferencePL`.

    Other arguments, call arguments, returns: see `RandomizedInference`.

    Raises:
        ValueError: as for `MixupInferenceOL`, or for an unknown fallback or
            score, or a threshold outside [-1, 1].
    """

    uses_prediction = True

    def __init__(
        self,
        classifier: keras.layers.Layer,
        pool: pool_module.SamplePool,
        pl_weight: float | tuple[str, float, float] = 0.5,
        ol_weight: float | tuple[str, float, float] = 0.4,
        threshold: float = 0.2,
        num_draws: int = 30,
        fallback: Literal["input", "mixup_pl"] = "input",
        score: _types.PythonOnly[
            Literal["component", "max_difference"]
        ] = "component",
        max_inputs: int | None = 4096,
        **kwargs: Any,
    ) -> None:
        super().__init__(classifier, num_draws, max_inputs, **kwargs)
        _partners.check_image_pool(pool, classifier)
        _partners.check_other_classes(pool)
        check_weight = ops.check_mix_weight
        self.pool = pool
        self.pl_weight = check_weight(pl_weight, "pl_weight")
        self.ol_weight = check_weight(ol_weight, "ol_weight")
        _partners.warn_small_weight(
            self.ol_weight, pool.num_classes, "ol_weight"
        )
        self.threshold = _checks.check_number(threshold, "threshold", -1.0, 1.0)
        fallbacks = ("input", "mixup_pl")
        self.fallback = _checks.check_choice(fallback, "fallback", fallbacks)
        self.score = _checks.check_choice(score, "score", _partners.SCORES)

    def draw_rows(
        self,
        seeds: tf.Tensor,
        labels: tf.Tensor | None,
        image_shape: tf.TensorShape,
    ) -> _tensors.Draws:
        streams = _rows.bits(seeds, 2, 2)
        sets = (
            ("pl", self.pl_weight, streams[:, 0], False),
            ("ol", self.ol_weight, streams[:, 1], True),
        )
        return {
            f"{prefix}_{name}": value
            for prefix, weight, stream, other_labels in sets
            for name, value in _partners.draw_partners(
                stream, labels, self.pool, weight, self.num_draws, other_labels
            ).items()
        }

    def _part(self, draws, prefix):
        names = ("indices", "mix_weight")
        return {name: draws[f"{prefix}_{name}"] for name in names}

    def _mix(self, images, draws):
        return _partners.mix_with_pool(self.pool, images, draws)

    def apply(self, images: _tensors.Array, draws: _tensors.Draws) -> tf.Tensor:
        parts = [self._mix(images, self._part(draws, p)) for p in ("pl", "ol")]
        return tf.concat(parts, axis=0)

    def predict_from_draws(
        self,
        images: _tensors.Array,
        draws: _tensors.Draws,
        logits: _tensors.Array | None = None,
    ) -> tf.Tensor:
        return self.predict_with_score(images, draws, logits)[0]

    def count_passes(self, num_draws: int) -> int:
        return 2 * num_draws + 1

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
            logits: the clean logits if the caller has them. Computed under
                the caller's tape, they carry the gradients of F(x).
        """
        images = self._checked(images)
        logits = self.classify(images) if logits is None else logits
        same, score = self._same_label(images, draws, logits)
        other = self.average_draws(images, self._part(draws, "ol"), self._mix)
        plain = tf.nn.log_softmax(logits)
        fallback = plain if self.fallback == "input" else same
        detected = score[:, None] > self.threshold
        return tf.where(detected, other, fallback), score

    def _same_label(self, images, draws, logits):
        same = self.average_draws(images, self._part(draws, "pl"), self._mix)
        return same, _partners.detection_score(self.score, logits, same)

    def detection_score(
        self, images: _tensors.Array, seed: _tensors.SeedLike = None
    ) -> tf.Tensor:
        """Returns MI-PL's score, float32 [B]; higher is more adversarial.

        Args:
            images: float32 [B, H, W, C] in [0, 1].
            seed: as for the layer's call.
        """
        images = self._checked(images)
        logits = self.classify(images)
        draws = self.draw(images, seed, logits)
        return self._same_label(images, draws, logits)[1]

    def check_image_shape(self, shape: Sequence[int | None]) -> None:
        _partners.check_same_shape(self.pool, shape)

    def _expected_classes(self):
        return self.pool.num_classes
