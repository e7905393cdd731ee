"""Auto-PGD against a NumPy transcription, closed forms and its graph form."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import ops
from keras_mixup.attacks import APGD
from keras_mixup.attacks import TargetedAPGD
from keras_mixup.attacks import _apgd_loop
from keras_mixup.attacks.targets import likeliest_targets

_RNG = np.random.default_rng(0)
IMAGES = _RNG.uniform(size=(6, 4, 4, 2)).astype("float32")
WEIGHTS = _RNG.normal(size=(32, 5)).astype("float32")
LINF = ThreatModel("linf", "8/255")
L2 = ThreatModel("l2", 0.5)


def linear(images):
    return tf.reshape(images, [-1, 32]) @ WEIGHTS


def bumpy(images):
    flat = tf.reshape(images, [-1, 32])
    return tf.sin(2.0 * flat @ WEIGHTS) + flat @ WEIGHTS


LABELS = bumpy(IMAGES).numpy().argmax(axis=-1)


# Recorded from the authors' code at commit a392200 for n_iter 100, 50, 20.
@pytest.mark.parametrize(
    ("num_steps", "expected"),
    [
        (100, [22, 41, 57, 70, 80, 87, 93, 99]),
        (50, [11, 21, 30, 38, 45]),
        (20, [4, 7, 9, *range(10, 21)]),
        (1, [1]),
    ],
)
def test_checkpoint_schedule(num_steps, expected):
    assert list(_apgd_loop.checkpoints(num_steps)) == expected


def smooth(name, point):
    """A loss and whether the model is fooled, in float64 throughout."""
    flat = tf.reshape(point, [-1, 32])
    logits = tf.sin(2.0 * flat @ WEIGHTS.astype("float64"))
    own = tf.gather(logits, LABELS, batch_dims=1)
    if name == "ce":
        loss = tf.reduce_logsumexp(logits, axis=-1) - own
    else:
        loss = tf.reduce_mean(logits**2, axis=-1) - own
    return loss, tf.argmax(logits, axis=-1) != LABELS


def _slope(name, point):
    point = tf.constant(point)
    with tf.GradientTape() as tape:
        tape.watch(point)
        loss, fooled = smooth(name, point)
    return loss.numpy(), tape.gradient(loss, point).numpy(), fooled.numpy()


def _norm(values):
    axes = (1, 2, 3)
    return np.sqrt((values**2).sum(axis=axes, keepdims=True))


def _numpy_apgd(threat, loss, start, num_steps):
    """Algorithm 1 as the authors' code runs it, with Python loops."""
    eps, rows = threat.eps, len(start)
    center = IMAGES.astype("float64")

    def project(point):
        offset = point - center
        if threat.norm == "linf":
            offset = np.clip(offset, -eps, eps)
        else:
            length = _norm(offset)
            offset = offset / (length + 1e-12) * np.minimum(eps, length)
        return np.clip(center + offset, 0.0, 1.0)

    def direction(gradient):
        if threat.norm == "linf":
            return np.sign(gradient)
        return gradient / (_norm(gradient) + 1e-12)

    point = start.astype("float64")
    previous = point.copy()
    values, gradient, fooled = _slope(loss, point)
    best, best_gradient, best_loss = point.copy(), gradient.copy(), +values
    adversarial, broken = point.copy(), fooled.copy()
    sizes = np.full((rows, 1, 1, 1), 2.0 * eps)
    history = np.zeros((num_steps + 1, rows))  # row -1 stays zero for now
    checked, halved, halvings = best_loss.copy(), np.ones(rows), 0
    interval, since = max(int(0.22 * num_steps), 1), 0
    for step in range(num_steps):
        weight = 0.75 if step else 1.0
        momentum = point - previous
        previous = point.copy()
        ahead = project(point + sizes * direction(gradient))
        point = project(
            point + weight * (ahead - point) + (1 - weight) * momentum
        )
        values, gradient, fooled = _slope(loss, point)
        adversarial[fooled], broken = point[fooled], broken | fooled
        history[step] = values
        better = values > best_loss
        best[better], best_gradient[better] = point[better], gradient[better]
        best_loss = np.maximum(best_loss, values)
        since += 1
        if since < interval:
            continue
        rises = sum(
            history[step - back] > history[step - back - 1]
            for back in range(interval)
        )
        few = rises <= 0.75 * interval
        stuck = (halved == 0) & (checked >= best_loss)
        halve = few | stuck
        halved, checked = halve.astype(float), best_loss.copy()
        sizes[halve] /= 2.0
        halvings += halve.sum()
        point[halve], gradient[halve] = best[halve], best_gradient[halve]
        interval = max(
            interval - max(int(0.03 * num_steps), 1),
            max(int(0.06 * num_steps), 1),
        )
        since = 0
    return best, best_loss, adversarial, broken, sizes, halvings


