"""One mean over draws, for the loss, the gradient and the decision."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import ops
from keras_mixup.attacks import APGD
from keras_mixup.attacks import PGD
from keras_mixup.attacks import CleverHansSPSA
from keras_mixup.attacks import ExpectationOverTransformation
from keras_mixup.attacks import Square
from keras_mixup.attacks import eot

_RNG = np.random.default_rng(5)
IMAGES = _RNG.uniform(0.3, 0.7, size=(5, 4, 4, 1)).astype("float32")
LABELS = np.array([0, 1, 2, 0, 1])
THREAT = ThreatModel("linf", 0.05)


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@pytest.fixture(scope="module")
def bumpy():
    """A deterministic network with curvature."""
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(20, "tanh"),
            keras.layers.Dense(3),
        ]
    )


@pytest.mark.parametrize("num_draws", [1, 7])
def test_of_a_deterministic_model_changes_nothing(bumpy, num_draws):
    wrapped = ExpectationOverTransformation(bumpy, num_draws)
    points = tf.constant(IMAGES)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(points)
        plain, mean = bumpy(points), wrapped(points)
        losses = [ops.cross_entropy(LABELS, z) for z in (plain, mean)]
    expected = np.log(softmax(np.float64(plain)))
    np.testing.assert_allclose(mean, expected, atol=1e-6)
    np.testing.assert_allclose(*losses, atol=1e-6)
    slopes = [tape.gradient(loss, points) for loss in losses]
    np.testing.assert_allclose(*slopes, atol=1e-6)
    assert np.abs(slopes[0]).max() > 1e-2


@pytest.mark.parametrize(
    "attack",
    [
        PGD(THREAT, 0.01, num_steps=6, num_restarts=2),
        APGD(THREAT, num_steps=8),
        APGD(THREAT, loss="margin", num_steps=8),
        Square(THREAT, num_queries=20),
    ],
    ids=lambda attack: attack.name,
)
def test_attacks_on_a_deterministic_model_do_not_change(bumpy, attack):
    expected = attack(bumpy, IMAGES, LABELS, seed=1)
    wrapped = ExpectationOverTransformation(bumpy, 3)
    result = attack(wrapped, IMAGES, LABELS, seed=1)
    np.testing.assert_allclose(result.images, expected.images, atol=1e-5)
    np.testing.assert_array_equal(result.success, expected.success)


@pytest.mark.parametrize("num_draws", [3, 4, 10])
def test_value_and_gradient_are_those_of_the_mean(
    noisy_defence, weights, num_draws
):
    defence = noisy_defence(scale=0.5)
    wrapped = ExpectationOverTransformation(defence, num_draws)
    points, seed = tf.constant(IMAGES), ops.seed_pair(8)
    with tf.GradientTape() as tape:
        tape.watch(points)
        log_mean = wrapped(points, seed=seed)
        loss = ops.cross_entropy(LABELS, log_mean)
    noise = eot.draw_repeatedly(defence, points, seed, num_draws)["noise"]
    assert noise.shape == (5, num_draws, 4, 4, 1)
    flat = noise.numpy().reshape(5 * num_draws, -1)
    assert len(np.unique(flat, axis=0)) == 5 * num_draws
    inputs = np.float64(IMAGES[:, None] + noise).reshape(5, num_draws, 16)
    chances = softmax(inputs @ weights)
    np.testing.assert_allclose(log_mean, np.log(chances.mean(1)), atol=1e-5)
    own = np.take_along_axis(chances, LABELS[:, None, None], axis=-1)
    # d/dx of -log mean_k p_k(y): each draw counts by its share of p(y).
    residual = chances - np.eye(3)[LABELS][:, None]
    slope = ((own / own.sum(1, keepdims=True)) * residual).sum(1) @ weights.T
    found = np.reshape(tape.gradient(loss, points), [5, 16])
    np.testing.assert_allclose(found, slope, atol=1e-5)


def test_draws_are_fresh_at_every_call_and_follow_the_seed(noisy_defence):
    wrapped = ExpectationOverTransformation(noisy_defence(scale=1.0), 4)

    def sequence(call, seed):
        wrapped.reseed(seed)
        return np.stack([call(IMAGES) for _ in range(4)])

    first = sequence(wrapped, 5)
    assert len(np.unique(first[:, 0, 0])) == 4
    np.testing.assert_array_equal(sequence(wrapped, 5), first)
    compiled = tf.function(wrapped, jit_compile=False)
    np.testing.assert_allclose(sequence(compiled, 5), first, atol=1e-5)
    assert not np.isin(sequence(wrapped, 6), first).any()
    other = ExpectationOverTransformation(noisy_defence(scale=1.0), 4)
    assert not np.isin(other(IMAGES), first).any()


def test_an_attack_takes_the_next_draws_at_every_step(noisy_defence):
    seen = tf.Variable(tf.zeros([0]), shape=[None])

    class Watched(noisy_defence):
        def draw(self, images, seed=None):
            draws = super().draw(images, seed)
            value = draws["noise"][0, 0, 0, 0, 0]
            seen.assign(tf.concat([seen, [value]], axis=0))
            return draws

    wrapped = ExpectationOverTransformation(Watched(scale=1.0), 4)
    attack = PGD(THREAT, 0.01, num_steps=6)
    result = attack(wrapped, IMAGES, LABELS, seed=2)
    # The border before, six steps, and a judgement by draws never used.
    assert len(set(seen.numpy().tolist())) == 8
    seen.assign(tf.zeros([0]))
    again = attack(wrapped, IMAGES, LABELS, seed=2)
    steps = seen.numpy()[1:].copy()
    np.testing.assert_array_equal(result.images, again.images)
    np.testing.assert_array_equal(result.success, again.success)
    seen.assign(tf.zeros([0]))
    attack(wrapped, IMAGES, LABELS, seed=3)
    assert not np.isin(seen.numpy()[1:], steps).any()


def test_a_model_with_randomness_of_its_own_is_called_that_often():
    calls = tf.Variable(0)

    def model(images):
        calls.assign_add(1)
        sign = tf.where(tf.equal(calls % 2, 0), 1.0, -1.0)
        flat = tf.reduce_sum(images, axis=[1, 2, 3])
        return tf.stack([sign * 3.0 * flat, flat], axis=-1)

    wrapped = ExpectationOverTransformation(model, 6)
    total = np.float64(IMAGES).sum(axis=(1, 2, 3))
    two = [softmax(np.stack([s * total, total], -1)) for s in (3.0, -3.0)]
    expected = np.log(np.mean(two, axis=0))
    for call in (wrapped, tf.function(wrapped, jit_compile=False)):
        calls.assign(0)
        np.testing.assert_allclose(call(IMAGES), expected, atol=1e-5)
        assert int(calls) == 6


@pytest.mark.parametrize(
    "attack",
    [
        Square(ThreatModel("linf", 0.4), num_queries=150),
        CleverHansSPSA(
            ThreatModel("linf", 0.4),
            5,
            32,
            learning_rate=0.1,
            delta=0.3,
            verbose=0,
        ),
    ],
    ids=lambda attack: type(attack).__name__,
)
def test_black_box_attacks_ask_averaged_queries(noisy_defence, attack):
    defence = noisy_defence(scale=0.1)
    labels = np.argmax(defence.classifier(IMAGES), axis=-1)
    wrapped = ExpectationOverTransformation(defence, 12)
    result = attack(wrapped, IMAGES, labels, seed=0)
    again = attack(wrapped, IMAGES, labels, seed=0)
    np.testing.assert_array_equal(result.images, again.images)
    judge = ExpectationOverTransformation(defence, 100)
    before, after = judge(IMAGES, seed=1), judge(result.images, seed=1)
    assert np.mean(np.argmax(before, axis=-1) == labels) == 1.0
    assert np.mean(np.argmax(after, axis=-1) == labels) <= 0.4
    assert np.all(result.gradient_passes == 0) and np.all(result.queries > 0)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((3, 4), "`model_fn` must be a callable"),
        ((abs, 0), "`num_draws` must be an integer >= 1"),
    ],
)
def test_bad_settings_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        ExpectationOverTransformation(*arguments)


def test_an_attack_needs_one_seed_for_all_rows():
    attack = PGD(THREAT, 0.01, num_steps=1)
    with pytest.raises(ValueError, match=r"`seed` must be None, an int, or"):
        attack(abs_model, IMAGES, LABELS, seed=tf.zeros([5, 2], tf.int32))


def abs_model(images):
    return tf.reshape(images, [-1, 16])[:, :3] - 0.5
