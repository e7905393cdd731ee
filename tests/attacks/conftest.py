"""A defence that anyone could have written, small enough for NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ops

_RNG = np.random.default_rng(5)
WEIGHTS = _RNG.normal(size=(16, 3)).astype("float32")


class NoisyDefence:
    """Scales by a power, adds a random image per draw, and averages."""

    uses_prediction = False

    def __init__(self, scale=0.1, power=1.0, num_draws=4):
        self.num_draws = num_draws
        self.scale = scale
        self.power = power
        self.rows = tf.Variable(0)

    def classifier(self, images):
        self.rows.assign_add(tf.shape(images)[0])
        return tf.reshape(images, [-1, 16]) @ WEIGHTS

    def draw(self, images, seed=None):
        rows = tf.shape(images)[0]
        # One seed for the batch is enough here.
        seed = ops.row_seeds(seed, rows)[0]
        shape = tf.stack([rows, self.num_draws, 4, 4, 1])
        noise = tf.random.stateless_normal(shape, seed)
        noise = tf.ensure_shape(noise, [None, self.num_draws, 4, 4, 1])
        return {"noise": self.scale * noise}

    def apply(self, images, draws):
        inputs = images[:, None] ** self.power + draws["noise"]
        return tf.transpose(inputs, [1, 0, 2, 3, 4])

    def predict_from_draws(self, images, draws):
        inputs = self.apply(images, draws)
        logits = self.classifier(tf.reshape(inputs, [-1, 4, 4, 1]))
        return ops.log_mean_probability(
            tf.reshape(logits, [tf.shape(inputs)[0], -1, 3])
        )

    def __call__(self, images, seed=None):
        return self.predict_from_draws(images, self.draw(images, seed))


@pytest.fixture
def weights():
    return WEIGHTS


@pytest.fixture
def noisy_defence():
    """The class, to be made with the settings that a test needs."""
    return NoisyDefence
