"""Codes and decoded images at other sizes; what an untrained model says."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.ops import latent_space


class Halves:
    """Codes are four pixels of an 8x8 image; decoding fills its quarters."""

    input_shape = (None, 8, 8, 1)

    def encode(self, images):
        codes = tf.reshape(images[:, ::4, ::4], [-1, 4])
        return tf.cast(codes, tf.float64), tf.zeros_like(codes)

    def decode(self, codes):
        quarters = tf.reshape(codes, [-1, 2, 2, 1])
        return tf.repeat(tf.repeat(quarters, 4, axis=1), 4, axis=2)


def quarters(count=5, seed=0):
    random = np.random.default_rng(seed)
    codes = random.random((count, 4)).astype("float32")
    return codes, Halves().decode(codes)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_images_of_another_size_are_bridged(factor):
    codes, images = quarters()
    size = 8 * factor
    large = tf.repeat(tf.repeat(images, factor, axis=1), factor, axis=2)
    found = latent_space.encode(Halves(), large)
    assert found.dtype == tf.float32
    resized = tf.image.resize(large, (8, 8), antialias=True)
    expected = tf.reshape(resized[:, ::4, ::4], [-1, 4])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    decoded = latent_space.decode(Halves(), codes, (size, size))
    assert decoded.dtype == tf.float32
    expected = tf.image.resize(images, (size, size))
    np.testing.assert_allclose(decoded, expected, atol=1e-6)
    kept = latent_space.decode(Halves(), codes, (None, None))
    np.testing.assert_array_equal(kept, images)


def test_an_autoencoder_that_restores_nothing_is_told_with_its_error():
    _, images = quarters()
    assert latent_space.untrained_text(Halves(), images) is None
    other = np.random.default_rng(1).random((64, 8, 8, 1), dtype="float32")
    restored = latent_space.decode(
        Halves(), latent_space.encode(Halves(), other), (8, 8)
    )
    # One pixel stands for sixteen: twice the variance, less one sixteenth.
    error, uniform = np.mean((restored - other) ** 2), np.var(other)
    assert error > 1.5 * uniform
    text = latent_space.untrained_text(Halves(), other)
    assert f"error is {error:.3g}, that of a uniform" in text
    assert f"image {uniform:.3g}. Train it" in text


def test_image_shape_with_without_batch_and_without_any():
    assert latent_space.image_shape(Halves()) == (8, 8, 1)
    assert latent_space.image_shape(object()) == (None, None, None)
    assert latent_space.image_shape(object(), [4, 5, 6]) == (4, 5, 6)
