import numpy as np
import pytest

from keras_mixup.metrics import robust_accuracy


def test_example_is_robust_only_if_every_attack_leaves_it_correct():
    labels = [3, 1, 0, 2]
    predictions = [[3, 1, 0, 0], [3, 2, 0, 2], [3, 1, 1, 2]]
    # Attack 1 breaks example 3, attack 2 breaks 1, attack 3 breaks 2.
    assert robust_accuracy(labels, predictions) == 0.25
    assert robust_accuracy(labels, predictions[:1]) == 0.75
    assert robust_accuracy(labels, predictions[0]) == 0.75


def test_never_exceeds_the_strongest_single_attack():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 50)
    predictions = rng.integers(0, 3, (4, 50))
    worst = robust_accuracy(labels, predictions)
    assert worst <= min(np.mean(row == labels) for row in predictions)


def test_refuses_other_shapes():
    with pytest.raises(ValueError, match="`labels` must be integers"):
        robust_accuracy([], [[]])
    with pytest.raises(ValueError, match=r"\[num_attacks, 2\]"):
        robust_accuracy([0, 1], [[0, 1, 2]])
