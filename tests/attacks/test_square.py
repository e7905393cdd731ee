"""Square Attack against the published schedule and plain NumPy windows."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import ops
from keras_mixup.attacks import Square
from keras_mixup.attacks import _active
from keras_mixup.attacks import _square_moves
from keras_mixup.attacks import square

_RNG = np.random.default_rng(0)
SHAPE = (6, 7, 3)
SIZE = 6 * 7 * 3
IMAGES = _RNG.uniform(0.2, 0.8, size=(9, *SHAPE)).astype("float32")
WEIGHTS = _RNG.normal(size=(SIZE, 4)).astype("float32")
THREATS = {"linf": ThreatModel("linf", 0.1), "l2": ThreatModel("l2", 0.7)}


def linear(images):
    # Centred, so that all four classes occur.
    return (tf.reshape(images, [-1, SIZE]) - 0.5) @ WEIGHTS


LABELS = linear(IMAGES).numpy().argmax(axis=-1)


def constant(images):
    return tf.tile([[5.0, 0.0, 0.0]], [tf.shape(images)[0], 1])


@pytest.mark.parametrize(
    ("queries", "rescale", "scale"),
    [(10000, True, 1.0), (5000, False, 1.0), (5000, True, 2.0)],
)
def test_the_share_is_halved_at_the_published_queries(queries, rescale, scale):
    shares = _square_moves.changed_shares(queries, 0.8, rescale)
    # Andriushchenko et al. (2020), section 5, for 10,000 queries.
    published = np.array([10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000])
    expected = [
        0.8 / 2 ** int((scale * step > published).sum())
        for step in range(queries)
    ]
    np.testing.assert_allclose(shares, expected, rtol=1e-12)
    assert shares[0] == 0.8


def test_the_sides_on_cifar10_are_those_of_autoattack():
    shares = _square_moves.changed_shares(5000, 0.8, False)
    sides = _square_moves.window_side("linf", shares, tf.constant([32, 32]))
    first = np.flatnonzero(np.diff(sides)) + 1
    # fra31/auto-attack, square.py: the side and the first query with it.
    assert [int(sides[0]), *sides.numpy()[first]] == [
        29,
        20,
        14,
        10,
        7,
        5,
        4,
        3,
    ]
    assert first.tolist() == [11, 51, 201, 501, 1001, 2001, 4001]


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_windows_fit_the_smallest_images(size):
    shape = tf.constant([size, size + 1])
    shares = _square_moves.changed_shares(100, 1.0, True)
    linf = _square_moves.window_side("linf", shares, shape).numpy()
    l2 = _square_moves.window_side("l2", shares, shape).numpy()
    assert linf.min() >= 1 and linf.max() <= size
    assert l2.min() >= min(3, size) and l2.max() <= size


def _peak(height, width):
    # Nested squares around the middle, the k-th one adding 1 / k^2.
    values = np.zeros((height, width))
    for k in range(max(height // 2, width // 2) + 1):
        top, left = max(height // 2 - k, 0), max(width // 2 - k, 0)
        values[top : height // 2 + k + 1, left : width // 2 + k + 1] += (
            1.0 / (k + 1) ** 2
        )
    return values / np.sqrt((values**2).sum())


@pytest.mark.parametrize("side", [2, 3, 5, 6])
@pytest.mark.parametrize("turned", [False, True])
def test_a_bump_has_two_opposite_peaks(side, turned):
    images = tf.zeros([1, 8, 9, 1])
    place = _square_moves._place(images, side, tf.constant([[0.4, 0.7]]))
    bump = _square_moves._bump(place, side, [turned])[0, :, :, 0].numpy()
    half = side // 2
    window = np.concatenate([_peak(half, side), -_peak(side - half, side)])
    window /= np.sqrt((window**2).sum())
    row, column = int(0.4 * (9 - side)), int(0.7 * (10 - side))
    expected = np.zeros((8, 9))
    expected[row : row + side, column : column + side] = (
        window.T if turned else window
    )
    np.testing.assert_allclose(bump, expected, atol=1e-6)


def test_every_corner_of_the_image_can_be_reached():
    images = tf.zeros([2, 8, 9, 1])
    uniform = tf.constant([[0.0, 0.0], [0.9999999, 0.9999999]])
    inside = _square_moves._place(images, 3, uniform).inside[..., 0].numpy()
    assert inside[0, :3, :3].all() and inside[1, -3:, -3:].all()
    assert inside.sum() == 18


def test_one_linf_proposal_changes_one_window_by_two_eps():
    threat = ThreatModel("linf", 0.1)
    best = IMAGES - np.float32(0.1)
    uniform = np.full((9, 5), 0.75, "float32")
    moved = _square_moves.propose(threat, IMAGES, best, 3, uniform).numpy()
    expected = best.copy()
    expected[:, 3:6, 3:6] = IMAGES[:, 3:6, 3:6] + np.float32(0.1)
    np.testing.assert_allclose(moved, expected, atol=1e-6)


def test_one_l2_proposal_moves_the_mass_of_one_window_to_another():
    threat, side = ThreatModel("l2", 0.9), 3
    offset = _RNG.normal(size=(1, *SHAPE))
    # Half of the budget is unused; no pixel reaches the bounds.
    offset *= 0.45 / np.sqrt((offset**2).sum())
    images = np.full((1, *SHAPE), 0.5, "float32")
    uniform = np.array([[0.1, 0.2, 0.6, 0.9, 0.8, 0.1, 0.9, 0.1]], "float32")
    moved = _square_moves.propose(
        threat, images, (images + offset).astype("float32"), side, uniform
    )
    first = slice(0, 3), slice(1, 4)
    second = slice(2, 5), slice(4, 7)
    either = np.zeros(SHAPE[:2] + (1,))
    either[first] = either[second] = 1.0
    old = offset[0]
    window = np.concatenate([_peak(1, 3), -_peak(2, 3)])
    window /= np.sqrt((window**2).sum())
    kept = old[first] / np.sqrt((old[first] ** 2).sum(axis=(0, 1)))
    fresh = window[..., None] * np.array([-1.0, 1.0, -1.0]) + kept
    fresh /= np.sqrt((fresh**2).sum(axis=(0, 1)))
    budget = (0.9**2 - 0.45**2) / 3
    fresh *= np.sqrt(budget + ((old * either) ** 2).sum(axis=(0, 1)))
    expected = old.copy()
    expected[second] = 0.0
    expected[first] = fresh
    expected *= 0.9 / np.sqrt((expected**2).sum())
    np.testing.assert_allclose(moved[0] - 0.5, expected, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (8, 8), (32, 32)])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_start_uses_the_whole_ball(norm, size):
    images = tf.fill([2, *size, 2], 0.5)
    threat = ThreatModel(norm, 0.2)
    seeds = ops.row_seeds(3, 2)
    offset = _square_moves.start(threat, images, seeds, 0).numpy() - 0.5
    order = np.inf if norm == "linf" else 2
    lengths = np.linalg.norm(offset.reshape(2, -1), order, axis=1)
    np.testing.assert_allclose(lengths, 0.2, rtol=1e-5)
    if norm == "linf":
        np.testing.assert_array_equal(offset, offset[:, :1] + 0 * offset)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("targeted", [False, True])
def test_results_respect_eps_and_are_judged_by_the_model(norm, targeted):
    attack = Square(THREATS[norm], num_queries=60, early_stop=True)
    targets = (LABELS + 1) % 4 if targeted else None
    result = attack(linear, IMAGES, LABELS, targets=targets, seed=0)
    offset = (result.images.numpy().astype("float64") - IMAGES).reshape(9, -1)
    order = np.inf if norm == "linf" else 2
    lengths = np.linalg.norm(offset, order, axis=1)
    assert lengths.max() <= attack.threat.eps * (1.0 + 1e-5)
    predicted = linear(result.images).numpy().argmax(axis=-1)
    wrong = predicted == targets if targeted else predicted != LABELS
    np.testing.assert_array_equal(result.success, wrong)
    assert result.success.numpy().sum() >= 3
    queries = result.queries.numpy()
    assert (queries[~result.success.numpy()] == 60).all()
    assert queries.min() < 60
    np.testing.assert_array_equal(result.gradient_passes, [0] * 9)


def test_on_a_linear_model_the_search_nears_the_optimum():
    # Two classes that no eps can turn: the margin must fall to its minimum.
    weights = _RNG.normal(size=(25, 1)).astype("float32")

    def far(images):
        score = tf.reshape(images, [-1, 25]) @ weights
        return tf.concat([score + 100.0, tf.zeros_like(score)], axis=-1)

    images = np.full((2, 5, 5, 1), 0.5, "float32")
    attack = Square(ThreatModel("linf", 0.1), num_queries=1500)
    result = attack(far, images, [0, 0], seed=0)
    gain = 0.5 * weights.sum() - (
        result.images.numpy().reshape(2, 25) @ weights
    )
    assert not result.success.numpy().any()
    assert gain.min() >= 0.98 * 0.1 * np.abs(weights).sum()


@pytest.mark.parametrize("early_stop", [False, True])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_row_does_not_depend_on_its_neighbours(norm, early_stop):
    attack = Square(
        THREATS[norm], num_queries=30, num_restarts=2, early_stop=early_stop
    )
    seeds = ops.row_seeds(5, 9)
    images, labels = tf.constant(IMAGES), tf.constant(LABELS, tf.int32)
    specs = [
        tf.TensorSpec([None, *value.shape[1:]], value.dtype)
        for value in (images, labels, seeds)
    ]

    @tf.function(input_signature=specs)
    def run(images, labels, seeds):
        return attack.run(linear, images, labels, None, seeds)

    together, _, spent = run(images, labels, seeds)
    for row in (0, 4, 8):
        own = slice(row, row + 1)
        alone, _, queries = run(images[own], labels[own], seeds[own])
        np.testing.assert_allclose(alone[0], together[row], atol=1e-6)
        assert int(queries[0]) == int(spent[row])


def test_a_broken_image_stays_and_its_queries_stop():
    calls = []

    def counted(images):
        if tf.executing_eagerly():
            calls.append(len(images))
        return linear(images)

    attack = Square(THREATS["linf"], num_queries=40, early_stop=True)
    seed = ops.seed_pair(0)
    tf.config.run_functions_eagerly(True)
    try:
        images, _, queries = attack.run(counted, IMAGES, LABELS, None, seed)
    finally:
        tf.config.run_functions_eagerly(False)
    compiled = attack(linear, IMAGES, LABELS, seed=0)
    np.testing.assert_allclose(images, compiled.images, atol=1e-6)
    np.testing.assert_array_equal(queries, compiled.queries)
    # What is left is filled up to one of few sizes, never more than all.
    left = [(queries.numpy() > step).sum() for step in range(len(calls))]
    expected = [9] + [min(9, int(_active.filled_size(n))) for n in left[1:]]
    assert calls == expected
    assert calls[-1] < 9


def test_looking_before_asking_changes_nothing_but_the_cost(monkeypatch):
    images, asked = IMAGES[..., :1], []
    weights = _RNG.normal(size=(42, 10)).astype("float32")

    def counted(points):
        asked[-1] += len(points)
        return tf.reshape(points, [-1, 42]) @ weights

    asked.append(0)
    labels = tf.argmax(counted(images), axis=-1)
    # Windows of one pixel.
    attack = Square(ThreatModel("linf", 0.02), 40, 0.03, early_stop=True)
    seed = ops.seed_pair(0)
    found = []
    tf.config.run_functions_eagerly(True)
    try:
        for channels in (0, 1):
            monkeypatch.setattr(square, "_FEW_CHANNELS", channels)
            asked.append(0)
            found.append(attack.run(counted, images, labels, None, seed))
    finally:
        tf.config.run_functions_eagerly(False)
    np.testing.assert_allclose(found[1][0], found[0][0], atol=1e-6)
    np.testing.assert_array_equal(found[1][2], found[0][2])
    assert (found[0][2].numpy() == 40).any()
    assert asked[2] < 0.8 * asked[1]


def test_restarts_spend_queries_only_on_what_holds():
    settings = {"num_queries": 7, "early_stop": True}
    attack = Square(THREATS["linf"], num_restarts=3, **settings)
    one = Square(THREATS["linf"], **settings)
    many = attack(linear, IMAGES, LABELS, seed=0)
    single = one(linear, IMAGES, LABELS, seed=0)
    broken = single.success.numpy()
    assert 0 < broken.sum() < 9
    np.testing.assert_array_equal(
        many.queries.numpy()[broken], single.queries.numpy()[broken]
    )
    assert (many.queries.numpy()[~broken] > 7).all()
    held = ~many.success.numpy()
    assert (many.queries.numpy()[held] == 21).all()
    before = ops.margin(LABELS, linear(single.images)).numpy()
    after = ops.margin(LABELS, linear(many.images)).numpy()
    assert (after[held] >= before[held] - 1e-6).all()


@pytest.mark.parametrize("num_restarts", [1, 2])
@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_without_early_stop_a_broken_image_goes_on(
    norm, targeted, num_restarts
):
    targets = (LABELS + 1) % 4 if targeted else None
    results, losses = [], []
    for early_stop in (True, False):
        attack = Square(
            THREATS[norm], 60, 0.8, num_restarts, early_stop=early_stop
        )
        assert attack.transferable != early_stop
        result = attack(linear, IMAGES, LABELS, targets=targets, seed=0)
        logits = linear(result.images).numpy()
        goals = targets if targeted else LABELS
        loss = ops.cross_entropy(goals, logits) * (1 if targeted else -1)
        if not targeted:
            loss = -ops.margin(LABELS, logits)
        results.append(result)
        losses.append(loss.numpy())
    first, whole = (result.success.numpy() for result in results)
    # The same windows up to the first success: what breaks is the same.
    np.testing.assert_array_equal(first, whole)
    np.testing.assert_array_equal(results[1].queries, [60 * num_restarts] * 9)
    assert (losses[1] <= losses[0] + 1e-6)[first].all()
    assert (losses[1] < losses[0] - 0.01)[first].sum() >= 2


def test_a_success_is_not_given_up_for_a_lower_loss():
    # With rising brightness the goal is likelier, but the likeliest class
    # only in the middle band.
    bands = np.log(
        [[0.80, 0.10, 0.10], [0.30, 0.40, 0.30], [0.05, 0.45, 0.50]]
    ).astype("float32")
    tops = []

    def banded(images):
        score = tf.reduce_mean(images, axis=[1, 2, 3])
        band = tf.cast(score > 0.53, tf.int32) + tf.cast(score > 0.57, tf.int32)
        if tf.executing_eagerly():
            tops.append(int(band.numpy().max()))
        return tf.gather(bands, band)

    images = np.full((3, 4, 4, 1), 0.5, "float32")
    attack = Square(ThreatModel("linf", 0.1), num_queries=300)
    tf.config.run_functions_eagerly(True)
    try:
        result = attack(banded, images, [0] * 3, targets=[1] * 3, seed=0)
    finally:
        tf.config.run_functions_eagerly(False)
    assert max(tops) == 2
    assert result.success.numpy().all()


def test_a_model_that_never_errs_costs_all_queries():
    attack = Square(THREATS["l2"], num_queries=20)
    result = attack(constant, IMAGES, [0] * 9, seed=0)
    np.testing.assert_array_equal(result.queries, [20] * 9)
    assert not result.success.numpy().any()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_eps_zero_and_one_query(norm):
    attack = Square(ThreatModel(norm, 0.0), num_queries=5)
    result = attack(linear, IMAGES, LABELS, seed=0)
    np.testing.assert_array_equal(result.images, IMAGES)
    assert not result.success.numpy().any()
    one = Square(THREATS[norm], num_queries=1)
    result = one(linear, IMAGES, LABELS, seed=0)
    np.testing.assert_array_equal(result.queries, [1] * 9)


def test_two_classes_and_probability_labels():
    attack = Square(THREATS["linf"], num_queries=30)

    def two(images):
        return linear(images)[:, :2]

    labels = two(IMAGES).numpy().argmax(axis=-1)
    sparse = attack(two, IMAGES, labels, seed=0)
    dense = attack(two, IMAGES, np.eye(2)[labels].astype("float32"), seed=0)
    np.testing.assert_array_equal(sparse.images, dense.images)
    assert sparse.success.numpy().any()


def test_a_short_last_batch_does_not_retrace():
    traces = []

    def traced(images):
        traces.append(1)
        return linear(images)

    attack = Square(THREATS["l2"], num_queries=4)
    attack(traced, IMAGES, LABELS, seed=0)
    attack(traced, IMAGES[:5], LABELS[:5], seed=0)
    seen = len(traces)
    attack(traced, IMAGES[:3], LABELS[:3], seed=1)
    assert len(traces) == seen


def test_a_keras_model_of_fixed_shape_is_attacked():
    model = keras.Sequential(
        [
            keras.layers.Input((6, 7, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    model.set_weights([WEIGHTS[:42, :3], -0.5 * WEIGHTS[:42, :3].sum(axis=0)])
    images = IMAGES[..., :1]
    labels = model(images).numpy().argmax(axis=-1)
    for threat in THREATS.values():
        result = Square(threat, 20)(model, images, labels, seed=0)
        assert result.success.numpy().any()


def test_config_round_trip():
    attack = Square(THREATS["l2"], 70, 0.5, 2, False, True)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(attack)
    )
    assert copy.get_config() == attack.get_config()
    assert copy.name == "square-70x2"
    first = attack(linear, IMAGES, LABELS, seed=3)
    second = copy(linear, IMAGES, LABELS, seed=3)
    np.testing.assert_array_equal(first.images, second.images)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_queries", 0),
        ("p_init", 0.0),
        ("p_init", 1.5),
        ("num_restarts", 0),
        ("rescale_schedule", 1),
        ("early_stop", 1),
    ],
)
def test_arguments_are_checked(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        Square(THREATS["linf"], **{name: value})
