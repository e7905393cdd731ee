"""Algorithm 6: the start above kappa and the sigmoid that bounds lambda."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_mixup import ops


@pytest.mark.parametrize(("alpha", "kappa"), [(0.5, 0.65), (2.0, 0.5)])
def test_the_start_is_the_beta_distribution_above_kappa(alpha, kappa):
    seed = ops.seed_pair(4)
    values = ops.sample_beta_above(5000, alpha, kappa, seed).numpy()
    assert kappa <= values.min() and values.max() <= 1.0
    beta = scipy.stats.beta(alpha, alpha)

    def truncated(x):
        return (beta.cdf(x) - beta.cdf(kappa)) / beta.sf(kappa)

    assert scipy.stats.kstest(values, truncated).pvalue > 1e-3


def test_accepted_draws_stay_and_the_seed_decides():
    seed = ops.seed_pair(4)
    values = ops.sample_beta_above(50, 0.5, 0.65, seed).numpy()
    first = ops.sample_beta([50], 0.5, 0.5, ops.fold_in(seed, 0)).numpy()
    kept = first >= np.float32(0.65)
    assert 0 < kept.sum() < 50
    np.testing.assert_array_equal(values[kept], first[kept])
    again = tf.function(ops.sample_beta_above)(50, 0.5, 0.65, seed)
    np.testing.assert_allclose(again, values, rtol=1e-6)
    other = ops.sample_beta_above(50, 0.5, 0.65, ops.seed_pair(5))
    assert not np.array_equal(other, values)


def test_a_dynamic_size_is_sampled():
    draw = tf.function(
        lambda size: ops.sample_beta_above(size, 0.5, 0.6, ops.seed_pair(0))
    )
    assert draw(tf.constant(7)).shape == (7,)


def test_the_logit_is_the_printed_formula_and_the_inverse():
    kappa, weight = 0.65, np.linspace(0.66, 0.99, 30)
    printed = -np.log((1.0 - kappa) / (weight - kappa) - 1.0)
    found = ops.logit_from_weight(weight.astype("float32"), kappa)
    np.testing.assert_allclose(found, printed, atol=1e-4)
    back = ops.weight_from_logit(found, kappa)
    np.testing.assert_allclose(back, weight, atol=1e-6)


@pytest.mark.parametrize("kappa", [0.5, 0.65, 0.9])
def test_starts_at_the_ends_are_finite_and_stay_inside(kappa):
    ends = np.array([kappa, 1.0, 0.0], "float32")
    logit = ops.logit_from_weight(ends, kappa).numpy()
    assert np.isfinite(logit).all()
    np.testing.assert_allclose(logit[:2], [-13.8155, 13.8155], atol=0.1)
    weight = ops.weight_from_logit(logit, kappa).numpy()
    assert (weight > np.float32(kappa)).all() and (weight < 1.0).all()
    np.testing.assert_allclose(weight[:2], [kappa, 1.0], atol=1e-6)


def test_no_number_of_steps_leaves_the_open_interval():
    logit = ops.clip_logit(tf.constant([-1e4, 1e4, 0.3]))
    weight = ops.weight_from_logit(logit, 0.65).numpy()
    assert 0.65 < weight[0] and weight[1] < 1.0
    assert logit[2] == np.float32(0.3)


@pytest.mark.parametrize("kappa", [0.49, 1.0, 1.2, -1, float("nan"), "x"])
def test_kappa_outside_its_range_is_named(kappa):
    with pytest.raises(ValueError, match="`kappa` must be"):
        ops.check_kappa(kappa, 0.5)


def test_a_kappa_that_draws_hardly_reach_is_refused():
    with pytest.raises(ValueError, match="at least 1 % of the draws"):
        ops.check_kappa(0.65, 200.0)
    assert ops.check_kappa(0.65) == ops.check_kappa("13/20", 0.5) == 0.65
