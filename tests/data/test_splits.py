import numpy as np
import pytest

from keras_mixup import data
from keras_mixup.data import splits


def image_set(counts):
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    labels = np.random.default_rng(0).permutation(labels)
    n = len(labels)
    images = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1)
    return data.ImageSet(images, labels, np.arange(n, dtype=np.int64) * 7)


def test_classes_keep_their_proportions():
    subset = data.class_balanced_subset(image_set([40, 20, 10, 30]), 50)
    assert np.bincount(subset.labels).tolist() == [20, 10, 5, 15]


def test_what_is_left_goes_to_the_largest_remainders():
    # Shares of 7 among 5:3:2 are 3.5, 2.1, 1.4.
    subset = data.class_balanced_subset(image_set([5, 3, 2]), 7)
    assert np.bincount(subset.labels).tolist() == [4, 2, 1]


def test_rows_stay_together_and_in_order():
    whole = image_set([20, 20])
    subset = data.class_balanced_subset(whole, 11, seed=3)
    assert len(set(subset.example_ids.tolist())) == 11
    assert np.all(np.diff(subset.example_ids) > 0)
    rows = subset.example_ids // 7
    np.testing.assert_array_equal(subset.labels, whole.labels[rows])
    np.testing.assert_array_equal(subset.images, whole.images[rows])


def test_the_seed_alone_decides_and_a_smaller_one_is_contained():
    whole = image_set([30, 30])
    first = data.class_balanced_subset(whole, 20, seed=1).example_ids
    again = data.class_balanced_subset(whole, 20, seed=1).example_ids
    other = data.class_balanced_subset(whole, 20, seed=2).example_ids
    fewer = data.class_balanced_subset(whole, 10, seed=1).example_ids
    np.testing.assert_array_equal(first, again)
    assert set(first.tolist()) != set(other.tolist())
    assert set(fewer.tolist()) < set(first.tolist())


def test_the_choice_is_recorded():
    # Any machine, any version of NumPy: the choice is part of the results.
    labels = np.zeros(12, np.int32)
    chosen = splits.stratified_choice(labels, np.arange(12), 4, "recorded")
    assert np.flatnonzero(chosen).tolist() == [1, 4, 7, 8]


def test_every_example_is_equally_likely():
    whole = image_set([10])
    counts = np.zeros(10)
    for seed in range(400):
        ids = data.class_balanced_subset(whole, 3, seed).example_ids
        counts[ids // 7] += 1
    # Binomial(400, 0.3): standard deviation 9.2.
    assert np.abs(counts - 120).max() < 4 * 9.2


@pytest.mark.parametrize("count", [0, 11, 2.5])
def test_impossible_counts_are_refused(count):
    with pytest.raises(ValueError, match="`num_examples` must be"):
        data.class_balanced_subset(image_set([10]), count)
