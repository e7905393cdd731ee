import doctest

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import models
from keras_mixup.models import small_convnet


def test_equals_its_equations():
    model = models.SmallConvNet((8, 8, 1), 4, 3, mean=(0.3,), std=(0.4,))
    images = np.random.default_rng(0).random((5, 8, 8, 1)).astype("float32")
    x = (images - 0.3) / 0.4
    for number, stride in ((1, 1), (2, 2), (3, 2)):
        layer = model.get_layer(f"stage_{number}_conv")
        x = tf.nn.conv2d(x, layer.kernel, stride, "SAME") + layer.bias
        x = tf.nn.relu(x)
    head = model.get_layer("logits")
    logits = tf.reduce_mean(x, (1, 2)) @ head.kernel + head.bias
    np.testing.assert_allclose(model(images), logits, atol=1e-5)


def test_parameters():
    # 10 w + (18 w^2 + 2 w) + (72 w^2 + 4 w) + (40 w + 10), w = 32.
    model = models.SmallConvNet((8, 8, 1), 10)
    assert model.count_params() == 90 * 32**2 + 56 * 32 + 10


def test_the_example_runs():
    result = doctest.testmod(small_convnet)
    assert (result.failed, result.attempted) == (0, 1)


def test_training_and_inference_are_the_same_function():
    model = models.SmallConvNet((8, 8, 1), 10, width=2)
    x = np.random.default_rng(0).random((5, 8, 8, 1)).astype("float32")
    np.testing.assert_array_equal(model(x, training=True), model(x))


@pytest.mark.slow
def test_learns_the_digits():
    import keras

    from keras_mixup import data

    keras.utils.set_random_seed(0)
    spec = data.DATASETS["digits"]
    model = models.SmallConvNet((8, 8, 1), 10, mean=spec.mean, std=spec.std)
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    train, test = (data.load_arrays("digits", s) for s in ("train", "test"))
    batches = data.training_dataset(train, 64, seed=0)
    model.fit(batches, epochs=60, steps_per_epoch=17, verbose=0)
    _, accuracy = model.evaluate(data.evaluation_dataset(test, 250), verbose=0)
    assert accuracy >= 0.97
