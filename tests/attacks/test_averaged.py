"""Any attack through a defence's mean over draws."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup.attacks import APGD
from keras_mixup.attacks import PGD
from keras_mixup.attacks import SPSA
from keras_mixup.attacks import AutoAttack
from keras_mixup.attacks import AveragedAttack
from keras_mixup.attacks import ExpectationOverTransformation
from keras_mixup.attacks import MixupInferenceAttack
from keras_mixup.attacks import Square

_RNG = np.random.default_rng(5)
IMAGES = _RNG.uniform(0.3, 0.7, size=(5, 4, 4, 1)).astype("float32")
LABELS = np.array([0, 1, 2, 0, 1])
THREAT = ThreatModel("linf", 0.05)
INNER = [
    PGD(THREAT, 0.01, num_steps=3),
    APGD(THREAT, num_steps=4, best="loss"),
    Square(THREAT, num_queries=12),
    SPSA(THREAT, num_steps=2, num_samples=6),
]


@functools.cache
def attacked(defence_class, inner):
    """Results on the mean, through the attack, and of it with another seed."""
    defence = defence_class(scale=0.3)
    mean = ExpectationOverTransformation(defence, 6)
    attack = AveragedAttack(inner, 6)
    return (
        inner(mean, IMAGES, LABELS, seed=4),
        attack(defence, IMAGES, LABELS, seed=4),
        attack(defence, IMAGES, LABELS, seed=5),
    )


@pytest.mark.parametrize("inner", INNER, ids=lambda attack: attack.name)
def test_is_the_inner_attack_on_the_mean(noisy_defence, inner):
    expected, result, other = attacked(noisy_defence, inner)
    np.testing.assert_array_equal(result.images, expected.images)
    assert np.abs(np.subtract(other.images, result.images)).max() > 1e-3


@pytest.mark.parametrize("inner", INNER, ids=lambda attack: attack.name)
def test_counts_every_draw_of_every_step(noisy_defence, inner):
    plain, result, _ = attacked(noisy_defence, inner)
    for name in ("gradient_passes", "queries"):
        expected = 6 * np.asarray(getattr(plain, name))
        np.testing.assert_array_equal(getattr(result, name), expected)


def test_a_look_at_the_prediction_is_a_query_of_its_own(noisy_defence):
    defence = noisy_defence(scale=0.3)
    defence.uses_prediction = True
    defence.classify = lambda images: defence.classifier(images)[:, 0] > 0
    draw = defence.draw
    defence.draw = lambda images, seed=None, prediction=None: draw(images, seed)
    inner = PGD(THREAT, 0.01, num_steps=3)
    result = AveragedAttack(inner, 4)(defence, IMAGES, LABELS, seed=4)
    assert result.gradient_passes.numpy().tolist() == [12] * 5
    assert result.queries.numpy().tolist() == [3] * 5


def test_a_plain_callable_is_asked_once_for_every_draw(weights):
    def model(images):
        return tf.reshape(images, [-1, 16]) @ weights

    inner = PGD(THREAT, 0.01, num_steps=3)
    result = AveragedAttack(inner, 4)(model, IMAGES, LABELS, seed=4)
    expected = inner(model, IMAGES, LABELS, seed=4)
    # Without randomness the mean is the model itself.
    np.testing.assert_allclose(result.images, expected.images, atol=1e-6)
    assert result.gradient_passes.numpy().tolist() == [12] * 5
    assert result.queries.numpy().tolist() == [0] * 5


def test_a_mean_must_have_the_draws_of_the_name(noisy_defence):
    mean = ExpectationOverTransformation(noisy_defence(scale=0.3), 2)
    attack = AveragedAttack(Square(THREAT, num_queries=3), 15)
    match = "`model_fn` must be of 15 draws, as the attack.*'2 draws'"
    with pytest.raises(ValueError, match=match):
        attack(mean, IMAGES, LABELS, seed=0)
    same = AveragedAttack(Square(THREAT, num_queries=3), 2)
    result = same(mean, IMAGES, LABELS, seed=0)
    assert result.queries.numpy().tolist() == [6] * 5
    rand = AutoAttack(THREAT, "rand-apgd", num_steps=2)
    with pytest.raises(ValueError, match="`model_fn` must be of 20 draws"):
        rand(mean, IMAGES, LABELS, seed=0)


def test_without_draws_it_is_the_inner_attack():
    attack = AveragedAttack(INNER[0])
    assert attack.plain_attack() is INNER[0]
    assert attack.knowledge == "adaptive"
    assert attack.name == "pgd-3 of 15 draws"


def test_config_makes_the_same_attack(noisy_defence):
    attack = AveragedAttack(INNER[3], 3)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(attack)
    )
    assert copy.get_config() == attack.get_config()
    defence = noisy_defence()
    first, second = (
        a(defence, IMAGES, LABELS, seed=1).images for a in (attack, copy)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "inner",
    [
        "pgd",
        APGD(THREAT, early_stop=True),
        SPSA(THREAT, early_stop=True),
        AutoAttack(THREAT, "rand"),
        MixupInferenceAttack(THREAT, "tramer2020"),
        AveragedAttack(INNER[0]),
    ],
    ids=lambda inner: type(inner).__name__,
)
def test_attacks_that_stop_or_average_themselves_are_refused(inner):
    with pytest.raises(ValueError, match="`attack` must be an attack"):
        AveragedAttack(inner)
    with pytest.raises(ValueError, match="`num_draws` must be an integer >= 1"):
        AveragedAttack(INNER[0], 0)
