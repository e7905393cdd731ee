"""FAB against the closed-form distance to the boundaries of linear models."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import ops
from keras_mixup.attacks import FAB
from keras_mixup.attacks import TargetedFAB
from keras_mixup.attacks import _fab_loop

_RNG = np.random.default_rng(0)
SHAPE, SIZE = (3, 4, 2), 24
IMAGES = _RNG.uniform(0.3, 0.7, size=(7, *SHAPE)).astype("float32")
WEIGHTS = _RNG.normal(size=(SIZE, 5)).astype("float32")
WIDE = {"linf": ThreatModel("linf", 0.99), "l2": ThreatModel("l2", 9.0)}


def linear(images):
    # Centred, so that several classes occur.
    return (tf.reshape(images, [-1, SIZE]) - 0.5) @ WEIGHTS


LABELS = linear(IMAGES).numpy().argmax(axis=-1)


def bumpy(images):
    flat = tf.reshape(images, [-1, SIZE]) - 0.5
    return tf.sin(3.0 * flat @ WEIGHTS) + flat @ WEIGHTS


def distances(norm, images):
    offsets = (np.asarray(images, "float64") - IMAGES).reshape(len(IMAGES), -1)
    order = np.inf if norm == "linf" else 2
    return np.linalg.norm(offsets, order, axis=1)


def boundary_distances(norm):
    """Distance to each class' boundary, [B, C]; the true class is inf."""
    logits = linear(IMAGES).numpy().astype("float64")
    rows = np.arange(len(IMAGES))
    gaps = logits[rows, LABELS][:, None] - logits
    normals = WEIGHTS[None] - WEIGHTS.T[LABELS][:, :, None]
    dual = 1 if norm == "linf" else 2
    lengths = np.linalg.norm(normals.astype("float64"), dual, axis=1)
    lengths[rows, LABELS] = 1.0
    gaps[rows, LABELS] = np.inf
    return gaps / lengths


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_on_a_linear_model_fab_finds_the_nearest_boundary(norm):
    attack = FAB(WIDE[norm], num_steps=10)
    result = attack(linear, IMAGES, LABELS, seed=0)
    shortest = boundary_distances(norm).min(axis=1)
    found = distances(norm, result.images)
    assert result.success.numpy().all()
    # Not nearer than possible, and hardly farther.
    assert (found >= shortest * (1.0 - 1e-5)).all()
    np.testing.assert_allclose(found, shortest, rtol=2e-3)
    np.testing.assert_array_equal(result.gradient_passes, [40] * 7)
    np.testing.assert_array_equal(result.queries, [16] * 7)


@pytest.mark.parametrize("attack_class", [FAB, TargetedFAB])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_targets_are_reached_at_the_distance_of_their_region(
    attack_class, norm
):
    # Two classes: the region of the target is one side of one boundary.
    def two(images):
        return linear(images)[:, :2]

    logits = two(IMAGES).numpy().astype("float64")
    labels = logits.argmax(axis=-1)
    dual = 1 if norm == "linf" else 2
    length = np.linalg.norm(WEIGHTS[:, 0] - WEIGHTS[:, 1], dual)
    attack = attack_class(WIDE[norm], num_steps=10)
    result = attack(two, IMAGES, labels, targets=1 - labels, seed=0)
    np.testing.assert_allclose(
        distances(norm, result.images),
        np.abs(logits[:, 0] - logits[:, 1]) / length,
        rtol=2e-3,
    )
    assert result.success.numpy().all()


def test_a_target_counts_only_when_it_is_predicted():
    targets = (LABELS + 2) % 5
    result = FAB(WIDE["l2"], num_steps=40)(
        linear, IMAGES, LABELS, targets=targets, seed=0
    )
    predicted = linear(result.images).numpy().argmax(axis=-1)
    np.testing.assert_array_equal(result.success, predicted == targets)
    assert result.success.numpy().sum() >= 6
    # No nearer than the boundary to the target's region.
    rows = np.arange(7)
    least = boundary_distances("l2")[rows, targets]
    found = distances("l2", result.images)
    reached = result.success.numpy()
    assert (found[reached] >= least[reached] * (1.0 - 1e-5)).all()


