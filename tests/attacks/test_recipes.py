"""Every recipe against a transcription that is given the same draws."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import inference
from keras_mixup import ops
from keras_mixup.attacks import APGD
from keras_mixup.attacks import PGD
from keras_mixup.attacks import MixupInferenceAttack
from keras_mixup.attacks import adaptive
from keras_mixup.attacks import base
from keras_mixup.attacks import eot

_RNG = np.random.default_rng(5)
# Some pixels near the bounds, where a step is clipped at the inputs.
IMAGES = _RNG.uniform(0.0, 0.2, size=(4, 4, 4, 1)).astype("float32")
LABELS = np.array([0, 1, 2, 0])
TARGETS = np.array([1, 2, 0, 2])
THREAT = ThreatModel("linf", 0.1)
RECIPES = tuple(adaptive.RECIPES)
SEARCHES = ("eot", "fixed_draws")
SEED = ops.seed_pair(11)


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def numpy_project(candidates, centres):
    offset = np.clip(candidates, 0.0, 1.0) - centres
    offset = np.clip(offset, -THREAT.eps, THREAT.eps)
    return np.clip(centres + offset, 0.0, 1.0)


def slopes(weights, inputs, aims):
    """Of cross-entropy at inputs [N, B, 4, 4, 1], by hand."""
    chances = softmax(inputs.reshape(*inputs.shape[:2], 16) @ weights)
    residual = chances - np.eye(3)[aims]
    return (residual @ weights.T).reshape(inputs.shape)


@pytest.mark.parametrize(
    ("recipe", "num_steps", "share"),
    [
        ("tramer2020", 50, 1 / 16),
        ("bpda", 50, 1 / 16),
        ("transfer", 50, 1 / 16),
        ("pang2020_paper", 10, 1 / 4),
        ("pang2020_released", 10, 1 / 4),
        ("eot", 100, 1 / 4),
        ("fixed_draws", 100, 1 / 4),
    ],
)
def test_steps_are_those_of_the_sources(recipe, num_steps, share):
    attack = MixupInferenceAttack(THREAT, recipe)
    assert attack.num_steps == num_steps
    assert attack.step_size == share * THREAT.eps


@pytest.mark.parametrize("targeted", [False, True])
def test_pang2020_paper(noisy_defence, weights, targeted):
    defence = noisy_defence(scale=0.2)
    attack = MixupInferenceAttack(
        THREAT, "pang2020_paper", num_steps=3, num_draws=6, step_size=0.025
    )
    targets = TARGETS if targeted else None
    result = attack(defence, IMAGES, LABELS, targets=targets, seed=SEED)
    aims, sign = (TARGETS, -1.0) if targeted else (LABELS, 1.0)
    start = ops.random_start(THREAT, IMAGES, ops.fold_in(SEED, 0))
    point = np.float64(start)
    clipped = 0
    for step in range(3):
        seed = ops.fold_in(SEED, 1, step)
        given = tf.constant(point, tf.float32)
        draws = eot.draw_repeatedly(defence, given, seed, 6)
        inputs = np.float64(defence.apply(given, draws))
        slope = sign * slopes(weights, inputs, aims).sum(axis=0)
        moved = inputs + 0.025 * np.sign(slope)
        clipped += np.mean((moved < 0) | (moved > 1))
        change = (np.clip(moved, 0.0, 1.0) - inputs).mean(axis=0)
        point = numpy_project(point + change, IMAGES)
    assert clipped > 0.1  # Else the averages would be plain steps.
    np.testing.assert_allclose(result.images, point, atol=1e-5)
    np.testing.assert_array_equal(result.gradient_passes, [18] * 4)


@pytest.mark.parametrize("targeted", [False, True])
def test_pang2020_released(noisy_defence, weights, targeted):
    defence = noisy_defence(scale=0.2)
    attack = MixupInferenceAttack(
        THREAT, "pang2020_released", num_steps=4, num_draws=3, step_size=0.025
    )
    targets = TARGETS if targeted else None
    result = attack(defence, IMAGES, LABELS, targets=targets, seed=SEED)
    draws = eot.draw_repeatedly(defence, IMAGES, ops.fold_in(SEED, 1), 3)
    inputs = np.float64(defence.apply(IMAGES, draws))
    logits = inputs.reshape(3, 4, 16) @ weights
    aims, sign = logits.argmax(-1), 1.0
    if targeted:
        aims, sign = TARGETS, -1.0
    flat = tf.constant(inputs.reshape(12, 4, 4, 1), tf.float32)
    start = ops.random_start(THREAT, flat, ops.fold_in(SEED, 0))
    points = np.float64(start).reshape(inputs.shape)
    for _ in range(4):
        slope = sign * slopes(weights, points, aims).mean(axis=0)
        moved = points + 0.025 * np.sign(slope)
        points = numpy_project(moved, inputs)
    mean = (points - inputs).mean(axis=0)
    expected = numpy_project(IMAGES + mean, IMAGES)
    np.testing.assert_allclose(result.images, expected, atol=1e-5)
    # The true labels play no part in it.
    if not targeted:
        assert (aims != LABELS).any()
        other = attack(defence, IMAGES, (LABELS + 1) % 3, seed=SEED)
        np.testing.assert_array_equal(other.images, result.images)


def test_bpda_goes_back_through_the_identity(noisy_defence, weights):
    """The defence multiplies gradients by 3 x^2, which this attack ignores."""
    defence = noisy_defence(scale=0.2, power=3.0)
    attack = MixupInferenceAttack(
        ThreatModel("l2", 1.0),
        "bpda",
        num_steps=1,
        num_draws=4,
        step_size=0.1,
        random_start=False,
    )
    images = np.clip(IMAGES, 0.2, None) + np.float32(0.1)
    result = attack(defence, images, LABELS, seed=SEED)
    seed = ops.fold_in(ops.fold_in(SEED, 1), 0)
    draws = eot.draw_repeatedly(defence, images, seed, 4)
    inputs = np.float64(defence.apply(images, draws))
    chances = softmax(inputs.reshape(4, 4, 16) @ weights)
    own = chances[:, np.arange(4), LABELS]
    share = (own / own.sum(axis=0))[..., None, None, None]
    slope = (share * slopes(weights, inputs, LABELS)).sum(axis=0)
    slope /= np.sqrt((slope**2).sum(axis=(1, 2, 3), keepdims=True))
    moved = result.images.numpy() - images
    np.testing.assert_allclose(moved, 0.1 * slope, atol=1e-5)
    np.testing.assert_array_equal(result.gradient_passes, [4] * 4)


@pytest.mark.parametrize(
    "recipe", ["bpda", "pang2020_paper", "pang2020_released"]
)
def test_inputs_with_the_images_first_are_refused(noisy_defence, recipe):
    defence, right = (noisy_defence(num_draws=3) for _ in range(2))
    # It answers as it should, and shows its inputs in another way.
    defence.predict_from_draws = right.predict_from_draws
    defence.apply = lambda images, draws: tf.einsum(
        "nb...->bn...", right.apply(images, draws)
    )
    attack = MixupInferenceAttack(THREAT, recipe, num_steps=1, num_draws=3)
    expected = r"whose `apply` returns \[N, 4, ...\]"
    with pytest.raises(ValueError, match=expected):
        attack(defence, IMAGES, LABELS, seed=0)


def test_transfer_is_pgd_on_the_undefended_classifier(noisy_defence):
    defence = noisy_defence()
    attack = MixupInferenceAttack(THREAT, "transfer", num_steps=7)
    assert (attack.name, attack.knowledge) == ("transfer-7", "transfer")
    result = attack(defence, IMAGES, LABELS, seed=SEED)
    plain = PGD(THREAT, attack.step_size, num_steps=7)
    expected = plain.perturb(
        defence.classifier, IMAGES, LABELS, ops.fold_in(SEED, 3, 0)
    )
    np.testing.assert_allclose(result.images, expected, atol=1e-6)
    np.testing.assert_array_equal(result.gradient_passes, [7] * 4)
    np.testing.assert_array_equal(result.queries, [0] * 4)


def test_transfer_takes_the_best_of_the_models_that_a_defence_offers(
    noisy_defence, weights
):
    class Hiding(noisy_defence):
        """Its classifier is a decoy; what answers is on offer beside it."""

        def classifier(self, images):
            return tf.reshape(images, [-1, 16]) @ -weights

        def predict_from_draws(self, images, draws):
            inputs = self.apply(images, draws)
            logits = tf.reshape(inputs, [tf.shape(inputs)[0], -1, 16])
            return ops.log_mean_probability(logits @ weights)

        def transfer_models(self):
            return {"inner": super().classifier}

    attack = MixupInferenceAttack(THREAT, "transfer", num_steps=20)
    result = attack(Hiding(), IMAGES, LABELS, seed=SEED)
    plain = PGD(THREAT, attack.step_size, num_steps=20)
    inner = noisy_defence()
    expected = plain.perturb(
        inner.classifier, IMAGES, LABELS, ops.fold_in(SEED, 3, 1)
    )
    np.testing.assert_allclose(result.images, expected, atol=1e-6)
    np.testing.assert_array_equal(result.gradient_passes, [40] * 4)
    np.testing.assert_array_equal(result.queries, [240] * 4)


@pytest.mark.parametrize("recipe", ["eot", "fixed_draws"])
@pytest.mark.parametrize("targeted", [False, True])
def test_searches_keep_the_best_iterate_of_all_runs(
    noisy_defence, recipe, targeted
):
    defence = noisy_defence(scale=0.5, power=2.0)
    options = {"num_draws": 6, "selection_draws": 9} if recipe == "eot" else {}
    size = THREAT.eps / 4
    attack = MixupInferenceAttack(THREAT, recipe, 7, step_size=size, **options)
    targets = TARGETS if targeted else None
    result = attack(defence, IMAGES, LABELS, targets=targets, seed=SEED)
    known = base.draw_seeds(SEED, 4)
    seed = known[0] if recipe == "fixed_draws" else SEED

    def answer(points, seed, num_draws):
        if recipe == "fixed_draws":
            return defence(points, seed=known)
        return eot.log_mean(defence, points, seed, num_draws)

    aims, sign = (TARGETS, -1.0) if targeted else (LABELS, 1.0)

    def score(points):
        log_mean = np.asarray(answer(points, ops.fold_in(seed, 2), 9))
        own = np.take_along_axis(log_mean, aims[:, None], axis=1)[:, 0]
        others = np.where(np.eye(3)[aims] > 0, -np.inf, log_mean).max(axis=1)
        return sign * (others - own)

    losses = (ops.cross_entropy, ops.margin)
    transfers = [
        PGD(THREAT, THREAT.eps / 16, 50, loss=loss).perturb(
            defence.classifier,
            IMAGES,
            LABELS,
            ops.fold_in(seed, 3, number),
            targets,
        )
        for number, loss in enumerate(("cross_entropy", "margin"))
    ]
    first = score(transfers[0]) >= score(transfers[1])
    transfer = np.where(first[:, None, None, None], *transfers)
    starts = [ops.random_start(THREAT, IMAGES, ops.fold_in(seed, 0)), transfer]
    candidates = [np.asarray(start) for start in starts]
    stage = 0
    for start in starts:
        for loss in losses:
            point = tf.constant(start)
            for step_number, num_steps in enumerate((1, 1, 2, 1, 2)):
                own = ops.fold_in(seed, 1, stage)
                for step in range(num_steps):
                    with tf.GradientTape() as tape:
                        tape.watch(point)
                        log_mean = answer(point, ops.fold_in(own, step), 6)
                        value = sign * loss(aims, log_mean)
                    move = size * 0.5**step_number
                    moved = point + move * tf.sign(tape.gradient(value, point))
                    point = ops.project(THREAT, IMAGES, moved)
                candidates.append(point.numpy())
                stage += 1
    scores = np.stack([score(points) for points in candidates])
    assert len(candidates) == 22 and np.ptp(scores, axis=0).min() > 0.01
    expected = np.stack(candidates)[scores.argmax(axis=0), np.arange(4)]
    np.testing.assert_allclose(result.images, expected, atol=1e-5)


@pytest.mark.parametrize("recipe", ["eot", "fixed_draws"])
def test_searches_by_apgd(noisy_defence, recipe):
    defence = noisy_defence(scale=0.5, power=2.0)
    attack = MixupInferenceAttack(
        THREAT,
        recipe,
        num_steps=6,
        inner="apgd",
        losses=("margin",),
        starts=("random",),
    )
    assert attack.name.startswith(f"{recipe}-apgd-6")
    result = attack(defence, IMAGES, LABELS, seed=SEED)
    known = base.draw_seeds(SEED, 4)
    seed = known[0] if recipe == "fixed_draws" else SEED

    def model(points, seed):
        if recipe == "fixed_draws":
            return defence(points, seed=known)
        return eot.log_mean(defence, points, seed, 30)

    start = ops.random_start(THREAT, IMAGES, ops.fold_in(seed, 0))
    expected = APGD(THREAT, "margin", num_steps=6, best="loss").perturb(
        model,
        IMAGES,
        LABELS,
        ops.fold_in(seed, 1, 0),
        start=start,
        seeded=True,
    )
    close = np.isclose(result.images, expected, atol=1e-5)
    stayed = np.isclose(result.images, start, atol=1e-5)
    assert np.all(close.all(axis=(1, 2, 3)) | stayed.all(axis=(1, 2, 3)))
    assert close.mean() > 0.5


def test_fixed_draws_are_those_of_the_judgement(noisy_defence):
    defence = noisy_defence(scale=0.5)
    attack = MixupInferenceAttack(THREAT, "fixed_draws", num_steps=5)
    assert attack.knows_draws and attack.knowledge == "adaptive"
    known = ops.row_seeds(8, 4)
    for given, used in ((known, known), (4, None), (SEED, None)):
        result = attack(defence, IMAGES, LABELS, seed=given)
        if used is None:
            used = base.draw_seeds(ops.seed_pair(given), 4)
        answers = np.argmax(defence(result.images, seed=used), axis=-1)
        np.testing.assert_array_equal(result.success, answers != LABELS)
    with pytest.raises(ValueError, match=r"int32 of shape \[4, 2\]"):
        attack(defence, IMAGES, LABELS, seed=known[:3])


class Jumping:
    """Answers the classifier's label, and its gradient leads astray.

    As MI-PL on a classifier that agrees with itself: the answer changes with
    the predicted label alone, and what slope it has keeps that label.
    """

    num_draws = 2
    uses_prediction = True

    def __init__(self, weights):
        self.weights = weights

    def classifier(self, images):
        return tf.reshape(images, [-1, 16]) @ self.weights

    classify = classifier

    def draw(self, images, seed=None, logits=None):
        label = ops.label_indices(self.classifier(images))
        return {"label": tf.tile(label[:, None], [1, 2])}

    def apply(self, images, draws):
        return tf.stack([images, images])

    def predict_from_draws(self, images, draws):
        label = tf.one_hot(draws["label"][:, 0], 3)
        return tf.nn.log_softmax(9.0 * label - 0.1 * self.classifier(images))

    def __call__(self, images, seed=None):
        return self.predict_from_draws(images, self.draw(images, seed))


@pytest.mark.parametrize("recipe", ["tramer2020", "transfer", "eot"])
def test_a_jump_with_the_predicted_label_is_found_by_transfer(weights, recipe):
    defence = Jumping(weights)
    images = np.full((4, 4, 4, 1), 0.5, "float32")
    images += 0.05 * _RNG.normal(size=images.shape).astype("float32")
    labels = np.argmax(defence.classifier(images), axis=-1)
    threat = ThreatModel("linf", 0.3)
    options = {"selection_draws": 2} if recipe == "eot" else {}
    attack = MixupInferenceAttack(threat, recipe, num_steps=20, **options)
    result = attack(defence, images, labels, seed=0)
    expected = 0.0 if recipe == "tramer2020" else 1.0
    np.testing.assert_array_equal(result.success, [expected] * 4)


@pytest.fixture(scope="module")
def counted():
    """(a linear Keras classifier, the number of rows that it has seen)."""
    seen = tf.Variable(0)

    @keras.saving.register_keras_serializable("tests")
    class Count(keras.layers.Layer):
        def call(self, inputs):
            seen.assign_add(tf.shape(inputs)[0])
            return inputs

    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            Count(),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    return model, seen


@pytest.fixture(scope="module")
def defences(counted):
    classifier, _ = counted
    images = _RNG.uniform(size=(12, 4, 4, 1)).astype("float32")
    pool = inference.SamplePool(images, np.arange(12) % 3, dtype="float32")
    return {
        "ol": inference.MixupInferenceOL(classifier, pool, num_draws=3),
        "combined": inference.MixupInferenceCombined(
            classifier, pool, num_draws=3
        ),
        "noise": inference.GaussianNoiseInference(
            classifier, stddev=0.1, num_draws=3
        ),
    }


@pytest.mark.parametrize("name", ["ol", "combined", "noise"])
@pytest.mark.parametrize("recipe", [*RECIPES, "eot apgd"])
def test_counts_are_the_rows_that_the_classifier_saw(
    defences, counted, name, recipe
):
    recipe, _, inner = recipe.partition(" ")
    options = {"inner": inner} if inner else {}
    if "num_draws" in adaptive.RECIPES[recipe]:
        options["num_draws"] = 4
    if recipe == "eot":
        options["selection_draws"] = 5
    attack = MixupInferenceAttack(THREAT, recipe, num_steps=3, **options)
    seed = ops.row_seeds(0, 4) if attack.knows_draws else SEED
    counted[1].assign(0)
    *_, passes, queries = attack.run(
        defences[name], tf.constant(IMAGES), tf.constant(LABELS), None, seed
    )
    spent = int(counted[1])
    if recipe == "bpda":
        # To learn the number of inputs it draws once for one image.
        spent -= int(defences[name].uses_prediction)
    assert spent == 4 * (int(passes) + int(queries))


@pytest.mark.parametrize("recipe", RECIPES)
def test_eager_and_compiled_agree(defences, recipe):
    options = {"losses": ("margin",)} if recipe in SEARCHES else {}
    if recipe == "eot":
        options.update(num_draws=2, selection_draws=2)
    attack = MixupInferenceAttack(THREAT, recipe, num_steps=2, **options)
    result = attack(defences["ol"], IMAGES, LABELS, seed=SEED)
    seed = base.draw_seeds(SEED, 4) if attack.knows_draws else SEED
    points, passes, _ = attack.run(
        defences["ol"], tf.constant(IMAGES), tf.constant(LABELS), None, seed
    )
    inside = ops.project(THREAT, IMAGES, points)
    np.testing.assert_allclose(result.images, inside, atol=1e-5)
    np.testing.assert_array_equal(result.gradient_passes, [passes] * 4)


@pytest.fixture
def eagerly():
    """No traces, which cost more than the few steps that follow them."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


