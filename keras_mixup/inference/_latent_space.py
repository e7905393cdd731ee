"""Images to latent means and back, for a defence that mixes codes."""

import warnings

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import ops
from keras_mixup.inference import _classifier
from keras_mixup.inference import _rows

# Images that tell whether the autoencoder is of any use.
_TRIED = 256
_EXPECTED = (
    "a keras.Model with encode(images) -> (mean, log variance) and "
    "decode(codes) -> images, as models.MMDVAE"
)


def image_shape(vae, fallback):
    """Returns (H, W, C) of the autoencoder's images.

    Args:
        vae: the autoencoder; its `input_shape` may begin with the batch.
        fallback: (H, W, C), for one whose shape is open.
    """
    shape = getattr(vae, "input_shape", None)
    return tuple(shape[-3:]) if shape else tuple(fallback)


def encode(vae, images):
    """Returns the means of q(z|x), float32 [B, d].

    Args:
        vae: the autoencoder.
        images: float32 [B, H, W, C]; resized to its input if need be.
    """
    size = image_shape(vae, images.shape[1:])[:2]
    resized = ops.resize(images, size)
    means = _rows.never_empty(lambda rows: vae.encode(rows)[0], resized)
    return tf.cast(means, tf.float32)


def decode(vae, codes, size):
    """Returns decoded images, float32 [B, height, width, C] in [0, 1].

    Args:
        vae: the autoencoder.
        codes: float32 [B, d].
        size: (height, width) of the classifier's images; (None, None) keeps
            the autoencoder's.
    """
    images = _rows.never_empty(vae.decode, codes)
    images = tf.cast(images, tf.float32)
    return images if None in tuple(size) else ops.resize(images, size)


def check_vae(vae, classifier):
    """Raises `ValueError` unless images go through and come back.

    One black image is sent through, which also builds a model that is not
    built yet. With a classifier of open input shape, the autoencoder's own
    shape is tried.

    Args:
        vae: the autoencoder.
        classifier: `keras.Model`.

    Returns:
        The latent size d, or None where neither shape is known.
    """
    layer = isinstance(vae, keras.layers.Layer)
    okay = layer and hasattr(vae, "encode") and hasattr(vae, "decode")
    _checks.check(okay, "vae", _EXPECTED, vae)
    shape = _classifier.known_shape(classifier, "input_shape")
    shape = image_shape(vae, ()) if shape is None else tuple(shape[1:])
    return check_round_trip(vae, shape) if shape and None not in shape else None


def check_round_trip(vae, shape):
    """Raises `ValueError` unless images [H, W, C] come back as such.

    Args:
        vae: the autoencoder.
        shape: (H, W, C), all known.

    Returns:
        The latent size d.
    """
    channels = image_shape(vae, shape)[-1]
    expected = f"an autoencoder of images with {shape[-1]} channels"
    _checks.check(channels == shape[-1], "vae", expected, f"{channels}")
    try:
        codes = encode(vae, tf.zeros((1, *shape)))
        images = decode(vae, codes, shape[:2])
    except (AttributeError, TypeError, ValueError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:200]
        text = f"{_EXPECTED}, for images {list(shape)}"
        raise ValueError(
            f"`vae` must be {text}. It fails with: {reason}"
        ) from (error)
    fits = codes.shape.rank == 2 and images.shape[1:] == shape
    shown = f"codes of shape {codes.shape}, images of shape {images.shape}"
    expected = f"codes [B, d] and images [B, {', '.join(map(str, shape))}]"
    _checks.check(fits, "vae", f"a model of {expected}", shown)
    return codes.shape[-1]


def code_pool(pool, vae):
    """Returns the pool of codes: the pool itself, or its images encoded.

    Args:
        pool: `SamplePool` of codes [d], or of images [H, W, C].
        vae: the autoencoder.

    Warns of an autoencoder that restores images no better than a uniform
    image would.
    """
    if len(pool.sample_shape) != 3:
        return pool
    check_round_trip(vae, pool.sample_shape)
    # One stride over all classes.
    rows = sum(pool.class_counts)
    some = tf.range(0, rows, -(-rows // _TRIED))
    _warn_if_untrained(pool.gather(some), vae)
    return pool.encode(lambda images: encode(vae, images))


def _warn_if_untrained(images, vae):
    restored = decode(vae, encode(vae, images), images.shape[1:3])
    error = float(tf.reduce_mean((restored - images) ** 2))
    uniform = float(tf.math.reduce_variance(images))
    if error < uniform:
        return
    warnings.warn(
        "The autoencoder seems untrained, or made for other images: its mean "
        f"squared reconstruction error is {error:.4f}, that of a uniform "
        f"image {uniform:.4f}.",
        stacklevel=5,
    )
