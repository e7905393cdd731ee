"""Algorithms 4 to 6, against NumPy written from the listings."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import toys

from keras_mixup import ThreatModel
from keras_mixup import ops
from keras_mixup import training
from keras_mixup.attacks import PGD

RATE = 0.5
EPS, STEP, STEPS, KAPPA = 0.1, 0.05, 3, 0.65


def make(classifier=None, **options):
    options.setdefault("attack", toys.attack(STEPS, EPS))
    classifier = classifier or toys.network()
    model = training.AdversarialMixup(classifier, seed=5, **options)
    model.compile(keras.optimizers.SGD(RATE))
    return model


def step(model, images, labels):
    logs = model.train_on_batch(images, labels, return_dict=True)
    return logs, toys.weights(model.classifier)


def step_draws(model, count):
    return model.draw(count, model.step_seed())


def prepared(model, images, labels):
    """What the step trains on, eagerly, and the draws behind it."""
    draws = step_draws(model, len(images))
    hot = np.eye(toys.CLASSES, dtype="float32")[labels]
    return model.prepare_batch(tf.constant(images), tf.constant(hot), draws)


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def per_row(weight, values):
    return weight.reshape(-1, *[1] * (values.ndim - 1))


def interpolate(weight, left, right):
    weight = per_row(weight, left)
    return weight * left + (1.0 - weight) * right


class Listing:
    """Algorithms 4, 5 (on the clean segment) and 6 for a linear model.

    Every gradient is written out; float64.
    """

    def __init__(self, model, images, labels, draws):
        self.kernel, self.bias = (
            w.astype("float64") for w in toys.weights(model.classifier)
        )
        self.order = np.asarray(draws["permutation"])
        self.x = images.astype("float64")
        self.y = np.eye(toys.CLASSES)[labels]
        self.weight = np.asarray(draws["mix_weight"], "float64")
        self.learned = model.mix_weight == "learned"
        self.geometric = model.label_mixing == "geometric"
        self.shared = model.delta == "shared"
        self.kl = model.loss == "kl"
        self.step = 2.0 / STEPS
        self._start(images, draws["attack_seed"])

    def _start(self, images, seed):
        threat = ThreatModel("linf", EPS)
        starts = [
            ops.random_start(threat, centre, ops.fold_in(seed, side)).numpy()
            for side, centre in enumerate((images, images[self.order]))
        ]
        self.delta_i = starts[0] - self.x
        self.delta_j = starts[1] - self.x[self.order]
        if self.shared:
            self.delta_j = self.delta_i[self.order]
        if self.learned:
            share = (1.0 - KAPPA) / (self.weight - KAPPA)
            self.gamma = -np.log(share - 1.0)

    def forward(self):
        if self.learned:
            self.weight = KAPPA + (1.0 - KAPPA) * sigmoid(self.gamma)
        self.left = self.x + self.delta_i
        self.right = self.x[self.order] + self.delta_j
        self.mixed = interpolate(self.weight, self.left, self.right)
        self.label_weight = self.weight
        self.along = (self.x[self.order] - self.x).reshape(len(self.x), -1)
        self.length = (self.along**2).sum(axis=1)
        if self.geometric:
            p = (self.x - self.mixed).reshape(len(self.x), -1)
            safe = np.where(self.length > 0.0, self.length, 1.0)
            place = 1.0 + (p * self.along).sum(axis=1) / safe
            place = np.where(self.length > 0.0, place, self.weight)
            self.inside = (place > 0.0) & (place < 1.0)
            self.label_weight = np.clip(place, 0.0, 1.0)
        self.target = interpolate(self.label_weight, self.y, self.y[self.order])
        flat = self.mixed.reshape(len(self.x), -1)
        self.predicted = softmax(flat @ self.kernel + self.bias)

    def losses(self):
        loss = -(self.target * np.log(self.predicted)).sum(axis=1)
        if self.kl:
            safe = np.where(self.target > 0.0, self.target, 1.0)
            loss += (self.target * np.log(safe)).sum(axis=1)
        return loss

    def slopes(self):
        """d loss / d (mixed, lambda) with the label moving along."""
        to_label = -np.log(self.predicted)
        if self.kl:
            safe = np.where(self.target > 0.0, self.target, 1.0)
            to_label += np.where(self.target > 0.0, np.log(safe) + 1.0, 0.0)
        to_share = (to_label * (self.y - self.y[self.order])).sum(axis=1)
        to_mixed = (self.predicted - self.target) @ self.kernel.T
        to_weight = np.zeros(len(self.x))
        if self.geometric:
            same = self.length == 0.0
            safe = np.where(same, 1.0, self.length)
            share = np.where(same | ~self.inside, 0.0, to_share / safe)
            to_mixed = to_mixed - share[:, None] * self.along
            to_weight += np.where(same, to_share, 0.0)
        else:
            to_weight += to_share
        gap = (self.left - self.right).reshape(len(self.x), -1)
        to_weight += (to_mixed * gap).sum(axis=1)
        return to_mixed.reshape(self.x.shape), to_weight

    def attack(self):
        for _ in range(STEPS):
            self.forward()
            to_mixed, to_weight = self.slopes()
            to_i = per_row(self.weight, to_mixed) * to_mixed
            to_j = per_row(1.0 - self.weight, to_mixed) * to_mixed
            if self.shared:
                np.add.at(to_i, self.order, to_j)
            self.delta_i = self.moved(self.delta_i, to_i, self.x)
            other = self.x[self.order]
            self.delta_j = self.moved(self.delta_j, to_j, other)
            if self.shared:
                self.delta_j = self.delta_i[self.order]
            if self.learned:
                s = sigmoid(self.gamma)
                to_gamma = to_weight * (1.0 - KAPPA) * s * (1.0 - s)
                self.gamma = self.gamma + np.sign(to_gamma) * self.step
        self.forward()
        return self

    def moved(self, delta, slope, centre):
        delta = np.clip(delta + np.sign(slope) * STEP, -EPS, EPS)
        return np.clip(centre + delta, 0.0, 1.0) - centre

    def trained(self):
        """The weights after one SGD step on f(x'_m), y_m."""
        flat = self.mixed.reshape(len(self.x), -1)
        error = (self.predicted - self.target) / len(flat)
        kernel = self.kernel - RATE * flat.T @ error
        return kernel, self.bias - RATE * error.sum(axis=0)


OPTIONS = list(
    itertools.product(
        ("learned", "frozen"),
        ("independent", "shared"),
        ("linear", "geometric"),
        ("kl", "cross_entropy"),
    )
)


@pytest.mark.parametrize(("mix_weight", "delta", "labels_", "loss"), OPTIONS)
def test_every_combination_is_its_listing(mix_weight, delta, labels_, loss):
    images, labels = toys.data()
    model = make(
        toys.linear(),
        mix_weight=mix_weight,
        delta=delta,
        label_mixing=labels_,
        loss=loss,
    )
    draws = step_draws(model, len(images))
    expected = Listing(model, images, labels, draws).attack()
    found = prepared(model, images, labels)
    near = {"atol": 1e-5}
    np.testing.assert_allclose(found["left"], expected.left, **near)
    np.testing.assert_allclose(found["right"], expected.right, **near)
    np.testing.assert_allclose(found["mix_weight"], expected.weight, **near)
    np.testing.assert_allclose(found["images"], expected.mixed, **near)
    np.testing.assert_allclose(found["targets"], expected.target, **near)
    losses, _ = model.batch_loss(found)
    np.testing.assert_allclose(losses, expected.losses(), atol=1e-4)


@pytest.mark.parametrize(
    ("options"),
    [
        {},
        {"delta": "shared", "mix_weight": "frozen", "loss": "cross_entropy"},
        {"label_mixing": "geometric"},
    ],
)
def test_the_train_step_descends_the_listings_loss(options):
    images, labels = toys.data()
    model = make(toys.linear(), **options)
    draws = step_draws(model, len(images))
    expected = Listing(model, images, labels, draws).attack()
    logs, found = step(model, images, labels)
    np.testing.assert_allclose(logs["loss"], expected.losses().mean(), 1e-4)
    for a, b in zip(found, expected.trained(), strict=True):
        np.testing.assert_allclose(a, b, atol=5e-6)
    if model.learned:
        start = np.asarray(draws["mix_weight"])
        shift = np.abs(expected.weight - start).mean()
        np.testing.assert_allclose(logs["mix_weight_shift"], shift, 1e-3)
        assert shift > 0.01
    else:
        assert "mix_weight_shift" not in logs


def test_geometric_labels_move_and_change_the_attack():
    images, labels = toys.data()
    linear = prepared(make(toys.linear()), images, labels)
    model = make(toys.linear(), label_mixing="geometric")
    geometric = prepared(model, images, labels)
    gap = np.abs(linear["targets"] - geometric["targets"]).max()
    assert gap > 0.01
    # The label is that of the point reached, not that of an earlier one.
    order = np.asarray(step_draws(model, len(images))["permutation"])
    share = ops.geometric_label_weight(
        geometric["mix_weight"], images, images[order], geometric["images"]
    )
    hot = np.eye(toys.CLASSES)[labels]
    expected = interpolate(np.asarray(share), hot, hot[order])
    np.testing.assert_allclose(geometric["targets"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "equal"),
    [
        ({"mix_weight": "frozen"}, True),
        ({"mix_weight": "learned", "kappa": 0.5}, False),
        ({"mix_weight": "frozen", "label_mixing": "geometric"}, False),
    ],
)
def test_the_two_losses_agree_while_the_label_is_fixed(options, equal):
    # Labels that dominate: many steps along the label's own gradient.
    images, labels = toys.data(64)
    attack = PGD(ThreatModel("linf", 0.3), 0.01, 12)
    both = [
        prepared(
            make(toys.linear(), attack=attack, loss=loss, **options),
            images,
            labels,
        )
        for loss in ("kl", "cross_entropy")
    ]
    gap = np.abs(both[0]["images"] - both[1]["images"]).max()
    assert gap < 1e-6 if equal else gap > 1e-3


@pytest.mark.parametrize("delta", ["independent", "shared"])
def test_both_sides_stay_in_their_ball_and_in_the_bounds(delta):
    images, labels = toys.data()
    model = make(delta=delta)
    found = prepared(model, images, labels)
    order = np.asarray(step_draws(model, len(images))["permutation"])
    for side, centre in (("left", images), ("right", images[order])):
        values = found[side].numpy()
        offset = np.abs(values - centre).max()
        assert 0.9 * EPS < offset <= EPS + 1e-6
        assert values.min() >= 0.0 and values.max() <= 1.0
    same = np.array_equal(found["left"].numpy()[order], found["right"])
    assert same == (delta == "shared")


def test_a_learned_weight_moves_and_stays_above_kappa():
    images, labels = toys.data()
    start = step_draws(make(), len(images))["mix_weight"].numpy()
    assert start.min() >= KAPPA
    for size in (None, 100.0):  # a step that saturates the sigmoid
        found = prepared(make(mix_weight_step=size), images, labels)
        weight = found["mix_weight"].numpy()
        assert KAPPA < weight.min() and weight.max() < 1.0
        moved = np.abs(weight - start)
        np.testing.assert_allclose(found["mix_weight_shift"], moved, 1e-6)
        assert moved.mean() > (0.02 if size is None else 0.1)
    still = prepared(make(mix_weight_step=0.0), images, labels)
    np.testing.assert_allclose(still["mix_weight"], start, atol=2e-6)


def test_the_default_step_reaches_far_enough():
    for steps in (1, 3, 10, 49):
        model = make(attack=toys.attack(steps))
        assert model._logit_step() * steps >= 1.0
    assert make(mix_weight_step=0.3)._logit_step() == 0.3


@pytest.mark.parametrize("loss", ["kl", "cross_entropy"])
def test_eps_zero_and_a_frozen_weight_are_mixup(loss):
    images, labels = toys.data()
    attack = toys.attack(STEPS, 0.0, STEP)
    model = make(mix_weight="frozen", attack=attack, loss=loss)
    draws = step_draws(model, len(images))
    plain = training.Mixup(toys.network())
    plain.compile(keras.optimizers.SGD(RATE))
    plain.draw = lambda *_: draws
    logs, first = step(model, images, labels)
    plain_logs, second = step(plain, images, labels)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    hot = np.eye(toys.CLASSES)[labels]
    order = np.asarray(draws["permutation"])
    y = interpolate(np.asarray(draws["mix_weight"]), hot, hot[order])
    entropy = -(y * np.log(np.where(y > 0.0, y, 1.0))).sum(axis=1).mean()
    gap = plain_logs["loss"] - logs["loss"]
    expected = entropy if loss == "kl" else 0.0
    np.testing.assert_allclose(gap, expected, atol=1e-5)


@pytest.mark.parametrize("delta", ["independent", "shared"])
def test_weight_one_is_adversarial_training(delta):
    images, labels = toys.data()
    model = make(mix_weight=1.0, delta=delta)
    plain = training.AdversarialTraining(
        toys.network(), toys.attack(STEPS, EPS), seed=5
    )
    plain.compile(keras.optimizers.SGD(RATE))
    logs, first = step(model, images, labels)
    plain_logs, second = step(plain, images, labels)
    np.testing.assert_allclose(logs["loss"], plain_logs["loss"], rtol=1e-6)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


def test_the_clean_loss_is_mixup_at_the_weight_drawn():
    images, labels = toys.data()
    model = make(clean_weight=0.5)
    batch = prepared(model, images, labels)
    losses, _ = model.batch_loss(batch)
    draws = step_draws(model, len(images))
    order = np.asarray(draws["permutation"])
    weight = np.asarray(draws["mix_weight"])
    hot = np.eye(toys.CLASSES)[labels]

    def kl(inputs, targets):
        logits = model.classifier(inputs.astype("float32"))
        return ops.kl_divergence(targets, logits).numpy()

    clean = kl(
        interpolate(weight, images, images[order]),
        interpolate(weight, hot, hot[order]),
    )
    worst = kl(batch["images"].numpy(), batch["targets"].numpy())
    assert (worst > clean).mean() > 0.9
    np.testing.assert_allclose(losses, (worst + 0.5 * clean) / 1.5, rtol=1e-4)


def staged():
    """A network with a stage in its middle."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input(toys.SHAPE),
            keras.layers.Conv2D(4, 3, activation="gelu", name="stage_1"),
            keras.layers.Flatten(),
            keras.layers.Dense(toys.CLASSES),
        ]
    )


@pytest.mark.parametrize("label_mixing", ["linear", "geometric"])
@pytest.mark.parametrize("delta", ["independent", "shared"])
def test_a_hidden_stage_mixes_features(delta, label_mixing):
    images, labels = toys.data()
    hot = np.eye(toys.CLASSES, dtype="float32")[labels]
    model = make(
        staged(),
        stage="stage_1",
        delta=delta,
        label_mixing=label_mixing,
        mix_weight="frozen",
    )
    first, *rest = model.classifier.layers
    draws = step_draws(model, len(images))
    order, weight = draws["permutation"], draws["mix_weight"]
    seed = draws["attack_seed"]
    threat = model.attack.threat
    centres = [images, images[order.numpy()]]
    points = [
        tf.Variable(ops.random_start(threat, c, ops.fold_in(seed, n)))
        for n, c in enumerate(centres)
    ]
    if delta == "shared":
        centres, points = centres[:1], points[:1]

    def reached():
        left = first(points[0])
        right = tf.gather(left, order)
        if delta == "independent":
            right = first(points[1])
        mixed = ops.mix(weight, left, right)
        share = weight
        if label_mixing == "geometric":
            clean = first(images)
            share = ops.geometric_label_weight(
                weight, clean, tf.gather(clean, order), mixed
            )
        target = ops.mix(share, hot, tf.gather(hot, order))
        for layer in rest:
            mixed = layer(mixed)
        return ops.kl_divergence(target, mixed), target

    for _ in range(STEPS):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(reached()[0])
        slopes = tape.gradient(loss, points)
        for point, slope, centre in zip(points, slopes, centres):
            moved = point + STEP * tf.sign(slope)
            moved = tf.clip_by_value(moved, centre - EPS, centre + EPS)
            point.assign(tf.clip_by_value(moved, 0.0, 1.0))
    expected, target = reached()
    found = prepared(model, images, labels)
    np.testing.assert_allclose(found["left"], points[0], atol=1e-5)
    if delta == "independent":
        np.testing.assert_allclose(found["right"], points[1], atol=1e-5)
    np.testing.assert_allclose(found["targets"], target, atol=1e-5)
    losses, _ = model.batch_loss(found)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    logs, _ = step(model, images, labels)
    np.testing.assert_allclose(logs["loss"], np.mean(expected), rtol=1e-4)


def test_batch_averages_move_once_at_a_hidden_stage():
    images, labels = toys.data()
    classifier = toys.noisy_network()
    norm = classifier.layers[1]
    model = make(classifier, stage=norm.name)
    batch = prepared(model, images, labels)
    before = norm.moving_mean.numpy().copy()
    both = tf.concat([batch["left"], batch["right"]], axis=0)
    mean = tf.reduce_mean(classifier.layers[0](both), axis=(0, 1, 2))
    step(model, images, labels)
    # 0.99 is Keras' momentum; BatchNormalization has seen both sides once.
    expected = 0.99 * before + 0.01 * mean.numpy()
    np.testing.assert_allclose(norm.moving_mean, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        ({}, STEPS + 1),
        ({"mix_weight": "frozen", "delta": "shared"}, STEPS + 1),
        ({"label_mixing": "geometric"}, STEPS + 1),
        ({"clean_weight": 1.0}, STEPS + 2),
    ],
)
def test_classifier_passes_of_a_step(options, passes):
    classifier, calls = toys.counting_network()
    model = make(classifier, **options)
    images, labels = toys.data()
    step(model, images, labels)  # traces and checks the first batch
    calls.assign(0)
    toys.one_train_step(model, images, labels)
    assert int(calls) == passes


@pytest.mark.parametrize("label_mixing", ["linear", "geometric"])
def test_a_batch_of_one_is_defined(label_mixing):
    images, labels = toys.data(1)
    model = make(label_mixing=label_mixing)
    logs, weights = step(model, images, labels)
    assert all(np.isfinite(value) for value in logs.values())
    assert all(np.isfinite(w).all() for w in weights)
    hot = np.eye(toys.CLASSES)[labels]
    found = prepared(make(label_mixing=label_mixing), images, labels)
    np.testing.assert_allclose(found["targets"], hot, atol=1e-6)


def test_the_l2_ball_holds_either_side():
    images, labels = toys.data()
    model = make(attack=PGD(ThreatModel("l2", 0.5), 0.3, 3))
    found = prepared(model, images, labels)
    order = np.asarray(step_draws(model, len(images))["permutation"])
    for side, centre in (("left", images), ("right", images[order])):
        offset = (found[side].numpy() - centre).reshape(len(images), -1)
        length = np.linalg.norm(offset, axis=1)
        assert length.max() <= 0.5 + 1e-5 and np.median(length) > 0.45


def test_without_a_random_start_the_attack_starts_clean():
    images, labels = toys.data()
    attack = PGD(ThreatModel("linf", EPS), 1e-4, 1, random_start=False)
    found = prepared(make(attack=attack), images, labels)
    offset = np.abs(found["left"].numpy() - images).max()
    assert 0.9e-4 < offset < 1.1e-4


def test_eager_mode_equals_the_graph():
    images, labels = toys.data()
    graph, eager = (
        make(label_mixing="geometric"),
        make(label_mixing="geometric"),
    )
    eager.compile(keras.optimizers.SGD(RATE), run_eagerly=True)
    _, first = step(graph, images, labels)
    _, second = step(eager, images, labels)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("stage", [None, "stage_1"])
def test_bfloat16_step_stays_close_to_float32(stage):
    images, labels = toys.data()
    policy = keras.config.dtype_policy()
    before = toys.weights(staged())
    _, exact = step(make(staged(), stage=stage), images, labels)
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = make(staged(), stage=stage)
        _, after = step(model, images, labels)
    finally:
        keras.config.set_dtype_policy(policy)
    moved = np.concatenate([(b - a).ravel() for a, b in zip(before, after)])
    true = np.concatenate([(b - a).ravel() for a, b in zip(before, exact)])
    cosine = moved @ true / np.linalg.norm(moved) / np.linalg.norm(true)
    assert cosine > 0.98


def test_two_replicas_train_reproducibly(strategy):
    images, labels = toys.data(16)

    def run():
        with strategy.scope():
            model = make(staged(), stage="stage_1", label_mixing="geometric")
        options = {"batch_size": 8, "verbose": 0, "shuffle": False}
        return model.fit(images, labels, **options).history

    first = run()
    assert first == run()
    assert np.isfinite(first["loss"]).all()


@pytest.mark.slow
def test_two_replicas_equal_one_device_on_the_same_draws(strategy):
    images, labels = toys.data(8)
    base = {
        "attack_seed": tf.constant([1, 2]),
        "permutation": tf.constant([2, 0, 3, 1]),
        "mix_weight": tf.constant([0.7, 0.9, 0.66, 0.99]),
    }
    attack = PGD(ThreatModel("linf", EPS), STEP, STEPS, random_start=False)

    def both_halves(*_):
        order = base["permutation"]
        return {
            **base,
            "permutation": tf.concat([order, order + 4], axis=0),
            "mix_weight": tf.tile(base["mix_weight"], [2]),
        }

    alone = make(attack=attack)
    alone.draw = both_halves
    with strategy.scope():
        together = make(attack=attack)
    together.draw = lambda *_: base
    logs, first = step(alone, images, labels)
    options = {"batch_size": 8, "verbose": 0, "shuffle": False}
    history = together.fit(images, labels, **options).history
    second = toys.weights(together.classifier)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    for key, value in logs.items():
        np.testing.assert_allclose(history[key][0], value, rtol=1e-5)


def test_keras_file_keeps_every_argument_and_the_draws(tmp_path):
    images, labels = toys.data()
    model = make(
        staged(),
        alpha=0.4,
        mix_weight_step=0.3,
        delta="shared",
        label_mixing="geometric",
        kappa=0.6,
        loss="cross_entropy",
        clean_weight=0.5,
        stage="stage_1",
        attack_training=True,
    )
    step(model, images, labels)
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = keras.saving.load_model(path)
    for name in set(model.argument_names()) - {"classifier"}:
        assert repr(getattr(loaded, name)) == repr(getattr(model, name))
    assert step(loaded, images, labels)[0] == step(model, images, labels)[0]
    frozen = make(mix_weight=("beta", 2.0, 1.0))
    config = frozen.get_config()
    kept = training.AdversarialMixup.from_config(config).mix_weight
    assert kept == ("beta", 2.0, 1.0)


def test_compile_keeps_the_algorithms_loss_and_refuses_another():
    model = make(loss="cross_entropy")
    assert model.loss == "cross_entropy"
    with pytest.raises(ValueError, match="`loss` is fixed by the algorithm"):
        model.compile("sgd", loss="mse")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"alpha": 0.0}, "`alpha` must be a number in"),
        ({"alpha": -1.0}, "`alpha` must be"),
        ({"kappa": 0.4}, "`kappa` must be"),
        ({"kappa": 1.0}, r"`kappa` must be a number in \[0.5, 1\)"),
        ({"alpha": 300.0}, "`kappa` must be exceeded by at least 1 %"),
        ({"mix_weight": "fixed"}, "`mix_weight` must be one of 'learned'"),
        ({"mix_weight": 1.5}, "`mix_weight` must be a number"),
        ({"mix_weight_step": -0.1}, "`mix_weight_step` must be"),
        (
            {"mix_weight": "frozen", "mix_weight_step": 0.1},
            "`mix_weight_step` must be None unless",
        ),
        ({"delta": "both"}, "`delta` must be one of"),
        ({"label_mixing": "affine"}, "`label_mixing` must be one of"),
        ({"loss": "margin"}, "`loss` must be one of 'kl', 'cross_entropy'"),
        ({"clean_weight": -1.0}, "`clean_weight` must be"),
        ({"stage": "stage_7"}, "`stage` must be .*'stage_7'"),
        ({"attack": "pgd"}, "`attack` must be an attack"),
        (
            {"attack": PGD(ThreatModel("linf", 0.1), num_restarts=2)},
            "`attack.num_restarts` must be 1",
        ),
        (
            {"attack": PGD(ThreatModel("linf", 0.1), loss="margin")},
            "`attack.loss` must be 'cross_entropy' or 'kl'",
        ),
        (
            {"attack": PGD(ThreatModel("linf", 0.1), momentum=1.0)},
            "`attack.momentum` must be 0.0",
        ),
    ],
)
def test_bad_arguments_are_named(options, text):
    with pytest.raises(ValueError, match=text):
        make(**options)
