"""Training of the MMD-VAE, on clean or on attacked images."""

from collections.abc import Sequence
from typing import Any
from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _inputs
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import attacks
from keras_mixup import ops
from keras_mixup.training import _pairs
from keras_mixup.training import functions
from keras_mixup.training import train_step

# Prior draws of the test step's MMD: many, and the same in every batch.
_TEST_PRIOR = 1024
_TEST_PURPOSE = 101


@keras.saving.register_keras_serializable("keras_mixup")
class MMDVAETraining(train_step.TrainStep):
    """Minimises gamma MMD^2(q(z) || p(z)) - E log p(x|z); no labels needed.

    The prior p(z) is standard normal. q(z) is the codes of the batch, one
    draw of q(z|x) for each image. p(x|z) is normal around the decoder's
    output with variance 1/2, so that -log p(x|z) is the squared error up to
    a constant. It is divided by the number of values of an image, so that
    one gamma suits every image size. VarMixup's Eq. 11 prints
    "gamma MMD + E log p" as what is optimised. As a loss the second sign is
    wrong; as an objective to maximise, like Eq. 9 and 10, the first is.

    With `attack`, the autoencoder is trained adversarially. An ascent from
    the attack's start finds the delta in its ball that maximises the squared
    error of Dec(mean of Enc(x + delta)) against the clean x. The step then
    minimises the loss above with codes of x + delta and the clean x as the
    target. The paper does not state its recipe. This one makes
    reconstructions of attacked images close to the clean image.

    A step costs one pass through encoder and decoder, and `attack.num_steps`
    more with an attack. `fit` takes (images, anything) or images alone, since
    labels are not used. Training reports the loss, `mmd` (MMD^2) and `psnr`:
    the mean over the images, in dB, of what was reconstructed from noisy
    and, with an attack, attacked codes. The test step reports the same with
    `psnr` of decode(mean of x) against x.

    Args:
        vae: `models.MMDVAE`, or a model with `encoder` and `decoder`.
        gamma: float >= 0, the weight of MMD^2.
        attack: None, or an attack whose threat, step size, number of steps
            and random start are used, such as `attacks.PGD`.
        kernel: the kernel of the MMD, `"imq"` or `"rbf"`; see
            `ops.mmd_squared`.
        scales: floats > 0, the kernel's bandwidths.
        seed: int, the source of every random draw.
        name: str or None.

    Raises:
        ValueError: when an argument is out of its range; at the first step,
            for a batch of one (on a replica), which has no MMD.
    """

    _gives_logits = False

    def __init__(
        self,
        vae: keras.Model,
        gamma: float = 1.0,
        attack: attacks.Attack | None = None,
        kernel: Literal["imq", "rbf"] = "imq",
        scales: Sequence[float] = ops.MMD_SCALES,
        seed: _types.Seed = 0,
        name: _types.Name = None,
    ) -> None:
        super().__init__(seed=seed, name=name)
        okay = all(hasattr(vae, part) for part in ("encoder", "decoder"))
        expected = "a model with encoder and decoder, as models.MMDVAE"
        _checks.check(okay, "vae", expected, vae)
        self.vae = vae
        self.built = getattr(vae, "built", False)
        self.gamma = _checks.check_number(gamma, "gamma", low=0.0)
        if attack is not None:
            _pairs.check_ascent(attack, "cross_entropy")
        self.attack = attack
        self.kernel = _checks.check_choice(kernel, "kernel", ops.MMD_KERNELS)
        self.scales = ops.check_scales(scales)

    @property
    def trained_model(self) -> keras.Model:
        """The autoencoder."""
        return self.vae

    def draw(
        self, batch_size: _tensors.Size, seed: tf.Tensor
    ) -> _tensors.Draws:
        """Returns the noise of the codes, the prior's draws, a seed.

        Args:
            batch_size: int or int scalar tensor, B.
            seed: int32 [2].

        Returns:
            {"noise": float32 [B, d], "prior": float32 [B, d],
            "attack_seed": int32 [2]}.
        """
        shape = [batch_size, self.vae.latent_size]
        normal = tf.random.stateless_normal
        return {
            "noise": normal(shape, ops.fold_in(seed, 0)),
            "prior": normal(shape, ops.fold_in(seed, 1)),
            "attack_seed": ops.fold_in(seed, 2),
        }

    def prepare_batch(
        self,
        images: tf.Tensor,
        targets: tf.Tensor | None,
        draws: _tensors.Draws,
    ) -> _tensors.Batch:
        """Returns the images to encode, the clean ones, and the draws."""
        del targets
        inputs = images
        if self.attack is not None:
            inputs = self.perturb(images, draws["attack_seed"])
        drawn = {name: draws[name] for name in ("noise", "prior")}
        return {"inputs": inputs, "images": images, **drawn}

    def perturb(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns the images whose reconstructions the attack made worst.

        Args:
            images: float32 [B, H, W, C] in [0, 1].
            seed: int32 [2], fixes the random start.
        """

        images = tf.convert_to_tensor(images)

        def objective(point):
            mean, _ = self.vae.encoder(point["left"])
            return ops.squared_error(images, self.vae.decoder(mean))

        clean = {"left": images}
        terms = _pairs.image_terms(self.attack, clean, "shared", seed)
        return _pairs.ascend(objective, terms, self.attack)["left"]

    def batch_loss(self, batch: _tensors.Batch) -> tuple[tf.Tensor, Any]:
        """Returns (losses [B], {"images": reconstructions, "mmd": scalar})."""
        mean, log_variance = self.vae.encoder(batch["inputs"], training=True)
        codes = mean + tf.exp(0.5 * log_variance) * batch["noise"]
        images = self.vae.decoder(codes, training=True)
        mmd = ops.mmd_squared(codes, batch["prior"], self.kernel, self.scales)
        losses = ops.squared_error(batch["images"], images) + self.gamma * mmd
        return losses, {"images": images, "mmd": mmd}

    def own_metrics(self) -> list[keras.metrics.Metric]:
        """Returns the means of PSNR and MMD^2, with their directions."""
        found = [keras.metrics.Mean(name=name) for name in ("psnr", "mmd")]
        # Where stock callbacks with mode "auto" look.
        found[0]._direction, found[1]._direction = "up", "down"
        return found

    def call(
        self, images: _tensors.Array, training: bool | None = None
    ) -> tf.Tensor:
        """Returns the reconstructions, [B, H, W, C] in [0, 1]."""
        return self.vae(images, training=training)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Loss, PSNR and MMD^2 on one batch, with the same draws each time.

        The MMD of a single image is not defined, so such a batch does not
        count.
        """
        images, _, _ = self.unpack(data)
        size = tf.shape(images)[0]
        seed = ops.fold_in(ops.seed_pair(self.seed), _TEST_PURPOSE)
        noise = self.draw(size, seed)["noise"]
        prior = self.draw(_TEST_PRIOR, ops.fold_in(seed, 1))["prior"]
        mean, log_variance = self.vae.encode(images)
        codes = mean + tf.exp(0.5 * log_variance) * noise
        # A batch of one twice; its value is then left out.
        padded = tf.concat([codes, codes[:1]], 0)[: tf.maximum(size, 2)]
        mmd = ops.mmd_squared(padded, prior, self.kernel, self.scales)
        mmd = tf.where(size > 1, mmd, 0.0)
        losses = ops.squared_error(images, self.vae.decoder(codes))
        losses += self.gamma * mmd
        losses = functions.total(losses, None, functions.layer_losses(self.vae))
        outputs = {"images": self.vae.decode(mean), "mmd": mmd}
        self.update_metrics(losses, {"images": images}, outputs)
        return self.get_metrics_result()

    def update_metrics(
        self, losses: tf.Tensor, batch: _tensors.Batch, outputs: Any
    ) -> None:
        """Updates loss, PSNR and MMD, and the user's metrics.

        Args:
            losses: float32 [B].
            batch: dict with the clean `"images"`.
            outputs: dict with the reconstructed `"images"` and `"mmd"`.
        """
        super().update_metrics(losses, batch, outputs)
        images = batch["images"]
        restored = tf.clip_by_value(outputs["images"], 0.0, 1.0)
        self.means["psnr"].update_state(ops.psnr(images, restored))
        count = tf.shape(images)[0]
        weight = tf.cast(tf.where(count > 1, count, 0), tf.float32)
        self.means["mmd"].update_state(outputs["mmd"], weight)
        self.update_user_metrics(images, restored)

    def check_batch(self, data: Any) -> None:
        """Checks the first batch of a run; raises `ValueError`."""
        images, _, weights = keras.utils.unpack_x_y_sample_weight(data)
        shown = None if weights is None else "weights"
        hint = "The MMD is that of a batch, not of an example"
        _checks.check(shown is None, "sample_weight", "None", shown, hint)
        images = _inputs.read_images(images, "x")
        expected = f"images [B, {', '.join(map(str, self.vae.input_shape))}]"
        okay = images.shape[1:] == tuple(self.vae.input_shape)
        _checks.check(okay, "x", expected, f"shape {images.shape}")
        if not self._evaluating:
            hint = "The unbiased MMD needs at least 2 examples on every replica"
            count = len(images)
            _checks.check(count >= 2, "batch_size", "2 or more", count, hint)
