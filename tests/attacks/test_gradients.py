"""Models whose gradients lead nowhere: refused by name, or warned about."""

import pathlib
import warnings

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import attacks

THREAT = ThreatModel("linf", 0.1)
_RNG = np.random.default_rng(0)
IMAGES = _RNG.uniform(0.2, 0.8, size=(10, 4, 4, 1)).astype("float32")
WEIGHTS = _RNG.normal(size=(16, 5)).astype("float32")
GRADIENT = [
    attacks.PGD(THREAT, 0.03, num_steps=3),
    attacks.PGD(THREAT, 0.03, num_steps=3, num_restarts=2, momentum=1.0),
    attacks.FGSM(THREAT),
    attacks.APGD(THREAT, num_steps=3),
    attacks.TargetedAPGD(THREAT, num_targets=2, num_steps=3),
    attacks.FAB(THREAT, num_steps=3),
    attacks.TargetedFAB(THREAT, num_targets=2, num_steps=3),
    attacks.CleverHansPGD(THREAT, 0.03, num_steps=3),
    attacks.AveragedAttack(attacks.PGD(THREAT, 0.03, num_steps=3), 2),
    attacks.AutoAttack(THREAT, num_steps=3, num_queries=5),
]
BLACK_BOX = [
    attacks.Square(THREAT, num_queries=10),
    attacks.Square(THREAT, num_queries=10, early_stop=True),
    attacks.SPSA(THREAT, num_steps=2, num_samples=4),
]


PACKAGE = pathlib.Path(attacks.__file__).parent.parent


def test_no_attack_takes_a_gradient_that_nobody_looks_at():
    sources = [
        *PACKAGE.glob("attacks/*.py"),
        *PACKAGE.glob("metrics/*.py"),
        *PACKAGE.glob("ops/*.py"),
    ]
    found = {p.name for p in sources if "tape.gradient(" in p.read_text()}
    assert found == {"gradients.py"}


def named(attack):
    return attack.name


def linear(images):
    return tf.reshape(images, [-1, 16]) @ WEIGHTS


LABELS = linear(IMAGES).numpy().argmax(axis=-1)


def rounded(images):
    return linear(tf.round(images * 255.0) / 255.0)


def stopped(images):
    return tf.stop_gradient(linear(images))


def foreign(images):
    logits = tf.numpy_function(lambda x: linear(x).numpy(), [images], "float")
    return tf.ensure_shape(logits, [None, 5])


def flat(images):
    """Right on every image, without a slope anywhere."""
    logits = linear(images)
    return tf.clip_by_value(logits, -1e-3, 1e-3) + tf.stop_gradient(logits)


# TensorFlow's gradient of a loop, here over draws, is zero in that case.
DIRECT = [a for a in GRADIENT if not isinstance(a, attacks.AveragedAttack)]


@pytest.mark.parametrize("model", [rounded, stopped, foreign])
@pytest.mark.parametrize("attack", DIRECT, ids=named)
def test_a_model_without_a_gradient_is_refused_by_name(attack, model):
    expected = "^`model_fn` must be a model whose loss has a gradient"
    with pytest.raises(ValueError, match=expected) as error:
        attack(model, IMAGES, LABELS, seed=0)
    assert "Take an attack without gradients" in str(error.value)
    if attack is GRADIENT[0]:
        assert model.__name__ in str(error.value)


@pytest.mark.parametrize("attack", BLACK_BOX, ids=named)
def test_an_attack_without_gradients_takes_such_a_model(attack):
    result = attack(rounded, IMAGES, LABELS, seed=0)
    assert result.gradients is None


@pytest.mark.parametrize("attack", GRADIENT, ids=named)
def test_gradients_that_are_zero_are_counted_and_warned_of_once(attack):
    def model(images):
        return flat(images)

    with pytest.warns(UserWarning, match="exactly zero") as caught:
        result = attack(model, IMAGES, LABELS, seed=0)
        attack(model, IMAGES, LABELS, seed=0)
    assert len(caught) == 1
    assert "add an attack without gradients (Square)" in str(caught[0].message)
    assert result.gradients.rows >= 10
    assert result.gradients.zero + result.gradients.nonfinite == (
        result.gradients.rows
    )


@pytest.mark.parametrize("attack", GRADIENT, ids=named)
def test_a_plain_model_has_healthy_gradients(attack):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = attack(linear, IMAGES, LABELS, seed=0)
    assert result.gradients.rows > 0
    assert result.gradients.zero == result.gradients.nonfinite == 0


