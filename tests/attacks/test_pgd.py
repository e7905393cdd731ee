"""PGD against closed forms, a NumPy loop and its own graph form."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import ops
from keras_mixup.attacks import PGD

_RNG = np.random.default_rng(0)
IMAGES = _RNG.uniform(size=(5, 4, 4, 2)).astype("float32")
LABELS = np.array([0, 1, 1, 0, 1])
WEIGHTS = _RNG.normal(size=(32, 2)).astype("float32")
LINF = ThreatModel("linf", "8/255")
L2 = ThreatModel("l2", 0.5)


def linear(images):
    return tf.reshape(images, [-1, 32]) @ WEIGHTS


def _towards_wrong(labels):
    # The gradient of the other logit minus the own, image by image.
    difference = WEIGHTS[:, 1] - WEIGHTS[:, 0]
    sign = np.where(labels == 0, 1.0, -1.0)
    return (sign[:, None] * difference).reshape(IMAGES.shape)


@pytest.mark.parametrize("loss", ["cross_entropy", "margin", "dlr", "kl"])
@pytest.mark.parametrize("targeted", [False, True])
def test_on_a_linear_model_pgd_is_eps_times_the_sign(loss, targeted):
    attack = PGD(LINF, step_size="4/255", num_steps=10, loss=loss)
    targets = 1 - LABELS if targeted else None
    result = attack(linear, IMAGES, LABELS, targets=targets, seed=0)
    slope = np.sign(_towards_wrong(LABELS))
    expected = np.clip(IMAGES + LINF.eps * slope, 0.0, 1.0)
    np.testing.assert_allclose(result.images, expected, atol=1e-6)


def test_on_a_linear_model_l2_pgd_is_eps_along_the_gradient():
    images = np.full(IMAGES.shape, 0.5, "float32")
    attack = PGD(L2, step_size=0.2, num_steps=30)
    result = attack(linear, images, LABELS, seed=0)
    slope = _towards_wrong(LABELS)
    length = np.sqrt((slope**2).sum(axis=(1, 2, 3), keepdims=True))
    expected = images + L2.eps * slope / length
    np.testing.assert_allclose(result.images, expected, atol=1e-4)


def bumpy(images):
    flat = tf.reshape(images, [-1, 32])
    return tf.sin(9.0 * flat @ WEIGHTS) + flat @ WEIGHTS


@pytest.mark.parametrize("threat", [LINF, L2], ids=["linf", "l2"])
@pytest.mark.parametrize("num_restarts", [1, 4])
def test_result_respects_eps_and_bounds(threat, num_restarts):
    attack = PGD(threat, 0.1, num_steps=5, num_restarts=num_restarts)
    result = attack(bumpy, IMAGES, LABELS, seed=0)
    offset = (result.images.numpy().astype("float64") - IMAGES).reshape(5, -1)
    order = np.inf if threat.norm == "linf" else 2
    lengths = np.linalg.norm(offset, order, axis=1)
    assert lengths.max() <= threat.eps * (1.0 + 1e-6) + 1e-7
    assert lengths.min() > 0.5 * threat.eps
    assert result.images.numpy().min() >= 0.0
    assert result.images.numpy().max() <= 1.0


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_eps_zero_gives_clean_images_and_clean_accuracy(norm):
    attack = PGD(ThreatModel(norm, 0.0), 0.1, num_steps=3)
    result = attack(bumpy, IMAGES, LABELS, seed=0)
    np.testing.assert_array_equal(result.images, IMAGES)
    wrong = bumpy(IMAGES).numpy().argmax(axis=-1) != LABELS
    np.testing.assert_array_equal(result.success, wrong)


def test_each_image_keeps_its_best_restart():
    attack = PGD(LINF, "2/255", num_steps=3, num_restarts=5)
    single = PGD(LINF, "2/255", num_steps=3)
    seed = ops.seed_pair(8)
    result = attack(bumpy, IMAGES, LABELS, seed=seed)
    runs = np.stack(
        [
            single.perturb(
                bumpy,
                IMAGES,
                LABELS,
                seed,
                start=ops.random_start(LINF, IMAGES, ops.fold_in(seed, k)),
            )
            for k in range(5)
        ]
    )
    losses = np.stack([ops.cross_entropy(LABELS, bumpy(run)) for run in runs])
    best = losses.argmax(axis=0)
    assert len(set(best.tolist())) > 1
    np.testing.assert_allclose(
        result.images, runs[best, np.arange(5)], atol=1e-6
    )
    np.testing.assert_array_equal(result.gradient_passes, [15] * 5)
    np.testing.assert_array_equal(result.queries, [5] * 5)
    one = single(bumpy, IMAGES, LABELS, seed=seed)
    np.testing.assert_allclose(one.images, runs[0], atol=1e-6)
    np.testing.assert_array_equal(one.queries, [0] * 5)


def test_without_random_start_the_seed_does_not_matter():
    attack = PGD(LINF, "2/255", num_steps=2, random_start=False)
    first = attack(bumpy, IMAGES, LABELS, seed=0)
    second = attack(bumpy, IMAGES, LABELS, seed=1)
    np.testing.assert_array_equal(first.images, second.images)
    started = attack.perturb(bumpy, IMAGES, LABELS, 0, start=IMAGES)
    np.testing.assert_allclose(started, first.images, atol=1e-7)


def test_a_loss_can_be_any_callable():
    def negative_margin(labels, logits):
        return -ops.margin(labels, logits)

    attack = PGD(LINF, "4/255", num_steps=10, loss=negative_margin)
    result = attack(linear, IMAGES, LABELS, seed=0)
    slope = -np.sign(_towards_wrong(LABELS))
    expected = np.clip(IMAGES + LINF.eps * slope, 0.0, 1.0)
    np.testing.assert_allclose(result.images, expected, atol=1e-6)


def test_predicted_labels_push_wrong_images_away_from_the_prediction():
    predicted = linear(IMAGES).numpy().argmax(axis=-1)
    assert (predicted != LABELS).any()
    assert (predicted == LABELS).any()
    attack = PGD(LINF, "4/255", num_steps=10, label_source="predicted")
    result = attack(linear, IMAGES, LABELS, seed=0)
    slope = np.sign(_towards_wrong(predicted))
    expected = np.clip(IMAGES + LINF.eps * slope, 0.0, 1.0)
    np.testing.assert_allclose(result.images, expected, atol=1e-6)
    # Success still compares with the true label.
    wrong = linear(expected).numpy().argmax(axis=-1) != LABELS
    np.testing.assert_array_equal(result.success, wrong)
    np.testing.assert_array_equal(result.queries, [1] * 5)


@pytest.mark.parametrize("num_restarts", [1, 3])
def test_perturb_in_a_graph_equals_eager(num_restarts):
    attack = PGD(LINF, "2/255", num_steps=4, num_restarts=num_restarts)
    seed = ops.seed_pair(2)
    eager = attack.perturb(bumpy, IMAGES, LABELS, seed)
    function = tf.function(
        lambda x, y, seed: attack.perturb(bumpy, x, y, seed),
        input_signature=[
            tf.TensorSpec([None, 4, 4, 2], tf.float32),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([2], tf.int32),
        ],
    )
    graph = function(IMAGES, LABELS, seed)
    # A sign can flip where a slope is 0 to rounding; nowhere else.
    np.testing.assert_allclose(graph, eager, atol=1e-6)


def test_perturb_costs_one_pass_per_step():
    calls = tf.Variable(0)

    def counted(images):
        calls.assign_add(1)
        return bumpy(images)

    attack = PGD(LINF, "2/255", num_steps=6)
    attack.perturb(counted, IMAGES, LABELS, 0)
    assert int(calls) == 6


def test_gradient_does_not_flow_through_the_perturbation():
    scale = tf.Variable(1.0)
    attack = PGD(LINF, "2/255", num_steps=2)
    with tf.GradientTape() as tape:
        moved = attack.perturb(lambda x: scale * bumpy(x), IMAGES, LABELS, 0)
        total = tf.reduce_sum(moved)
    assert tape.gradient(total, scale) is None


def test_half_precision_logits_are_attacked_in_float32():
    attack = PGD(LINF, "4/255", num_steps=10)
    result = attack(
        lambda x: tf.cast(linear(x), tf.float16), IMAGES, LABELS, seed=0
    )
    slope = np.sign(_towards_wrong(LABELS))
    expected = np.clip(IMAGES + LINF.eps * slope, 0.0, 1.0)
    np.testing.assert_allclose(result.images, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"step_size": 2}, r"`step_size` must be a number in \(0, 1\]"),
        ({"step_size": 0}, r"`step_size` must be a number in \(0, 1\]"),
        ({"num_steps": 0}, "`num_steps` must be an integer >= 1"),
        ({"num_restarts": 0}, "`num_restarts` must be an integer >= 1"),
        ({"random_start": 1}, "`random_start` must be True or False"),
        (
            {"random_start": False, "num_restarts": 2},
            "`num_restarts` must be 1 without a random start",
        ),
        ({"loss": "hinge"}, "`loss` must be one of 'cross_entropy'"),
        ({"label_source": "noisy"}, "`label_source` must be one of 'true'"),
        ({"momentum": -0.5}, r"`momentum` must be a number in \[0, inf\)"),
    ],
)
def test_bad_settings_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        PGD(LINF, **arguments)


@keras.saving.register_keras_serializable("keras_mixup_tests")
def registered_loss(labels, logits):
    return 2.0 * ops.cross_entropy(labels, logits)


@pytest.mark.parametrize(
    "attack",
    [
        PGD(LINF),
        PGD(L2, "1/8", 7, 3, loss="margin"),
        PGD(LINF, random_start=False, label_source="predicted"),
        PGD(LINF, loss=registered_loss),
        PGD(LINF, loss="dlr", momentum=0.75),
    ],
    ids=lambda attack: attack.name,
)
def test_config_round_trip(attack):
    stored = keras.saving.serialize_keras_object(attack)
    restored = keras.saving.deserialize_keras_object(stored)
    assert restored.get_config() == attack.get_config()
    assert restored.loss == attack.loss
    first = attack(bumpy, IMAGES, LABELS, seed=5)
    second = restored(bumpy, IMAGES, LABELS, seed=5)
    np.testing.assert_array_equal(first.images, second.images)


def test_step_size_reads_fractions_and_names_tell_attacks_apart():
    assert PGD(LINF, step_size="2/255").step_size == 2 / 255
    assert PGD(LINF, num_steps=50).name == "pgd-50"
    assert PGD(LINF, num_restarts=5).name == "pgd-10x5"


@pytest.mark.parametrize("threat", [LINF, L2], ids=["linf", "l2"])
def test_momentum_follows_a_numpy_loop(threat):
    attack = PGD(threat, 0.01, 6, random_start=False, momentum=0.9)
    plain = PGD(threat, 0.01, 6, random_start=False)
    found = attack.perturb(bumpy, IMAGES, LABELS, 0)
    point, total = IMAGES.copy(), np.zeros_like(IMAGES)
    for _ in range(6):
        tensor = tf.constant(point)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            loss = ops.cross_entropy(LABELS, bumpy(tensor))
        slope = tape.gradient(loss, tensor).numpy()
        size = np.abs(slope).mean(axis=(1, 2, 3), keepdims=True)
        total = 0.9 * total + slope / size
        direction = np.sign(total)
        if threat.norm == "l2":
            length = np.sqrt((total**2).sum(axis=(1, 2, 3), keepdims=True))
            direction = total / length
        point = ops.project(threat, IMAGES, point + 0.01 * direction).numpy()
    np.testing.assert_allclose(found, point, atol=1e-5)
    other = plain.perturb(bumpy, IMAGES, LABELS, 0)
    assert np.abs(found - other).max() > 1e-3
