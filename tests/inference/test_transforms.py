"""The baselines against scipy and tf.image for the same draws."""

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from keras_mixup import inference


def _box(size, top, left):
    return {
        name: tf.constant([[value]] * 5, tf.int32)
        for name, value in (("size", size), ("top", top), ("left", left))
    }


@pytest.mark.parametrize("degrees", [0.0, 17.0, -40.0, 90.0])
def test_rotation_equals_scipy(degrees, classifier, images):
    defence = inference.RandomRotationInference(classifier, 40, 1)
    draws = {"degrees": tf.fill((5, 1), degrees)}
    rotated = defence.apply(images, draws)[0]
    expected = scipy.ndimage.rotate(
        images, degrees, (2, 1), False, order=1, mode="grid-constant"
    )
    np.testing.assert_allclose(rotated, expected, atol=1e-5)


def test_quarter_turn_is_counter_clockwise(classifier, images):
    defence = inference.RandomRotationInference(classifier, 90, 1)
    rotated = defence.apply(images, {"degrees": tf.fill((5, 1), 90.0)})[0]
    expected = np.rot90(images, axes=(1, 2))
    np.testing.assert_allclose(rotated, expected, atol=1e-5)


@pytest.mark.parametrize("box", [(4, 0, 2), (3, 3, 1), (6, 0, 0), (1, 5, 5)])
def test_resize_pad_equals_tf_image(box, classifier, images):
    size, top, left = box
    defence = inference.RandomResizePadInference(classifier, (1, 6), 1)
    padded = defence.apply(images, _box(*box))[0]
    resized = tf.image.resize(images, (size, size))
    expected = tf.image.pad_to_bounding_box(resized, top, left, 6, 6)
    np.testing.assert_allclose(padded, expected, atol=1e-5)


@pytest.mark.parametrize("box", [(4, 0, 2), (3, 3, 1), (6, 0, 0), (1, 5, 5)])
def test_crop_resize_equals_tf_image(box, classifier, images):
    size, top, left = box
    defence = inference.RandomCropResizeInference(classifier, (1, 6), 1)
    resized = defence.apply(images, _box(*box))[0]
    crop = images[:, top : top + size, left : left + size]
    expected = tf.image.resize(crop, (6, 6))
    np.testing.assert_allclose(resized, expected, atol=1e-5)


def test_each_image_and_draw_has_its_own_box(classifier, images):
    defence = inference.RandomResizePadInference(classifier, (2, 5), 3)
    draws = defence.draw(images, seed=0)
    together = defence.apply(images, draws)
    for row in range(5):
        for draw in range(3):
            one = {
                k: v[row : row + 1, draw : draw + 1] for k, v in draws.items()
            }
            alone = defence.apply(images[row : row + 1], one)[0, 0]
            np.testing.assert_allclose(together[draw, row], alone, atol=1e-6)


@pytest.mark.parametrize(
    "defence_class",
    [
        inference.RandomResizePadInference,
        inference.RandomCropPadInference,
        inference.RandomCropResizeInference,
    ],
)
def test_sizes_and_places_are_uniform_and_inside(
    defence_class, classifier, images
):
    defence = defence_class(classifier, (3, 5), 2000)
    draws = defence.draw(images, seed=0)
    size, top = draws["size"].numpy().ravel(), draws["top"].numpy().ravel()
    frequency = np.bincount(size, minlength=7) / size.size
    third = 1 / 3
    expected = [0, 0, 0, third, third, third, 0]
    np.testing.assert_allclose(frequency, expected, atol=0.025)
    for side in (3, 4, 5):
        places = np.bincount(top[size == side])
        assert len(places) == 6 - side + 1
        even = places / places.sum() * len(places)
        np.testing.assert_allclose(even, 1.0, atol=0.15)


def test_crop_and_its_new_place_are_independent(classifier, images):
    defence = inference.RandomCropPadInference(classifier, (3, 5), 2000)
    draws = {k: v.numpy().ravel() for k, v in defence.draw(images, 0).items()}
    for side in (3, 4, 5):
        own = draws["size"] == side
        for name in ("top", "left"):
            pair = draws[name][own], draws[f"pad_{name}"][own]
            counts = np.histogram2d(*pair, bins=7 - side)[0]
            assert pair[1].max() == 6 - side
            share = counts / counts.sum() * counts.size
            np.testing.assert_allclose(share, 1.0, atol=0.25)


def test_angles_are_uniform_in_the_range(classifier, images):
    defence = inference.RandomRotationInference(classifier, (-10, 30), 2000)
    angles = defence.draw(images, seed=0)["degrees"].numpy()
    assert angles.min() >= -10 and angles.max() < 30
    np.testing.assert_allclose(angles.mean(), 10.0, atol=0.6)
    np.testing.assert_allclose(angles.std(), 40 / np.sqrt(12), atol=0.4)
    both = inference.RandomRotationInference(classifier, 10, 2000)
    angles = both.draw(images, seed=0)["degrees"].numpy()
    assert angles.min() < -9.9 and angles.max() > 9.9


def test_noise_is_normal_with_the_given_deviation(classifier, images):
    defence = inference.GaussianNoiseInference(classifier, 0.1, 500)
    draws = defence.draw(images, seed=0)
    noise = defence.apply(images, draws).numpy() - images
    np.testing.assert_allclose(noise.mean(), 0.0, atol=0.002)
    np.testing.assert_allclose(noise.std(), 0.1, atol=0.002)
    inside = (np.abs(noise) < 0.1).mean()
    np.testing.assert_allclose(inside, 0.6827, atol=0.006)
    flat = noise.reshape(2500, 36)
    correlation = np.corrcoef(flat[:40])[~np.eye(40, dtype=bool)]
    assert np.abs(correlation).mean() < 0.2


def test_no_noise_gives_the_classifier_back(classifier, images):
    defence = inference.GaussianNoiseInference(classifier, 0.0, 3)
    expected = tf.nn.log_softmax(classifier(images, training=False))
    np.testing.assert_allclose(defence(images), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda c: inference.GaussianNoiseInference(c, -1), "`stddev` must"),
        (lambda c: inference.RandomRotationInference(c, 200), "`degrees` must"),
        (
            lambda c: inference.RandomRotationInference(c, (9, 3)),
            "`degrees` must be .*low <= high",
        ),
        (
            lambda c: inference.RandomResizePadInference(c, (5, 3)),
            "`size_range` must be .*low <= high",
        ),
        (
            lambda c: inference.RandomCropResizeInference(c, 5),
            "`size_range` must be a pair",
        ),
        (
            lambda c: inference.RandomCropResizeInference(c, (0, 3)),
            "`size_range` must be an integer >= 1",
        ),
        (
            lambda c: inference.RandomRotationInference(
                c, 20, interpolation="cubic"
            ),
            "`interpolation` must be one of",
        ),
        (
            lambda c: inference.RandomCropPadInference(c, (5, 7)),
            "`size_range` must be at most the image's shorter side, 6",
        ),
        (
            lambda c: inference.RandomResizePadInference(c, (5, 7)),
            "`size_range` must be at most the image's shorter side, 6",
        ),
    ],
)
def test_refuses_bad_arguments(make, text, classifier):
    with pytest.raises(ValueError, match=text):
        make(classifier)
