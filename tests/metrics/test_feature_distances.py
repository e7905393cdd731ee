"""Frechet and kernel distance against scipy, loops and closed forms."""

import keras
import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf

from keras_mixup import metrics
from keras_mixup.metrics import frechet_distance
from keras_mixup.metrics import kernel_distance
from keras_mixup.metrics import kernel_inception_distance


def _sets(n=60, m=50, d=5, seed=0):
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(d, d))
    first = generator.normal(size=(n, d)) @ mixing
    return first, 1.5 * generator.normal(size=(m, d)) + 0.3


def test_frechet_equals_the_matrix_square_root_of_scipy():
    first, second = _sets()
    covariances = np.cov(first.T), np.cov(second.T)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    shift = first.mean(axis=0) - second.mean(axis=0)
    expected = shift @ shift + np.trace(sum(covariances) - 2 * root.real)
    np.testing.assert_allclose(frechet_distance(first, second), expected)


def test_frechet_of_equal_sets_and_of_a_shift():
    first, _ = _sets()
    np.testing.assert_allclose(frechet_distance(first, first), 0.0, atol=1e-9)
    shifted = first + np.arange(5)
    np.testing.assert_allclose(frechet_distance(first, shifted), 30.0)


def test_frechet_of_fewer_rows_than_columns():
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 4, 20))
    assert frechet_distance(first, second) > 0.0
    assert frechet_distance(first, first) < 1e-9


def _kernel(x, y):
    return (x @ y / len(x) + 1.0) ** 3


def test_kernel_distance_equals_a_double_loop():
    first, second = _sets(9, 9)
    n = len(first)
    within = [
        sum(_kernel(f[i], f[j]) for i in range(n) for j in range(n) if i != j)
        for f in (first, second)
    ]
    across = sum(_kernel(x, y) for x in first for y in second)
    expected = sum(within) / (n * (n - 1)) - 2 * across / n**2
    found = kernel_inception_distance(first, second)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_kernel_distance_is_unbiased_over_subsets():
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(4000, 3))
    same = kernel_inception_distance(rows[:2000], rows[2000:], 200, 50)
    far = kernel_inception_distance(rows[:2000], rows[2000:] + 1.0, 200, 50)
    # One subset scatters by about 0.1 around 0, the mean of 200 by 0.01.
    assert abs(same) < 0.1
    assert far > 1.0


@pytest.mark.parametrize("rows", [4, 1024])
def test_values_of_single_rows_are_those_of_the_loops(rows, monkeypatch):
    monkeypatch.setattr(kernel_distance, "_ROWS", rows)
    first, second = _sets(9, 9)
    n = len(first)
    means = np.zeros(n)
    for i in range(n):
        for j in range(n):
            if i != j:
                means[i] += _kernel(first[i], first[j]) / (n - 1)
                means[i] += _kernel(second[i], second[j]) / (n - 1)
            means[i] -= _kernel(first[i], second[j]) / n
            means[i] -= _kernel(second[i], first[j]) / n
    found = kernel_distance.kernel_distance_values(first, second)
    np.testing.assert_allclose(found, 2 * means - means.mean(), rtol=1e-9)
    expected = kernel_inception_distance(first, second)
    np.testing.assert_allclose(found.mean(), expected, rtol=1e-9)
    with pytest.raises(ValueError, match="`features_b` must be of 9 rows"):
        kernel_distance.kernel_distance_values(first, second[:-1])


def test_their_spread_is_that_of_the_difference_of_two_distances():
    # Two sets of paired rows, equally far from the first: the difference is
    # 0 in the mean, and its error is that of new draws.
    generator, scores = np.random.default_rng(0), []
    for _ in range(300):
        first, noise = generator.normal(size=(2, 60, 3))
        values = [
            kernel_distance.kernel_distance_values(first, noise + shift)
            for shift in (0.7 * np.eye(3)[0], 0.7 * np.eye(3)[1])
        ]
        gains = values[0] - values[1]
        scores.append(gains.mean() / (gains.std(ddof=1) / np.sqrt(60)))
    assert abs(np.mean(scores)) < 0.2
    assert 0.9 < np.std(scores) < 1.1


