"""Mixup Inference in the latent space of an autoencoder (VarMI)."""

import functools
from collections.abc import Sequence
from typing import Any
from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _classifiers
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import registry
from keras_mixup.inference import _averages
from keras_mixup.inference import _latent_space
from keras_mixup.inference import _partners
from keras_mixup.inference import mixup_inference
from keras_mixup.inference import pool as pool_module
from keras_mixup.ops import latent_space


@registry.register(
    "defence",
    "var_mixup_inference",
    label="VarMI",
    flags={
        "num_draws": "num_draws",
        "average": "average",
        "label_from": "label_from",
    },
)
class VarMixupInference(mixup_inference.MixupInference):
    """Mixes latent codes with those of other labels, and decodes (VarMI).

    The log of the mean over draws of softmax(F(Dec(lambda E(x) +
    (1 - lambda) E(x_s)))), with E the mean of q(z|x) (VarMixup, Eq. 14). As
    printed, the equation averages logits; so does `average="logits"`. The
    partners x_s are drawn as in MI-OL: a label is uniform over those other
    than the predicted one, and a row is uniform within it. The pool stores
    their codes.

    An image costs one pass of the classifier for the predicted label, one
    encode, and N times decode and classify; `label_from="reconstruction"`
    costs one more decode. The control `mix_weight=1.0` mixes nothing.
    Gradients flow through decoder and encoder. The paper's gains are against
    attacks that ignore the defence.

    Args:
        classifier: `keras.Model` from images to logits.
        vae: `models.MMDVAE`, trained, or a Keras model with `encode(images)
            -> (mean, log variance)` and `decode(codes) -> images`. If its
            image size is not the classifier's, images are resized to it, and
            decoded images are resized back.
        pool: `SamplePool` of the training images' codes (`pool.encode(
            vae.encode)`), or of the images, which are then encoded here.
        mix_weight: float in [0, 1], `("uniform", low, high)` or
            `("beta", a, b)`, the weight of the input (default 0.5, Table 1).
        num_draws: int >= 1, the draws N of a prediction.
        average: `"probabilities"`, or `"logits"`: the mean logits, as log
            probabilities.
        label_from: the predicted label, which the partners do not have, is
            that of `"input"`, F(x), or `"reconstruction"`, F(Dec(E(x))).

    Other arguments, call arguments, returns: see `RandomizedInference`.

    Raises:
        ValueError: as for `MixupInferenceOL`, or for an autoencoder that does
            not encode and decode the classifier's images.

    Example:

    >>> defence = VarMixupInference(classifier, vae, pool.encode(vae.encode))
    >>> log_probabilities = defence(images, seed=0)
    """

    def __init__(
        self,
        classifier: keras.layers.Layer,
        vae: keras.Model,
        pool: pool_module.SamplePool,
        mix_weight: _types.MixWeight = 0.5,
        num_draws: int = 30,
        average: Literal["probabilities", "logits"] = "probabilities",
        label_from: Literal["input", "reconstruction"] = "input",
        max_inputs: int | None = 4096,
        **kwargs: Any,
    ) -> None:
        _classifiers.check_classifier(classifier)
        latent_size = _latent_space.check_vae(vae, classifier)
        _partners.check_pool(pool, classifier)
        given, pool = pool, _latent_space.code_pool(pool, vae)
        shape = list(pool.sample_shape)
        expected = f"rows of shape [{latent_size}], the autoencoder's codes"
        fits = len(shape) == 1 and latent_size in (None, shape[0])
        _checks.check(fits, "pool", expected, f"shape {shape}")
        _latent_space.warn_if_untrained(vae, given, pool)
        super().__init__(
            classifier, pool, mix_weight, num_draws, max_inputs, **kwargs
        )
        self.vae = vae
        kinds = tuple(_averages.AVERAGES)
        self.average = _checks.check_choice(average, "average", kinds)
        sources = ("input", "reconstruction")
        self.label_from = _checks.check_choice(
            label_from, "label_from", sources
        )

    def _check_pool(self, pool):
        # Codes have no bounds, and their shape has been checked.
        _partners.check_pool(pool, self.classifier)

    def call(
        self, images: _tensors.Array, seed: _tensors.SeedLike = None
    ) -> tf.Tensor:
        images = self._checked(images)
        codes = self.encode(images)
        size = images.shape[1:3]
        if self.label_from == "input":
            logits = self.classify(images)
        else:
            logits = self.classify(self._decode(codes, size))
        draws = super().draw(images, seed, logits)
        return self._predict_from_codes(codes, draws, size)

    def draw(
        self,
        images: _tensors.Array,
        seed: _tensors.SeedLike = None,
        logits: _tensors.Array | None = None,
    ) -> _tensors.Draws:
        if self.label_from == "reconstruction":
            # Not the caller's, which are the logits F(x).
            logits = self.reconstruction_logits(images)
        return super().draw(images, seed, logits)

    def apply(self, images: _tensors.Array, draws: _tensors.Draws) -> tf.Tensor:
        images = self._checked(images)
        codes = self.encode(images)
        return self._mix_and_decode(codes, draws, images.shape[1:3])

    def predict_from_draws(
        self,
        images: _tensors.Array,
        draws: _tensors.Draws,
        logits: _tensors.Array | None = None,
    ) -> tf.Tensor:
        del logits
        images = self._checked(images)
        codes = self.encode(images)
        return self._predict_from_codes(codes, draws, images.shape[1:3])

    def encode(self, images: _tensors.Array) -> tf.Tensor:
        """Returns the codes that are mixed, the means of q(z|x).

        Args:
            images: float32 [B, H, W, C] in [0, 1].

        Returns:
            float32 [B, d].
        """
        return _latent_space.encode(self.vae, images)

    def reconstruction_logits(self, images: _tensors.Array) -> tf.Tensor:
        """Returns the logits F(Dec(E(x))), float32 [B, classes].

        Args:
            images: float32 [B, H, W, C] in [0, 1].
        """
        images = self._checked(images)
        codes = self.encode(images)
        return self.classify(self._decode(codes, images.shape[1:3]))

    def transfer_models(self) -> dict[str, _tensors.ModelFn]:
        """Returns models that an attacker may attack instead of the defence.

        Returns:
            dict name -> callable from images to logits. F(Dec(E(x))) is the
            defence without its randomness.
        """
        return {"reconstruction": self.reconstruction_logits}

    def _decode(self, codes, size):
        return _latent_space.decode(self.vae, codes, size)

    def _predict_from_codes(self, codes, draws, size):
        apply = functools.partial(self._mix_and_decode, size=size)
        return self.average_draws(codes, draws, apply, self.average)

    def _mix_and_decode(self, codes, draws, size):
        """Returns float32 [N, B, H, W, C] from codes [B, d]."""
        mixed = _partners.mix_with_pool(self.pool, codes, draws)
        flat = tf.reshape(mixed, [-1, mixed.shape[-1]])
        images = self._decode(flat, size)
        shape = tf.concat([tf.shape(mixed)[:2], images.shape[1:]], axis=0)
        images = tf.reshape(images, shape)
        return tf.ensure_shape(images, [*mixed.shape[:2], *images.shape[2:]])

    def check_image_shape(self, shape: Sequence[int | None]) -> None:
        super(mixup_inference.MixupInference, self).check_image_shape(shape)
        channels = latent_space.image_shape(self.vae, shape)[-1]
        expected = f"of {channels} channels, as the autoencoder's"
        fits = shape[-1] in (None, channels)
        _checks.check(fits, "images", expected, f"shape {list(shape)}")
