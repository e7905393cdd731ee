"""The geometric label weight: section 3.5, the printed rule, v . v = 0."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ops


def points(count=6, seed=0):
    """(x_i, x_j, x'_i, x'_j, lambda), perturbed by up to 0.1."""
    random = np.random.default_rng(seed)
    clean = random.uniform(size=(2, count, 3, 3, 2)).astype("float32")
    moved = clean + random.uniform(-0.1, 0.1, clean.shape).astype("float32")
    weight = random.uniform(0.1, 0.9, count).astype("float32")
    return *clean, *moved, weight


def mixture(weight, left, right):
    weight = weight.reshape(-1, 1, 1, 1)
    return weight * left + (1.0 - weight) * right


def printed_rule(left, right, mixed):
    """Algorithm 5 on whatever segment it is given, in NumPy."""
    v = (right - left).reshape(len(left), -1).astype("float64")
    p = (left - mixed).reshape(len(left), -1).astype("float64")
    return np.clip(1.0 + (p * v).sum(1) / (v * v).sum(1), 0.0, 1.0)


def test_it_is_the_projection_on_the_clean_segment():
    left, right, moved_left, moved_right, weight = points()
    mixed = mixture(weight, moved_left, moved_right)
    found = ops.geometric_label_weight(weight, left, right, mixed)
    expected = printed_rule(left, right, mixed)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(expected - weight).max() > 0.005  # the labels do move


def test_the_printed_algorithm_is_the_linear_rule():
    _, _, left, right, weight = points()
    for factor in (0.0, 1.0, 50.0):
        pushed = left + factor * (left - 0.3)
        found = printed_rule(pushed, right, mixture(weight, pushed, right))
        np.testing.assert_allclose(found, weight, atol=1e-6)


@pytest.mark.parametrize("c", [0.0, 0.2, 1.0, 3.0])
def test_section_3_5_gives_lambda_times_one_plus_c(c):
    left, right, _, _, weight = points()
    mixed = mixture(weight, left - c * (right - left), right)
    found = ops.geometric_label_weight(weight, left, right, mixed)
    expected = np.minimum(1.0, weight * (1.0 + c))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_ends_are_one_and_zero_and_beyond_is_clamped():
    left, right, _, _, weight = points()
    beyond = left + 0.5 * (left - right)
    for mixed, expected in ((left, 1.0), (right, 0.0), (beyond, 1.0)):
        found = ops.geometric_label_weight(weight, left, right, mixed)
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("gap", [0.0, 1e-30, 1e-18])
def test_an_image_paired_with_itself_is_finite_with_its_gradients(gap):
    # The square of 1e-30 underflows to zero, that of 1e-18 does not.
    left = np.zeros((6, 3, 3, 2), "float32")
    _, _, moved_left, moved_right, weight = points()
    tensors = [tf.constant(t) for t in (weight, moved_left, moved_right)]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        mixed = ops.mix(*tensors)
        right = left + np.float32(gap)
        found = ops.geometric_label_weight(tensors[0], left, right, mixed)
    gradients = tape.gradient(found, tensors)
    assert all(np.isfinite(value).all() for value in (found, *gradients))
    if gap < 1e-20:
        np.testing.assert_array_equal(found, weight)
        np.testing.assert_array_equal(gradients[0], np.ones(6))
        np.testing.assert_array_equal(gradients[1], np.zeros_like(left))
    else:
        assert not np.array_equal(found, weight)


def test_gradients_are_those_of_finite_differences():
    left, right, moved_left, moved_right, weight = points(2)
    arrays = [a.astype("float64") for a in (weight, moved_left, moved_right)]

    def value(*parts):
        return ops.geometric_label_weight(
            parts[0], tf.constant(left, "float64"), right, ops.mix(*parts)
        )

    tensors = [tf.constant(a) for a in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        total = tf.reduce_sum(value(*tensors))
    gradients = tape.gradient(total, tensors)
    for position, gradient in enumerate(gradients):
        index = (1,) + (0,) * (arrays[position].ndim - 1)
        high, low = ([a.copy() for a in arrays] for _ in range(2))
        high[position][index] += 1e-5
        low[position][index] -= 1e-5
        slope = (value(*high) - value(*low)).numpy().sum() / 2e-5
        np.testing.assert_allclose(gradient.numpy()[index], slope, atol=1e-7)
