"""Row-wise random numbers: range, shape of the distribution, independence."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ops
from keras_mixup.inference import _rows


def _seeds(count):
    return ops.row_seeds(5, count)


def test_a_row_depends_on_its_own_seed_alone():
    seeds = _seeds(8)
    order = [3, 0, 6, 5]
    whole = _rows.bits(seeds, 5, 2).numpy()
    part = _rows.bits(tf.gather(seeds, order), 5, 2)
    np.testing.assert_array_equal(part, whole[order])


def test_integers_are_uniform():
    values = _rows.integers(_rows.bits(_seeds(100), 300), 7).numpy()
    counts = np.bincount(values.ravel(), minlength=7)
    # Chi-squared with 6 degrees of freedom: 22.5 is its 99.9 % point.
    expected = values.size / 7
    assert ((counts - expected) ** 2 / expected).sum() < 22.5


def test_unit_interval_covers_all_bits():
    extremes = tf.constant([0, -1, 2**31 - 1, -(2**31)], tf.int32)
    np.testing.assert_allclose(
        ops.unit_interval(extremes), [0.0, 1 - 2**-24, 0.5, 0.5], atol=1e-7
    )


@pytest.mark.parametrize(
    ("weight", "mean", "variance"),
    [
        (0.3, 0.3, 0.0),
        (("uniform", 0.2, 0.8), 0.5, 0.6**2 / 12),
        (("beta", 2.0, 1.0), 2 / 3, 2 / (9 * 4)),
    ],
)
def test_mix_weight_has_the_stated_distribution(weight, mean, variance):
    weight = ops.check_mix_weight(weight)
    bits = _rows.bits(_seeds(100), 200, 2)
    drawn = ops.row_mix_weight(weight, bits).numpy()
    assert drawn.shape == (100, 200)
    np.testing.assert_allclose(drawn.mean(), mean, atol=0.01)
    assert ops.mean_mix_weight(weight) == pytest.approx(mean)
    np.testing.assert_allclose(drawn.var(), variance, atol=0.003)


@pytest.mark.parametrize(
    "weight",
    [
        1.5,
        -0.1,
        "x",
        ("beta", 0.0, 1.0),
        ("uniform", 0.6, 0.2),
        ("normal", 0, 1),
    ],
)
def test_mix_weight_refuses_other_forms(weight):
    with pytest.raises(ValueError, match="`mix_weight` must be"):
        ops.check_mix_weight(weight)
