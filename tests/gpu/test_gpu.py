"""What must not depend on the device; `make gpu` runs it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import models
from keras_mixup import training
from keras_mixup.attacks import PGD

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not tf.config.list_physical_devices("GPU"), reason="no GPU here"
    ),
]


def trained_on(device):
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    images = random.uniform(size=(64, 8, 8, 1)).astype("float32")
    labels = random.integers(0, 10, 64)
    with tf.device(device):
        classifier = models.SmallConvNet((8, 8, 1), 10, width=8)
        attack = PGD(ThreatModel("linf", 0.1), 0.025, 4)
        model = training.InterpolatedAdversarialTraining(classifier, attack)
        model.compile(keras.optimizers.SGD(0.05))
        history = model.fit(
            images, labels, batch_size=32, epochs=2, shuffle=False, verbose=0
        )
    return history.history["loss"]


def test_a_gpu_trains_as_the_cpu_does():
    on_cpu, on_gpu = trained_on("/CPU:0"), trained_on("/GPU:0")
    # Draws are the same numbers on both; sums differ in their last digits,
    # which the attack's sign steps may amplify a little.
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=2e-2)