@pytest.mark.parametrize("attack_class", [FAB, TargetedFAB])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_eps_decides_what_counts(attack_class, norm):
    shortest = np.sort(boundary_distances(norm).min(axis=1))
    # Between the third and the fourth of seven.
    eps = float((shortest[2] + shortest[3]) / 2)
    attack = attack_class(ThreatModel(norm, eps), num_steps=10)
    result = attack(linear, IMAGES, LABELS, seed=0)
    expected = boundary_distances(norm).min(axis=1) <= eps
    np.testing.assert_array_equal(result.success, expected)
    found = distances(norm, result.images)
    assert (found[expected] > 0.0).all() and found.max() <= eps * (1 + 1e-6)
    np.testing.assert_array_equal(found[~expected], np.zeros(4))


def test_steps_stay_in_the_bounds_and_use_the_box_projection():
    # Dark pixels cannot get darker: the free ones go farther instead.
    images = np.where(IMAGES < 0.5, 0.0, 0.6).astype("float32")

    def score(points):
        value = tf.reduce_sum(points, axis=[1, 2, 3])
        return tf.stack([value, tf.zeros_like(value) + 3.0], axis=-1)

    totals = images.reshape(7, -1).sum(axis=1)
    labels = (totals < 3.0).astype(int)
    assert (labels == 0).all()
    bright = (images > 0).reshape(7, -1).sum(axis=1)
    attack = FAB(WIDE["linf"], num_steps=15)
    result = attack(score, images, labels, seed=0)
    offsets = np.abs(result.images.numpy() - images).reshape(7, -1).max(axis=1)
    np.testing.assert_allclose(offsets, (totals - 3.0) / bright, rtol=2e-3)
    assert result.images.numpy().min() >= 0.0


def test_the_nearest_class_difference_is_that_of_the_jacobian():
    logits = bumpy(IMAGES)
    with tf.GradientTape() as tape:
        points = tf.constant(IMAGES)
        tape.watch(points)
        logits = bumpy(points)
    jacobian = tape.batch_jacobian(logits, points).numpy()
    for norm, dual in (("linf", 1), ("l2", 2)):
        difference, gradient = _fab_loop.nearest_boundary(
            bumpy, tf.constant(IMAGES), tf.constant(LABELS, tf.int32), norm
        )
        for row, label in enumerate(LABELS):
            slopes = jacobian[row] - jacobian[row, label]
            gaps = logits[row].numpy() - logits[row, label].numpy()
            lengths = np.linalg.norm(slopes.reshape(5, -1), dual, axis=1)
            lengths[label] = 1e-30
            ratios = np.abs(gaps) / lengths
            ratios[label] = np.inf
            nearest = ratios.argmin()
            np.testing.assert_allclose(
                difference[row], gaps[nearest], rtol=1e-4, atol=1e-6
            )
            np.testing.assert_allclose(
                gradient[row], slopes[nearest], rtol=1e-3, atol=1e-5
            )


def test_one_step_equals_its_formula():
    # Far from the bounds the steps to a boundary are the textbook ones.
    start = IMAGES + np.float32(0.01)
    problem = _fab_loop.Problem(
        "l2",
        (0.0, 1.0),
        tf.constant(IMAGES),
        lambda points: _fab_loop.one_boundary(
            linear, points, (LABELS + 1) % 5, LABELS
        ),
        None,
    )
    moved, _ = _fab_loop._step(problem, tf.constant(start), 0.1, 1.05)
    for row, label in enumerate(LABELS):
        normal = WEIGHTS[:, (label + 1) % 5] - WEIGHTS[:, label]
        image, point = (
            points[row].reshape(-1).astype("float64")
            for points in (IMAGES, start)
        )
        own, clean = (
            -((where - 0.5) @ normal) / (normal @ normal) * normal
            for where in (point, image)
        )
        lengths = np.linalg.norm(own), np.linalg.norm(clean)
        alpha = min(lengths[0] / sum(lengths), 0.1)
        expected = (1 - alpha) * (point + 1.05 * own) + alpha * (
            image + 1.05 * clean
        )
        np.testing.assert_allclose(
            moved[row].numpy().reshape(-1), expected, atol=1e-5
        )


