"""Kernel distance between two sets of features (KID)."""

import numpy as np

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup.metrics import _feature_sets


def kernel_inception_distance(
    features_a: _tensors.ArrayLike,
    features_b: _tensors.ArrayLike,
    num_subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> float:
    """Returns the unbiased squared MMD with a cubic kernel.

    The kernel is (x . y / d + 1)^3. The estimate is the mean over random
    subsets (Binkowski et al., 2018, section 4). It is unbiased at any number
    of rows, and can be below 0. With Inception's features it is the KID; name
    the features with the number.

    Args:
        features_a: float [n, d], n >= 2.
        features_b: float [m, d], m >= 2.
        num_subsets: int >= 1.
        subset_size: int >= 2, rows of each set in a subset, drawn without
            replacement; at most the size of the smaller set. One subset is
            drawn if it has all rows of both sets.
        seed: int, of the choice of rows.

    Returns:
        float.

    Raises:
        ValueError: for other shapes, values that are not finite, or numbers
            out of range.
    """
    first, second = _feature_sets.check_features(features_a, features_b)
    num_subsets = _checks.check_integer(num_subsets, "num_subsets")
    size = _checks.check_integer(subset_size, "subset_size", 2)
    seed = _checks.check_seed(seed)
    size = min(size, len(first), len(second))
    if size == len(first) == len(second):
        num_subsets = 1
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(num_subsets):
        x = first[generator.choice(len(first), size, replace=False)]
        y = second[generator.choice(len(second), size, replace=False)]
        pairs = ((x, x), (y, y), (x, y))
        found.append(ops.mmd_from_kernels(*(_kernel(*p) for p in pairs)))
    return float(np.mean(found))


def _kernel(first, second):
    return (first @ second.T / first.shape[1] + 1.0) ** 3
