"""Losses against NumPy in float64."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ops

_RNG = np.random.default_rng(0)
LOGITS = (5.0 * _RNG.normal(size=(6, 4))).astype("float32")
LABELS = np.array([0, 1, 2, 3, 3, 0], "int32")
SOFT = _RNG.dirichlet(np.ones(4), size=6).astype("float32")
SOFT[0] = [0.0, 0.25, 0.75, 0.0]
SOFT[1] = [0.0, 0.0, 1.0, 0.0]


def _log_softmax(logits):
    logits = logits.astype("float64")
    shifted = logits - logits.max(axis=-1, keepdims=True)
    total = np.exp(shifted).sum(axis=-1, keepdims=True)
    return shifted - np.log(total)


def _cross_entropy(probabilities, logits):
    return -(probabilities * _log_softmax(logits)).sum(axis=-1)


def test_label_forms_agree():
    one_hot = np.eye(4, dtype="float64")[LABELS]
    np.testing.assert_array_equal(ops.label_probabilities(LABELS, 4), one_hot)
    np.testing.assert_array_equal(ops.label_probabilities(SOFT, 4), SOFT)
    np.testing.assert_array_equal(ops.label_indices(one_hot), LABELS)
    assert ops.label_indices(LABELS.astype("int64")).dtype == tf.int32


@pytest.mark.parametrize("labels", [LABELS, SOFT], ids=["int", "soft"])
def test_cross_entropy(labels):
    dense = np.eye(4)[labels] if labels.ndim == 1 else labels
    expected = _cross_entropy(dense, LOGITS)
    np.testing.assert_allclose(
        ops.cross_entropy(labels, LOGITS), expected, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("labels", [LABELS, SOFT], ids=["int", "soft"])
def test_kl_divergence_with_zeros(labels):
    dense = np.eye(4)[labels] if labels.ndim == 1 else labels
    dense = dense.astype("float64")
    logs = np.log(np.where(dense > 0.0, dense, 1.0))
    expected = (dense * (logs - _log_softmax(LOGITS))).sum(axis=-1)
    values = ops.kl_divergence(labels, LOGITS)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


def test_kl_divergence_of_itself_is_zero_with_zero_gradient():
    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = ops.kl_divergence(tf.nn.softmax(LOGITS), logits)
    np.testing.assert_allclose(value, np.zeros(6), atol=1e-5)
    np.testing.assert_allclose(tape.gradient(value, logits), 0.0, atol=1e-6)


@pytest.mark.parametrize("one_hot", [False, True])
def test_margin_is_the_best_other_logit_minus_the_own(one_hot):
    expected = [
        np.delete(row, label).max() - row[label]
        for row, label in zip(LOGITS, LABELS, strict=True)
    ]
    labels = np.eye(4, dtype="float32")[LABELS] if one_hot else LABELS
    values = ops.margin(labels, LOGITS)
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    wrong = LOGITS.argmax(axis=-1) != LABELS
    np.testing.assert_array_equal(values > 0.0, wrong)


def test_difference_of_logits_ratio_by_hand():
    logits = np.array(
        [[5.0, 1.0, 3.0, 2.0], [1.0, 8.0, 2.0, 6.0], [0.0, 1.0, 7.0, 5.0]],
        "float32",
    )
    labels, targets = [0, 2, 3], [2, 3, 2]
    expected = [(3 - 5) / (5 - 2), (8 - 2) / (8 - 2), (7 - 5) / (7 - 1)]
    values = ops.difference_of_logits_ratio(labels, logits)
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    # Scaling and shifting the logits changes nothing.
    values = ops.difference_of_logits_ratio(labels, 100.0 * logits - 7.0)
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    expected = [(3 - 5) / (5 - 1.5), (6 - 2) / (8 - 1.5), (7 - 5) / (7 - 0.5)]
    values = ops.targeted_difference_of_logits_ratio(labels, targets, logits)
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_difference_of_logits_ratio_with_few_classes():
    three = LOGITS[:, :3]
    labels = np.array([0, 1, 2, 0, 1, 2])
    ranked = np.sort(three, axis=-1)
    expected = ops.margin(labels, three) / (ranked[:, 2] - ranked[:, 0])
    values = ops.difference_of_logits_ratio(labels, three)
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    two, labels = LOGITS[:, :2], labels % 2
    np.testing.assert_array_equal(
        ops.difference_of_logits_ratio(labels, two), ops.margin(labels, two)
    )
    targeted = ops.targeted_difference_of_logits_ratio
    for logits in (two, three):
        np.testing.assert_allclose(
            targeted(labels, 1 - labels, logits),
            logits[range(6), 1 - labels] - logits[range(6), labels],
            rtol=1e-6,
        )


def test_difference_of_logits_ratio_is_finite_at_ties():
    logits = tf.zeros([2, 5])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        values = ops.difference_of_logits_ratio([0, 1], logits)
        values += ops.targeted_difference_of_logits_ratio(
            [0, 1], [2, 2], logits
        )
    np.testing.assert_array_equal(values, [0.0, 0.0])
    assert np.isfinite(tape.gradient(values, logits)).all()


def test_half_precision_logits_give_float32_losses():
    half = tf.cast(LOGITS, tf.float16)
    for loss in (ops.cross_entropy, ops.kl_divergence, ops.margin):
        assert loss(LABELS, half).dtype == tf.float32


@pytest.mark.parametrize("static", [True, False], ids=["static", "dynamic"])
def test_log_mean_probability(static):
    draws = (3.0 * _RNG.normal(size=(7, 6, 4))).astype("float32")
    probabilities = np.exp(_log_softmax(draws))
    expected = np.log(probabilities.mean(axis=0))
    shape = [7 if static else None, None, 4]
    function = tf.function(
        ops.log_mean_probability,
        input_signature=[tf.TensorSpec(shape, tf.float32)],
    )
    np.testing.assert_allclose(function(draws), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        np.exp(function(draws)).sum(axis=-1), np.ones(6), rtol=1e-5
    )


def test_log_mean_probability_is_finite_at_huge_logits():
    logits = tf.constant([[[1e4, -1e4, 0.0]], [[-1e4, 1e4, 0.0]]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = ops.log_mean_probability(logits)
        loss = ops.cross_entropy([2], value)
    half = np.log(0.5)
    np.testing.assert_allclose(
        value, [[half, half, -1e4 + 0.0]], rtol=1e-5, atol=1e-4
    )
    gradient = tape.gradient(loss, logits).numpy()
    assert np.isfinite(gradient).all()
    # The loss falls as the third logit of either draw grows.
    np.testing.assert_allclose(gradient[:, 0, 2], [-0.5, -0.5], atol=1e-4)
