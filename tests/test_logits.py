"""Outputs that are no logits are refused, or doubted where they might be."""

import warnings

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import _classifiers
from keras_mixup import attacks
from keras_mixup import evaluation

PGD = attacks.PGD(ThreatModel("linf", 0.05), num_steps=2)
RANDOM = np.random.default_rng(0)
WEIGHTS = tf.constant(RANDOM.normal(size=(16, 3)), tf.float32)
IMAGES = RANDOM.random((6, 4, 4, 1), dtype="float32")
LABELS = np.arange(6) % 3


def logits(images):
    return tf.reshape(images, [-1, 16]) @ WEIGHTS


def sigmoid(images):
    return tf.sigmoid(logits(images))


def cast_softmax(images):
    """A softmax in bfloat16, whose rows sum to 1 within its rounding."""
    return tf.cast(
        tf.nn.softmax(tf.cast(logits(images), "bfloat16")), "float32"
    )


def evaluate(model):
    specs = [("pgd", PGD, "oblivious")]
    evaluation.evaluate({"m": model}, specs, IMAGES, LABELS, verbose=False)


@pytest.mark.parametrize(
    "call", [evaluate, lambda model: PGD(model, IMAGES, LABELS)]
)
def test_probabilities_are_refused_and_a_sigmoid_is_doubted(call):
    sums = np.asarray(cast_softmax(IMAGES)).sum(1)
    assert np.abs(sums - 1.0).max() > 1e-4
    with pytest.raises(ValueError, match="of logits, not of probabilities"):
        call(cast_softmax)
    with pytest.warns(UserWarning, match=r"lie in \[0, 1\], as those of a sig"):
        call(sigmoid)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call(logits)


def test_what_may_be_logits_is_not_doubted():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # A head that starts at zero; few rows; one output above 1.
        _classifiers.check_logits(np.zeros((8, 3), "float32"))
        _classifiers.check_logits(np.full((2, 3), 0.3, "float32"))
        rows = np.array(sigmoid(IMAGES))
        _classifiers.check_logits(rows[:3])
        rows[5, 2] = 1.5
        _classifiers.check_logits(rows)
