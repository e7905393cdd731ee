"""A tiny classifier, a pool with unequal classes, images."""

import keras
import numpy as np
import pytest

from keras_mixup.inference import SamplePool

CLASSES = 4


@pytest.fixture
def classifier():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6, 6, 1))
    x = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(x))


@pytest.fixture
def pool():
    labels = np.repeat(np.arange(CLASSES), [1, 6, 2, 3])
    rows = np.random.default_rng(0).integers(0, 256, (12, 6, 6, 1), "uint8")
    return SamplePool(rows, labels)


@pytest.fixture
def images():
    return np.random.default_rng(1).random((5, 6, 6, 1), dtype="float32")
