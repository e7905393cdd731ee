"""Tiny classifiers, pools and defences for the export tests."""

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import inference
from keras_mixup import models

SHAPE = (4, 4, 1)
CLASSES = 3
POOL_ROWS = 9


def classifier(seed=0):
    """A convolution with BatchNormalization and a Dense layer; logits."""
    model = keras.Sequential(
        [
            keras.layers.Input(SHAPE),
            keras.layers.Conv2D(4, 3, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dropout(0.5, seed=1),
            keras.layers.Flatten(),
            keras.layers.Dense(CLASSES),
        ]
    )
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        # Positive, since among them are variances.
        weight.assign(generator.uniform(0.1, 1.0, weight.shape))
    kernel = model.layers[-1].kernel
    kernel.assign(0.1 * generator.normal(size=kernel.shape))
    return model


def pool(seed=0):
    """Nine random images, uint8, in three classes of unequal size."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (POOL_ROWS, *SHAPE), dtype="uint8")
    return inference.SamplePool(images, [0, 1, 1, 2, 2, 2, 2, 0, 1])


def vae():
    """An autoencoder that is the PCA of the pool; codes of three values."""
    model = models.MMDVAE(SHAPE, latent_size=3, width=2)
    model.start_from_pca(pool().gather(np.arange(POOL_ROWS)))
    return model


def images(count, seed=0):
    """Random images, float32 [count, 4, 4, 1]."""
    generator = np.random.default_rng(seed)
    return generator.uniform(size=(count, *SHAPE)).astype("float32")


def seeds(count, seed=0):
    """Random row seeds, int32 [count, 2]."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 2**31, (count, 2), dtype="int32")


def drawless():
    """MI-OL that gives the partner no weight: its answer needs no draws."""
    return inference.MixupInferenceOL(classifier(), pool(), 1.0, 3)


def pngs(images):
    """Returns (PNG files of float images, what they hold as float32)."""
    pixels = (images * 255).round().astype("uint8")
    files = [tf.io.encode_png(image).numpy() for image in pixels]
    return np.array(files), (pixels / 255.0).astype("float32")


DEFENCES = {
    "ol": lambda: inference.MixupInferenceOL(classifier(), pool(), 0.6, 3),
    "pl": lambda: inference.MixupInferencePL(classifier(), pool(), 0.5, 3),
    "combined": lambda: inference.MixupInferenceCombined(
        classifier(), pool(), num_draws=3
    ),
    "noise": lambda: inference.GaussianNoiseInference(classifier(), 0.1, 3),
    "smoothing": lambda: inference.RandomizedSmoothing(classifier(), 0.1, 3),
    "rotation": lambda: inference.RandomRotationInference(
        classifier(), 20.0, 3
    ),
    "resize_pad": lambda: inference.RandomResizePadInference(
        classifier(), (2, 3), 3
    ),
    "crop_pad": lambda: inference.RandomCropPadInference(
        classifier(), (2, 3), 3
    ),
    "crop_resize": lambda: inference.RandomCropResizeInference(
        classifier(), (2, 3), 3
    ),
    "var": lambda: inference.VarMixupInference(
        classifier(), vae(), pool(), 0.6, 3
    ),
}