def test_kernel_distance_follows_its_seed():
    first, second = _sets()
    found = [
        kernel_inception_distance(first, second, 3, 20, seed=s)
        for s in (0, 0, 1)
    ]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    "function", [frechet_distance, kernel_inception_distance]
)
@pytest.mark.parametrize(
    ("second", "text"),
    [
        (np.zeros((4, 2)), r"`features_b` must be of 3 columns"),
        (np.zeros((1, 3)), r"`features_b` must be floats of shape \[n, d\]"),
        (np.full((4, 3), np.nan), "`features_b` must be finite"),
    ],
)
def test_refusals(function, second, text):
    with pytest.raises(ValueError, match=text):
        function(np.eye(3), second)


@pytest.fixture
def classifier():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Flatten()(inputs)
    x = keras.layers.Dense(6, activation="relu", name="hidden")(x)
    outputs = keras.layers.Dense(3)(x)
    return keras.Model(inputs, outputs, name="small")


def test_classifier_features_are_what_the_last_layer_gets(classifier):
    images = np.random.default_rng(0).random((10, 4, 4, 1), dtype="float32")
    network = metrics.classifier_features(classifier)
    features = metrics.compute_features(network, images, batch_size=4)
    assert features.shape == (10, 6)
    kernel, bias = classifier.layers[-1].get_weights()
    expected = classifier(images)
    np.testing.assert_allclose(features @ kernel + bias, expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*images are few for")
def test_distances_name_their_features(classifier):
    images = np.random.default_rng(0).random((40, 4, 4, 1), dtype="float32")
    network = metrics.classifier_features(classifier)
    found = metrics.feature_distances(network, images, images[:30] * 0.5)
    assert found.features == "small_penultimate"
    assert found.counts == (40, 30)
    features = [
        metrics.compute_features(network, i)
        for i in (images, images[:30] * 0.5)
    ]
    assert found.frechet_distance == frechet_distance(*features)
    assert found.kernel_distance == kernel_inception_distance(*features)


def test_few_images_warn_of_what_no_difference_gives(classifier):
    images = np.random.default_rng(0).random((240, 4, 4, 1), dtype="float32")
    network = metrics.classifier_features(classifier)
    # 6 features: 5 % of their variance at 60 images each.
    metrics.feature_distances(network, images[:60], images[60:120])
    with pytest.warns(UserWarning, match="59 and 60 images .* Take 60 images"):
        metrics.feature_distances(network, images[:59], images[60:120])


def test_the_share_in_the_warning_is_that_of_equal_distributions():
    generator = np.random.default_rng(0)
    width, n, m = 64, 256, 512
    first = generator.normal(size=(n, width))
    second = generator.normal(size=(m, width))
    share = 0.25 * width * (1 / n + 1 / m)
    found = frechet_distance(first, second) / width
    np.testing.assert_allclose(found, share, rtol=0.2)


def test_grey_images_are_shown_to_a_colour_net_in_three_channels():
    network = keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.Flatten()], name="colour"
    )
    grey = np.random.default_rng(0).random((2, 4, 4, 1), dtype="float32")
    found = metrics.compute_features(network, grey)
    np.testing.assert_allclose(found, grey.repeat(3, axis=-1).reshape(2, -1))


@pytest.mark.slow
def test_inception_features_are_keras_network_on_scaled_images(tmp_path):
    network = keras.applications.InceptionV3(
        include_top=False, weights=None, pooling="avg"
    )
    path = tmp_path / "any.weights.h5"
    network.save_weights(path)
    images = np.random.default_rng(0).random((3, 32, 32, 3), dtype="float32")
    model = metrics.inception_features(path)
    assert model.name == "keras_inception_v3"
    found = metrics.compute_features(model, images)
    resized = tf.image.resize(images, (299, 299))
    expected = network(2.0 * resized - 1.0, training=False)
    assert found.shape == (3, 2048)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-7)


def test_inception_needs_the_users_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match="No InceptionV3 weights"):
        metrics.inception_features(tmp_path / "inception.h5")