# The released code is left out: it leads away from what the classifier sees
# in the mixed inputs, and need not reach another class than the true one.
@pytest.mark.parametrize(
    "recipe", [name for name in RECIPES if name != "pang2020_released"]
)
def test_an_unbounded_attack_always_succeeds(noisy_defence, recipe, eagerly):
    threat = ThreatModel("linf", 1.0, unbounded=True)
    attack = MixupInferenceAttack(threat, recipe, num_steps=10)
    result = attack(noisy_defence(scale=0.2), IMAGES, LABELS, seed=0)
    np.testing.assert_array_equal(result.success, [True] * 4)


@pytest.mark.parametrize("recipe", RECIPES)
def test_eps_zero_gives_the_clean_images(noisy_defence, recipe, eagerly):
    attack = MixupInferenceAttack(ThreatModel("linf", 0.0), recipe, num_steps=1)
    result = attack(noisy_defence(), IMAGES, LABELS, seed=0)
    np.testing.assert_array_equal(result.images, IMAGES)


@pytest.mark.parametrize("recipe", RECIPES)
def test_config_round_trip(recipe):
    for options in ({}, {"num_steps": 4, "random_start": False}):
        attack = MixupInferenceAttack(THREAT, recipe, **options)
        stored = keras.saving.serialize_keras_object(attack)
        restored = keras.saving.deserialize_keras_object(stored)
        assert restored.get_config() == attack.get_config()
        assert restored.name == attack.name
        for name in ("losses", "starts", "num_draws", "selection_draws"):
            assert getattr(restored, name) == getattr(attack, name)
        plain = attack.plain_attack()
        assert plain.num_steps == attack.num_steps


