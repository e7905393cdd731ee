"""Accuracy under common corruptions."""

from collections.abc import Mapping

import numpy as np

from keras_mixup import _checks
from keras_mixup import _corruption_kinds


def corruption_accuracy(accuracies: Mapping[tuple[str, int], float]) -> float:
    """Returns the mean accuracy over 15 standard kinds x 5 severities.

    This is the number in tables of CIFAR-10-C and similar sets (VarMixup,
    Table 4; Hendrycks and Dietterich, 2019). The authors' four extra kinds
    are accepted and ignored.

    Args:
        accuracies: dict (kind, severity) -> accuracy in [0, 1], with all of
            the 15 kinds and the severities 1 to 5.

    Returns:
        float in [0, 1].

    Raises:
        ValueError: for a missing or unknown pair, or no accuracy.

    Example:

    >>> cells = {(k, s): 0.5 for k in STANDARD_CORRUPTIONS for s in range(1, 6)}
    >>> corruption_accuracy(cells)
    0.5
    """
    expected = "a dict (kind, severity) -> accuracy"
    _checks.check_instance(accuracies, "accuracies", dict, expected)
    severities = _corruption_kinds.SEVERITIES
    standard = _corruption_kinds.STANDARD
    known = (*standard, *_corruption_kinds.EXTRA)
    for cell, value in accuracies.items():
        pair = isinstance(cell, tuple) and len(cell) == 2
        okay = pair and cell[0] in known and cell[1] in severities
        expected = "a dict with keys (kind, severity of 1 to 5)"
        _checks.check(okay, "accuracies", expected, cell)
        _checks.check_number(value, f"accuracy of {cell}", 0.0, 1.0)
    cells = [(kind, severity) for kind in standard for severity in severities]
    missing = [cell for cell in cells if cell not in accuracies]
    expected = "given for every standard kind and severity"
    _checks.check(not missing, "accuracies", expected, f"none for {missing}")
    return float(np.mean([accuracies[cell] for cell in cells]))
