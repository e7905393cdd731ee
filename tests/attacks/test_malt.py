"""MALT: its targets against closed forms, its runs against targeted APGD."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup.attacks import MALT
from keras_mixup.attacks import TargetedAPGD
from keras_mixup.attacks import targets as targets_lib

_RNG = np.random.default_rng(0)
IMAGES = _RNG.uniform(size=(20, 4, 4, 1)).astype("float32")
# Rows of very different lengths, so that logits alone mislead.
WEIGHTS = _RNG.normal(size=(16, 6)) * np.array([1, 4, 0.3, 2, 0.7, 3])
WEIGHTS = WEIGHTS.astype("float32")
THREAT = ThreatModel("l2", 0.3)


def linear(images):
    return tf.reshape(images, [-1, 16]) @ WEIGHTS


def bent(images):
    flat = tf.reshape(images, [-1, 16])
    return flat @ WEIGHTS + tf.sin(2.0 * flat @ WEIGHTS[:, ::-1])


LABELS = linear(IMAGES).numpy().argmax(axis=-1)


def ranking(logits, slopes, labels, num_targets, num_candidates):
    """The formula of the paper, image by image; slopes [B, C, D]."""
    found = []
    for z, slope, y in zip(logits, slopes, labels, strict=True):
        top = [c for c in np.argsort(-z, kind="stable") if c != y]
        score = {
            c: (z[c] - z[y]) / np.linalg.norm(slope[c] - slope[y])
            for c in top[:num_candidates]
        }
        found.append(sorted(score, key=score.get)[::-1][:num_targets])
    return np.array(found)


@pytest.mark.parametrize(("targets", "candidates"), [(5, 100), (2, 5), (2, 3)])
def test_the_targets_of_a_linear_model(targets, candidates):
    slopes = np.broadcast_to(WEIGHTS.T, [len(IMAGES), 6, 16])
    expected = ranking(
        linear(IMAGES).numpy(), slopes, LABELS, targets, candidates
    )
    found = targets_lib.nearest_targets(
        linear, IMAGES, LABELS, targets, candidates
    )
    np.testing.assert_array_equal(found, expected)
    by_logits = targets_lib.likeliest_targets(linear(IMAGES), LABELS, targets)
    assert (found.numpy() != by_logits.numpy()).any()


def test_the_targets_of_a_bent_model():
    points = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(points)
        logits = bent(points)
    slopes = tape.batch_jacobian(logits, points).numpy().reshape(20, 6, 16)
    labels = logits.numpy().argmax(axis=-1)
    expected = ranking(logits.numpy(), slopes, labels, 3, 4)
    found = targets_lib.nearest_targets(bent, IMAGES, labels, 3, 4)
    np.testing.assert_array_equal(found, expected)


def test_the_nearest_class_of_a_linear_model_is_enough():
    """In L2, one run to the first target finds what nine to others would."""
    wide = ThreatModel("l2", 0.1)
    one = MALT(wide, 1, num_steps=30)(linear, IMAGES, LABELS, seed=0)
    slopes = WEIGHTS.T[None] - WEIGHTS.T[LABELS][:, None]
    gaps = linear(IMAGES).numpy()
    gaps = gaps[np.arange(20), LABELS][:, None] - gaps
    lengths = np.linalg.norm(slopes, axis=-1)
    distance = np.where(lengths > 0, gaps / np.maximum(lengths, 1e-9), np.inf)
    reachable = distance.min(axis=1) < 0.1 * 0.99
    assert 0 < reachable.sum() < 20
    assert one.success.numpy()[reachable].all()


def test_its_runs_are_those_of_targeted_apgd():
    attack = MALT(THREAT, 2, 4, num_steps=5)
    ranked = attack.rank(bent, tf.constant(IMAGES), LABELS)
    found = attack(bent, IMAGES, LABELS, seed=0)
    same = TargetedAPGD(THREAT, 2, 5)
    same.rank = lambda *_: ranked
    other = same(bent, IMAGES, LABELS, seed=0)
    np.testing.assert_array_equal(found.images, other.images)
    # A gradient for each candidate, then two runs of six.
    assert (found.gradient_passes.numpy() == 4 + 2 * 6).all()
    assert (found.queries.numpy() == 0).all()
    assert attack.name == "malt-2x5"


def test_a_class_without_a_gradient_comes_last():
    def flat(images):
        logits = tf.reshape(images, [-1, 16])[:, :3]
        top = tf.stop_gradient(logits[:, :1]) * 0.0 - 1e-3
        return tf.concat([logits[:, :1], logits[:, :1] + top], axis=1)

    # Both logits move together: their difference has no gradient at all.
    found = targets_lib.nearest_targets(flat, IMAGES, np.zeros(20, int), 1, 1)
    np.testing.assert_array_equal(found, np.ones([20, 1]))


def test_candidates_must_hold_the_targets():
    with pytest.raises(ValueError, match="`num_candidates` must be at least"):
        MALT(THREAT, 5, 4)
