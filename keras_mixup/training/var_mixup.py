"""Mixup, ERM and interpolated training on images from a latent space."""

from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import attacks
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.ops import latent_space
from keras_mixup.training import _latent_space
from keras_mixup.training import adversarial
from keras_mixup.training import base
from keras_mixup.training import interpolated
from keras_mixup.training import mixup

_LARGEST = float(np.finfo(np.float32).max)


@registry.register("algorithm", "var_erm", label="VarERM")
class VarERM(base.Algorithm):
    """Trains on reconstructions: Dec(E_q[z|x]), with x's own label.

    VarMixup, Eq. 13. The autoencoder is frozen: the optimizer changes the
    classifier alone. Only the means of q(z|x) and of p(x|z) are used, no
    samples. Evaluation is on the images as they come, F(x).

    The autoencoder's images may have another size than the classifier's, as
    in the transfer of VarMixup's Table 3. Images are then resized to its
    input and decoded images back: bilinear, antialiased when shrunk.

    With `attack`, the classifier is trained on the worst image within the
    attack's ball around the decoded one. The paper's adv- prefix means
    something else: an autoencoder that was trained adversarially,
    `MMDVAETraining(attack=...)`.

    A step costs one encode, one decode and one classifier pass, or k + 1
    classifier passes with k attack steps.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        vae: `models.MMDVAE`, trained.
        attack: None, or an `attacks.GradientAttack`.
        from_codes: bool, whether `fit` receives codes [B, latent size] in
            place of images, which saves the encode. `latent_codes` makes
            them, from images that are not augmented. `evaluate` and
            `validation_data` still take images.
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range or the autoencoder's
            channels are not the classifier's.
    """

    def __init__(
        self,
        classifier: keras.Model,
        vae: keras.Model,
        attack: attacks.GradientAttack | None = None,
        from_codes: bool = False,
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(classifier, seed=seed, name=name)
        self.vae = _latent_space.check_vae(vae, classifier)
        if attack is not None:
            adversarial.check_attack(attack)
        self.attack = attack
        self.from_codes = _checks.check_flag(from_codes, "from_codes")

    def draw(
        self, batch_size: _tensors.Size, seed: tf.Tensor
    ) -> _tensors.Draws:
        """Returns {"attack_seed": int32 [2]}."""
        del batch_size
        return {"attack_seed": ops.fold_in(seed, 0)}

    def prepare_batch(
        self, images: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> _tensors.Batch:
        """Returns the decoded, on request attacked, images and the targets."""
        codes, targets = self.mix(self._encode(images), targets, draws)
        size = self._image_size(images)
        decoded = latent_space.decode(self.vae, codes, size)
        if self.attack is not None:
            decoded = self.attack.perturb(
                self.classifier, decoded, targets, draws["attack_seed"]
            )
        return {"images": decoded, "targets": targets}

    def mix(
        self, codes: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the codes to decode and their targets; here unchanged."""
        del draws
        return codes, targets

    def _encode(self, images):
        if self.from_codes:
            return images
        return latent_space.encode(self.vae, images)

    def _image_size(self, images):
        if self.from_codes:
            return latent_space.image_shape(self.classifier)[:2]
        return tuple(images.shape[1:3])

    def input_range(
        self, name: Literal["train", "test"]
    ) -> tuple[float, float]:
        """Returns (low, high) of a pixel, or of a code: any finite number."""
        if self.from_codes and name == "train":
            # Half of the largest, since the slack of rounding is added.
            return -0.5 * _LARGEST, 0.5 * _LARGEST
        return super().input_range(name)

    def check_images(self, images: _tensors.Array) -> None:
        """Checks images, or codes where they stand in for images."""
        if not self.from_codes or self._evaluating:
            super().check_images(images)
            if not self._evaluating:
                _latent_space.warn_if_untrained(self.vae, images)
            return
        size = self.vae.latent_size
        okay = images.ndim == 2 and images.shape[-1] == size
        expected = f"codes [B, {size}], made by latent_codes"
        _checks.check(okay, "x", expected, f"shape {images.shape}")
        finite = bool(np.isfinite(images).all())
        _checks.check(finite, "x", "finite codes", "NaN or infinity")
        shape = self._image_size(images)
        decoded = latent_space.decode(self.vae, images[:2], shape)
        super().check_images(np.asarray(decoded))


@registry.register("algorithm", "var_mixup", label="VarMixup")
class VarMixup(mixup.Mixing, VarERM):
    """Mixup of latent means: Dec(lambda E_q[z|x_i] + (1 - lambda) E_q[z|x_j]).

    Labels are mixed with the same lambda. The partners x_j are a random
    permutation of the batch (VarMixup, Eq. 12 and the equations below it). A
    step costs as much as that of `VarERM`.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        vae: `models.MMDVAE`, trained; frozen, as in `VarERM`.
        alpha: float > 0; the weight lambda is drawn from Beta(alpha, alpha).
            The paper calls it eta.
        attack: None, or an attack for adversarial training on the mixed
            images, as in `VarERM`.
        mix_weight: None, or what replaces the Beta distribution, as in
            `Mixup`.
        weight_per: `"sample"` or `"batch"`, as in `Mixup`.
        from_codes: bool, as in `VarERM`.
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: as `VarERM` and `Mixup`.
    """

    def __init__(
        self,
        classifier: keras.Model,
        vae: keras.Model,
        alpha: float = 1.0,
        attack: attacks.GradientAttack | None = None,
        mix_weight: _types.MixWeight | None = None,
        weight_per: Literal["sample", "batch"] = "sample",
        from_codes: bool = False,
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(
            classifier,
            vae,
            attack=attack,
            from_codes=from_codes,
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

    def mix(
        self, codes: tf.Tensor, targets: tf.Tensor, draws: _tensors.Draws
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the mixed codes and the mixed targets."""
        mixed = (mixup.mix_with_partner(v, draws) for v in (codes, targets))
        return tuple(mixed)


@registry.register(
    "algorithm", "var_interpolated_adversarial_training", label="VarIAT"
)
class VarInterpolatedAdversarialTraining(
    interpolated.InterpolatedAdversarialTraining
):
    """Interpolated adversarial training that mixes in the latent space.

    Differs from `InterpolatedAdversarialTraining` in the mixing alone: both
    halves, clean and attacked, are mixed as `VarMixup` mixes (VarMixup,
    section 5, "VarIAT"; the paper gives no listing). The attack perturbs the
    single images before they are encoded, against the classifier. Codes of
    attacked images depend on the weights, so they cannot be cached.

    With k attack steps a train step costs k + 2 classifier passes, two
    encodes and two decodes.

    Args:
        classifier: `keras.Model` from [B, H, W, C] in [0, 1] to logits.
        vae: `models.MMDVAE`, trained; frozen, as in `VarERM`.
        attack: `attacks.GradientAttack`, such as PGD, APGD or FGSM.
        alpha: float > 0; the weight lambda is drawn from Beta(alpha, alpha),
            for each pair.
        mix_weight: None, or what replaces the Beta distribution, as in
            `Mixup`.
        attack_training: bool, as in `AdversarialTraining`.
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range.
    """

    def __init__(
        self,
        classifier: keras.Model,
        vae: keras.Model,
        attack: attacks.GradientAttack,
        alpha: float = 1.0,
        mix_weight: _types.MixWeight | None = None,
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
        self.vae = _latent_space.check_vae(vae, classifier)

    def mix_images(self, images: tf.Tensor, draws: _tensors.Draws) -> tf.Tensor:
        """Returns the decoded mixtures of the images' codes."""
        codes = latent_space.encode(self.vae, images)
        mixed = mixup.mix_with_partner(codes, draws)
        return latent_space.decode(self.vae, mixed, tuple(images.shape[1:3]))

    def check_images(self, images: _tensors.Array) -> None:
        """Checks images, and warns of an untrained autoencoder."""
        super().check_images(images)
        if not self._evaluating:
            _latent_space.warn_if_untrained(self.vae, images)
