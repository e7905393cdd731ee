"""The adaptive attack against a defence that anyone could have written."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import ops
from keras_mixup.attacks import PGD
from keras_mixup.attacks import MixupInferenceAttack
from keras_mixup.attacks.eot import draw_repeatedly

_RNG = np.random.default_rng(5)
IMAGES = _RNG.uniform(0.3, 0.7, size=(4, 4, 4, 1)).astype("float32")
LABELS = np.array([0, 1, 0, 1])
WEIGHTS = _RNG.normal(size=(16, 2)).astype("float32")
THREAT = ThreatModel("linf", "8/255")


def linear(images):
    return tf.reshape(images, [-1, 16]) @ WEIGHTS


class ShiftDefence:
    """Adds a random image per draw and averages; records what it is asked."""

    num_draws = 4

    def __init__(self, classifier=linear, scale=0.1):
        self.classifier = classifier
        self.scale = scale
        self.seen = tf.Variable(tf.zeros([0, 4], tf.int32), shape=[None, 4])
        self.points = tf.Variable(tf.zeros([0]), shape=[None])

    def draw(self, images, seed=None, logits=None):
        seeds = ops.row_seeds(seed, tf.shape(images)[0])
        predicted = ops.label_indices(self.classifier(images))
        self.points.assign(tf.concat([self.points, [tf.reduce_sum(images)]], 0))
        noise = tf.map_fn(
            lambda pair: tf.random.stateless_normal([4, 4, 4, 1], pair),
            seeds,
            fn_output_signature=tf.float32,
        )
        return {
            "shift": {"noise": self.scale * noise},
            "label": tf.tile(predicted[:, None], [1, 4]),
        }

    def apply(self, images, draws):
        return tf.transpose(
            images[:, None] + draws["shift"]["noise"], [1, 0, 2, 3, 4]
        )

    def predict_from_draws(self, images, draws, logits=None):
        inputs = self.apply(images, draws)
        shape = tf.shape(inputs)
        row = tf.stack(
            [
                shape[0],
                shape[1],
                tf.shape(draws["label"])[1],
                tf.cast(1e4 * draws["shift"]["noise"][0, 0, 0, 0, 0], "int32"),
            ]
        )
        self.seen.assign(tf.concat([self.seen, row[None]], 0))
        flat = tf.reshape(inputs, [-1, 4, 4, 1])
        logits = tf.reshape(self.classifier(flat), [shape[0], shape[1], 2])
        return ops.log_mean_probability(logits)

    def __call__(self, images, seed=None):
        return self.predict_from_draws(images, self.draw(images, seed))


def test_recipe_is_50_steps_of_a_16th_with_15_fresh_draws():
    attack = MixupInferenceAttack(THREAT, "tramer2020")
    assert (attack.num_steps, attack.num_draws) == (50, 15)
    assert attack.step_size == pytest.approx(0.5 / 255, rel=1e-12)
    assert attack.random_start is True
    defence = ShiftDefence()
    result = attack(defence, IMAGES, LABELS, seed=0)
    seen = defence.seen.numpy()
    # The checked border asks once before and once after, with 4 draws.
    steps = seen[seen[:, 0] == 15]
    assert len(steps) == 50 and len(seen) == 52
    np.testing.assert_array_equal(steps[:, :3], [[15, 4, 15]] * 50)
    # Fresh draws: no two steps saw the same noise.
    assert len(set(steps[:, 3].tolist())) == 50
    np.testing.assert_array_equal(result.gradient_passes, [750] * 4)
    # 15 draws are four calls of `draw`, each of which asks the classifier.
    np.testing.assert_array_equal(result.queries, [200] * 4)


@pytest.mark.parametrize(
    ("num_steps", "share"),
    [(200, 1 / 16), (50, 1 / 16), (40, 1 / 16), (10, 1 / 4), (1, 1.0)],
)
def test_few_steps_are_long_enough_to_cross_the_ball(num_steps, share):
    attack = MixupInferenceAttack(THREAT, "tramer2020", num_steps=num_steps)
    assert attack.step_size == pytest.approx(share * THREAT.eps)
    # The undefended model meets steps of the same size.
    for recipe in ("tramer2020", "eot"):
        attack = MixupInferenceAttack(THREAT, recipe, num_steps=num_steps)
        plain = attack.plain_attack()
        assert plain.step_size == pytest.approx(share * THREAT.eps)
    own = MixupInferenceAttack(
        THREAT, "tramer2020", num_steps=num_steps, step_size=0.001
    )
    assert own.step_size == own.plain_attack().step_size == 0.001


def test_a_hurried_attack_is_as_strong_on_a_linear_classifier():
    defence = ShiftDefence(scale=0.05)
    corner = MixupInferenceAttack(THREAT, "tramer2020", random_start=False)
    hurried = MixupInferenceAttack(
        THREAT, "tramer2020", num_steps=3, random_start=False
    )
    expected = corner(defence, IMAGES, LABELS, seed=0).images
    found = hurried(defence, IMAGES, LABELS, seed=0).images
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_draws_are_made_at_the_current_point():
    defence = ShiftDefence()
    attack = MixupInferenceAttack(
        THREAT,
        "tramer2020",
        num_steps=6,
        num_draws=4,
        step_size=THREAT.eps / 16,
    )
    attack(defence, IMAGES, LABELS, seed=0)
    points = defence.points.numpy()
    # Clean, six steps on the way, the end: eight different points.
    assert len(points) == 8 and len(set(points.tolist())) == 8


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("num_draws", [1, 4, 6])
def test_on_a_linear_classifier_it_reaches_the_corner(targeted, num_draws):
    attack = MixupInferenceAttack(THREAT, "tramer2020", num_draws=num_draws)
    targets = 1 - LABELS if targeted else None
    result = attack(ShiftDefence(), IMAGES, LABELS, targets=targets, seed=0)
    difference = (WEIGHTS[:, 1] - WEIGHTS[:, 0]).reshape(1, 4, 4, 1)
    sign = np.where(LABELS == 0, 1.0, -1.0).reshape(4, 1, 1, 1)
    expected = np.clip(
        IMAGES + THREAT.eps * np.sign(sign * difference), 0.0, 1.0
    )
    np.testing.assert_allclose(result.images, expected, atol=1e-6)


def test_without_noise_it_is_pgd_on_the_classifier():
    def bumpy(images):
        return tf.sin(5.0 * linear(images))

    defence = ShiftDefence(bumpy, scale=0.0)
    attack = MixupInferenceAttack(THREAT, "tramer2020", num_steps=9)
    plain = PGD(THREAT, attack.step_size, num_steps=9)
    result = attack(defence, IMAGES, LABELS, seed=3)
    expected = plain(bumpy, IMAGES, LABELS, seed=3)
    np.testing.assert_allclose(result.images, expected.images, atol=1e-6)
    np.testing.assert_array_equal(result.success, expected.success)


def test_gradient_is_that_of_the_negative_log_mean_probability():
    """One step in L2 moves along the gradient of one NumPy-checked loss."""
    defence = ShiftDefence(scale=0.5)
    threat = ThreatModel("l2", 10.0)
    attack = MixupInferenceAttack(
        threat,
        "tramer2020",
        num_steps=1,
        num_draws=4,
        step_size=0.1,
        random_start=False,
    )
    images = np.full(IMAGES.shape, 0.5, "float32")
    seed = ops.seed_pair(6)
    result = attack(defence, images, LABELS, seed=seed)
    step_seed = ops.fold_in(ops.fold_in(seed, 1), 0)
    draws = draw_repeatedly(defence, images, step_seed, 4)
    inputs = np.asarray(defence.apply(images, draws), "float64")
    logits = inputs.reshape(4, 4, 16) @ WEIGHTS
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    own = weights[:, np.arange(4), LABELS]
    # d/dx of -log mean_k p_k(y): each draw counts by its share of p(y).
    share = own / own.sum(axis=0)
    slope = np.zeros((4, 16))
    for draw in range(4):
        for row in range(4):
            residual = weights[draw, row] - np.eye(2)[LABELS[row]]
            slope[row] += share[draw, row] * (WEIGHTS @ residual)
    slope /= np.linalg.norm(slope, axis=1, keepdims=True)
    moved = (result.images.numpy() - images).reshape(4, 16)
    np.testing.assert_allclose(moved, 0.1 * slope, atol=1e-5)


def test_more_draws_than_the_defence_takes_are_independent():
    defence = ShiftDefence()
    draws = draw_repeatedly(defence, IMAGES, ops.seed_pair(0), 10)
    noise = draws["shift"]["noise"].numpy()
    assert noise.shape == (4, 10, 4, 4, 1)
    assert draws["label"].shape == (4, 10)
    flat = noise.reshape(40, -1)
    assert len(np.unique(flat, axis=0)) == 40
    fewer = draw_repeatedly(defence, IMAGES, ops.seed_pair(0), 3)
    np.testing.assert_array_equal(fewer["shift"]["noise"], noise[:, :3])


def test_success_is_judged_by_a_fresh_pass_of_the_defence():
    class Deaf(ShiftDefence):
        def __call__(self, images, seed=None):
            return tf.math.log(tf.tile([[0.9, 0.1]], [len(images), 1]))

    attack = MixupInferenceAttack(THREAT, "tramer2020", num_steps=1)
    result = attack(Deaf(), IMAGES, LABELS, seed=0)
    np.testing.assert_array_equal(result.success, LABELS != 0)


def test_a_model_without_draws_is_refused():
    attack = MixupInferenceAttack(THREAT, "tramer2020")
    with pytest.raises(ValueError, match="It lacks draw, predict_from_draws"):
        attack(linear, IMAGES, LABELS)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"recipe": "eot2"}, "`recipe` must be one of 'tramer2020'"),
        ({"num_steps": 0}, "`num_steps` must be an integer >= 1"),
        ({"num_draws": 0}, "`num_draws` must be an integer >= 1"),
        ({"step_size": -1}, "`step_size` must be a number in"),
        ({"random_start": 0}, "`random_start` must be True or False"),
    ],
)
def test_bad_settings_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        MixupInferenceAttack(THREAT, **{"recipe": "tramer2020"} | arguments)


def test_config_round_trip():
    for attack in (
        MixupInferenceAttack(THREAT, "tramer2020"),
        MixupInferenceAttack(
            THREAT, "tramer2020", num_steps=3, num_draws=2, step_size=0.01
        ),
        MixupInferenceAttack(
            ThreatModel("linf", 0.0), "tramer2020", random_start=False
        ),
    ):
        stored = keras.saving.serialize_keras_object(attack)
        restored = keras.saving.deserialize_keras_object(stored)
        assert restored.get_config() == attack.get_config()
        assert restored.name == attack.name
    assert MixupInferenceAttack(THREAT, "tramer2020").name == "tramer2020-50x15"


@pytest.mark.parametrize(
    ("recipe", "steps", "step", "name"),
    [
        ("pang2020_paper", 10, None, "pang2020_paper-10x30"),
        ("pang2020_paper", 50, None, "pang2020_paper-50x30"),
        ("pang2020_paper", 4, None, "pang2020_paper-4x30 step 0.0625"),
        ("pang2020_released", 10, 0.1, "pang2020_released-10x30 step 0.1"),
        ("tramer2020", 10, None, "tramer2020-10x15"),
    ],
)
def test_a_step_that_is_not_the_recipes_own_is_told(recipe, steps, step, name):
    attack = MixupInferenceAttack(
        ThreatModel("linf", 0.1), recipe, steps, step_size=step
    )
    assert attack.name == name
    own = 0.1 / 16 if recipe == "tramer2020" else 0.1 / 4
    changed = abs(attack.step_size - own) > 1e-9
    assert bool(attack.notice) == changed
    if changed:
        assert f"{steps} steps of {attack.step_size:.3g}" in attack.notice
        assert attack.notice.endswith(f"own are {own:.3g}")


def test_eps_zero_gives_the_clean_images():
    attack = MixupInferenceAttack(
        ThreatModel("linf", 0.0), "tramer2020", num_steps=2
    )
    result = attack(ShiftDefence(), IMAGES, LABELS, seed=0)
    np.testing.assert_array_equal(result.images, IMAGES)
