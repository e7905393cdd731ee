"""Target classes: never the true one."""

import numpy as np
import pytest

from keras_mixup.attacks import random_targets
from keras_mixup.attacks import second_most_likely_targets


def test_random_targets_are_uniform_over_the_other_classes():
    labels = np.repeat(np.arange(4), 3000)
    targets = random_targets(labels, 4, seed=0).numpy()
    assert targets.dtype == np.int32
    counts = np.zeros((4, 4), int)
    np.add.at(counts, (labels, targets), 1)
    np.testing.assert_array_equal(np.diag(counts), 0)
    others = counts[~np.eye(4, dtype=bool)]
    # 12 cells of expectation 1000 with standard deviation 26.
    assert np.abs(others - 1000).max() < 130


def test_random_targets_depend_on_the_seed_alone():
    labels = np.arange(10)
    first = random_targets(labels, 10, seed=1)
    np.testing.assert_array_equal(first, random_targets(labels, 10, seed=1))
    assert not np.array_equal(first, random_targets(labels, 10, seed=2))
    np.testing.assert_array_equal(
        first, random_targets(np.eye(10)[labels], 10, seed=1)
    )
    np.testing.assert_array_equal(random_targets([0, 1], 2, seed=0), [1, 0])


def test_random_targets_need_two_classes():
    with pytest.raises(ValueError, match="`num_classes` must be an integer >"):
        random_targets([0], 1, seed=0)


def test_second_most_likely_is_the_best_class_but_the_true_one():
    logits = np.array(
        [[5.0, 3.0, 1.0], [5.0, 3.0, 1.0], [-9.0, -8.0, -7.0]], "float32"
    )
    targets = second_most_likely_targets(logits, np.array([0, 1, 0]))
    np.testing.assert_array_equal(targets, [1, 0, 2])
    one_hot = np.eye(3, dtype="float32")[[0, 1, 0]]
    np.testing.assert_array_equal(
        second_most_likely_targets(logits, one_hot), targets
    )
    for labels, match in [
        (np.array([0, 1, 3]), r"`labels` must be in 0\.\.2"),
        (np.eye(4)[[0, 1, 0]], r"`labels` must be .*\[3, 3\]"),
        (np.array([0, 1]), r"`labels` must be .*\[3\]"),
    ]:
        with pytest.raises(ValueError, match=match):
            second_most_likely_targets(logits, labels)
