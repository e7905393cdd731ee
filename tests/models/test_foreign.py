"""Foreign classifiers: a SavedModel and a plain function, as Keras models."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import models

SHAPE = (4, 4, 1)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Conv2D(3, 3, activation="tanh"),
            keras.layers.Flatten(),
            keras.layers.Dense(5),
        ]
    )


@pytest.fixture(scope="module")
def saved(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model"
    network.export(path, verbose=False)
    return path


@pytest.fixture(scope="module")
def images():
    return tf.random.stateless_uniform((6, *SHAPE), (1, 2))


def gradient(model, images):
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = tf.reduce_sum(tf.nn.log_softmax(model(images))[:, 0])
    return tape.gradient(value, images)


def test_a_saved_model_answers_and_has_the_gradients_of_the_network(
    network, saved, images
):
    found = models.from_saved_model(saved)
    assert found.input_shape == (None, *SHAPE)
    np.testing.assert_allclose(found(images), network(images), atol=1e-6)
    np.testing.assert_allclose(
        gradient(found, images), gradient(network, images), atol=1e-6
    )


def test_an_attack_finds_the_same_images(network, saved, images):
    found, attack = (
        models.from_saved_model(saved),
        attacks.PGD(ThreatModel("linf", 0.1), step_size=0.03, num_steps=3),
    )
    labels = tf.argmax(network(images), -1)
    one = attack(network, images, labels, seed=0).images
    two = attack(found, images, labels, seed=0).images
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_logits_are_found_by_their_name(tmp_path, images):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None, *SHAPE), tf.float32)])
    def answer(image):
        flat = tf.reshape(image, (-1, 16))
        return {"logits": flat, "label": tf.argmax(flat, -1)}

    tf.saved_model.save(module, str(tmp_path / "m"), signatures=answer)
    found = models.from_saved_model(tmp_path / "m", SHAPE)
    np.testing.assert_allclose(found(images), np.reshape(images, (6, 16)))
    with pytest.raises(ValueError, match=r"a model of \(4, 4, 3\) images"):
        models.from_saved_model(tmp_path / "m", (4, 4, 3))


def test_a_saved_model_without_a_usable_signature(tmp_path):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def answer(text):
        return {"length": tf.strings.length(text)}

    tf.saved_model.save(module, str(tmp_path / "m"), signatures=answer)
    match = r"must be a SavedModel with a signature.*text -> length"
    with pytest.raises(ValueError, match=match):
        models.from_saved_model(tmp_path / "m")


def test_two_callables_have_two_identities(images):
    one, same, other = (
        models.ForeignClassifier(
            lambda x, a=a: a * tf.reshape(x, (-1, 16)), SHAPE
        )
        for a in (1.0, 1.0, 2.0)
    )
    assert one.identity == same.identity != other.identity
    np.testing.assert_allclose(one(images), np.reshape(images, (6, 16)))
    with pytest.raises(ValueError, match="`function` must be callable"):
        models.ForeignClassifier(3, SHAPE)
