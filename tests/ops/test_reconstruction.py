import numpy as np
import tensorflow as tf

from keras_mixup import ops


def images(seed, count=5):
    random = np.random.default_rng(seed)
    return random.random((count, 4, 6, 3)).astype("float32")


def test_squared_error_is_one_number_per_image():
    first, second = images(0), images(1)
    expected = [np.mean((a - b) ** 2) for a, b in zip(first, second)]
    np.testing.assert_allclose(
        ops.squared_error(first, second), expected, rtol=1e-6
    )


def test_psnr_equals_tensorflows():
    first, second = images(0), images(1)
    np.testing.assert_allclose(
        ops.psnr(first, second), tf.image.psnr(first, second, 1.0), rtol=1e-5
    )


def test_psnr_of_a_perfect_image_is_finite():
    np.testing.assert_allclose(ops.psnr(images(0), images(0)), 100.0, rtol=1e-6)
