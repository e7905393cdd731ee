"""AutoAttack's version for randomised models: its levels, its own verdict."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import ops
from keras_mixup.attacks import AttackPart
from keras_mixup.attacks import AutoAttack
from keras_mixup.attacks import ExpectationOverTransformation
from keras_mixup.attacks import _randomized
from keras_mixup.attacks import _survivors

_RNG = np.random.default_rng(0)
IMAGES = _RNG.uniform(0.2, 0.8, size=(12, 4, 4, 1)).astype("float32")
# Between the distances of the fifth and the sixth image to the boundary.
LINF = ThreatModel("linf", 0.1735)


@pytest.fixture
def labels(weights):
    return (IMAGES.reshape(12, 16) @ weights).argmax(axis=-1)


def margins(weights, labels):
    """The distance to the nearest class in L-infinity, [12]."""
    logits = IMAGES.reshape(12, 16) @ weights
    gaps = logits[np.arange(12), labels][:, None] - logits
    slopes = np.abs(weights.T[labels][:, None] - weights.T[None]).sum(axis=-1)
    ratio = np.where(slopes > 0, gaps / np.maximum(slopes, 1e-9), np.inf)
    return ratio.min(axis=1)


def test_it_breaks_what_a_linear_model_allows(noisy_defence, weights, labels):
    """Little noise: the verdict is that of the linear model."""
    defence = noisy_defence(scale=1e-4)
    attack = AutoAttack(LINF, "rand", num_steps=10)
    report = attack.evaluate(defence, IMAGES, labels, verbose=False)
    breakable = margins(weights, labels) < LINF.eps
    broken = np.array([name != "" for name in report.broken_by])
    np.testing.assert_array_equal(broken, breakable)
    assert broken.sum() == 5
    assert report.robust_accuracy == pytest.approx(1.0 - breakable.mean())
    assert report.clean_accuracy == 1.0
    # The classifier's own adversarial images do it.
    assert set(report.broken_by) == {"", "transfer"}
    # One level more did not help, so that it is the last.
    assert report.num_draws == 15
    assert [part.name for part in report.parts] == ["transfer", "15 draws"]
    assert report.parts[1].attacked == 12 - broken.sum()


def test_only_standing_images_cost_passes(noisy_defence, labels):
    attack = AutoAttack(LINF, "rand", num_steps=10)
    report = attack.evaluate(
        noisy_defence(scale=1e-4), IMAGES, labels, verbose=False
    )
    by, passes = np.array(report.broken_by), report.gradient_passes
    inner = _randomized.transfer_attacks(LINF)
    first = sum(_randomized.passes_of(attack, 3) for attack in inner)
    assert (passes[by == "transfer"] == first).all()
    # Both starts, two losses of five steps each, 15 draws.
    assert (passes[by == ""] == first + 2 * 2 * 5 * 15).all()


def test_the_accuracy_is_the_share_of_right_answers(noisy_defence, labels):
    """Much noise: no image is right or wrong for sure."""
    defence = noisy_defence(scale=1.0, num_draws=1)
    attack = AutoAttack(LINF, "rand", num_steps=4)
    report = attack.evaluate(defence, IMAGES, labels, verbose=False)
    fresh = [
        defence(report.images, seed=seed).numpy().argmax(axis=-1) == labels
        for seed in range(200)
    ]
    assert 0.0 < report.robust_accuracy < 1.0
    assert report.robust_accuracy == pytest.approx(np.mean(fresh), abs=0.12)
    assert report.share_right.shape == (12,)
    # A standing image comes back at its best point, not clean.
    moved = np.abs(report.images - IMAGES).max(axis=(1, 2, 3))
    assert (moved > 0.0).all() and moved.max() <= LINF.eps * (1 + 1e-5)


def progress_of(broken, num_images=1000):
    found = np.full(num_images, _survivors.ROBUST)
    for part, count in broken.items():
        found[np.flatnonzero(found == _survivors.ROBUST)[:count]] = part
    zeros = np.zeros(num_images)
    return _survivors.Progress(
        zeros, found, zeros, zeros, np.zeros(2), zeros, zeros
    )


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        # Parts 1 and 2 are of the first level, 3 and 4 of the second.
        ({1: 3, 2: 2}, False),
        ({1: 3, 2: 3}, True),
        ({0: 900}, False),
    ],
)
def test_more_draws_follow_what_helped(broken, expected):
    assert _randomized.helped(progress_of(broken), 1)
    assert _randomized.helped(progress_of(broken), 3) is expected
    assert not _randomized.helped(progress_of(broken), 5)


def test_a_model_that_is_random_by_itself(weights, labels):
    def noisy(images):
        noise = tf.random.normal(tf.shape(images), stddev=0.01)
        return tf.reshape(images + noise, [-1, 16]) @ weights

    attack = AutoAttack(LINF, "rand", num_steps=10)
    breakable = margins(weights, labels) < 0.16
    for model in (noisy, ExpectationOverTransformation(noisy, 4)):
        result = attack(model, IMAGES, labels, seed=0)
        assert [part.name for part in result.parts][0] == "15 draws"
        offset = np.abs(result.images.numpy() - IMAGES).max()
        assert 0.16 < offset <= LINF.eps * (1 + 1e-5)
        clean = tf.reshape(result.images, [-1, 16]) @ weights
        wrong = ops.label_indices(clean).numpy() != labels
        assert wrong[breakable].all()


def test_the_last_level_must_not_help():
    part = AttackPart
    helped = [part("60 draws", True, 200, 9)]
    (text,) = _randomized.doubts(helped, 1000)
    assert "60 draws at each step still broke 9 of 200 images" in text
    assert not _randomized.doubts([part("60 draws", True, 200, 5)], 1000)
    assert not _randomized.doubts([part("30 draws", True, 200, 9)], 1000)
