"""FGSM: one step, several, and momentum, against NumPy and cleverhans."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import attacks

RNG = np.random.default_rng(3)
WEIGHTS = RNG.normal(size=(2 * 2 * 1, 3)).astype("float32")
IMAGES = RNG.uniform(0.2, 0.8, size=(5, 2, 2, 1)).astype("float32")
LABELS = np.array([0, 1, 2, 0, 1])


def model(images):
    return tf.reshape(images, [-1, 4]) @ WEIGHTS


def slope(images):
    """The gradient of the cross-entropy of the linear model, by hand."""
    logits = images.reshape(-1, 4) @ WEIGHTS
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    shares[np.arange(len(images)), LABELS] -= 1.0
    return (shares @ WEIGHTS.T).reshape(images.shape)


def listing(eps, num_steps, step, momentum=0.0):
    """MI-FGSM as its Algorithm 1 says; momentum 0 is the iterative method."""
    point, gathered = IMAGES.copy(), np.zeros_like(IMAGES)
    for _ in range(num_steps):
        own = slope(point)
        length = np.abs(own).sum(axis=(1, 2, 3), keepdims=True)
        gathered = momentum * gathered + own / length
        point = point + step * np.sign(gathered)
        point = np.clip(point, IMAGES - eps, IMAGES + eps).clip(0.0, 1.0)
    return point


@pytest.mark.parametrize(
    ("options", "num_steps", "step", "momentum"),
    [
        ({}, 1, 0.1, 0.0),
        ({"num_steps": 5}, 5, 0.02, 0.0),
        ({"num_steps": 4, "step_size": 0.05}, 4, 0.05, 0.0),
        ({"num_steps": 10, "momentum": 1.0}, 10, 0.01, 1.0),
    ],
)
def test_it_equals_the_listing(options, num_steps, step, momentum):
    attack = attacks.FGSM(ThreatModel("linf", 0.1), **options)
    found = attack(model, IMAGES, LABELS, seed=0)
    expected = listing(0.1, num_steps, step, momentum)
    np.testing.assert_allclose(found.images, expected, atol=1e-6)
    assert (found.gradient_passes.numpy() == num_steps).all()


def test_one_step_equals_cleverhans():
    from cleverhans.tf2.attacks.fast_gradient_method import fast_gradient_method

    theirs = fast_gradient_method(
        model, tf.constant(IMAGES), 0.1, np.inf, y=LABELS, clip_min=0.0
    )
    ours = attacks.FGSM(ThreatModel("linf", 0.1))(model, IMAGES, LABELS)
    np.testing.assert_allclose(ours.images, theirs, atol=1e-6)


def test_a_target_is_approached():
    attack = attacks.FGSM(ThreatModel("linf", 0.1))
    targets = (LABELS + 1) % 3
    found = attack(model, IMAGES, LABELS, targets=targets).images
    before, after = (
        tf.nn.log_softmax(model(tf.constant(x))) for x in (IMAGES, found)
    )
    rows = np.arange(5)
    assert (after.numpy() > before.numpy())[rows, targets].all()


def test_a_random_start_makes_the_attack_of_fast_training():
    threat = ThreatModel("linf", 0.1)
    attack = attacks.FGSM(threat, step_size=0.125, random_start=True)
    one, two = (attack(model, IMAGES, LABELS, seed=s).images for s in (0, 1))
    assert not np.allclose(one, two)
    assert np.abs(one - IMAGES).max() <= 0.1 + 1e-6


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "fgsm"),
        ({"num_steps": 10}, "bim-10"),
        ({"num_steps": 10, "momentum": 1.0}, "mi-fgsm-10"),
    ],
)
def test_names(options, name):
    assert attacks.FGSM(ThreatModel("linf", 0.1), **options).name == name


def test_the_configuration_makes_an_equal_attack():
    attack = attacks.FGSM(ThreatModel("linf", 0.1), 4, momentum=1.0)
    again = attacks.FGSM.from_config(attack.get_config())
    assert attacks.facts_of(again) == attacks.facts_of(attack)


def test_no_ball_is_no_change():
    found = attacks.FGSM(ThreatModel("linf", 0.0))(model, IMAGES, LABELS)
    np.testing.assert_array_equal(found.images, IMAGES)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"num_steps": 0}, "`num_steps` must be an integer >= 1"),
        ({"step_size": 0.0}, "`step_size` must be a number"),
        ({"loss": "hinge"}, "`loss` must be one of"),
    ],
)
def test_bad_settings_are_named(options, match):
    with pytest.raises(ValueError, match=match):
        attacks.FGSM(ThreatModel("linf", 0.1), **options)
