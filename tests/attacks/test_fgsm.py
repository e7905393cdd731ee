"""FGSM: one step, several, and momentum, against NumPy and cleverhans."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import ops

RNG = np.random.default_rng(3)
FIRST = RNG.normal(size=(4, 6)).astype("float32")
LAST = RNG.normal(size=(6, 3)).astype("float32")
IMAGES = RNG.uniform(size=(5, 2, 2, 1)).astype("float32")
LABELS = np.array([0, 1, 2, 0, 1])
THREAT = ThreatModel("linf", 0.1)
# So wavy that the sign of the gradient turns inside the ball.
WAVES = 6.0


def model(images):
    return tf.sin(WAVES * tf.reshape(images, [-1, 4]) @ FIRST) @ LAST


def slope(images):
    """The gradient of the cross-entropy of the model, by hand."""
    angles = WAVES * images.reshape(-1, 4) @ FIRST
    logits = np.sin(angles) @ LAST
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    shares[np.arange(len(images)), LABELS] -= 1.0
    inner = (shares @ LAST.T) * np.cos(angles) * WAVES
    return (inner @ FIRST.T).reshape(images.shape)


def listing(num_steps, step, momentum=0.0, start=IMAGES):
    """MI-FGSM as its Algorithm 1 says; momentum 0 is the iterative method."""
    point, gathered = start.copy(), np.zeros_like(IMAGES)
    for _ in range(num_steps):
        own = slope(point)
        length = np.abs(own).sum(axis=(1, 2, 3), keepdims=True)
        gathered = momentum * gathered + own / length
        point = point + step * np.sign(gathered)
        point = np.clip(point, IMAGES - 0.1, IMAGES + 0.1).clip(0.0, 1.0)
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
    attack = attacks.FGSM(THREAT, **options)
    found = attack(model, IMAGES, LABELS, seed=0)
    expected = listing(num_steps, step, momentum)
    np.testing.assert_allclose(found.images, expected, atol=1e-6)
    assert (found.gradient_passes.numpy() == num_steps).all()


def test_steps_and_momentum_change_the_listing():
    """Otherwise the test above could not fail."""
    points = [listing(1, 0.1), listing(10, 0.01), listing(10, 0.01, 1.0)]
    for one, other in itertools.combinations(points, 2):
        assert np.mean(np.abs(one - other) > 0.01) > 0.2


@pytest.mark.parametrize(("norm", "order"), [("linf", np.inf), ("l2", 2)])
def test_one_step_equals_cleverhans(norm, order):
    from cleverhans.tf2.attacks.fast_gradient_method import fast_gradient_method

    theirs = fast_gradient_method(
        model,
        tf.constant(IMAGES),
        0.1,
        order,
        clip_min=0.0,
        clip_max=1.0,
        y=LABELS,
    )
    ours = attacks.FGSM(ThreatModel(norm, 0.1))(model, IMAGES, LABELS)
    np.testing.assert_allclose(ours.images, theirs, atol=1e-6)


def test_a_target_is_approached():
    attack = attacks.FGSM(ThreatModel("linf", 0.01))
    targets = (LABELS + 1) % 3
    found = attack(model, IMAGES, LABELS, targets=targets).images
    before, after = (
        tf.nn.log_softmax(model(tf.constant(x))) for x in (IMAGES, found)
    )
    rows = np.arange(5)
    assert (after.numpy() > before.numpy())[rows, targets].all()


def test_a_random_start_makes_the_attack_of_fast_training():
    attack = attacks.FGSM(THREAT, step_size=0.125, random_start=True)
    starts = []
    for seed in (0, 1):
        own = ops.fold_in(ops.seed_pair(seed), 0)
        starts.append(ops.random_start(THREAT, IMAGES, own).numpy())
        found = attack(model, IMAGES, LABELS, seed=seed).images
        expected = listing(1, 0.125, start=starts[-1])
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not np.allclose(*starts)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "fgsm"),
        ({"num_steps": 10}, "bim-10"),
        ({"num_steps": 10, "momentum": 1.0}, "mi-fgsm-10"),
    ],
)
def test_names(options, name):
    assert attacks.FGSM(THREAT, **options).name == name


def test_the_configuration_makes_an_equal_attack():
    attack = attacks.FGSM(THREAT, 4, momentum=1.0)
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
        attacks.FGSM(THREAT, **options)