@pytest.mark.parametrize(
    ("recipe", "arguments", "match"),
    [
        ("transfer", {"num_draws": 3}, "`num_draws` must be None, since the"),
        ("fixed_draws", {"num_draws": 3}, "`num_draws` must be None"),
        ("tramer2020", {"inner": "apgd"}, "`inner` must be None, since the"),
        ("eot", {"inner": "cw"}, "`inner` must be one of 'pgd', 'apgd'"),
        ("bpda", {"losses": ("margin",)}, "`losses` must be None, since"),
        ("eot", {"losses": ()}, "`losses` must be some of 'cross_entropy'"),
        ("eot", {"losses": "margin"}, "`losses` must be some of"),
        ("eot", {"starts": ("clean",)}, "`starts` must be some of 'random'"),
        ("transfer", {"starts": ("random",)}, "`starts` must be None, since"),
        ("eot", {"selection_draws": 0}, "`selection_draws` must be an integer"),
        ("fixed_draws", {"selection_draws": 9}, "`selection_draws` must be"),
    ],
)
def test_bad_settings_are_named(recipe, arguments, match):
    with pytest.raises(ValueError, match=match):
        MixupInferenceAttack(THREAT, recipe, **arguments)


def test_a_recipe_names_what_the_defence_lacks():
    class Bare:
        num_draws = 3
        draw = predict_from_draws = __call__ = None

    attack = MixupInferenceAttack(THREAT, "bpda")
    with pytest.raises(ValueError, match="It lacks apply, classifier"):
        attack.target_of(Bare())
    bare = MixupInferenceAttack(THREAT, "tramer2020")
    assert bare.target_of(Bare()) is not None
    with pytest.raises(ValueError, match="tramer2020 needs no classifier"):
        MixupInferenceAttack(THREAT, "eot").target_of(Bare())
