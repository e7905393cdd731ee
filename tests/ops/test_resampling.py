"""The samplers against scipy, tf.image and finite differences."""

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from keras_mixup import ops

_MODES = {"constant": "grid-constant", "nearest": "nearest"}


def _images():
    return np.random.default_rng(0).random((2, 6, 7, 3), dtype="float32")


def _places(low=-3.0, high=9.0):
    random = np.random.default_rng(1)
    return random.uniform(low, high, (2, 2, 5, 4)).astype("float32")


@pytest.mark.parametrize("fill", ["constant", "nearest"])
def test_equals_scipy_inside_and_beyond_the_border(fill):
    images, places = _images(), _places()
    sampled = ops.sample_bilinear(images, places[0], places[1], fill)
    for row in range(2):
        for channel in range(3):
            expected = scipy.ndimage.map_coordinates(
                images[row, :, :, channel],
                places[:, row],
                order=1,
                mode=_MODES[fill],
                cval=0.0,
            )
            actual = sampled[row, :, :, channel]
            np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_nearest_equals_scipy_and_is_zero_beyond_the_border():
    images, places = _images(), _places()
    sampled = ops.sample_nearest(images, places[0], places[1]).numpy()
    near = np.floor(places + 0.5).astype(int)
    for row in range(2):
        inside = (near[:, row] >= 0) & (
            near[:, row] < np.array([6, 7])[:, None, None]
        )
        inside = inside.all(axis=0)
        assert 0 < inside.sum() < inside.size
        for channel in range(3):
            actual = sampled[row, :, :, channel]
            expected = scipy.ndimage.map_coordinates(
                images[row, :, :, channel],
                places[:, row],
                order=0,
                mode="nearest",
            )
            np.testing.assert_array_equal(actual[inside], expected[inside])
            np.testing.assert_array_equal(actual[~inside], 0.0)


def test_nearest_gradient_goes_to_the_pixels_that_were_read():
    images = tf.constant(_images())
    places = tf.constant(_places(-1.0, 7.0))
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(ops.sample_nearest(images, *places))
    expected = np.zeros((2, 6, 7))
    near = np.floor(places.numpy() + 0.5).astype(int)
    for row in range(2):
        for i, j in near[:, row].reshape(2, -1).T:
            if 0 <= i < 6 and 0 <= j < 7:
                expected[row, i, j] += 1.0
    gradient = tape.gradient(total, images)
    for channel in range(3):
        np.testing.assert_array_equal(gradient[..., channel], expected)


def test_whole_pixels_are_returned_exactly():
    images = _images()
    rows, columns = np.meshgrid(np.arange(6.0), np.arange(7.0), indexing="ij")
    rows = np.broadcast_to(rows, (2, 6, 7)).astype("float32")
    columns = np.broadcast_to(columns, (2, 6, 7)).astype("float32")
    sampled = ops.sample_bilinear(images, rows, columns)
    np.testing.assert_array_equal(sampled, images)


@pytest.mark.parametrize("size", [3, 5, 9])
def test_equals_bilinear_resize_with_half_pixel_centres(size):
    images = _images()
    rows = (np.arange(size) + 0.5) * 6 / size - 0.5
    columns = (np.arange(size) + 0.5) * 7 / size - 0.5
    grid = np.meshgrid(rows, columns, indexing="ij")
    rows, columns = (
        np.broadcast_to(g, (2, size, size)).astype("float32") for g in grid
    )
    sampled = ops.sample_bilinear(images, rows, columns, "nearest")
    expected = tf.image.resize(images, (size, size), "bilinear")
    np.testing.assert_allclose(sampled, expected, atol=1e-5)


@pytest.mark.parametrize("fill", ["constant", "nearest"])
def test_gradient_equals_central_differences(fill):
    images = tf.constant(_images()[:1, :4, :4, :1])
    # The sampling is linear in the image, so that a wide step is exact.
    places = np.random.default_rng(2).uniform(-1.5, 4.5, (2, 1, 3, 3))
    rows, columns = places.astype("float32")
    weights = np.random.default_rng(3).normal(size=(1, 3, 3, 1))
    weights = weights.astype("float32")

    def value(x):
        return tf.reduce_sum(
            weights * ops.sample_bilinear(x, rows, columns, fill)
        )

    with tf.GradientTape() as tape:
        tape.watch(images)
        total = value(images)
    gradient = tape.gradient(total, images).numpy().ravel()
    expected = []
    for pixel in range(16):
        step = np.zeros(16, "float32")
        step[pixel] = 0.5
        step = step.reshape(1, 4, 4, 1)
        expected.append(float(value(images + step) - value(images - step)))
    np.testing.assert_allclose(gradient, expected, atol=1e-5)