def test_the_final_search_only_shortens():
    with_search = FAB(WIDE["l2"], num_steps=4)
    without = FAB(WIDE["l2"], num_steps=4, search_steps=0)
    near = with_search(bumpy, IMAGES, LABELS, seed=0)
    far = without(bumpy, IMAGES, LABELS, seed=0)
    shorter = distances("l2", near.images), distances("l2", far.images)
    assert (shorter[0] <= shorter[1]).all()
    assert (shorter[0] < shorter[1]).any()
    assert near.success.numpy().all() and far.success.numpy().all()
    assert int(near.queries[0]) - int(far.queries[0]) == 5


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_images_that_are_wrong_already_stay(norm):
    labels = LABELS.copy()
    labels[[1, 4]] = (labels[[1, 4]] + 1) % 5
    attack = FAB(WIDE[norm], num_steps=3)
    result = attack(linear, IMAGES, labels, seed=0)
    found = distances(norm, result.images)
    np.testing.assert_array_equal(found == 0.0, labels != LABELS)
    assert result.success.numpy()[[1, 4]].all()
    np.testing.assert_array_equal(
        result.gradient_passes.numpy()[[1, 4]], [0, 0]
    )


@pytest.mark.parametrize("attack_class", [FAB, TargetedFAB])
def test_broken_images_take_no_further_run(attack_class):
    eps = float(np.median(boundary_distances("linf").min(axis=1)))
    settings = {"num_steps": 5, "num_restarts": 3}
    if attack_class is TargetedFAB:
        settings = {"num_steps": 5, "num_targets": 3}
    attack = attack_class(ThreatModel("linf", eps), **settings)
    result = attack(linear, IMAGES, LABELS, seed=0)
    broken = result.success.numpy()
    assert 0 < broken.sum() < 7
    cost = 4 if attack_class is FAB else 1
    passes = result.gradient_passes.numpy()
    assert (passes[~broken] == 3 * 5 * cost).all()
    assert (passes[broken] < 3 * 5 * cost).any()
    # Those without a point within eps come back as they were.
    np.testing.assert_array_equal(
        result.images.numpy()[~broken], IMAGES[~broken]
    )


def test_restarts_begin_within_half_of_eps_and_differ():
    for norm in ("linf", "l2"):
        attack = FAB(ThreatModel(norm, 0.2), num_restarts=3)
        seeds, far = ops.row_seeds(0, 7), tf.fill([7], float("inf"))
        starts = [
            attack._start(tf.constant(IMAGES), seeds, run, far).numpy()
            for run in range(3)
        ]
        np.testing.assert_array_equal(starts[0], IMAGES)
        for start in starts[1:]:
            lengths = distances(norm, start)
            np.testing.assert_allclose(lengths, 0.1, rtol=1e-4)
        assert not np.isclose(starts[1], starts[2]).all()


def test_targeted_fab_tries_the_likeliest_classes_first():
    # The second likeliest class cannot be reached at any eps: no gradient.
    def hidden(images):
        logits = linear(images)
        top = tf.reduce_max(logits, axis=-1)
        blocked = tf.stop_gradient(top - 0.1)
        return tf.concat([logits, blocked[:, None]], axis=-1)

    one = TargetedFAB(WIDE["l2"], num_targets=1, num_steps=8)
    two = TargetedFAB(WIDE["l2"], num_targets=2, num_steps=8)
    first = one(hidden, IMAGES, LABELS, seed=0)
    second = two(hidden, IMAGES, LABELS, seed=0)
    assert second.success.numpy().sum() > first.success.numpy().sum()


def test_run_towards_counts_any_wrong_prediction():
    attack = TargetedFAB(WIDE["linf"], num_steps=10)
    targets = tf.constant((LABELS + 1) % 5, tf.int32)
    found, passes, _ = attack.run_towards(
        linear, tf.constant(IMAGES), LABELS, targets, ops.seed_pair(0)
    )
    predicted = linear(found).numpy().argmax(axis=-1)
    assert (predicted != LABELS).all()
    assert (predicted != targets.numpy()).any()
    np.testing.assert_array_equal(passes, [10] * 7)


@pytest.mark.parametrize("attack_class", [FAB, TargetedFAB])
@pytest.mark.parametrize("classes", [2, 3])
def test_few_classes(attack_class, classes):
    def few(images):
        return linear(images)[:, :classes]

    labels = few(IMAGES).numpy().argmax(axis=-1)
    result = attack_class(WIDE["linf"], num_steps=5)(
        few, IMAGES, labels, seed=0
    )
    assert result.success.numpy().all()


def test_probability_labels_mean_their_argmax():
    attack = FAB(WIDE["l2"], num_steps=3)
    sparse = attack(linear, IMAGES, LABELS, seed=0)
    dense = attack(linear, IMAGES, np.eye(5)[LABELS].astype("float32"), seed=0)
    np.testing.assert_array_equal(sparse.images, dense.images)


