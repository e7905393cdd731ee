"""`estimate` on tables of answers that can be counted by hand."""

import pytest

from keras_mixup import metrics


def test_an_estimate_of_two_seeds():
    found = metrics.estimate([[0, 1, 2, 0], [0, 1, 0, 1]], [0, 1, 2, 2])
    assert isinstance(found, metrics.Estimate)
    # Right twice, twice, once and never.
    assert found.accuracy == 5 / 8
    assert (found.always, found.never) == (0.5, 0.25)
    # A tie of votes loses.
    assert found.majority == 0.5
    assert found.low < found.accuracy < found.high
    assert (found.num_examples, found.num_seeds) == (4, 2)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="`predictions` must be"):
        metrics.estimate([0, 1], [0, 1])
    with pytest.raises(ValueError, match="`labels` must be"):
        metrics.estimate([[0, 1]], [0, 1, 2])
