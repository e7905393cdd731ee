"""The mean over fifteen kinds and five severities, and nothing else."""

import numpy as np
import pytest

from keras_mixup.metrics import STANDARD_CORRUPTIONS
from keras_mixup.metrics import corruption_accuracy


def _cells(kinds=STANDARD_CORRUPTIONS):
    generator = np.random.default_rng(0)
    return {(k, s): generator.random() for k in kinds for s in range(1, 6)}


def test_is_the_mean_of_seventy_five_cells():
    cells = _cells()
    assert len(cells) == 75
    expected = sum(cells.values()) / 75
    np.testing.assert_allclose(corruption_accuracy(cells), expected)


def test_the_four_extra_kinds_never_count():
    cells = _cells()
    extra = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
    more = {(kind, s): 0.0 for kind in extra for s in range(1, 6)}
    assert corruption_accuracy({**more, **cells}) == corruption_accuracy(cells)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({("fog", 6): 0.5}, r"keys \(kind, severity of 1 to 5\)"),
        ({("rain", 1): 0.5}, r"keys \(kind, severity of 1 to 5\)"),
        ({"fog": 0.5}, r"keys \(kind, severity of 1 to 5\)"),
        ({("fog", 1): 50.0}, r"accuracy of .*\[0, 1\]"),
        ({("fog", 1): float("nan")}, r"accuracy of .*\[0, 1\]"),
    ],
)
def test_refuses_wrong_cells(change, text):
    with pytest.raises(ValueError, match=text):
        corruption_accuracy({**_cells(), **change})


def test_refuses_a_missing_cell():
    cells = _cells()
    del cells["snow", 3]
    with pytest.raises(ValueError, match=r"none for \[\('snow', 3\)\]"):
        corruption_accuracy(cells)
