"""The adaptive attack on every defence of the package."""

import keras
import numpy as np
import pytest

from keras_mixup import ThreatModel
from keras_mixup import inference
from keras_mixup.attacks import PGD
from keras_mixup.attacks import MixupInferenceAttack

_RNG = np.random.default_rng(7)
# Smooth centres, which small rotations and resizings leave recognisable.
CENTRES = np.kron(
    _RNG.uniform(0.2, 0.8, size=(3, 2, 2, 1)), np.ones((1, 4, 4, 1))
)
LABELS = np.arange(12) % 3
IMAGES = np.clip(
    CENTRES[LABELS] + 0.02 * _RNG.normal(size=(12, 8, 8, 1)), 0.0, 1.0
).astype("float32")
THREAT = ThreatModel("linf", 0.3)


@pytest.fixture(scope="module")
def classifier():
    """Nearest centre, as a linear model of logits."""
    dense = keras.layers.Dense(3)
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), dense]
    )
    flat = CENTRES.reshape(3, -1).astype("float32")
    dense.set_weights([20.0 * flat.T, -10.0 * (flat**2).sum(axis=1)])
    return model


@pytest.fixture(scope="module")
def pool():
    return inference.SamplePool(IMAGES, LABELS, dtype="float32")


DEFENCES = {
    "ol": lambda f, pool: inference.MixupInferenceOL(f, pool, 0.6, 8),
    "pl": lambda f, pool: inference.MixupInferencePL(f, pool, 0.5, 8),
    "combined": lambda f, pool: inference.MixupInferenceCombined(
        f, pool, num_draws=8
    ),
    "noise": lambda f, pool: inference.GaussianNoiseInference(
        f, stddev=0.05, num_draws=8
    ),
    "rotation": lambda f, pool: inference.RandomRotationInference(
        f, degrees=(-10, 10), num_draws=8
    ),
    "resize_pad": lambda f, pool: inference.RandomResizePadInference(
        f, size_range=(6, 8), num_draws=8
    ),
    "crop_pad": lambda f, pool: inference.RandomCropPadInference(
        f, size_range=(7, 8), num_draws=8
    ),
    "crop_resize": lambda f, pool: inference.RandomCropResizeInference(
        f, size_range=(6, 8), num_draws=8
    ),
}


@pytest.mark.parametrize("name", DEFENCES)
def test_every_defence_is_attacked_through_its_protocol(classifier, pool, name):
    defence = DEFENCES[name](classifier, pool)
    attack = MixupInferenceAttack(
        THREAT, "tramer2020", num_steps=20, num_draws=10
    )
    result = attack(defence, IMAGES, LABELS, seed=0)
    again = attack(defence, IMAGES, LABELS, seed=0)
    np.testing.assert_allclose(result.images, again.images, atol=1e-6)
    np.testing.assert_array_equal(result.success, again.success)
    clean = defence(IMAGES, seed=1).numpy().argmax(axis=-1)
    broken = defence(result.images, seed=1).numpy().argmax(axis=-1)
    assert (clean == LABELS).mean() >= 0.75
    assert (broken == LABELS).mean() <= 0.1
    offset = np.abs(result.images.numpy() - IMAGES)
    assert offset.max() <= THREAT.eps + 1e-6


def test_a_defence_is_also_a_model_for_pgd(classifier, pool):
    defence = DEFENCES["ol"](classifier, pool)
    attack = PGD(THREAT, 0.05, num_steps=10)
    with pytest.warns(UserWarning, match="two answers to the same images"):
        result = attack(defence, IMAGES, LABELS, seed=0)
    broken = defence(result.images, seed=1).numpy().argmax(axis=-1)
    assert (broken == LABELS).mean() <= 0.1
