import numpy as np
import pytest
from sklearn import metrics

from keras_mixup.metrics import detection_auc


def test_hand_counted_pairs_with_a_tie():
    # Pairs (clean, adversarial): .1<.2, .1<.9, .2=.2, .2<.9: 3.5 of 4.
    assert detection_auc([0.1, 0.2], [0.2, 0.9]) == 3.5 / 4


@pytest.mark.parametrize("levels", [3, 10_000])
def test_equals_scikit_learn_with_and_without_ties(levels):
    rng = np.random.default_rng(levels)
    clean = rng.integers(0, levels, 70) / levels
    adversarial = (rng.integers(0, levels, 110) + 0.3 * levels) // 1 / levels
    truth = np.r_[np.zeros(70), np.ones(110)]
    expected = metrics.roc_auc_score(truth, np.r_[clean, adversarial])
    np.testing.assert_allclose(
        detection_auc(clean, adversarial), expected, rtol=1e-12
    )


def test_extremes_and_sign():
    assert detection_auc([0, 1], [2, 3]) == 1.0
    assert detection_auc([2, 3], [0, 1]) == 0.0
    assert detection_auc([5, 5, 5], [5, 5]) == 0.5


def test_refuses_what_has_no_rank():
    with pytest.raises(ValueError, match="`clean_scores` must be floats"):
        detection_auc([], [1.0])
    with pytest.raises(ValueError, match="`adversarial_scores` must be free"):
        detection_auc([1.0], [float("nan")])
