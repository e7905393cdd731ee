"""Whether a paper's claim holds in our numbers, by paired tests."""

from typing import NamedTuple

from keras_mixup.reproduce import statistics

HOLDS = "holds"
FAILS = "does not hold"
OPEN = "not decided"
MISSING = "not measured"
TEST = (
    "Each comparison is paired over the test images that both saw: McNemar's "
    "exact test where every image is right or wrong. Where random draws or "
    "several networks make shares of it, all signs of up to 20 differences "
    "are tried, and more are taken as normal. 5 % two-sided, no "
    "correction for several comparisons. A claim holds if all of its "
    "comparisons show it beyond chance, does not hold if one of them shows "
    "the opposite beyond chance, and is not decided otherwise. p is that of "
    "the test; ± is half of the usual 95 % interval of the difference, which "
    "may fall on the other side of 5 %. That two rows are close holds if exact "
    "bounds of the difference (Clopper and Pearson) are; there ± is the "
    "farther one. The test knows the chance of the images, not that of the "
    "training."
)


TEST_OF_SAMPLES = (
    "A number that is no mean over images, such as an area under a curve, is "
    "compared by 2,000 samples of the images, drawn with replacement, the same "
    "for both: beyond chance is a difference whose middle 95 % have one sign. "
    "Of several networks it is the mean."
)


class Compared(NamedTuple):
    """Two numbers of ours, compared.

    Attributes:
        comparison: `catalogue.Comparison`.
        difference, error: floats, percentage points and their 95 % error, on
            the images that both saw; None where one is not measured.
        first, second: floats, the accuracies on these images in percent.
        num_examples: int.
        says: +1 as claimed beyond chance, -1 the opposite, 0 neither; None
            where one is not measured.
        statistic: `Statistic`, which may be another one than the accuracy;
            all of the numbers are then in its unit.
        p: float, two-sided, of the test; None where samples decide, or for a
            claim that two are close.
    """

    comparison: object
    difference: float | None = None
    error: float | None = None
    first: float | None = None
    second: float | None = None
    num_examples: int = 0
    says: int | None = None
    statistic: statistics.Statistic = statistics.ACCURACY
    p: float | None = None


class Verdict(NamedTuple):
    """A claim and what our numbers say of it.

    Attributes:
        claim: `catalogue.Claim`.
        word: one of `HOLDS`, `FAILS`, `OPEN`, `MISSING`.
        compared: tuple of `Compared`.
    """

    claim: object
    word: str
    compared: tuple

    @property
    def numbers(self):
        """tuple: the accuracies that it rests on."""
        return tuple((own.first, own.second) for own in self.compared)


def verdict(claim, answers, statistic=statistics.ACCURACY):
    """Returns the `Verdict` on a claim.

    Args:
        claim: `catalogue.Claim`.
        answers: callable (row, column), both labels, that returns dict
            example id -> share of right answers in [0, 1], or None where it
            is not measured. With another statistic the values are its own, or
            a float in the place of the dict, a level.
        statistic: `Statistic`.
    """
    compared = tuple(compare(c, answers, statistic) for c in claim.comparisons)
    says = [one.says for one in compared]
    if -1 in says:
        word = FAILS
    elif None in says:
        word = MISSING
    else:
        word = HOLDS if all(says) else OPEN
    return Verdict(claim, word, compared)


def compare(comparison, answers, statistic=statistics.ACCURACY):
    """Returns the `Compared` of a `catalogue.Comparison`; see `verdict`."""
    first = answers(comparison.row, comparison.column)
    second = answers(comparison.other, comparison.column_of_other)
    nothing = Compared(comparison, statistic=statistic)
    if first is None or second is None:
        return nothing
    found = statistics.differ(first, second, statistic)
    if found is None:
        return nothing
    close = comparison.within is not None
    error = found.error
    if close:
        low, high = _bounds(found)
        error = max(high - found.difference, found.difference - low)
    numbers = found.difference, error, found.first, found.second
    return Compared(
        comparison,
        *(statistic.factor * number for number in numbers),
        found.num_examples,
        _says(comparison, found),
        statistic,
        None if close else found.p,
    )


def _says(comparison, found):
    if comparison.within is None:
        return found.says
    margin = comparison.within / 100.0
    low, high = _bounds(found)
    if -margin <= low and high <= margin:
        return 1
    return -1 if low > margin or high < -margin else 0


def _bounds(found):
    """The 95 % bounds of a `Difference`, (low, high)."""
    if found.bounds is not None:
        return found.bounds
    return found.difference - found.error, found.difference + found.error
