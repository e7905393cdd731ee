"""How sure the accuracy in records is."""

from typing import NamedTuple

from keras_mixup import _checks
from keras_mixup.evaluation.records import Records
from keras_mixup.metrics.estimates import mean_difference
from keras_mixup.metrics.estimates import of_answers
from keras_mixup.metrics.estimates import p_value
from keras_mixup.metrics.estimates import paired_shares


class Difference(NamedTuple):
    """The difference of two models on the same examples.

    Attributes:
        mean: float, first minus second.
        error: float, half of its usual 95 % interval. With few examples on
            which they differ it may exclude 0 where the test does not.
        p: float, two-sided, by the exact test of `metrics.estimates.p_value`.
    """

    mean: float
    error: float
    p: float


def paired_difference(first, second):
    """Returns the `Difference` of two models.

    Paired by example, since both saw the same ones: an image that is easy or
    hard for both of them says nothing of their difference.

    Args:
        first, second: iterables of `Record` on the same examples; the share
            of an example's records that are right is its value.
    """
    shares = (Records(records).shares() for records in (first, second))
    values = paired_shares(*shares)
    return Difference(*mean_difference(*values), p_value(*values))


def from_records(records):
    """Returns the `Estimate` of the records of one model under one attack.

    Args:
        records: iterable of `Record`; a measurement that occurs twice counts
            once. An example that lacks some seeds, in a run that was cut
            short, counts with those it has.

    Raises:
        ValueError: without any record.
    """
    groups = Records(records).unique().by("example_id").values()
    _checks.check(groups, "records", "one record or more", len(groups))
    answers = [[record.prediction for record in own] for own in groups]
    return of_answers(answers, [own[0].label for own in groups])
