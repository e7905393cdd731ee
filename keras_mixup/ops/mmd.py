"""Maximum mean discrepancy between the distributions of two samples."""

from collections.abc import Sequence
from typing import Literal

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors

# Bandwidths as multiples of 2 d, the mean squared distance of two standard
# normal vectors of d entries.
MMD_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
MMD_KERNELS = ("imq", "rbf")
_TOO_FEW = (
    "The unbiased MMD leaves out each example's pair with itself and needs "
    "at least 2 examples in either sample (on every replica). Choose a "
    "larger batch size."
)


def mmd_squared(
    first: _tensors.Array,
    second: _tensors.Array,
    kernel: Literal["imq", "rbf"] = "imq",
    scales: Sequence[float] = MMD_SCALES,
) -> tf.Tensor:
    """Estimates MMD^2 between two distributions without bias.

    The kernel is the mean over `scales` of C / (C + r) (`"imq"`, inverse
    multiquadric) or exp(-r / C) (`"rbf"`), with r = ||x - y||^2 and C = 2 d
    scale. 2 d is the mean r under a standard normal prior, so the kernel
    discriminates at every latent size d. The common exp(-r / d^2) is nearly
    constant for d of 20 and more.

    Args:
        first: float [N, d], N >= 2, such as codes drawn from q(z).
        second: float [M, d], M >= 2, such as draws from the prior.
        kernel: `"imq"` (heavy tails: gradients reach far outliers) or
            `"rbf"`.
        scales: floats > 0.

    Returns:
        float scalar in the dtype of `first`, at least float32. An unbiased
        estimate can be negative (Gretton et al., 2012, Eq. 3; scales as in
        Tolstikhin et al., 2018, section 4).

    Raises:
        ValueError: for an unknown kernel, a scale out of range, or a sample
            of fewer than two rows.
        tf.errors.InvalidArgumentError: for such a sample in a graph.
    """
    _checks.check_choice(kernel, "kernel", MMD_KERNELS)
    scales = check_scales(scales)
    first, second = _as_float(first), _as_float(second)
    pairs = ((first, first), (second, second), (first, second))
    return mmd_from_kernels(*(_kernel(a, b, kernel, scales) for a, b in pairs))


def mmd_from_kernels(
    within_first: _tensors.Array,
    within_second: _tensors.Array,
    across: _tensors.Array,
) -> tf.Tensor:
    """Returns the unbiased MMD^2 from three matrices of kernel values.

    Args:
        within_first: float [N, N], N >= 2; its diagonal is not used.
        within_second: float [M, M], M >= 2; likewise.
        across: float [N, M].

    Returns:
        float scalar (Gretton et al., 2012, Eq. 3).

    Raises:
        ValueError: for a sample of fewer than two rows.
        tf.errors.InvalidArgumentError: for such a sample in a graph.
    """
    left, right = _mean_of_pairs(within_first), _mean_of_pairs(within_second)
    return left + right - 2.0 * tf.reduce_mean(across)


def check_scales(scales: Sequence[float]) -> tuple[float, ...]:
    """Returns `scales` as a tuple of floats > 0.

    Raises:
        ValueError: for an empty sequence or anything else.
    """
    okay = isinstance(scales, (tuple, list)) and len(scales) > 0
    _checks.check(okay, "scales", "a sequence of numbers > 0", scales)
    return tuple(
        _checks.check_number(s, "scales", low=0.0, low_open=True)
        for s in scales
    )


def _as_float(values):
    values = tf.convert_to_tensor(values)
    return values if values.dtype == tf.float64 else tf.cast(values, tf.float32)


def _kernel(first, second, kernel, scales):
    squared = (
        tf.reduce_sum(first**2, axis=1)[:, None]
        + tf.reduce_sum(second**2, axis=1)[None, :]
        - 2.0 * tf.matmul(first, second, transpose_b=True)
    )
    squared = tf.maximum(squared, 0.0)  # rounding
    size = first.shape[-1]
    values = []
    for scale in scales:
        bandwidth = 2.0 * size * scale
        if kernel == "imq":
            values.append(bandwidth / (bandwidth + squared))
        else:
            values.append(tf.exp(-squared / bandwidth))
    return tf.add_n(values) / len(values)


def _mean_of_pairs(matrix):
    matrix = _at_least_two(tf.convert_to_tensor(matrix))
    count = tf.cast(tf.shape(matrix)[0], matrix.dtype)
    others = tf.reduce_sum(matrix) - tf.linalg.trace(matrix)
    return others / (count * (count - 1.0))


def _at_least_two(matrix):
    if matrix.shape[0] is not None:
        if matrix.shape[0] < 2:
            raise ValueError(f"{_TOO_FEW} Received: {matrix.shape[0]}")
        return matrix
    check = tf.debugging.assert_greater(tf.shape(matrix)[0], 1, _TOO_FEW)
    with tf.control_dependencies([check]):
        return tf.identity(matrix)
