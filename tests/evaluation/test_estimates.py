"""Intervals whose coverage is counted, votes counted by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from keras_mixup import evaluation
from keras_mixup.evaluation.estimates import from_records
from keras_mixup.metrics import estimates


def test_by_hand():
    labels = np.array([0, 1, 2])
    predictions = np.array([[0, 1, 1], [0, 0, 2], [0, 1, 1], [0, 0, 0]])
    found = evaluation.estimate(predictions, labels)
    assert found.accuracy == pytest.approx((1 + 0.5 + 0.25) / 3)
    # The second is a tie (two votes each), the third goes to class 1.
    assert found.majority == pytest.approx(1 / 3)
    assert (found.always, found.never) == (pytest.approx(1 / 3), 0.0)
    assert (found.num_examples, found.num_seeds) == (3, 4)
    assert 0.0 <= found.low < found.accuracy < found.high <= 1.0


def test_without_draws_it_is_wilsons_interval():
    hits = np.zeros(100)
    hits[:30] = 1.0
    low, high = estimates.interval(hits, 1)
    peer = stats.binomtest(30, 100).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((peer.low, peer.high), rel=1e-6)
    # Ten equal answers per example say no more than one.
    assert estimates.interval(hits, 10) == (low, high)


def test_whole_counts_go_to_scipy_and_fractions_do_not(monkeypatch):
    asked, binomtest = [], stats.binomtest

    def noted(*counts):
        asked.append(counts)
        return binomtest(*counts)

    monkeypatch.setattr(estimates.stats, "binomtest", noted)
    estimates.interval(np.array([0.0, 1.0, 1.0]), 4)
    estimates.interval(np.array([0.0, 1.0, 0.75]), 4)
    assert asked == [(2, 3)]


def test_no_hit_at_all_is_not_certainty():
    low, high = estimates.interval(np.zeros(50), 10)
    assert low == 0.0 and high == pytest.approx(3.84146 / 53.84146, rel=1e-4)


def test_independent_draws_of_equal_examples_count_as_trials():
    shares = np.full(50, 0.5)
    assert estimates.interval(shares, 4) == estimates.interval(
        np.repeat([0.0, 1.0], 100), 1
    )


@pytest.mark.parametrize("seeds", [1, 10])
@pytest.mark.parametrize("kind", ["two kinds", "all alike", "any"])
def test_coverage(kind, seeds):
    """The true accuracy lies inside in about 95 of 100 evaluations."""
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(1000):
        truth = {
            "two kinds": rng.choice([0.05, 0.95], 60, p=[0.6, 0.4]),
            "all alike": np.full(60, 0.4),
            "any": rng.uniform(0.0, 0.9, 60),
        }[kind]
        mean = {"two kinds": 0.41, "all alike": 0.4, "any": 0.45}[kind]
        shares = rng.binomial(seeds, truth) / seeds
        low, high = estimates.interval(shares, seeds)
        inside.append(low <= mean <= high)
    assert 0.92 <= np.mean(inside) <= 0.98


@pytest.mark.parametrize(("fewer", "more"), [(5, 0), (6, 0), (12, 3), (13, 3)])
def test_of_right_and_wrong_it_is_mcnemars_exact_test(fewer, more):
    """Of the examples on which both differ, by hand: a fair coin's tail."""
    first = np.array([0.0] * fewer + [1.0] * more + [1.0] * 20)
    second = np.array([1.0] * fewer + [0.0] * more + [1.0] * 20)
    heads = range(fewer, fewer + more + 1)
    tail = sum(math.comb(fewer + more, k) for k in heads) / 2 ** (fewer + more)
    assert estimates.is_less(first, second) == (2 * tail < 0.05)
    assert not estimates.is_less(second, first)
    assert not estimates.is_less(first, first)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("changed", [3, 5, 6, 20])
def test_weaker_evidence_has_no_smaller_p(share, changed):
    """Draws that are right in part say no more than draws that all are."""
    base = np.zeros(100)
    part, whole = base.copy(), base.copy()
    part[:changed], whole[:changed] = share, 1.0
    found = estimates.p_value(base, part)
    assert found == pytest.approx(estimates.p_value(base, whole))
    assert estimates.is_less(base, part) == (found < 0.05)


def test_the_p_of_fractions_counts_signs():
    """Against every sign of nine differences, summed by hand."""
    rng = np.random.default_rng(3)
    gains = rng.integers(-10, 11, 9) / 10
    signs = itertools.product([-1, 1], repeat=np.count_nonzero(gains))
    own = gains[gains != 0]
    sums = np.array([np.dot(one, own) for one in signs])
    far = np.abs(sums) > abs(own.sum()) - 1e-6
    found = estimates.p_value(np.zeros(9), gains)
    assert found == pytest.approx(far.mean())
    assert found == pytest.approx(estimates.p_value(gains, np.zeros(9)))


def test_many_fractions_are_taken_as_normal():
    """Where both can be computed they agree: 20 signs, and their deviation."""
    rng = np.random.default_rng(4)
    gains = rng.uniform(-0.4, 0.6, 20)
    exact = estimates.p_value(np.zeros(20), gains)
    more = estimates.p_value(np.zeros(21), np.append(gains, 1e-3))
    assert exact == pytest.approx(more, abs=0.02)


def test_of_draws_equal_models_seldom_differ():
    """Both sides together at most 5 %; a real difference is seen."""
    rng = np.random.default_rng(2)
    truth = rng.uniform(size=80)
    seen = []
    for _ in range(1000):
        first, second = rng.binomial(10, truth, size=(2, 80)) / 10
        seen.append(estimates.is_less(first, second))
        seen.append(estimates.is_less(second, first))
    assert 0.015 <= np.mean(seen) <= 0.035
    lower = rng.binomial(10, 0.8 * truth) / 10
    assert estimates.is_less(lower, rng.binomial(10, truth) / 10)


def test_records_give_the_same_as_the_table():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=20)
    predictions = rng.integers(3, size=(11, 20))
    records = [
        evaluation.Record(
            *(i, int(labels[i]), "m", "d", "worst-case", "adaptive"),
            *("linf", 0.1, 0, seed, int(predictions[seed, i])),
            *(0.5, 1, 1, "train"),
        )
        for seed in range(11)
        for i in range(20)
    ]
    expected = evaluation.estimate(predictions, labels)
    assert from_records(records * 2) == pytest.approx(expected)
    cut = from_records(records[:-5])
    assert (cut.num_examples, cut.num_seeds) == (20, 10)


@pytest.mark.parametrize(
    ("predictions", "labels", "match"),
    [
        (np.zeros((0, 3), int), np.zeros(3, int), "seeds, examples"),
        (np.zeros(3, int), np.zeros(3, int), "seeds, examples"),
        (np.zeros((2, 3), int), np.zeros(2, int), r"`labels` must be of"),
    ],
)
def test_bad_input(predictions, labels, match):
    with pytest.raises(ValueError, match=match):
        evaluation.estimate(predictions, labels)


def test_no_records():
    with pytest.raises(ValueError, match="`records` must be one record"):
        from_records([])
