"""Mixup's ingredients: distribution, permutation, interpolation."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ops


@pytest.mark.parametrize("pair", [(1.0, 1.0), (0.5, 0.5), (2.0, 5.0)])
def test_sample_beta_has_the_moments_of_the_distribution(pair):
    a, b = pair
    values = ops.sample_beta([40000], a, b, ops.seed_pair(1)).numpy()
    mean = a / (a + b)
    variance = a * b / ((a + b) ** 2 * (a + b + 1.0))
    error = 5.0 * np.sqrt(variance / values.size)
    assert abs(values.mean() - mean) < error
    np.testing.assert_allclose(values.var(), variance, rtol=0.03)
    assert values.min() >= 0.0 and values.max() <= 1.0


def test_sample_beta_is_finite_and_binary_at_tiny_concentration():
    values = ops.sample_beta([2000], 1e-3, 1e-3, ops.seed_pair(2)).numpy()
    assert np.isfinite(values).all()
    assert np.minimum(values, 1.0 - values).max() < 0.5
    assert 0.4 < (values > 0.5).mean() < 0.6


def test_sample_beta_is_a_function_of_the_seed():
    first = ops.sample_beta([4], 0.4, 0.4, ops.seed_pair(7))
    again = ops.sample_beta([4], 0.4, 0.4, ops.seed_pair(7))
    other = ops.sample_beta([4], 0.4, 0.4, ops.seed_pair(8))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_sample_beta_compiles_under_xla():
    # XLA picks another generator: other values, the same distribution.
    function = tf.function(
        lambda seed: ops.sample_beta([10000], 0.5, 0.5, seed),
        jit_compile=True,
    )
    values = function(ops.seed_pair(3)).numpy()
    np.testing.assert_array_equal(values, function(ops.seed_pair(3)))
    np.testing.assert_allclose(values.mean(), 0.5, atol=0.02)
    np.testing.assert_allclose(values.var(), 0.125, rtol=0.05)


def test_random_permutation_holds_every_index_once():
    order = ops.random_permutation(100, ops.seed_pair(0)).numpy()
    assert order.dtype == np.int32
    np.testing.assert_array_equal(np.sort(order), np.arange(100))
    assert not np.array_equal(order, np.arange(100))
    other = ops.random_permutation(100, ops.seed_pair(1))
    assert not np.array_equal(order, other)


def test_random_permutations_are_uniform():
    seeds = ops.row_seeds(0, 3000)
    orders = tf.map_fn(
        lambda seed: ops.random_permutation(3, seed), seeds
    ).numpy()
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6
    # 6 cells of expectation 500 with standard deviation 20.
    assert np.abs(counts - 500).max() < 100


def test_mix_with_one_weight_and_one_per_row():
    left = np.ones((2, 3, 3, 1), "float32")
    right = np.zeros((2, 3, 3, 1), "float32")
    np.testing.assert_allclose(ops.mix(0.3, left, right), 0.3 * left)
    rows = ops.mix(tf.constant([0.25, 1.0]), left, right).numpy()
    np.testing.assert_array_equal(rows[0], 0.25 * left[0])
    np.testing.assert_array_equal(rows[1], left[1])
    labels = ops.mix(
        tf.constant([0.25, 1.0]), tf.eye(2), tf.reverse(tf.eye(2), [0])
    )
    np.testing.assert_array_equal(labels, [[0.25, 0.75], [0.0, 1.0]])