# In L2, more steps at the tip of the ball let rounding grow to 1e-4.
@pytest.mark.parametrize(
    ("threat", "num_steps"), [(LINF, 40), (LINF, 60), (L2, 40)]
)
@pytest.mark.parametrize("name", ["ce", "squares"])
def test_iterates_follow_a_numpy_transcription(threat, name, num_steps):
    start = _apgd_loop.first_point(threat, IMAGES, ops.seed_pair(3)).numpy()
    best, best_loss, adversarial, broken, sizes, halvings = _numpy_apgd(
        threat, name, start, num_steps
    )
    state = _apgd_loop.ascend(
        lambda point, step: smooth(name, point),
        threat,
        IMAGES.astype("float64"),
        start.astype("float64"),
        num_steps,
    )
    assert halvings >= 6
    assert int(state.step) == num_steps + 1
    np.testing.assert_allclose(state.step_size, sizes, rtol=1e-6)
    np.testing.assert_allclose(state.best_loss, best_loss, atol=1e-9)
    np.testing.assert_array_equal(state.broken, broken)
    np.testing.assert_allclose(state.best, best, atol=1e-9)
    np.testing.assert_allclose(state.adversarial, adversarial, atol=1e-9)


@pytest.mark.parametrize("loss", ["ce", "dlr", "margin"])
@pytest.mark.parametrize("targeted", [False, True])
def test_on_two_classes_the_linf_optimum_is_found(loss, targeted):
    weights = WEIGHTS[:, :2]
    labels = np.array([0, 1, 1, 0, 1, 0])
    threat = ThreatModel("linf", "1/255")
    attack = APGD(threat, loss=loss, num_steps=10)
    result = attack(
        lambda x: tf.reshape(x, [-1, 32]) @ weights,
        IMAGES,
        labels,
        targets=1 - labels if targeted else None,
        seed=0,
    )
    slope = np.where(labels == 0, 1, -1)[:, None] * (
        weights[:, 1] - weights[:, 0]
    )
    expected = IMAGES + threat.eps * np.sign(slope).reshape(IMAGES.shape)
    logits = (np.clip(expected, 0.0, 1.0).reshape(-1, 32)) @ weights
    wrong = logits.argmax(axis=-1) != labels
    # Where nothing fools the model the point of the highest loss comes back.
    np.testing.assert_array_equal(result.success, wrong)
    assert 0 < wrong.sum() < 6
    np.testing.assert_allclose(
        result.images.numpy()[~wrong],
        np.clip(expected, 0.0, 1.0)[~wrong],
        atol=1e-6,
    )
    np.testing.assert_array_equal(result.gradient_passes, [11] * 6)
    np.testing.assert_array_equal(result.queries, [0] * 6)


def test_first_points_lie_at_full_eps():
    grey = tf.fill([5, 4, 4, 2], 0.5)
    offset = _apgd_loop.first_point(LINF, grey, ops.seed_pair(0)) - grey
    largest = np.abs(offset).max(axis=(1, 2, 3))
    np.testing.assert_allclose(largest, [LINF.eps] * 5, rtol=1e-5)
    assert np.abs(offset).mean() < 0.7 * LINF.eps
    offset = _apgd_loop.first_point(L2, grey, ops.seed_pair(0)) - grey
    lengths = np.linalg.norm(offset.numpy().reshape(5, -1), axis=1)
    np.testing.assert_allclose(lengths, [L2.eps] * 5, rtol=1e-5)


def attacks():
    return [
        APGD(LINF, num_steps=8),
        APGD(L2, loss="dlr", num_steps=8, num_restarts=3),
        APGD(LINF, loss=ops.margin, num_steps=8, best="loss"),
        TargetedAPGD(LINF, num_targets=3, num_steps=6),
        TargetedAPGD(L2, num_steps=5, num_restarts=2, best="loss"),
    ]


