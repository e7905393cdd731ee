"""Kernel distance between two sets of features (KID)."""

import numpy as np

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup.metrics import _feature_sets

# Of a kernel matrix at once.
_ROWS = 1024


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


def kernel_distance_values(features_a, features_b):
    """Returns what each pair of rows adds to the distance, float64 [n].

    Their mean is the unbiased squared MMD of all rows. The mean of the
    differences of two such arrays, of two sets against the same `features_a`,
    has to first order the variance of independent values. That is the paired
    test of which set is nearer (Gretton et al., 2012, Lemma 6, for h;
    Bounliphone et al., 2016, for the test).

    Args:
        features_a: float [n, d], n >= 2.
        features_b: float [n, d], of as many rows.
    """
    first, second = _feature_sets.check_features(features_a, features_b)
    expected = f"of {len(first)} rows, as features_a"
    same = len(first) == len(second)
    _checks.check(same, "features_b", expected, second.shape)
    count = len(first)
    means = np.empty(count)
    for start in range(0, count, _ROWS):
        rows = slice(start, start + _ROWS)
        within = _sums(first, rows) + _sums(second, rows)
        across = _kernel(first[rows], second).mean(1)
        across += _kernel(second[rows], first).mean(1)
        means[rows] = within / (count - 1) - across
    return 2.0 * means - means.mean()


def _sums(features, rows):
    """The kernel of some rows with all others, added up for each."""
    own = features[rows]
    alone = (np.sum(own * own, 1) / own.shape[1] + 1.0) ** 3
    return _kernel(own, features).sum(1) - alone


def _kernel(first, second):
    return (first @ second.T / first.shape[1] + 1.0) ** 3
