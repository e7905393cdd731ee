"""Verdicts on claims: by paired tests, whatever the order of the images."""

import numpy as np
import pytest

from keras_mixup.reproduce import catalogue
from keras_mixup.reproduce import verdicts

CLAIM = catalogue.Claim("a is above b", "here", catalogue.above("a", "b", "c"))


def answers(**shares):
    """Of rows: dict example id -> share, from lists."""
    made = {row: dict(enumerate(values)) for row, values in shares.items()}
    return lambda row, column: made.get(row)


def word(a, b, claim=CLAIM):
    return verdicts.verdict(claim, answers(a=a, b=b)).word


def test_the_three_verdicts():
    better, worse = [1.0] * 40 + [0.0] * 10, [1.0] * 20 + [0.0] * 30
    assert word(better, worse) == verdicts.HOLDS
    assert word(worse, better) == verdicts.FAILS
    assert word(better, better) == verdicts.OPEN
    assert word(better, [1.0] * 38 + [0.0] * 12) == verdicts.OPEN


def test_what_was_not_measured_decides_nothing():
    found = verdicts.verdict(CLAIM, answers(a=[1.0]))
    assert found.word == verdicts.MISSING
    assert found.compared[0].difference is None


def test_one_opposite_comparison_is_enough():
    claim = CLAIM._replace(comparisons=catalogue.above("a", ("b", "d"), "c"))
    shares = answers(a=[1.0] * 30 + [0.0] * 30, b=[0.0] * 60, d=[1.0] * 60)
    assert verdicts.verdict(claim, shares).word == verdicts.FAILS


def test_the_test_is_paired():
    """20 of 500 images decide, although the intervals overlap."""
    base = np.repeat([1.0, 0.0], 250)
    better = base.copy()
    better[250:270] = 1.0
    assert word(list(better), list(base)) == verdicts.HOLDS
    unpaired = np.concatenate([base[:230], better[230:]])
    mixed = np.random.default_rng(0).permutation(unpaired)
    assert word(list(mixed), list(base)) == verdicts.OPEN


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_images_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 4, 60) / 3
    second = np.clip(first - rng.integers(0, 2, 60) / 3, 0, 1)
    order = rng.permutation(60)
    found = [
        verdicts.verdict(CLAIM, answers(a=list(a), b=list(b)))
        for a, b in ((first, second), (first[order], second[order]))
    ]
    assert found[0].word == found[1].word
    assert found[0].compared[0].difference == pytest.approx(
        found[1].compared[0].difference
    )


def test_only_images_that_both_saw_count():
    shares = {
        "a": dict.fromkeys(range(30), 1.0),
        "b": dict.fromkeys(range(20, 60), 0.0),
    }
    found = verdicts.verdict(CLAIM, lambda row, column: shares[row])
    assert found.compared[0].num_examples == 10
    assert found.compared[0].difference == pytest.approx(100.0)


def test_equal_answers_to_few_images_do_not_show_that_two_are_close():
    """0 of 100 images leave up to 4 points, 0 of 1,000 less than one."""
    own = catalogue.Comparison("a", "b", "c", within=1.0)
    claim = CLAIM._replace(comparisons=(own,))
    assert word([1.0] * 100, [1.0] * 100, claim) == verdicts.OPEN
    assert word([1.0] * 1000, [1.0] * 1000, claim) == verdicts.HOLDS
    found = verdicts.verdict(
        claim, answers(a=[1.0] * 100, b=[1.0] * 100)
    ).compared[0]
    # Clopper and Pearson: 1 - 0.0125 ** (1 / 100).
    assert found.error == pytest.approx(4.288, abs=1e-3)
    assert found.p is None


def test_a_comparison_has_the_p_of_its_test():
    """7 of 9 changed images: 2 (1 + 9 + 36) / 2 ** 9."""
    base = [0.0] * 7 + [1.0] * 2 + [1.0] * 40
    better = [1.0] * 7 + [0.0] * 2 + [1.0] * 40
    found = verdicts.verdict(CLAIM, answers(a=better, b=base)).compared[0]
    assert found.p == pytest.approx(92 / 512)
    shares = verdicts.verdict(
        CLAIM, answers(a=[0.5] * 4, b=[0.0] * 4)
    ).compared[0]
    # Of 16 signs of four halves two give such a sum, as for four images that
    # are right on every draw.
    assert shares.p == pytest.approx(0.125)
    whole = verdicts.verdict(CLAIM, answers(a=[1.0] * 4, b=[0.0] * 4)).compared[
        0
    ]
    assert whole.p == pytest.approx(0.125)


def test_a_claim_that_two_are_close():
    own = catalogue.Comparison("a", "b", "c", within=5.0)
    claim = CLAIM._replace(comparisons=(own,))
    same = [1.0] * 300 + [0.0] * 200
    assert word(same, same, claim) == verdicts.HOLDS
    assert word(same, [1.0] * 200 + [0.0] * 300, claim) == verdicts.FAILS
    few = [1.0, 1.0, 1.0, 1.0, 0.0, 1.0]
    assert word(few, [1.0, 1.0, 1.0, 1.0, 1.0, 0.0], claim) == verdicts.OPEN