@pytest.mark.parametrize("attack_class", [FAB, TargetedFAB])
def test_without_gradient_or_at_eps_zero_nothing_moves(attack_class):
    def flat(images):
        nothing = 0.0 * tf.reduce_sum(images, axis=[1, 2, 3])
        return [[2.0, 0.0, 0.0]] + nothing[:, None]

    attack = attack_class(WIDE["linf"], num_steps=3)
    with pytest.warns(UserWarning, match="exactly zero"):
        result = attack(flat, IMAGES, [0] * 7, seed=0)
    np.testing.assert_array_equal(result.images, IMAGES)
    zero = attack_class(ThreatModel("l2", 0.0), num_steps=3)
    result = zero(linear, IMAGES, LABELS, seed=0)
    np.testing.assert_array_equal(result.images, IMAGES)
    assert not result.success.numpy().any()


@pytest.mark.parametrize("attack_class", [FAB, TargetedFAB])
def test_a_row_does_not_depend_on_its_neighbours(attack_class):
    attack = attack_class(
        ThreatModel("linf", 0.02), num_steps=3, num_restarts=2
    )
    seeds = ops.row_seeds(5, 7)
    images, labels = tf.constant(IMAGES), tf.constant(LABELS, tf.int32)
    together, *_ = attack.run(bumpy, images, labels, None, seeds)
    for row in (0, 6):
        own = slice(row, row + 1)
        alone, *_ = attack.run(
            bumpy, images[own], labels[own], None, seeds[own]
        )
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)


def test_a_model_with_a_loop_of_its_own_is_attacked():
    # Gradients of a `while` loop, taken inside the attack's loops.
    def looping(images):
        return tf.map_fn(lambda image: linear(image[None])[0], images)

    attack = FAB(WIDE["linf"], num_steps=4)
    plain = attack(linear, IMAGES, LABELS, seed=0)
    looped = FAB(WIDE["linf"], num_steps=4)(looping, IMAGES, LABELS, seed=0)
    np.testing.assert_allclose(looped.images, plain.images, atol=1e-5)


def test_a_short_last_batch_does_not_retrace():
    traces = []

    def traced(images):
        traces.append(1)
        return linear(images)

    attack = TargetedFAB(WIDE["l2"], num_steps=2)
    attack(traced, IMAGES, LABELS, seed=0)
    attack(traced, IMAGES[:5], LABELS[:5], seed=0)
    seen = len(traces)
    attack(traced, IMAGES[:3], LABELS[:3], seed=1)
    assert len(traces) == seen


def test_a_keras_model_is_attacked():
    model = keras.Sequential(
        [
            keras.layers.Input(SHAPE),
            keras.layers.Conv2D(4, 3, padding="same", activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    labels = model(IMAGES).numpy().argmax(axis=-1)
    for attack_class in (FAB, TargetedFAB):
        attack = attack_class(WIDE["l2"], num_steps=10)
        result = attack(model, IMAGES, labels, seed=0)
        wrong = model(result.images).numpy().argmax(axis=-1) != labels
        np.testing.assert_array_equal(result.success, wrong)
        assert wrong.any()


@pytest.mark.parametrize("attack_class", [FAB, TargetedFAB])
def test_config_round_trip(attack_class):
    settings = {
        "num_steps": 4,
        "num_restarts": 2,
        "alpha_max": 0.2,
        "eta": 1.1,
        "beta": 0.8,
        "search_steps": 1,
    }
    attack = attack_class(WIDE["l2"], **settings)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(attack)
    )
    assert copy.get_config() == attack.get_config()
    first = attack(bumpy, IMAGES, LABELS, seed=3)
    second = copy(bumpy, IMAGES, LABELS, seed=3)
    np.testing.assert_array_equal(first.images, second.images)


def test_names_tell_the_settings():
    assert FAB(WIDE["l2"], 7, 2).name == "fab-7x2"
    assert TargetedFAB(WIDE["l2"], 3, 50).name == "fab-t-3x50"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_steps", 0),
        ("num_restarts", 0),
        ("alpha_max", 1.5),
        ("eta", 0.5),
        ("beta", -0.1),
        ("search_steps", -1),
        ("num_targets", 0),
    ],
)
def test_arguments_are_checked(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        TargetedFAB(WIDE["linf"], **{name: value})
