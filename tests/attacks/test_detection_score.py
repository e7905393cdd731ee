"""The attack on a detector, against what toy detectors allow."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import ops
from keras_mixup.attacks import PGD
from keras_mixup.attacks import DetectionScoreAttack

EPS = 0.2
THREAT = ThreatModel("linf", EPS)
_RNG = np.random.default_rng(0)
IMAGES = _RNG.uniform(0.25, 0.75, size=(16, 1, 2, 1)).astype("float32")
LABELS = (IMAGES[:, 0, 0, 0] > 0.5).astype("int32")
# The classifier's border is within reach.
BREAKABLE = np.abs(IMAGES[:, 0, 0, 0] - 0.5) < EPS - 0.01


def classifier(images):
    """The left pixel is the class."""
    gap = 4.0 * (images[:, 0, 0, 0] - 0.5)
    return tf.stack([-gap, gap], axis=-1)


class PixelDetector:
    """The score is the right pixel, with noise that has the mean zero."""

    num_draws = 3
    uses_prediction = False
    classifier = staticmethod(classifier)

    def draw(self, images, seed=None, logits=None):
        seed = ops.row_seeds(seed, tf.shape(images)[0])[0]
        shape = tf.stack([tf.shape(images)[0], self.num_draws])
        noise = tf.random.stateless_normal(shape, seed, stddev=0.05)
        return {"noise": tf.ensure_shape(noise, [None, self.num_draws])}

    def predict_from_draws(self, images, draws, logits=None):
        return tf.nn.log_softmax(classifier(images))

    def predict_with_score(self, images, draws, logits=None):
        mean = tf.reduce_mean(draws["noise"], axis=1)
        answer = self.predict_from_draws(images, draws)
        return answer, images[:, 0, 1, 0] + mean

    def __call__(self, images, seed=None):
        return self.predict_from_draws(images, self.draw(images, seed))


class OneScore(PixelDetector):
    """It offers the score alone."""

    predict_with_score = property()

    def detection_score(self, images, seed=None):
        return images[:, 0, 1, 0]


@pytest.mark.parametrize("kind", [PixelDetector, OneScore])
def test_it_fools_the_classifier_and_lowers_the_score(kind):
    attack = DetectionScoreAttack(THREAT, 60, 7)
    result = attack(kind(), IMAGES, LABELS, seed=0)
    np.testing.assert_array_equal(result.success, BREAKABLE)
    assert 0 < BREAKABLE.sum() < len(BREAKABLE)
    moved = result.images.numpy() - IMAGES
    assert np.abs(moved).max() <= EPS * (1 + 1e-5)
    # As low as the ball allows.
    np.testing.assert_allclose(moved[BREAKABLE, 0, 1, 0], -EPS, atol=1e-5)


def test_a_score_that_falls_towards_the_true_class():
    """The lowest score is at the border: steps must not jump over it."""

    class SamePixel(OneScore):
        def detection_score(self, images, seed=None):
            return tf.abs(images[:, 0, 0, 0] - 0.5)

    attack = DetectionScoreAttack(ThreatModel("linf", 0.4), 20, 7)
    result = attack(SamePixel(), IMAGES, LABELS, seed=0)
    assert result.success.numpy().all()
    scores = np.abs(result.images.numpy()[:, 0, 0, 0] - 0.5)
    # The last stage's steps are a sixteenth of the first: 0.4 / 64.
    assert scores.max() < 0.4 / 64 + 0.01


def test_an_attack_on_the_classifier_leaves_the_score():
    result = PGD(THREAT, 0.05, 20)(classifier, IMAGES, LABELS, seed=0)
    moved = result.images.numpy() - IMAGES
    assert moved[BREAKABLE, 0, 1, 0].mean() > -0.5 * EPS


def test_the_confidence_is_a_detector():
    """Without a detector, the attack ends at the surest wrong answer."""
    result = DetectionScoreAttack(THREAT, 20)(
        classifier, IMAGES, LABELS, seed=0
    )
    np.testing.assert_array_equal(result.success, BREAKABLE)
    away = np.where(LABELS == 1, -EPS, EPS)
    moved = result.images.numpy()[:, 0, 0, 0] - IMAGES[:, 0, 0, 0]
    np.testing.assert_allclose(moved[BREAKABLE], away[BREAKABLE], atol=1e-5)


def test_what_it_costs():
    attack = DetectionScoreAttack(THREAT, 20, 7)
    result = attack(PixelDetector(), IMAGES, LABELS, seed=0)
    # Two runs of 20 steps of 7 draws and the classifier's own pass, after 51
    # passes of Auto-PGD.
    assert (result.gradient_passes.numpy() == 51 + 2 * 20 * 8).all()
    # Both runs have five stages, whose results are judged.
    assert (result.queries.numpy() == 2 * 5 * 8).all()
    assert attack.name == "score-20x7"


def test_targets():
    result = DetectionScoreAttack(THREAT, 20, 7)(
        PixelDetector(), IMAGES, LABELS, targets=1 - LABELS, seed=0
    )
    np.testing.assert_array_equal(result.success, BREAKABLE)
