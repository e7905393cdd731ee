"""Models whose clean and attacked accuracy is known in closed form."""

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import inference
from keras_mixup import ops

EPS = 0.1
SHIFT = 0.3
PGD = attacks.PGD(
    ThreatModel("linf", EPS), step_size=0.05, num_steps=4, random_start=False
)
CLEAN = ("clean", None, "none")


class Linear:
    """Class 1 if the first pixel is above 0.5; eps shifts it by eps."""

    def __init__(self):
        self.rows_seen = []

    def __call__(self, images):
        first = tf.reshape(images, [tf.shape(images)[0], -1])[:, 0]
        if tf.executing_eagerly():
            self.rows_seen.append(len(images))
        return tf.stack([tf.zeros_like(first), 10.0 * (first - 0.5)], axis=-1)


class Noisy:
    """A randomised defence: the classifier behind uniform pixel noise."""

    num_draws = 2
    pool = None

    def __init__(self, classifier, width=0.2, pool=None):
        self.classifier, self.width, self.pool = classifier, width, pool

    def draw(self, images, seed=None, logits=None):
        seeds = ops.row_seeds(seed, tf.shape(images)[0])
        noise = tf.map_fn(
            lambda row: tf.random.stateless_uniform([2], row, -1.0, 1.0),
            seeds,
            fn_output_signature=tf.TensorSpec([2], tf.float32),
        )
        return {"noise": self.width * noise}

    def apply(self, images, draws):
        noise = tf.transpose(draws["noise"])[:, :, None, None, None]
        return images[None] + noise

    def predict_from_draws(self, images, draws, logits=None):
        inputs = self.apply(images, draws)
        outputs = tf.stack([self.classifier(inputs[i]) for i in range(2)])
        return ops.log_mean_probability(outputs)

    def __call__(self, images, seed=None):
        return self.predict_from_draws(images, self.draw(images, seed))


class Fixed:
    """An attack that gives every image the same value."""

    def __init__(self, value, threat=None):
        self.value = value
        self.threat = threat or ThreatModel("linf", 1.0)

    def __call__(self, model_fn, images, labels, *, targets=None, seed=None):
        rows = np.full(len(images), 3)
        made = np.full_like(images, self.value)
        return attacks.AttackResult(made, None, rows, rows + 1)


def data(count=7):
    """First pixels 0.30, 0.35, ...; label 1 above 0.5."""
    first = 0.3 + 0.4 * (np.arange(count) + 0.5) / count
    images = np.full((count, 2, 2, 1), 0.5, np.float32)
    images[:, 0, 0, 0] = first
    return images, (first > 0.5).astype(np.int32), first


class LinearProbabilities(keras.layers.Layer):
    """Probability of class 0 = the pixel; of class 1 = the rest."""

    def call(self, images):
        pixel = keras.ops.clip(images[:, 0, 0, 0], 1e-6, 1.0 - 1e-6)
        both = keras.ops.stack([pixel, 1.0 - pixel], axis=-1)
        return keras.ops.log(both)


class Down:
    """Takes SHIFT from every image: class 0 turns into class 1."""

    name = "down"
    threat = ThreatModel("linf", SHIFT)

    def __call__(self, model_fn, images, labels, *, targets=None, seed=None):
        rows = np.zeros(len(images), int)
        moved = images - np.float32(SHIFT)
        return attacks.AttackResult(moved, None, rows, rows)


def small_model():
    """A model whose probabilities are linear in its one pixel."""
    made = keras.Sequential([keras.Input((1, 1, 1)), LinearProbabilities()])
    return made


def pool():
    """Class 0: pixel 0.9, class 1: pixel 0.2; one image each."""
    images = np.array([0.9, 0.2], np.float32)[:, None, None, None]
    return inference.SamplePool(images, [0, 1], dtype="float32")
