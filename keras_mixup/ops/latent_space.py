"""Images to the mean codes of an autoencoder and back, at any image size.

An autoencoder has `encode(images) -> (mean, log variance)`, `decode(codes) ->
images` in [0, 1], and `input_shape`, as `models.MMDVAE`. Images of another
size are resized; other channels are refused.
"""

import tensorflow as tf

from keras_mixup.ops import resampling


def image_shape(model, fallback=(None, None, None)):
    """Returns (height, width, channels) of a model's images.

    A model without `input_shape` gives `fallback`.
    """
    shape = getattr(model, "input_shape", None)
    return tuple(shape[-3:]) if shape else tuple(fallback)


def encode(vae, images):
    """Returns the means of q(z|x), float32 [B, d].

    `images` are float32 [B, H, W, C], resized to the autoencoder's input.
    """
    size = image_shape(vae, images.shape[1:])[:2]
    mean, _ = vae.encode(resampling.resize(images, size))
    return tf.cast(mean, tf.float32)


def decode(vae, codes, size):
    """Returns decoded images, float32 [B, height, width, C] in [0, 1].

    `codes` are float32 [B, d]. `size` (None, None) keeps the autoencoder's.
    """
    images = tf.cast(vae.decode(codes), tf.float32)
    return images if None in tuple(size) else resampling.resize(images, size)


def untrained_text(vae, images):
    """Returns a warning, a str, if `vae` seems untrained, otherwise None.

    Its reconstructions of `images`, float32 [B, H, W, C] in [0, 1], are then no
    better than one grey level.
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
        "(keras-mixup train --task=vae)."
    )