@pytest.mark.parametrize("attack", attacks(), ids=lambda a: a.name)
@pytest.mark.parametrize("targeted", [False, True])
def test_results_respect_the_threat_and_the_seed(attack, targeted):
    targets = (LABELS + 1) % 5 if targeted else None
    result = attack(bumpy, IMAGES, LABELS, targets=targets, seed=0)
    again = attack(bumpy, IMAGES, LABELS, targets=targets, seed=0)
    offset = (result.images.numpy().astype("float64") - IMAGES).reshape(6, -1)
    order = np.inf if attack.threat.norm == "linf" else 2
    eps = attack.threat.eps
    assert np.linalg.norm(offset, order, axis=1).max() <= eps * (1 + 1e-5)
    assert result.images.numpy().min() >= 0.0
    assert result.images.numpy().max() <= 1.0
    np.testing.assert_array_equal(result.images, again.images)


def test_targeted_success_reaches_the_target():
    wide = ThreatModel("linf", "64/255")
    targets = (LABELS + 2) % 5
    for attack in (APGD(wide, loss="dlr", num_steps=20), TargetedAPGD(wide)):
        result = attack(linear, IMAGES, LABELS, targets=targets, seed=0)
        predicted = linear(result.images).numpy().argmax(axis=-1)
        np.testing.assert_array_equal(result.success, predicted == targets)
        assert result.success.numpy().sum() >= 2


def test_targets_are_tried_from_the_likeliest_and_any_error_counts():
    logits = np.array([[3.0, 5.0, 1.0, 4.0], [9.0, 2.0, 7.0, 8.0]], "float32")
    labels = np.array([1, 3])
    expected = [[3, 0, 2], [0, 2, 1]]
    np.testing.assert_array_equal(
        likeliest_targets(logits, labels, 9), expected
    )
    np.testing.assert_array_equal(
        likeliest_targets(logits, labels, 2), [[3, 0], [0, 2]]
    )
    one = TargetedAPGD(LINF, num_targets=1, num_steps=7)
    all_targets = TargetedAPGD(LINF, num_targets=9, num_steps=7)
    first = one(bumpy, IMAGES, LABELS, seed=0)
    every = all_targets(bumpy, IMAGES, LABELS, seed=0)
    assert (every.success.numpy() >= first.success.numpy()).all()
    np.testing.assert_array_equal(first.gradient_passes, [8] * 6)
    np.testing.assert_array_equal(every.gradient_passes, [4 * 8] * 6)
    np.testing.assert_array_equal(every.queries, [1] * 6)
    broken = first.success.numpy()
    assert broken.any()
    # What was broken by the first target is not touched by the others.
    np.testing.assert_allclose(
        every.images.numpy()[broken], first.images.numpy()[broken], atol=1e-6
    )


def test_towards_one_class_any_wrong_prediction_counts():
    attack = TargetedAPGD(ThreatModel("linf", "64/255"), num_steps=10)
    targets = (LABELS + 3) % 5
    found, passes, queries = attack.run_towards(
        linear, IMAGES, LABELS, tf.constant(targets), ops.seed_pair(0)
    )
    predicted = linear(found).numpy().argmax(axis=-1)
    assert (predicted != LABELS).all()
    assert (int(passes), queries) == (11, 0)


def test_the_iterate_with_the_highest_loss_on_request():
    losses = []

    def recorded(images):
        logits = bumpy(images)
        values = ops.cross_entropy(LABELS, logits)
        tf.py_function(lambda v: losses.append(v.numpy()), [values], [])
        return logits

    attack = APGD(ThreatModel("linf", "32/255"), num_steps=15, best="loss")
    found = attack.perturb(recorded, IMAGES, LABELS, 1)
    assert len(losses) == 16
    np.testing.assert_allclose(
        ops.cross_entropy(LABELS, bumpy(found)),
        np.max(losses, axis=0),
        rtol=1e-5,
    )


def test_early_stop_ends_when_all_are_fooled_and_only_then():
    wide = ThreatModel("linf", "64/255")
    attack = APGD(wide, num_steps=50, early_stop=True)
    result = attack(linear, IMAGES, LABELS, seed=0)
    assert result.success.numpy().all()
    assert int(result.gradient_passes[0]) < 25
    narrow = ThreatModel("linf", "1/2550")
    attack = APGD(narrow, num_steps=50, early_stop=True)
    result = attack(linear, IMAGES, LABELS, seed=0)
    assert not result.success.numpy().all()
    assert int(result.gradient_passes[0]) == 51
    full = APGD(wide, num_steps=50)(linear, IMAGES, LABELS, seed=0)
    assert int(full.gradient_passes[0]) == 51


