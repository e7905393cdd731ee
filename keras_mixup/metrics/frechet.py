"""Frechet distance between two sets of features (FID)."""

import numpy as np

from keras_mixup import _tensors
from keras_mixup.metrics import _feature_sets


def frechet_distance(
    features_a: _tensors.ArrayLike, features_b: _tensors.ArrayLike
) -> float:
    """Returns the squared Frechet distance between two normal fits.

    |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), with means m and
    covariances C of the features (Heusel et al., 2017, Eq. 6). With
    Inception's features it is the FID. Distances of different features cannot
    be compared, so name the features with the number. Few rows bias it
    upwards: compare sets of equal size.

    Args:
        features_a: float [n, d], n >= 2.
        features_b: float [m, d], m >= 2.

    Returns:
        float >= 0.

    Raises:
        ValueError: for other shapes, or values that are not finite.

    Example:

    >>> frechet_distance([[0.0], [2.0]], [[3.0], [5.0]])
    9.0
    """
    first, second = _feature_sets.check_features(features_a, features_b)
    difference = first.mean(axis=0) - second.mean(axis=0)
    covariances = [np.atleast_2d(np.cov(f.T)) for f in (first, second)]
    root = _square_root(covariances[0])
    # Similar to C_a C_b, and symmetric: its eigenvalues are real and >= 0.
    product = root @ covariances[1] @ root
    values = np.linalg.eigvalsh((product + product.T) / 2.0)
    cross = np.sqrt(np.maximum(values, 0.0)).sum()
    traces = sum(np.trace(covariance) for covariance in covariances)
    return max(0.0, float(difference @ difference + traces - 2.0 * cross))


def _square_root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
