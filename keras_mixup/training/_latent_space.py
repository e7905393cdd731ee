"""Images to latent means and back, through a frozen autoencoder."""

import warnings

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import ops


def check_vae(vae, classifier):
    """Returns `vae` if its images can be made those of the classifier.

    Args:
        vae: the autoencoder; its images may have another size, which is
            bridged by resizing, but not other channels.
        classifier: `keras.Model`.

    Raises:
        ValueError: for an object without `encode`, `decode` and
            `input_shape`, or other channels.
    """
    parts = ("encode", "decode", "input_shape")
    okay = all(hasattr(vae, part) for part in parts)
    expected = "a model with encode, decode and input_shape, as models.MMDVAE"
    _checks.check(okay, "vae", expected, vae)
    channels = image_shape(classifier)[-1]
    _checks.check(
        channels in (None, vae.input_shape[-1]),
        "vae",
        f"an autoencoder of images with {channels} channels, as the "
        "classifier's",
        tuple(vae.input_shape),
    )
    return vae


def image_shape(classifier):
    """(height, width, channels); Nones for a classifier without input."""
    shape = getattr(classifier, "input_shape", None)
    return tuple(shape[1:]) if shape else (None, None, None)


def encode(vae, images):
    """Returns the means of q(z|x), float32 [B, d].

    Args:
        vae: the autoencoder.
        images: float32 [B, H, W, C], resized to its input if need be.
    """
    mean, _ = vae.encode(ops.resize(images, tuple(vae.input_shape[:2])))
    return mean


def decode(vae, codes, size):
    """Returns decoded images, float32 [B, height, width, C] in [0, 1].

    Args:
        vae: the autoencoder.
        codes: float32 [B, d].
        size: (height, width) of the classifier's images; (None, None) keeps
            the autoencoder's.
    """
    images = vae.decode(codes)
    return images if None in size else ops.resize(images, size)


def latent_codes(vae, images, batch_size=256):
    """Encodes a whole data set once: what the Var algorithms can fit on.

    Args:
        vae: `models.MMDVAE`.
        images: uint8 in 0..255 or float in [0, 1], [N, H, W, C], not
            augmented; resized to the autoencoder's input if need be.
        batch_size: int >= 1, images encoded at a time.

    Returns:
        NumPy float32 [N, latent size], the means of q(z|x).
    """
    images = np.asarray(images)
    scale = 255.0 if images.dtype == np.uint8 else 1.0
    run = tf.function(
        lambda batch: encode(vae, batch),
        autograph=False,
        reduce_retracing=True,
    )
    codes = []
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size].astype("float32")
        codes.append(run(tf.constant(batch / np.float32(scale))).numpy())
    return np.concatenate(codes)


def warn_if_untrained(vae, images):
    """Warns when reconstructions are no better than a uniform image.

    Args:
        vae: the autoencoder.
        images: float32 [B, H, W, C] in [0, 1].
    """
    images = tf.convert_to_tensor(images)
    restored = decode(vae, encode(vae, images), tuple(images.shape[1:3]))
    error = float(tf.reduce_mean((restored - images) ** 2))
    uniform = float(tf.math.reduce_variance(images))
    if error < uniform:
        return
    warnings.warn(
        "The autoencoder seems untrained, or made for other images: its mean "
        f"squared reconstruction error is {error:.4f}, that of a uniform "
        f"image {uniform:.4f}. Train it with MMDVAETraining "
        "(python -m apps.train --task=vae).",
        stacklevel=2,
    )


def reconstruction_psnr(vae, images, batch_size=256):
    """Returns the mean PSNR of decode(mean of q(z|x)) against x, in dB.

    Args:
        vae: `models.MMDVAE`; images are resized to its input and back.
        images: uint8 in 0..255 or float in [0, 1], [N, H, W, C].
        batch_size: int >= 1, images at a time.

    Returns:
        float, the mean over the images of -10 log10(mean squared error).
    """
    images = np.asarray(images)
    scale = 255.0 if images.dtype == np.uint8 else 1.0
    codes = latent_codes(vae, images, batch_size)
    size = tuple(images.shape[1:3])
    run = tf.function(
        lambda c: decode(vae, c, size), autograph=False, reduce_retracing=True
    )
    values = []
    for start in range(0, len(images), batch_size):
        rows = slice(start, start + batch_size)
        restored = run(tf.constant(codes[rows]))
        clean = images[rows].astype("float32") / np.float32(scale)
        values.append(ops.psnr(clean, restored).numpy())
    return float(np.mean(np.concatenate(values)))