def test_a_seeded_model_gets_another_seed_at_every_step():
    seen = []

    def model_fn(images, seed):
        tf.py_function(lambda s: seen.append(tuple(s.numpy())), [seed], [])
        return bumpy(images)

    attack = APGD(LINF, num_steps=6)
    first = attack.perturb(model_fn, IMAGES, LABELS, 4, seeded=True)
    assert len(set(seen)) == 7
    plain = attack.perturb(bumpy, IMAGES, LABELS, 4)
    np.testing.assert_allclose(first, plain, atol=1e-6)


@pytest.mark.parametrize("num_restarts", [1, 2])
def test_perturb_in_a_graph_equals_eager_and_traces_once(num_restarts):
    attack = APGD(L2, num_steps=6, num_restarts=num_restarts)
    traces = []

    def model_fn(images):
        if not tf.executing_eagerly():
            traces.append(1)
        return bumpy(images)

    function = tf.function(
        lambda x, y, seed: attack.perturb(model_fn, x, y, seed),
        input_signature=[
            tf.TensorSpec([None, 4, 4, 2], tf.float32),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([2], tf.int32),
        ],
    )
    eager = attack.perturb(bumpy, IMAGES, LABELS, 2)
    graph = function(IMAGES, LABELS, ops.seed_pair(2))
    np.testing.assert_allclose(graph, eager, atol=1e-4)
    function(IMAGES[:2], LABELS[:2], ops.seed_pair(2))
    assert len(traces) == 1


def test_a_start_is_projected_and_used():
    far = np.ones_like(IMAGES)
    attack = APGD(LINF, num_steps=3)
    seen = []

    def model_fn(images):
        tf.py_function(lambda x: seen.append(x.numpy()), [images], [])
        return bumpy(images)

    attack.perturb(model_fn, IMAGES, LABELS, 0, start=far)
    np.testing.assert_allclose(seen[0], ops.project(LINF, IMAGES, far))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_eps_zero_gives_clean_images(norm):
    for attack in (APGD, TargetedAPGD):
        still = attack(ThreatModel(norm, 0.0), num_steps=3)
        result = still(bumpy, IMAGES, (LABELS + 1) % 5, seed=0)
        np.testing.assert_array_equal(result.images, IMAGES)
        assert result.success.numpy().all()


@pytest.mark.parametrize("num_classes", [2, 3, 12])
def test_any_number_of_classes(num_classes):
    weights = _RNG.normal(size=(32, num_classes)).astype("float32")

    def model_fn(images):
        return tf.reshape(images, [-1, 32]) @ weights

    labels = model_fn(IMAGES).numpy().argmax(axis=-1)
    wide = ThreatModel("linf", 0.5)
    for attack in (
        APGD(wide, loss="dlr", num_steps=10),
        TargetedAPGD(wide, num_steps=5),
    ):
        result = attack(model_fn, IMAGES, labels, seed=0)
        assert result.success.numpy().all()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (
            {"loss": "hinge"},
            "`loss` must be one of 'cross_entropy', 'ce', 'margin', 'dlr'",
        ),
        ({"num_steps": 0}, "`num_steps` must be an integer >= 1"),
        ({"num_restarts": 0}, "`num_restarts` must be an integer >= 1"),
        ({"best": "last"}, "`best` must be one of 'adversarial', 'loss'"),
        ({"early_stop": 1}, "`early_stop` must be True or False"),
    ],
)
def test_bad_settings_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        APGD(LINF, **arguments)
    with pytest.raises(ValueError, match="`num_targets` must be an integer"):
        TargetedAPGD(LINF, num_targets=0)


@keras.saving.register_keras_serializable("keras_mixup_tests")
def doubled_margin(labels, logits):
    return 2.0 * ops.margin(labels, logits)


@pytest.mark.parametrize(
    "attack",
    [*attacks()[:2], APGD(LINF, loss=doubled_margin), *attacks()[3:]],
    ids=lambda a: a.name,
)
def test_config_round_trip(attack):
    stored = keras.saving.serialize_keras_object(attack)
    restored = keras.saving.deserialize_keras_object(stored)
    assert restored.get_config() == attack.get_config()
    assert restored.name == attack.name


def test_names_tell_attacks_apart():
    assert APGD(LINF).name == "apgd-ce-100"
    assert APGD(LINF, "dlr", 50, 5).name == "apgd-dlr-50x5"
    assert TargetedAPGD(LINF).name == "apgd-t-9x100"
