"""SPSA against closed forms, cleverhans' loop and its own single images."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import ops
from keras_mixup.attacks import SPSA
from keras_mixup.attacks import spsa

_RNG = np.random.default_rng(0)
SHAPE, SIZE = (4, 5, 2), 40
IMAGES = _RNG.uniform(0.3, 0.7, size=(6, *SHAPE)).astype("float32")
# No weight near zero, whose sign no estimate would tell.
WEIGHTS = _RNG.uniform(0.5, 1.5, size=SIZE) * _RNG.choice([-1.0, 1.0], SIZE)
WEIGHTS = WEIGHTS.astype("float32")
LINF = ThreatModel("linf", "8/255")
L2 = ThreatModel("l2", 0.3)


def score(images):
    return tf.linalg.matvec(tf.reshape(images, [-1, SIZE]), WEIGHTS)


def linear(images):
    # The first class is never left: the margin only falls.
    value = score(images)
    return tf.stack([value + 100.0, tf.zeros_like(value)], axis=-1)


def bumpy(images):
    value = score(images)
    waves = [tf.sin(value), tf.cos(2.0 * value), 0.3 * value]
    return 2.0 * tf.stack(waves, axis=-1)


LABELS = bumpy(IMAGES).numpy().argmax(axis=-1)


def _gain(images):
    return (score(IMAGES) - score(images)).numpy()


@pytest.mark.parametrize("optimizer", ["adam", "sign"])
def test_on_a_linear_model_linf_spsa_reaches_the_optimum(optimizer):
    # Signs alone need an estimate whose every sign is right.
    num_samples = 512 if optimizer == "adam" else 8192
    attack = SPSA(LINF, 15, num_samples, optimizer=optimizer)
    result = attack(linear, IMAGES, [0] * 6, seed=0)
    optimum = LINF.eps * np.abs(WEIGHTS).sum()
    gain = _gain(result.images)
    assert gain.min() >= 0.99 * optimum
    assert gain.max() <= optimum * (1.0 + 1e-4)
    np.testing.assert_array_equal(result.queries, [15 * num_samples] * 6)
    np.testing.assert_array_equal(result.gradient_passes, [0] * 6)


def test_on_a_linear_model_l2_spsa_nears_the_optimum():
    attack = SPSA(L2, 30, 512, learning_rate=0.1, optimizer="sign")
    result = attack(linear, IMAGES, [0] * 6, seed=0)
    optimum = L2.eps * np.linalg.norm(WEIGHTS)
    assert _gain(result.images).min() >= 0.97 * optimum
    assert _gain(result.images).max() <= optimum * (1.0 + 1e-4)


@pytest.mark.parametrize("targeted", [False, True])
def test_targets_are_led_to_and_labels_led_away_from(targeted):
    targets = [1] * 6 if targeted else None
    attack = SPSA(LINF, num_steps=10, num_samples=256)
    result = attack(linear, IMAGES, [0] * 6, targets=targets, seed=0)
    optimum = LINF.eps * np.abs(WEIGHTS).sum()
    assert _gain(result.images).min() >= 0.95 * optimum
    assert not result.success.numpy().any()


@pytest.mark.parametrize("size", [1, 31, 32, 70])
def test_signs_are_the_bits_in_order(size):
    words = _RNG.integers(-(2**31), 2**31, (2, 3, 3)).astype("int32")
    bits = (words.view("uint32")[..., None] >> np.arange(32)) & 1
    expected = (2.0 * bits - 1.0).reshape(2, 3, 96)[..., :size]
    signs = spsa._signs(tf.constant(words), size)
    np.testing.assert_array_equal(signs, expected)


def test_one_estimate_equals_its_formula():
    attack = SPSA(LINF, num_samples=6, delta=0.02, max_batch_size=4)
    seeds = ops.row_seeds(3, 6)

    def evaluate(points, repeats):
        del repeats
        return tf.sin(score(points)), None

    found = attack._estimate(evaluate, tf.constant(IMAGES), seeds, 1, 2)
    signs = spsa._signs(ops.row_bits(seeds, [3, 2], 1, 1, 2), SIZE)
    signs = signs.numpy().reshape(6, 3, *SHAPE)
    assert (np.abs(signs) == 1.0).all()
    expected = np.zeros_like(IMAGES, "float64")
    for k in range(3):
        move = 0.02 * signs[:, k]
        rise = np.sin(score(IMAGES + move)) - np.sin(score(IMAGES - move))
        expected += rise[:, None, None, None] * signs[:, k] / (2 * 0.02)
    np.testing.assert_allclose(found, expected / 3, rtol=1e-3, atol=1e-3)


def test_the_estimate_is_right_on_average():
    # Of all sign vectors of two pixels the mean is exact for a linear f.
    weights = np.array([2.0, -1.0])
    attack = SPSA(LINF, num_samples=4096)

    def evaluate(points, repeats):
        del repeats
        return tf.linalg.matvec(tf.reshape(points, [-1, 2]), weights), None

    points = tf.zeros([1, 1, 2, 1], tf.float64)
    attack_points = tf.cast(points, tf.float32)

    def evaluate32(points, repeats):
        values, _ = evaluate(tf.cast(points, tf.float64), repeats)
        return tf.cast(values, tf.float32), None

    seeds = ops.row_seeds(0, 1)
    found = attack._estimate(evaluate32, attack_points, seeds, 0, 0)
    # 2048 draws: the cross terms have standard deviation 2 / sqrt(2048);
    # six of these, and the seed is fixed besides.
    np.testing.assert_allclose(found.numpy().ravel(), weights, atol=0.27)


def test_adam_moves_as_keras_adam_does():
    # Gradients of a linear model along all signs of a fixed seed.
    attack = SPSA(
        ThreatModel("linf", 0.99), 4, 8, learning_rate=0.01, random_start=False
    )
    seeds = ops.row_seeds(0, 6)
    points, *_ = attack.run(
        linear, tf.constant(IMAGES), tf.zeros([6], tf.int32), None, seeds
    )

    def evaluate(points, repeats):
        del repeats
        return ops.margin(tf.zeros([len(points)], tf.int32), linear(points)), 0

    weights = tf.Variable(IMAGES)
    adam = keras.optimizers.Adam(0.01)
    for step in range(4):
        gradient = attack._estimate(
            evaluate, tf.constant(weights), seeds, 0, step
        )
        adam.apply([-gradient], [weights])
    np.testing.assert_allclose(points, weights, atol=2e-5)


@pytest.mark.parametrize("threat", [LINF, L2], ids=["linf", "l2"])
@pytest.mark.parametrize("optimizer", ["adam", "sign"])
def test_batched_equals_image_by_image(threat, optimizer):
    attack = SPSA(threat, 3, 16, optimizer=optimizer, num_restarts=2)
    seeds = ops.row_seeds(5, 6)
    images, labels = tf.constant(IMAGES), tf.constant(LABELS, tf.int32)
    together, _, queries = attack.run(bumpy, images, labels, None, seeds)
    for row in range(6):
        own = slice(row, row + 1)
        alone, *_ = attack.run(
            bumpy, images[own], labels[own], None, seeds[own]
        )
        np.testing.assert_allclose(alone[0], together[row], atol=1e-4)
    np.testing.assert_array_equal(queries, [2 * (3 * 16 + 1)] * 6)
    assert not np.isclose(
        together[0] - IMAGES[0], together[1] - IMAGES[1]
    ).all()


def test_the_batch_size_of_a_pass_is_bounded_and_does_not_matter():
    sizes = []

    def measured(images):
        if tf.executing_eagerly():
            sizes.append(len(images))
        return bumpy(images)

    found = []
    for max_batch_size in (1024, 30):
        attack = SPSA(LINF, 2, 16, max_batch_size=max_batch_size)
        seed = ops.seed_pair(0)
        labels = tf.constant(LABELS, tf.int32)
        tf.config.run_functions_eagerly(True)
        try:
            images, *_ = attack.run(
                measured, tf.constant(IMAGES), labels, None, seed
            )
        finally:
            tf.config.run_functions_eagerly(False)
        found.append(images)
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)
    # 6 images with 8 pairs: once in one pass, once two pairs at a time.
    assert sizes == [96] * 2 + [24] * 8
    compiled = SPSA(LINF, 2, 16)(bumpy, IMAGES, LABELS, seed=0)
    np.testing.assert_allclose(compiled.images, found[0], atol=1e-4)


@pytest.mark.parametrize("threat", [LINF, L2], ids=["linf", "l2"])
def test_results_respect_eps_and_bounds(threat):
    images = np.clip(IMAGES * 2.0 - 0.5, 0.0, 1.0).astype("float32")
    attack = SPSA(threat, 5, 16, learning_rate=0.1)
    result = attack(bumpy, images, LABELS, seed=0)
    offsets = (result.images.numpy().astype("float64") - images).reshape(6, -1)
    order = np.inf if threat.norm == "linf" else 2
    lengths = np.linalg.norm(offsets, order, axis=1)
    assert 0.5 * threat.eps < lengths.min()
    assert lengths.max() <= threat.eps * (1.0 + 1e-5)
    assert result.images.numpy().min() >= 0.0
    assert result.images.numpy().max() <= 1.0
    predicted = bumpy(result.images).numpy().argmax(axis=-1)
    np.testing.assert_array_equal(result.success, predicted != LABELS)


def test_early_stop_leaves_an_image_as_it_is():
    labels = (LABELS + 1) % 3
    labels[0] = LABELS[0]
    attack = SPSA(LINF, 4, 16, random_start=False, early_stop=True)
    result = attack(bumpy, IMAGES, labels, seed=0)
    np.testing.assert_array_equal(result.images[1:], IMAGES[1:])
    assert not np.allclose(result.images[0], IMAGES[0])
    assert (result.queries.numpy()[1:] < result.queries.numpy()[0]).all()
    # By default all steps are taken.
    plain = SPSA(LINF, 4, 16, random_start=False)
    moved = plain(bumpy, IMAGES, labels, seed=0).images.numpy() - IMAGES
    assert (np.abs(moved).reshape(6, -1).max(axis=1) > 0.0).all()


def test_each_image_keeps_its_best_restart():
    many = SPSA(LINF, 2, 8, num_restarts=4)
    result = many(bumpy, IMAGES, LABELS, seed=0)
    one = SPSA(LINF, 2, 8)(bumpy, IMAGES, LABELS, seed=0)
    best = ops.margin(LABELS, bumpy(result.images)).numpy()
    first = ops.margin(LABELS, bumpy(one.images)).numpy()
    assert (best >= first - 1e-5).all() and (best > first + 1e-5).any()


def test_probability_labels_and_two_classes():
    attack = SPSA(LINF, 2, 8, loss="cross_entropy")

    def two(images):
        return bumpy(images)[:, :2]

    labels = two(IMAGES).numpy().argmax(axis=-1)
    sparse = attack(two, IMAGES, labels, seed=0)
    rows = np.eye(2)[labels].astype("float32")
    dense = attack(two, IMAGES, rows, seed=0)
    np.testing.assert_allclose(sparse.images, dense.images, atol=1e-6)


def test_no_gradient_is_needed():
    def steps(images):
        return tf.round(20.0 * linear(images))

    attack = SPSA(LINF, 10, 256, delta=0.05)
    result = attack(steps, IMAGES, [0] * 6, seed=0)
    optimum = LINF.eps * np.abs(WEIGHTS).sum()
    assert _gain(result.images).min() >= 0.9 * optimum


def test_eps_zero_gives_the_clean_images():
    for norm in ("linf", "l2"):
        attack = SPSA(ThreatModel(norm, 0.0), 2, 4)
        result = attack(bumpy, IMAGES, LABELS, seed=0)
        np.testing.assert_array_equal(result.images, IMAGES)


def test_a_short_last_batch_does_not_retrace():
    traces = []

    def traced(images):
        traces.append(1)
        return bumpy(images)

    attack = SPSA(LINF, 2, 4)
    attack(traced, IMAGES, LABELS, seed=0)
    attack(traced, IMAGES[:5], LABELS[:5], seed=0)
    seen = len(traces)
    attack(traced, IMAGES[:3], LABELS[:3], seed=1)
    assert len(traces) == seen


def test_a_keras_model_of_fixed_shape_is_attacked():
    model = keras.Sequential(
        [
            keras.layers.Input(SHAPE),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    labels = model(IMAGES).numpy().argmax(axis=-1)
    result = SPSA(LINF, 3, 16)(model, IMAGES, labels, seed=0)
    before = ops.margin(labels, model(IMAGES)).numpy()
    after = ops.margin(labels, model(result.images)).numpy()
    assert (after > before).all()


def test_config_round_trip():
    attack = SPSA(L2, 3, 8, "2/255", 0.02, "sign", 2, True, "kl", True, 64)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(attack)
    )
    assert copy.get_config() == attack.get_config()
    assert copy.name == "spsa-3x8x2"
    first = attack(bumpy, IMAGES, LABELS, seed=3)
    second = copy(bumpy, IMAGES, LABELS, seed=3)
    np.testing.assert_array_equal(first.images, second.images)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_steps", 0),
        ("num_samples", 3),
        ("num_samples", 0),
        ("learning_rate", 0.0),
        ("delta", -1.0),
        ("optimizer", "sgd"),
        ("num_restarts", 0),
        ("random_start", 1),
        ("loss", "hinge"),
        ("early_stop", None),
        ("max_batch_size", 1),
    ],
)
def test_arguments_are_checked(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        SPSA(LINF, **{name: value})
