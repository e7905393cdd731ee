"""The autoencoder whose latent space VarMixup interpolates in."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_mixup import _checks
from keras_mixup import _config
from keras_mixup import _tensors

# (largest side, latent size); see docs/varmixup.md for the choice.
_LATENT_SIZES = ((8, 24), (32, 256), (64, 512))
_LOG_VARIANCE = (-12.0, 4.0)
_FIRST_LOG_VARIANCE = -7.0


@keras.saving.register_keras_serializable("keras_mixup")
class MMDVAE(_config.Configurable, keras.Model):
    """Convolutional variational autoencoder, trained by `MMDVAETraining`.

    q(z|x) is a diagonal normal. The encoder gives its mean and its log
    variance, the decoder the mean of p(x|z). There is no BatchNormalization
    or Dropout, so a decoded image depends on its code alone. Encoder and
    decoder are functional models of stock layers. VarMixup, section 3.3,
    leaves the architecture open. The sizes follow the MMD-VAE reference code
    of Zhao et al., scaled to the image.

    Args:
        input_shape: (height, width, channels); height and width multiples
            of 2^k, with k the number of halvings: 1 below 16 pixels, 2 below
            45, 3 from there on.
        latent_size: int >= 1, or None: 24 up to 8 pixels, 256 up to 32, 512
            beyond.
        width: int >= 1, channels at half the resolution.
        linear_path: bool, whether encoder and decoder each have a dense layer
            between pixels and code, parallel to the convolutions. It is never
            trained, and zero until `start_from_pca` fills it.
        name: str.

    Attributes:
        encoder: `keras.Model`, images to [mean, log_variance].
        decoder: `keras.Model`, codes to images that may leave [0, 1].
            Training compares these with the data, since the gradient of a
            clipped output is zero outside [0, 1].

    Raises:
        ValueError: for arguments out of range.

    Example:

    >>> vae = MMDVAE((32, 32, 3))
    >>> mean, log_variance = vae.encode(images)
    >>> restored = vae.decode(mean)  # = vae(images)
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        latent_size: int | None = None,
        width: int = 32,
        linear_path: bool = True,
        name: str = "mmd_vae",
    ) -> None:
        super().__init__(name=name)
        self.input_shape = _check_shape(input_shape)
        if latent_size is None:
            latent_size = default_latent_size(self.input_shape)
        self.latent_size = _checks.check_integer(latent_size, "latent_size")
        self.width = _checks.check_integer(width, "width")
        self.linear_path = _checks.check_flag(linear_path, "linear_path")
        options = (self.input_shape, self.latent_size, width, linear_path)
        self.encoder = _build_encoder(*options)
        self.decoder = _build_decoder(*options)
        self.built = True

    def encode(self, images: _tensors.Array) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns (mean, log variance) of q(z|x).

        Args:
            images: float32 [B, H, W, C] in [0, 1].

        Returns:
            float32 [B, latent_size] twice.
        """
        mean, log_variance = self.encoder(images)
        return mean, log_variance

    def decode(self, codes: _tensors.Array) -> tf.Tensor:
        """Returns the decoded images, float32 [B, H, W, C] in [0, 1].

        Args:
            codes: float32 [B, latent_size].
        """
        return keras.ops.clip(self.decoder(codes), 0.0, 1.0)

    def call(
        self, images: _tensors.Array, training: bool | None = None
    ) -> tf.Tensor:
        """Returns the reconstructions from the mean codes, [B, H, W, C]."""
        del training  # nothing here behaves differently while training
        return self.decode(self.encode(images)[0])

    def start_from_pca(self, images: _tensors.ArrayLike, seed: int = 0) -> None:
        """Makes the autoencoder the whitened PCA of the images.

        The linear path receives the first `latent_size` principal components,
        scaled so that the codes of these images have mean 0 and variance 1.
        The last layers of the convolutions become 0. Training then starts
        from the best linear autoencoder, whose codes are distributed almost
        as the prior. The convolutions learn the rest.

        Args:
            images: float [N, H, W, C] in [0, 1], training images, N >= 2.
                They have at most N - 1 components; the remaining entries of
                the code stay 0.
            seed: int, of the randomised range finder.

        Raises:
            ValueError: without a linear path, or for other images.
        """
        _checks.check(self.linear_path, "linear_path", "True", False)
        images = np.asarray(images, "float32")
        okay = images.shape[1:] == self.input_shape and len(images) >= 2
        expected = f"at least 2 images of shape {self.input_shape}"
        _checks.check(okay, "images", expected, images.shape)
        flat = images.reshape(len(images), -1)
        centre, components, deviations = _principal_components(
            flat, self.latent_size, seed
        )
        # A component without variance (a constant pixel) stays 0.
        whiten = components.T / np.maximum(deviations, 1e-3)
        encoder, decoder = self.encoder, self.decoder
        encoder.get_layer("mean_linear").set_weights([whiten, -centre @ whiten])
        decoder.get_layer("image_linear").set_weights(
            [components * deviations[:, None], centre]
        )
        for layer in (
            encoder.get_layer("mean_convolved"),
            decoder.get_layer("image_convolved"),
        ):
            layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])


def default_latent_size(input_shape):
    """Returns the latent size for images (height, width, channels)."""
    side = max(input_shape[:2])
    sizes = [size for largest, size in _LATENT_SIZES if side <= largest]
    return sizes[0] if sizes else _LATENT_SIZES[-1][1]


def _halvings(input_shape):
    return max(1, round(float(np.log2(min(input_shape[:2]) / 8.0))))


def _check_shape(input_shape):
    _checks.check_image_shape(input_shape)
    factor = 2 ** _halvings(input_shape)
    okay = all(n % factor == 0 for n in input_shape[:2])
    expected = f"height and width that are multiples of {factor}"
    _checks.check(okay, "input_shape", expected, tuple(input_shape))
    return tuple(input_shape)


def _activated(layer, x):
    return layers.ReLU()(layer(x))


def _silent(units, name):
    # Not trained: Adam's first steps have the same size for every weight.
    # They would cost 1.8 dB on CIFAR-10.
    return layers.Dense(
        units,
        kernel_initializer="zeros",
        trainable=False,
        dtype="float32",
        name=name,
    )


def _build_encoder(input_shape, latent_size, width, linear_path):
    images = keras.Input(input_shape, dtype="float32", name="images")
    x = images
    for number in range(_halvings(input_shape)):
        channels = width * 2**number
        x = _activated(layers.Conv2D(channels, 4, 2, "same"), x)
        x = _activated(layers.Conv2D(channels, 3, padding="same"), x)
    x = layers.Flatten()(x)
    # Both heads in float32 under every precision policy: a code rounded to
    # bfloat16 would hide a small perturbation of its image.
    mean = layers.Dense(latent_size, dtype="float32", name="mean_convolved")(x)
    if linear_path:
        flat = layers.Flatten(dtype="float32", name="pixels")(images)
        linear = _silent(latent_size, "mean_linear")
        mean = layers.Add(dtype="float32", name="mean")([linear(flat), mean])
    log_variance = layers.Dense(
        latent_size,
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(_FIRST_LOG_VARIANCE),
        dtype="float32",
        name="log_variance",
    )(x)
    log_variance = keras.ops.clip(log_variance, *_LOG_VARIANCE)
    return keras.Model(images, [mean, log_variance], name="encoder")


def _build_decoder(input_shape, latent_size, width, linear_path):
    height, wide, channels = input_shape
    halvings = _halvings(input_shape)
    codes = keras.Input((latent_size,), dtype="float32", name="codes")
    widths = [width * 2**number for number in range(halvings)]
    shape = (height // 2**halvings, wide // 2**halvings, widths[-1])
    skips = []
    if linear_path:
        size = height * wide * channels
        linear = _silent(size, "image_linear")(codes)
        linear = layers.Reshape(input_shape, dtype="float32")(linear)
        # The convolutions see the linear image too, and add what it lacks,
        # such as edges.
        skips = [linear]
        for filters in widths:
            down = layers.Conv2D(filters, 4, 2, "same")
            skips.append(_activated(down, skips[-1]))
    x = layers.Dense(int(np.prod(shape)))(codes)
    x = layers.ReLU()(layers.Reshape(shape)(x))
    for number in reversed(range(halvings)):
        if linear_path:
            x = layers.Add()([x, skips[number + 1]])
        conv = layers.Conv2D(widths[number], 3, padding="same")
        x = _activated(conv, x)
        if number:
            up = layers.Conv2DTranspose(widths[number - 1], 4, 2, "same")
            x = _activated(up, x)
    image = layers.Conv2DTranspose(
        channels, 4, 2, "same", dtype="float32", name="image_convolved"
    )(x)
    if linear_path:
        image = layers.Add(dtype="float32", name="image")([linear, image])
    return keras.Model(codes, image, name="decoder")


def _principal_components(flat, count, seed):
    """Centre [D], components [count, D] and deviations [count] of [N, D].

    Randomised range finder with power iterations (Halko et al., 2011,
    Algorithm 4.4). It needs no D x D matrix.
    """
    centre = flat.mean(axis=0)
    flat = flat - centre
    generator = np.random.default_rng(seed)
    width = min(count + 16, *flat.shape)
    basis = generator.standard_normal((flat.shape[1], width), "float32")
    for _ in range(6):
        basis, _ = np.linalg.qr(flat.T @ (flat @ basis))
    _, values, rotation = np.linalg.svd(flat @ basis, full_matrices=False)
    components = np.zeros((count, flat.shape[1]), "float32")
    deviations = np.zeros(count, "float32")
    found = min(count, len(values), len(flat) - 1)
    components[:found] = (rotation @ basis.T)[:found]
    deviations[:found] = values[:found] / np.sqrt(len(flat))
    return centre, components, deviations
