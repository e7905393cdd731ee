"""The curve against scikit-learn and against the area it must have."""

import numpy as np
import pytest

from keras_mixup import metrics


def test_by_hand():
    false, true = metrics.roc_curve([0.1, 0.2], [0.2, 0.9])
    np.testing.assert_array_equal(false, [0.0, 0.0, 0.5, 1.0])
    np.testing.assert_array_equal(true, [0.0, 0.5, 1.0, 1.0])


@pytest.mark.parametrize("levels", [5, 1000])
def test_against_scikit_learn_and_the_auc(levels):
    rng = np.random.default_rng(0)
    clean = rng.integers(levels, size=60) / levels
    adversarial = np.sqrt(rng.integers(levels, size=40) / levels)
    false, true = metrics.roc_curve(clean, adversarial)
    peer = pytest.importorskip("sklearn.metrics").roc_curve(
        np.repeat([0, 1], [60, 40]),
        np.concatenate([clean, adversarial]),
        drop_intermediate=False,
    )
    np.testing.assert_allclose(false, peer[0], atol=1e-12)
    np.testing.assert_allclose(true, peer[1], atol=1e-12)
    area = np.trapezoid(true, false)
    assert area == pytest.approx(metrics.detection_auc(clean, adversarial))


@pytest.mark.parametrize("clean", [[], [[0.1]], [float("nan")]])
def test_bad_input(clean):
    with pytest.raises(ValueError, match="`clean_scores` must be"):
        metrics.roc_curve(clean, [0.5])
