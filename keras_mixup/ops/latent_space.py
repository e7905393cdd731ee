"""Images to the mean codes of an autoencoder and back, at any image size.

An autoencoder here is what `models.MMDVAE` is: `encode(images) -> (mean, log
variance)`, `decode(codes) -> images` in [0, 1], and `input_shape`. One of
another image size is bridged by resizing, not one of other channels.
"""

import tensorflow as tf

from keras_mixup.ops import resampling


def image_shape(model, fallback=(None, None, None)):
    """Returns (height, width, channels) of a model's images.

    Args:
        model: its `input_shape` may begin with the batch.
        fallback: what is returned for one without `input_shape`.
    """
    shape = getattr(model, "input_shape", None)
    return tuple(shape[-3:]) if shape else tuple(fallback)


def encode(vae, images):
    """Returns the means of q(z|x), float32 [B, d].

    Args:
        vae: the autoencoder.
        images: float32 [B, H, W, C], resized to its input if need be.
    """
    size = image_shape(vae, images.shape[1:])[:2]
    mean, _ = vae.encode(resampling.resize(images, size))
    return tf.cast(mean, tf.float32)


def decode(vae, codes, size):
    """Returns decoded images, float32 [B, height, width, C] in [0, 1].

    Args:
        vae: the autoencoder.
        codes: float32 [B, d].
        size: (height, width) to resize to; (None, None) keeps the
            autoencoder's.
    """
    images = tf.cast(vae.decode(codes), tf.float32)
    return images if None in tuple(size) else resampling.resize(images, size)


def untrained_text(vae, images):
    """Returns what is wrong if `vae` restores no better than one grey level.

    Args:
        vae: the autoencoder.
        images: float32 [B, H, W, C] in [0, 1].

    Returns:
        str with the mean squared reconstruction error, or None.
    """
    images = tf.convert_to_tensor(images)
    restored = decode(vae, encode(vae, images), tuple(images.shape[1:3]))
    error = float(tf.reduce_mean((restored - images) ** 2))
    uniform = float(tf.math.reduce_variance(images))
    if error < uniform:
        return None
    return (
        "The autoencoder seems untrained, or made for other images: its mean "
        f"squared reconstruction error is {error:.3g}, that of a uniform "
        f"image {uniform:.3g}. Train it with MMDVAETraining "
        "(python -m apps.train --task=vae)."
    )
