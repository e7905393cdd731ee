"""The frozen autoencoder of a training: its check, data sets of codes."""

import functools
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _inputs
from keras_mixup import _tensors
from keras_mixup import data
from keras_mixup import models
from keras_mixup import ops
from keras_mixup.ops import latent_space


def check_vae(vae, classifier):
    """Returns `vae` if its images can be made those of the classifier.

    Args:
        vae: the autoencoder. Its images may have another size, since they
            are resized, but not other channels.
        classifier: `keras.Model`.

    Raises:
        ValueError: for an object without `encode`, `decode` and
            `input_shape`, or other channels.
    """
    parts = ("encode", "decode", "input_shape")
    okay = all(hasattr(vae, part) for part in parts)
    expected = "a model with encode, decode and input_shape, as models.MMDVAE"
    _checks.check(okay, "vae", expected, vae)
    channels = latent_space.image_shape(classifier)[-1]
    _checks.check(
        channels in (None, vae.input_shape[-1]),
        "vae",
        f"an autoencoder of images with {channels} channels, as the "
        "classifier's",
        tuple(vae.input_shape),
    )
    return vae


def latent_codes(
    vae: keras.Model, images: _tensors.ArrayLike, batch_size: int = 256
) -> np.ndarray:
    """Encodes a whole data set once, for `from_codes` of the Var algorithms.

    Args:
        vae: `models.MMDVAE`.
        images: uint8 in 0..255 or float in [0, 1], [N, H, W, C], not
            augmented; resized to the autoencoder's input if need be.
        batch_size: int >= 1, images encoded at a time.

    Returns:
        NumPy float32 [N, latent size], the means of q(z|x).
    """
    images = _checked(vae, images, batch_size)
    # TensorFlow counts the traces of a lambda over all calls, and warns.
    run = tf.function(
        functools.partial(latent_space.encode, vae),
        autograph=False,
        reduce_retracing=True,
    )
    codes = []
    for start in range(0, len(images), batch_size):
        batch = data.as_float(images[start : start + batch_size])
        codes.append(run(tf.constant(batch)).numpy())
    return np.concatenate(codes)


def _checked(vae, images, batch_size):
    expected = "a models.MMDVAE"
    _checks.check_instance(vae, "vae", models.MMDVAE, expected)
    _checks.check_integer(batch_size, "batch_size")
    return _inputs.read_images(images, levels=True)


def warn_if_untrained(vae, images):
    """Warns when reconstructions are no better than a uniform image.

    Args:
        vae: the autoencoder.
        images: float32 [B, H, W, C] in [0, 1].
    """
    text = latent_space.untrained_text(vae, images)
    if text:
        warnings.warn(text, stacklevel=2)


def reconstruction_psnr(
    vae: keras.Model, images: _tensors.ArrayLike, batch_size: int = 256
) -> float:
    """Returns the mean PSNR of decode(mean of q(z|x)) against x, in dB.

    Args:
        vae: `models.MMDVAE`; images are resized to its input and back.
        images: uint8 in 0..255 or float in [0, 1], [N, H, W, C].
        batch_size: int >= 1, images at a time.

    Returns:
        float, the mean over the images of -10 log10(mean squared error).
    """
    images = _checked(vae, images, batch_size)
    codes = latent_codes(vae, images, batch_size)
    size = tuple(images.shape[1:3])
    run = tf.function(
        functools.partial(latent_space.decode, vae, size=size),
        autograph=False,
        reduce_retracing=True,
    )
    values = []
    for start in range(0, len(images), batch_size):
        rows = slice(start, start + batch_size)
        restored = run(tf.constant(codes[rows]))
        clean = data.as_float(images[rows])
        values.append(ops.psnr(clean, restored).numpy())
    return float(np.mean(np.concatenate(values)))
