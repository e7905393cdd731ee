"""The MMD against a float64 double loop, and its refusals."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ops

# Compiled for the tests of many estimates.
squared = tf.function(ops.mmd_squared)
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def kernel_value(x, y, kernel, scales=SCALES):
    distance = float(np.sum((x - y) ** 2))
    total = 0.0
    for scale in scales:
        c = 2.0 * len(x) * scale
        total += (
            c / (c + distance) if kernel == "imq" else np.exp(-distance / c)
        )
    return total / len(scales)


def brute_force(first, second, kernel, scales=SCALES):
    """Gretton et al. (2012), Eq. 3, one pair at a time."""
    n, m = len(first), len(second)
    within = sum(
        kernel_value(a, b, kernel, scales)
        for a, b in itertools.permutations(first, 2)
    ) / (n * (n - 1))
    other = sum(
        kernel_value(a, b, kernel, scales)
        for a, b in itertools.permutations(second, 2)
    ) / (m * (m - 1))
    across = sum(
        kernel_value(a, b, kernel, scales) for a in first for b in second
    )
    return within + other - 2.0 * across / (n * m)


def samples(n, m, size, shift=0.0, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(n, size)) + shift, random.normal(size=(m, size))


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
@pytest.mark.parametrize(
    ("n", "m", "size"), [(2, 2, 1), (7, 5, 3), (9, 14, 64)]
)
def test_mmd_equals_a_double_loop(kernel, n, m, size):
    first, second = samples(n, m, size, shift=0.5)
    expected = brute_force(first, second, kernel)
    exact = ops.mmd_squared(tf.constant(first), tf.constant(second), kernel)
    assert exact.dtype == tf.float64
    np.testing.assert_allclose(exact, expected, rtol=1e-10, atol=1e-13)
    rounded = ops.mmd_squared(
        first.astype("float32"), second.astype("float32"), kernel
    )
    assert rounded.dtype == tf.float32
    np.testing.assert_allclose(rounded, expected, atol=2e-6)


def test_scales_are_an_argument():
    first, second = samples(6, 6, 4, shift=1.0)
    value = ops.mmd_squared(first, second, "rbf", scales=(0.3, 3.0))
    expected = brute_force(first, second, "rbf", (0.3, 3.0))
    np.testing.assert_allclose(value, expected, rtol=1e-10)


def test_the_estimate_is_unbiased():
    # Of 400 estimates of 0 the mean is within 5 of its own deviations.
    values = [
        float(squared(*samples(16, 16, 8, seed=seed))) for seed in range(400)
    ]
    assert min(values) < 0.0 < max(values)
    assert abs(np.mean(values)) < 5.0 * np.std(values) / 20.0


@pytest.mark.parametrize("size", [16, 128, 256])
def test_the_kernel_tells_distributions_apart_at_every_latent_size(size):
    first, prior = samples(64, 64, size)
    wrong = [0.7 * first, first + 0.3, np.sign(first) * 2.0]
    null = [
        float(squared(*samples(64, 64, size, seed=seed)))
        for seed in range(1, 20)
    ]
    for codes in wrong:
        value = float(squared(codes, prior))
        assert value > 5.0 * np.std(null) + np.mean(null)


def test_half_precision_codes_are_computed_in_float32():
    first, second = samples(8, 8, 4)
    value = ops.mmd_squared(tf.cast(first, tf.bfloat16), second.astype("f4"))
    assert value.dtype == tf.float32


def test_the_gradient_of_equal_rows_is_finite():
    codes = tf.Variable(tf.zeros([4, 3]))
    with tf.GradientTape() as tape:
        value = ops.mmd_squared(codes, tf.ones([4, 3]))
    assert np.isfinite(tape.gradient(value, codes).numpy()).all()


def test_eager_equals_graph_with_unknown_sizes():
    first, second = samples(5, 7, 3)
    spec = tf.TensorSpec([None, 3], tf.float64)
    graph = tf.function(ops.mmd_squared, input_signature=[spec, spec])
    eager = ops.mmd_squared(first, second)
    np.testing.assert_allclose(graph(first, second), eager, rtol=1e-12)


def test_kernel_matrices_may_come_from_elsewhere():
    first, second = samples(6, 4, 3)
    matrices = (first @ first.T, second @ second.T, first @ second.T)
    value = ops.mmd_from_kernels(*matrices)
    within = [
        (m.sum() - np.trace(m)) / (len(m) * (len(m) - 1)) for m in matrices[:2]
    ]
    expected = sum(within) - 2.0 * matrices[2].mean()
    np.testing.assert_allclose(value, expected, rtol=1e-12)


@pytest.mark.parametrize("sizes", [(1, 4), (4, 1), (0, 4)])
def test_a_sample_of_one_is_refused(sizes):
    first, second = samples(*sizes, 3)
    with pytest.raises(ValueError, match="at least 2 examples.*larger batch"):
        ops.mmd_squared(first, second)


def test_a_sample_of_one_is_refused_in_a_graph():
    spec = tf.TensorSpec([None, 3], tf.float64)
    graph = tf.function(ops.mmd_squared, input_signature=[spec, spec])
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least 2 exam"):
        graph(*samples(1, 4, 3))


def test_bad_arguments_are_named():
    first, second = samples(4, 4, 3)
    with pytest.raises(ValueError, match="`kernel` must be one of 'imq'"):
        ops.mmd_squared(first, second, "gaussian")
    with pytest.raises(ValueError, match="`scales` must be a sequence"):
        ops.mmd_squared(first, second, scales=())
    with pytest.raises(ValueError, match=r"`scales` must be a number in \(0"):
        ops.mmd_squared(first, second, scales=(1.0, 0.0))
