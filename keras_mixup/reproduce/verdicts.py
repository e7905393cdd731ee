"""Whether a paper's claim holds in our numbers, by paired tests."""

from typing import NamedTuple

from keras_mixup.metrics import estimates

HOLDS = "holds"
FAILS = "does not hold"
OPEN = "not decided"
MISSING = "not measured"
TEST = (
    "Each comparison is paired over the test images that both saw: McNemar's "
    "exact test where every image is right or wrong, its normal form where "
    "random draws or several networks make shares of it; 5 % two-sided, no "
    "correction for several comparisons. A claim holds if all of its "
    "comparisons show it beyond chance, does not hold if one of them shows "
    "the opposite beyond chance, and is not decided otherwise. The test knows "
    "the chance of the images, not that of the training."
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
    """

    comparison: object
    difference: float | None = None
    error: float | None = None
    first: float | None = None
    second: float | None = None
    num_examples: int = 0
    says: int | None = None


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


def verdict(claim, answers):
    """Returns the `Verdict` on a claim.

    Args:
        claim: `catalogue.Claim`.
        answers: callable (row, column), both labels, that returns dict
            example id -> share of right answers in [0, 1], or None where it
            is not measured.
    """
    compared = tuple(compare(c, answers) for c in claim.comparisons)
    says = [one.says for one in compared]
    if -1 in says:
        word = FAILS
    elif None in says:
        word = MISSING
    else:
        word = HOLDS if all(says) else OPEN
    return Verdict(claim, word, compared)


def compare(comparison, answers):
    """Returns the `Compared` of a `catalogue.Comparison`; see `verdict`."""
    first = answers(comparison.row, comparison.column)
    second = answers(comparison.other, comparison.column_of_other)
    if first is None or second is None:
        return Compared(comparison)
    first, second = estimates.paired_shares(first, second)
    if not len(first):
        return Compared(comparison)
    difference, error = estimates.mean_difference(first, second)
    says = _says(comparison, first, second, difference, error)
    return Compared(
        comparison,
        100.0 * difference,
        100.0 * error,
        100.0 * float(first.mean()),
        100.0 * float(second.mean()),
        len(first),
        says,
    )


def _says(comparison, first, second, difference, error):
    if comparison.within is not None:
        margin = comparison.within / 100.0
        if abs(difference) + error <= margin:
            return 1
        return -1 if abs(difference) - error > margin else 0
    if estimates.is_less(second, first):
        return 1
    return -1 if estimates.is_less(first, second) else 0
