"""ECE against tfp, a hand calculation, and itself in batches."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_mixup.metrics import ExpectedCalibrationError
from keras_mixup.metrics import calibration


def _predictions(count=500, classes=4):
    generator = np.random.default_rng(0)
    logits = 2.0 * generator.normal(size=(count, classes)).astype("float32")
    return generator.integers(0, classes, count), logits


@pytest.mark.parametrize("num_bins", [1, 5, 15])
def test_equals_tfp_whatever_the_batches(num_bins):
    labels, logits = _predictions()
    metric = ExpectedCalibrationError(num_bins)
    for rows in (slice(0, 7), slice(7, 300), slice(300, 500)):
        metric.update_state(labels[rows], logits[rows])
    expected = tfp.stats.expected_calibration_error(
        num_bins, logits=logits, labels_true=labels
    )
    np.testing.assert_allclose(metric.result(), expected, atol=1e-6)
    assert float(expected) > 0.05
    metric.reset_state()
    assert float(metric.result()) == 0.0


def test_by_hand():
    # Confidences 0.6 and 0.9; of the first bin half are right.
    logits = np.log([[0.6, 0.4], [0.6, 0.4], [0.1, 0.9]])
    metric = ExpectedCalibrationError(num_bins=4)
    metric.update_state([0, 1, 1], logits)
    expected = (2 * abs(0.5 - 0.6) + abs(1.0 - 0.9)) / 3
    np.testing.assert_allclose(metric.result(), expected, atol=1e-6)


def test_one_hot_labels_weights_and_graphs():
    labels, logits = _predictions(60)
    plain = ExpectedCalibrationError()
    plain.update_state(labels[:40], logits[:40])
    weighted = ExpectedCalibrationError()
    update = tf.function(weighted.update_state)
    weight = np.r_[np.ones(40), np.zeros(20)].astype("float32")
    update(tf.one_hot(labels, 4), tf.constant(logits), tf.constant(weight))
    np.testing.assert_allclose(weighted.result(), plain.result(), atol=1e-6)


def test_config_round_trip_and_refusals():
    metric = ExpectedCalibrationError(7, name="ece")
    config = keras.saving.serialize_keras_object(metric)
    again = keras.saving.deserialize_keras_object(config)
    assert (again.num_bins, again.name) == (7, "ece")
    with pytest.raises(ValueError, match="`num_bins` must be an integer >= 1"):
        ExpectedCalibrationError(0)


@pytest.mark.parametrize("num_bins", [1, 5, 15])
def test_from_single_answers_it_is_the_metric(num_bins):
    labels, logits = _predictions()
    metric = ExpectedCalibrationError(num_bins)
    metric.update_state(labels, logits)
    chances = np.asarray(tf.nn.softmax(logits))
    right = chances.argmax(axis=1) == labels
    found = calibration.calibration_error(chances.max(axis=1), right, num_bins)
    np.testing.assert_allclose(found, float(metric.result()), atol=1e-5)


def test_bins_by_hand():
    found = calibration.confidence_bins([0.6, 0.6, 1.0], [True, False, True], 4)
    assert found[:2] == [(0, 0.0, 0.0)] * 2
    assert found[2:] == [(2, 0.5, 0.6), (1, 1.0, 1.0)]


@pytest.mark.parametrize(
    ("confidence", "right", "match"),
    [
        ([], [], "`confidence` must be numbers"),
        ([1.5], [True], "`confidence` must be numbers"),
        ([0.5, 0.5], [True], r"`right` must be of shape \(2,\)"),
    ],
)
def test_unusable_answers_are_named(confidence, right, match):
    with pytest.raises(ValueError, match=match):
        calibration.calibration_error(confidence, right)
