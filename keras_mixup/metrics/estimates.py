"""How sure an accuracy is, when both examples and draws are random."""

import collections
import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from keras_mixup import _checks
from keras_mixup import _inputs
from keras_mixup import _tensors

QUANTILE = 1.959963984540054  # Of the standard normal, at 97.5 %.
# 2^20 sums: 8 MB.
_MOST_SIGNS = 20


class Estimate(NamedTuple):
    """P(correct) over examples and draws.

    Attributes:
        accuracy: float in [0, 1], the mean over examples of the share of
            evaluation seeds on which the true label is predicted.
        low, high: float, its 95 % confidence interval.
        majority: float in [0, 1], the share of examples for which the true
            label wins the vote over the evaluation seeds, a tie losing.
        always: float in [0, 1], right on every seed.
        never: float in [0, 1], right on none.
        num_examples: int.
        num_seeds: int, of the example with the fewest.
    """

    accuracy: float
    low: float
    high: float
    majority: float
    always: float
    never: float
    num_examples: int
    num_seeds: int


def estimate(
    predictions: _tensors.ArrayLike, labels: _tensors.ArrayLike
) -> Estimate:
    """Returns the `Estimate` of a table of answers.

    Args:
        predictions: int [S, n]: evaluation seeds by examples.
        labels: int [n], the true ones.

    Raises:
        ValueError: for other shapes, or without any example or seed.
    """
    expected = "integers of shape [seeds, examples]"
    predictions = _inputs.read_array(predictions, "predictions", expected)
    labels = _inputs.read_array(labels, "labels", "integers, one per example")
    okay = predictions.ndim == 2 and predictions.size > 0
    shape = predictions.shape
    _checks.check(okay, "predictions", "of shape [seeds, examples]", shape)
    expected = f"of shape [{shape[1]}]"
    _checks.check(labels.shape == shape[1:], "labels", expected, labels.shape)
    return of_answers(predictions.T.tolist(), labels.tolist())


def paired_shares(first, second):
    """Returns two float arrays [n]: the values of the common examples.

    Args:
        first, second: dicts example id -> share of right answers.
    """
    common = sorted(first.keys() & second.keys())
    return tuple(np.array([d[i] for i in common]) for d in (first, second))


def mean_difference(first, second):
    """Returns the mean of first minus second and its 95 % error, floats.

    Args:
        first, second: float [n], values of the same examples.
    """
    gains = np.subtract(first, second)
    spread = float(np.std(gains, ddof=min(1, len(gains) - 1)))
    error = QUANTILE * spread / math.sqrt(len(gains))
    return float(np.mean(gains)), error


def is_less(first, second):
    """Whether paired shares are less by more than chance, at 5 % two-sided.

    Args:
        first, second: float [n] in [0, 1], of the same examples.

    The test is that of `p_value`.
    """
    less = float(np.sum(np.subtract(second, first))) > 0.0
    return less and p_value(first, second) < 0.05


def p_value(first, second):
    """Returns the two-sided p of the mean difference of paired values.

    Under the hypothesis each difference is as likely with the other sign.
    Where every example is right or wrong this is McNemar's exact test, by
    SciPy. Where draws make the shares fractions, all signs of up to 20
    differences are tried, and more are taken as normal.

    Args:
        first, second: float [n], of the same examples.

    Source: Fisher, 1935, The Design of Experiments, section 21 (the signs).
    """
    gains = np.subtract(second, first)
    gains = gains[gains != 0.0]
    if not len(gains):
        return 1.0
    if not np.any(gains % 1.0):
        better = int(np.sum(gains > 0))
        return float(stats.binomtest(better, len(gains)).pvalue)
    if len(gains) <= _MOST_SIGNS:
        return _of_all_signs(gains)
    spread = math.sqrt(np.sum(gains**2))
    return float(2 * stats.norm.sf(abs(gains.sum()) / spread))


def _of_all_signs(gains):
    """The share of all signs whose sum is as far from 0 as that of `gains`."""
    sums = np.zeros(1)
    for gain in gains:
        sums = np.concatenate([sums + gain, sums - gain])
    # Equal sums differ by rounding.
    least = abs(gains.sum()) - 1e-9 * np.abs(gains).sum()
    return float(np.mean(np.abs(sums) >= least))


def difference_bounds(first, second):
    """Returns 95 % bounds of the mean of first minus second, (low, high).

    Those of the examples on which the first is above and of those on which
    the second is, each by Clopper and Pearson at 97.5 %, one less the other.
    Without any difference among n examples they are not zero.

    Args:
        first, second: float [n] in [0, 1], of the same examples.
    """
    gains = np.subtract(first, second)
    above, below = (float(np.sum(np.maximum(g, 0))) for g in (gains, -gains))
    (low, high), (least, most) = (_exact(k, len(gains)) for k in (above, below))
    return low - most, high - least


def _exact(count, number):
    """The 97.5 % interval of a share by Clopper and Pearson, (low, high)."""
    tail, rest = 0.0125, number - count
    low = stats.beta.ppf(tail, count, rest + 1) if count else 0.0
    high = stats.beta.ppf(1 - tail, count + 1, rest) if rest else 1.0
    return float(low), float(high)


def of_answers(answers, labels):
    """Returns the `Estimate` of a list of answers per example.

    Args:
        answers: list of lists of int, one or more per example.
        labels: list of int, the true ones.
    """
    pairs = list(zip(answers, labels, strict=True))
    shares = np.array([own.count(label) / len(own) for own, label in pairs])
    num_seeds = min(map(len, answers))
    return Estimate(
        float(np.mean(shares)),
        *interval(shares, num_seeds),
        float(np.mean([_wins(*pair) for pair in pairs])),
        float(np.mean(shares == 1.0)),
        float(np.mean(shares == 0.0)),
        len(shares),
        num_seeds,
    )


def _wins(answers, label):
    """Whether the label has more votes than any other class."""
    votes = collections.Counter(answers)
    return votes.pop(label, 0) > max(votes.values(), default=0)


def interval(shares, num_seeds):
    """Returns the 95 % confidence interval of the mean of `shares`.

    Where every example is right or wrong it is Wilson's interval of that
    count, by SciPy. The sample is that of the examples: ten draws of one
    do not count as ten. Where draws make the shares fractions, Wilson's
    interval is taken at the effective number of examples: that of independent
    right-or-wrong trials with the variance that the shares show, between n and
    n times the seeds.

    Args:
        shares: float [n] in [0, 1], the share of right answers per example.
        num_seeds: int, answers per example.

    Returns:
        (low, high): float.

    Source: Wilson, 1927, Probable inference; effective sample size: Kish,
    1965, Survey Sampling.
    """
    shares = np.asarray(shares, np.float64)
    n, mean = len(shares), float(shares.mean())
    if not np.any(shares % 1.0):
        counted = stats.binomtest(int(shares.sum()), n)
        found = counted.proportion_ci(0.95, method="wilson")
        return float(found.low), float(found.high)
    spread = float(shares.var())
    effective = most = float(n * num_seeds)
    if spread > 0.0:
        effective = min(most, max(n, n * mean * (1.0 - mean) / spread))
    factor = QUANTILE**2 / effective
    half = math.sqrt(mean * (1.0 - mean) * factor + factor**2 / 4.0)
    low, high = mean + factor / 2.0 - half, mean + factor / 2.0 + half
    return max(0.0, low / (1.0 + factor)), min(1.0, high / (1.0 + factor))
