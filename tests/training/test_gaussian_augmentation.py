"""Noisy images against the noise's known moments and ERM."""

import numpy as np
import pytest
import references as ref
import tensorflow as tf
import toys

from keras_mixup import training


def test_the_noise_has_the_stated_deviation_and_is_not_clipped():
    model = training.GaussianAugmentation(ref.staged_network(), 0.3)
    images = tf.zeros([64, 12, 12, 1])
    targets = tf.one_hot([1] * 64, 3)
    batch = model.prepare_batch(
        images, targets, model.draw(64, tf.constant([1, 2]))
    )
    noise = batch["images"].numpy()
    count = noise.size
    assert abs(noise.mean()) < 4 * 0.3 / np.sqrt(count)
    assert abs(noise.std() / 0.3 - 1) < 4 / np.sqrt(2 * count)
    assert noise.min() < -0.5 and np.unique(noise).size > 0.99 * count
    np.testing.assert_array_equal(batch["targets"], targets)


def test_without_noise_it_is_erm():
    images, labels = toys.data()
    trained = []
    for algorithm, options in (
        (training.ERM, {}),
        (training.GaussianAugmentation, {"noise_stddev": 0.0}),
    ):
        model = algorithm(ref.staged_network(), seed=3, **options)
        model.compile("sgd")
        model.train_on_batch(images, labels)
        trained.append(toys.weights(model.classifier))
    for first, second in zip(*trained, strict=True):
        np.testing.assert_array_equal(first, second)


def test_bad_noise_is_refused():
    with pytest.raises(ValueError, match="`noise_stddev` must be"):
        training.GaussianAugmentation(ref.staged_network(), -0.1)
