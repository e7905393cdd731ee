"""The checks and the pool of a defence that mixes latent codes."""

import warnings

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup.inference import _classifier
from keras_mixup.inference import _rows
from keras_mixup.ops import latent_space

# Images for the test whether the autoencoder was trained.
_TRIED = 256
_EXPECTED = (
    "a keras.Model with encode(images) -> (mean, log variance) and "
    "decode(codes) -> images, as models.MMDVAE"
)


def encode(vae, images):
    """Returns the means of q(z|x), float32 [B, d]; see `ops.latent_space`."""
    return _rows.never_empty(
        lambda rows: latent_space.encode(vae, rows), images
    )


def decode(vae, codes, size):
    """Returns decoded images of a (height, width), float32 [B, ...]."""
    return _rows.never_empty(
        lambda rows: latent_space.decode(vae, rows, size), codes
    )


def check_vae(vae, classifier):
    """Raises `ValueError` unless `vae` encodes and decodes the images.

    One black image is tested, which also builds the model. A classifier of
    open input shape leaves the shape to the autoencoder.

    Returns:
        The latent size d, or None where neither shape is known.
    """
    layer = isinstance(vae, keras.layers.Layer)
    okay = layer and hasattr(vae, "encode") and hasattr(vae, "decode")
    _checks.check(okay, "vae", _EXPECTED, vae)
    shape = _classifier.known_shape(classifier, "input_shape")
    shape = (
        latent_space.image_shape(vae, ()) if shape is None else tuple(shape[1:])
    )
    return check_round_trip(vae, shape) if shape and None not in shape else None


def check_round_trip(vae, shape):
    """Returns the latent size d for images of `shape` (H, W, C).

    Raises `ValueError` unless such images are decoded to the same shape.
    """
    channels = latent_space.image_shape(vae, shape)[-1]
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
        ) from error
    fits = codes.shape.rank == 2 and images.shape[1:] == shape
    shown = f"codes of shape {codes.shape}, images of shape {images.shape}"
    expected = f"codes [B, d] and images [B, {', '.join(map(str, shape))}]"
    _checks.check(fits, "vae", f"a model of {expected}", shown)
    return codes.shape[-1]


def code_pool(pool, vae):
    """Returns the pool of codes: `pool` itself, or its images encoded."""
    if len(pool.sample_shape) != 3:
        return pool
    check_round_trip(vae, pool.sample_shape)
    return pool.encode(lambda images: encode(vae, images))


def warn_if_untrained(vae, given, codes):
    """Warns of an autoencoder that reconstructs no better than one grey level.

    `given` is the `SamplePool` of images or of codes, `codes` that of codes. Of
    a pool of codes, the decoded images are reconstructed.
    """
    # One stride over all classes.
    rows = sum(given.class_counts)
    some = tf.range(0, rows, -(-rows // _TRIED))
    images = given.gather(some)
    if given is codes:
        if not bool(tf.reduce_any(images != 0.0)):
            return  # The weights are not loaded yet.
        images = decode(vae, images, (None, None))
    text = latent_space.untrained_text(vae, images)
    if text:
        warnings.warn(text, stacklevel=4)
