"""Small models and data that the training tests share."""

import shutil

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import models
from keras_mixup.attacks import PGD

SHAPE = (4, 4, 1)
CLASSES = 3


def linear(seed=0, name=None):
    """A linear classifier on 4x4 images."""
    keras.utils.set_random_seed(seed)
    layers = [
        keras.Input(SHAPE),
        keras.layers.Flatten(),
        keras.layers.Dense(CLASSES),
    ]
    return keras.Sequential(layers, name=name)


def network(seed=0):
    """A smooth two-layer net without BatchNormalization and Dropout."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Conv2D(4, 3, activation="gelu"),
            keras.layers.Flatten(),
            keras.layers.Dense(CLASSES),
        ]
    )


def noisy_network(seed=0):
    """A net with BatchNormalization and Dropout, for resume tests."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Conv2D(4, 3),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dropout(0.3),
            keras.layers.Flatten(),
            keras.layers.Dense(CLASSES),
        ]
    )


def data(count=24, seed=0):
    """(images float32 [count, 4, 4, 1] in [0, 1], labels int32)."""
    random = np.random.default_rng(seed)
    images = random.uniform(size=(count, *SHAPE)).astype("float32")
    return images, random.integers(0, CLASSES, count).astype("int32")


def attack(num_steps=3, eps=0.1, step_size=None):
    """A short PGD; half the radius a step unless `step_size` is given."""
    return PGD(ThreatModel("linf", eps), step_size or eps / 2, num_steps)


def weights(model):
    """All variables of a model, as arrays."""
    return [np.asarray(v) for v in model.get_weights()]


def counting_network(seed=0):
    """`network` and the variable that counts its passes."""
    calls = tf.Variable(0, dtype=tf.int32)

    @keras.saving.register_keras_serializable("keras_mixup_tests")
    class Counting(keras.layers.Layer):
        def call(self, inputs):
            calls.assign_add(1)
            return inputs

    inner, inputs = network(seed), keras.Input(SHAPE)
    return keras.Model(inputs, inner(Counting()(inputs))), calls


class CopiesAt(keras.callbacks.Callback):
    """Copies a folder at the end of steps: what a kill there would leave.

    It comes last among the callbacks. `left` is {step: the copy}.
    """

    def __init__(self, folder, copies, steps):
        super().__init__()
        self.folder = folder
        self.left = {step: copies / str(step) for step in steps}

    def on_train_batch_end(self, batch, logs=None):
        step = int(self.model.step.numpy())
        if step in self.left and not self.left[step].exists():
            shutil.copytree(self.folder, self.left[step])


class BreakAt(keras.callbacks.Callback):
    """Turns the last bias to NaN before a batch of each epoch."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.batch:
            bias = self.model.classifier.layers[-1].bias
            bias.assign(np.full(CLASSES, np.nan))


def one_train_step(model, images, labels):
    """Runs the compiled step once and nothing else."""
    one = tf.data.Dataset.from_tensors((images, labels))
    strategy = model.distribute_strategy
    model.train_function(iter(strategy.experimental_distribute_dataset(one)))


def vae(seed=0, shape=SHAPE, **options):
    """A small autoencoder; its decoder gives images inside [0, 1]."""
    keras.utils.set_random_seed(seed)
    return models.MMDVAE(shape, 3, width=2, **options)


def fitted_vae(images, seed=0):
    """`vae` as the PCA of the images, its convolutions a little astray."""
    model = vae(seed, images.shape[1:])
    model.start_from_pca(images)
    for weight in model.trainable_variables:
        weight.assign(
            weight + 0.1 * keras.random.normal(weight.shape, seed=seed)
        )
    return model