def test_only_the_stuck_rows_count():
    def half(images):
        logits = linear(images)
        upper = tf.range(10)[:, None] < 4
        return tf.where(upper, tf.stop_gradient(logits), logits)

    attack = attacks.PGD(THREAT, 0.03, num_steps=3)
    with pytest.warns(UserWarning, match="On 4 of 10 rows"):
        result = attack(half, IMAGES, LABELS, seed=0)
    assert result.gradients == (10, 4, 0)


def test_a_saturated_softmax_is_noticed():
    attack = attacks.PGD(THREAT, 0.03, num_steps=3)
    with pytest.warns(UserWarning, match="margin or DLR loss"):
        attack(lambda x: 1e5 * linear(x), IMAGES, LABELS, seed=0)
    margin = attacks.PGD(THREAT, 0.03, num_steps=3, loss="margin")
    result = margin(lambda x: 1e5 * linear(x), IMAGES, LABELS, seed=0)
    assert result.gradients == (10, 0, 0)


@pytest.mark.parametrize("attack", [*GRADIENT[:4], *GRADIENT[8:]], ids=named)
def test_a_gradient_that_is_no_number_leaves_the_image_alone(attack):
    @tf.custom_gradient
    def broken(images):
        return images, lambda slope: slope * np.nan

    with pytest.warns(UserWarning, match="not finite"):
        result = attack(lambda x: linear(broken(x)), IMAGES, LABELS, seed=0)
    assert result.gradients.nonfinite > 0
    offset = np.abs(result.images - IMAGES)
    assert np.isfinite(offset).all() and offset.max() <= 0.1 + 1e-6


def test_a_randomised_model_is_noticed_at_its_first_call():
    calls = tf.Variable(0)

    def noisy(images):
        calls.assign_add(1)
        return linear(images) + tf.random.normal([10, 5])

    attack = attacks.PGD(THREAT, 0.03, num_steps=3)
    with pytest.warns(UserWarning, match="two answers to the same") as caught:
        attack(noisy, IMAGES, LABELS, seed=0)
        first = int(calls)
        attack(noisy, IMAGES, LABELS, seed=0)
    assert len(caught) == 1
    assert int(calls) == 2 * first - 1
    averaged = attacks.AveragedAttack(attack, 2)
    averaged(noisy, IMAGES, LABELS, seed=0)


def python_model(images):
    """Differentiable, but its trace tells neither rows nor classes."""
    return tf.py_function(linear, [images], tf.float32)


@pytest.mark.parametrize(
    "attack",
    # A gradient of py_function cannot be asked for twice, as FAB does.
    [a for a in GRADIENT + BLACK_BOX if not isinstance(a, attacks.FAB)],
    ids=named,
)
def test_a_trace_need_not_tell_the_classes(attack):
    expected = attack(lambda x: linear(x), IMAGES, LABELS, seed=0)
    result = attack(python_model, IMAGES, LABELS, seed=0)
    np.testing.assert_allclose(result.images, expected.images, atol=1e-6)
    np.testing.assert_array_equal(result.success, expected.success)


def masked(images):
    """As easy to fool as `linear`, but without a slope anywhere."""
    return flat(images) + 0.0


def test_autoattack_judges_its_parts():
    threat = ThreatModel("linf", 0.3)
    attack = attacks.AutoAttack(threat, num_steps=3, num_queries=200)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = attack.evaluate(masked, IMAGES, LABELS, verbose=False)
    said = [str(w.message) for w in caught]
    assert any("the model under apgd-ce is exactly zero" in s for s in said)
    assert any(s.startswith("square uses no gradient and broke") for s in said)
    ce, targeted, boundary, square = report.parts
    assert (ce.name, ce.uses_gradients, ce.attacked) == ("apgd-ce", True, 10)
    assert ce.gradients.zero == ce.gradients.rows >= 10
    assert square.gradients is None and not square.uses_gradients
    assert square.broken > 1
    for before, after in zip(report.parts, report.parts[1:]):
        assert after.attacked == before.attacked - before.broken
    assert [p.broken for p in report.parts] == list(report.counts.values())[1:]
    with pytest.warns(UserWarning, match="square uses no gradient"):
        result = attack(masked, IMAGES, LABELS)
    assert [p[:4] for p in result.parts] == [p[:4] for p in report.parts]
    assert result.gradients.zero > 0


def test_autoattack_has_no_doubts_about_a_plain_model(tmp_path):
    attack = attacks.AutoAttack(THREAT, num_steps=5, num_queries=10)
    path = str(tmp_path / "progress.npz")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = attack.evaluate(
            linear, IMAGES, LABELS, path=path, verbose=False
        )
        again = attack.evaluate(
            linear, IMAGES, LABELS, path=path, verbose=False
        )
    assert report.parts == again.parts
