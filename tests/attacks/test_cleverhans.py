"""cleverhans behind our interface, and as the referee of our PGD."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from cleverhans.tf2.attacks import projected_gradient_descent as module

from keras_mixup import ThreatModel
from keras_mixup import ops
from keras_mixup.attacks import PGD
from keras_mixup.attacks import CleverHansPGD
from keras_mixup.attacks import CleverHansSPSA

_RNG = np.random.default_rng(3)
IMAGES = _RNG.uniform(size=(6, 6, 6, 1)).astype("float32")
LABELS = np.array([0, 1, 2, 0, 1, 2])
LINF = ThreatModel("linf", "8/255")
L2 = ThreatModel("l2", 0.6)
THREATS = pytest.mark.parametrize("threat", [LINF, L2], ids=["linf", "l2"])


@pytest.fixture(scope="module")
def model():
    initializer = keras.initializers.GlorotNormal(seed=0)
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(
                4, 3, activation="tanh", kernel_initializer=initializer
            ),
            keras.layers.Flatten(),
            keras.layers.Dense(3, kernel_initializer=initializer),
        ]
    )


@THREATS
@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("random_start", [False, True])
def test_our_pgd_equals_cleverhans(
    model, monkeypatch, threat, targeted, random_start
):
    """Calls cleverhans itself, with our start instead of its own noise."""
    seed, step_size = ops.seed_pair(4), threat.eps / 8
    start = tf.constant(IMAGES)
    if random_start:
        start = ops.random_start(threat, IMAGES, seed)
        monkeypatch.setattr(
            module, "random_lp_vector", lambda *_, **__: start - IMAGES
        )
    targets = (LABELS + 1) % 3
    theirs = module.projected_gradient_descent(
        model,
        tf.constant(IMAGES),
        threat.eps,
        step_size,
        12,
        np.inf if threat.norm == "linf" else 2,
        clip_min=0.0,
        clip_max=1.0,
        y=targets if targeted else LABELS,
        targeted=targeted,
        rand_init=random_start,
    )
    ours = PGD(threat, step_size, num_steps=12).perturb(
        model,
        IMAGES,
        LABELS,
        seed,
        targets=targets if targeted else None,
        start=start,
    )
    assert np.abs(theirs - IMAGES).max() > 0.02
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


@THREATS
@pytest.mark.parametrize("targeted", [False, True])
def test_wrapped_pgd_equals_ours_with_the_same_seed(model, threat, targeted):
    targets = (LABELS + 1) % 3 if targeted else None
    # Steps too short to cross the ball, so that the start still shows.
    ours = PGD(threat, 0.002, num_steps=8)
    theirs = CleverHansPGD(threat, 0.002, num_steps=8)
    first = ours(model, IMAGES, LABELS, targets=targets, seed=1)
    second = theirs(model, IMAGES, LABELS, targets=targets, seed=1)
    np.testing.assert_allclose(first.images, second.images, atol=2e-6)
    np.testing.assert_array_equal(first.success, second.success)
    np.testing.assert_array_equal(second.gradient_passes, [8] * 6)
    other = theirs(model, IMAGES, LABELS, targets=targets, seed=2)
    assert not np.allclose(other.images, second.images, atol=1e-4)


def test_labels_are_the_true_ones_unless_predicted_ones_are_asked(model):
    predicted = model(IMAGES).numpy().argmax(axis=-1)
    assert (predicted != LABELS).any()
    true = CleverHansPGD(LINF, 0.01, random_start=False)
    released = CleverHansPGD(
        LINF, 0.01, random_start=False, label_source="predicted"
    )
    given = true(model, IMAGES, predicted)
    result = released(model, IMAGES, LABELS)
    np.testing.assert_allclose(given.images, result.images, atol=1e-7)
    adversarial = model(result.images).numpy().argmax(axis=-1)
    np.testing.assert_array_equal(result.success, adversarial != LABELS)
    np.testing.assert_array_equal(result.queries, [1] * 6)
    wrong = predicted != LABELS
    usual = true(model, IMAGES, LABELS)
    gap = np.abs(usual.images - result.images).max(axis=(1, 2, 3))
    np.testing.assert_array_equal(gap > 1e-3, wrong)


@pytest.mark.parametrize("labels", [LABELS, np.eye(3)[LABELS]])
def test_integer_and_one_hot_labels_work(model, labels):
    attack = CleverHansPGD(LINF, 0.01, num_steps=2)
    result = attack(model, IMAGES, labels, seed=0)
    usual = attack(model, IMAGES, LABELS.astype("uint8"), seed=0)
    np.testing.assert_array_equal(result.images, usual.images)


def test_cleverhans_own_noise_is_back_after_a_call(model):
    drawn = module.random_lp_vector
    CleverHansPGD(LINF, 0.01, num_steps=1)(model, IMAGES, LABELS)
    assert module.random_lp_vector is drawn

    def broken(images):
        if tf.inside_function() and len(calls) > 0:
            raise KeyError("broken")
        calls.append(1)
        return model(images)

    calls = []
    with pytest.raises(KeyError, match="broken"):
        CleverHansPGD(LINF, 0.01, num_steps=1)(broken, IMAGES, LABELS)
    assert module.random_lp_vector is drawn


def test_one_trace_of_the_model_serves_all_calls(model):
    traces = []

    def counted(images):
        traces.append(1)
        return model(images)

    attack = CleverHansPGD(LINF, 0.01, num_steps=3)
    attack(counted, IMAGES, LABELS)
    count = len(traces)
    for seed in range(3):
        attack(counted, IMAGES, LABELS, seed=seed)
    assert len(traces) == count


@pytest.mark.parametrize("attack_class", [CleverHansPGD, CleverHansSPSA])
def test_eps_zero_gives_the_clean_images(model, attack_class):
    settings = {"num_steps": 2}
    if attack_class is CleverHansSPSA:
        settings |= {"num_samples": 4, "verbose": 0}
    attack = attack_class(ThreatModel("linf", 0.0), **settings)
    result = attack(model, IMAGES, LABELS, seed=0)
    np.testing.assert_array_equal(result.images, IMAGES)


def test_pgd_refuses_steps_longer_than_eps():
    with pytest.raises(ValueError, match="at most eps = 0.01 for cleverhans"):
        CleverHansPGD(ThreatModel("linf", 0.01), step_size=0.02)


def _linear(weights):
    def model_fn(images):
        score = tf.reshape(images, [-1, 36]) @ weights[:, None]
        return tf.concat([score, -score], axis=-1)

    return model_fn


@pytest.mark.parametrize("targeted", [False, True])
def test_spsa_nearly_reaches_the_optimum_of_a_linear_model(targeted):
    images = np.full((2, 6, 6, 1), 0.5, "float32")
    weights = _RNG.choice([-1.0, 1.0], 36) * _RNG.uniform(0.5, 1.5, 36)
    weights = weights.astype("float32")
    labels = np.array([0, 1])
    attack = CleverHansSPSA(LINF, num_steps=60, num_samples=128, verbose=0)
    targets = 1 - labels if targeted else None
    result = attack(_linear(weights), images, labels, targets=targets, seed=0)
    offset = (result.images.numpy() - images).reshape(2, -1)
    gained = np.array([-1.0, 1.0]) * (offset @ weights)
    assert gained.min() >= 0.99 * LINF.eps * np.abs(weights).sum()


def test_spsa_breaks_a_small_model_within_eps(model):
    labels = model(IMAGES).numpy().argmax(axis=-1)
    threat = ThreatModel("linf", 0.3)
    attack = CleverHansSPSA(
        threat, num_steps=30, num_samples=32, learning_rate=0.05, verbose=0
    )
    result = attack(model, IMAGES, labels, seed=0)
    strong = PGD(threat, 0.05, num_steps=30)(model, IMAGES, labels, seed=0)
    assert strong.success.numpy().sum() >= 4
    assert result.success.numpy().sum() >= strong.success.numpy().sum() - 1
    offset = np.abs(result.images.numpy().astype("float64") - IMAGES)
    assert offset.max() <= threat.eps + 1e-7
    assert result.images.numpy().min() >= 0.0
    assert result.images.numpy().max() <= 1.0
    np.testing.assert_array_equal(result.queries, [30 * 32] * 6)
    np.testing.assert_array_equal(result.gradient_passes, [0] * 6)


def test_spsa_is_seeded_per_image_and_traces_once(model):
    traces = []

    def counted(images):
        traces.append(1)
        return model(images)

    attack = CleverHansSPSA(LINF, num_steps=2, num_samples=4, verbose=0)
    twins = np.repeat(IMAGES[:1], 3, axis=0)
    first = attack(counted, twins, LABELS[[0, 0, 0]], seed=5).images.numpy()
    count = len(traces)
    again = attack(counted, twins, LABELS[[0, 0, 0]], seed=5).images.numpy()
    other = attack(counted, twins, LABELS[[0, 0, 0]], seed=6).images.numpy()
    assert len(traces) == count
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])


def test_spsa_stops_early_only_on_request(model):
    labels = (model(IMAGES).numpy().argmax(axis=-1) + 1) % 3
    settings = {"num_steps": 12, "num_samples": 8, "verbose": 0}
    stopped = CleverHansSPSA(LINF, early_stop=True, **settings)
    full = CleverHansSPSA(LINF, **settings)
    # Every image is wrong from the start: one step, then it may stop.
    one = CleverHansSPSA(LINF, **{**settings, "num_steps": 1})
    first = stopped(model, IMAGES, labels, seed=0)
    np.testing.assert_allclose(
        first.images, one(model, IMAGES, labels, seed=0).images, atol=1e-7
    )
    assert not np.allclose(
        first.images, full(model, IMAGES, labels, seed=0).images, atol=1e-3
    )
    np.testing.assert_array_equal(first.queries, [12 * 9] * 6)


def test_spsa_shows_a_progress_bar(model, capsys):
    attack = CleverHansSPSA(LINF, num_steps=1, num_samples=2)
    attack(model, IMAGES[:2], LABELS[:2])
    assert "2/2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"threat": L2}, "`threat` must be an L-infinity threat for SPSA"),
        ({"num_samples": 7}, "`num_samples` must be even"),
        ({"num_samples": 0}, "`num_samples` must be an integer >= 2"),
        ({"learning_rate": 0}, "`learning_rate` must be a number in"),
        ({"delta": 0}, "`delta` must be a number in"),
        ({"early_stop": 1}, "`early_stop` must be True or False"),
        ({"verbose": 2}, "`verbose` must be one of 0, 1"),
    ],
)
def test_bad_spsa_settings_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        CleverHansSPSA(**{"threat": LINF, **arguments})


@pytest.mark.parametrize(
    "attack",
    [
        CleverHansPGD(L2, "1/10", 5, False, "predicted"),
        CleverHansSPSA(LINF, 3, 4, 0.02, 0.03, True, 0),
    ],
    ids=lambda attack: attack.name,
)
def test_config_round_trip(model, attack):
    stored = keras.saving.serialize_keras_object(attack)
    restored = keras.saving.deserialize_keras_object(stored)
    assert restored.get_config() == attack.get_config()
    assert restored.name == attack.name
    np.testing.assert_array_equal(
        restored(model, IMAGES, LABELS, seed=1).images,
        attack(model, IMAGES, LABELS, seed=1).images,
    )


def test_missing_cleverhans_is_named_with_its_install_line(model, monkeypatch):
    name = "cleverhans.tf2.attacks.spsa"
    monkeypatch.setitem(sys.modules, name, None)
    attack = CleverHansSPSA(LINF, num_steps=1, num_samples=2, verbose=0)
    with pytest.raises(ImportError, match="pip install cleverhans"):
        attack(model, IMAGES, LABELS)
