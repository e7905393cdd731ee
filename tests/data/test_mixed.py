"""Batches of two sources in a stated ratio."""

import numpy as np
import pytest

from keras_mixup import data


def source(count, first, shape=(2, 2, 1)):
    """Images that tell their number, labels 0 or 1 by the source."""
    numbers = np.arange(first, first + count) / 1000
    images = np.broadcast_to(numbers[:, None, None, None], (count, *shape))
    labels = np.full(count, int(first > 0))
    return data.image_set(images.astype("float32"), labels)


OWN, EXTRA = source(12, 0), source(20, 500)


def batches(count, start=0, share=0.75, size=8, seed=3):
    stream = data.mixed_training_dataset(OWN, EXTRA, share, size, seed, start)
    return [(x.numpy(), y.numpy()) for x, y in stream.take(count)]


@pytest.mark.parametrize(("share", "extra"), [(0.75, 6), (0.3, 2), (0.5, 4)])
def test_a_batch_has_the_stated_share_of_either(share, extra):
    for images, labels in batches(5, share=share):
        assert images.shape == (8, 2, 2, 1) and labels.sum() == extra
        np.testing.assert_array_equal(images[:, 0, 0, 0] >= 0.5, labels)


def test_both_halves_of_a_batch_have_the_same_mix():
    for _, labels in batches(4):
        assert labels[:4].sum() == labels[4:].sum() == 3


def test_each_source_has_its_own_rounds():
    """Two rows of twelve images a step: six steps visit each once."""
    found = batches(6)
    own = np.concatenate([x[y == 0, 0, 0, 0] for x, y in found])
    np.testing.assert_allclose(np.sort(own), np.arange(12) / 1000)
    # Six rows of twenty: three steps visit 18 of them, none twice.
    other = np.concatenate([x[y == 1, 0, 0, 0] for x, y in found[:3]])
    assert len(np.unique(other)) == 18


def test_a_stream_from_a_step_is_the_rest_of_the_stream():
    for ours, theirs in zip(batches(3, start=4), batches(7)[4:], strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


def test_seeds_give_other_orders():
    first, second = batches(2), batches(2, seed=4)
    assert any((a[0] != b[0]).any() for a, b in zip(first, second))


@pytest.mark.parametrize(
    ("share", "size", "match"),
    [
        (0.01, 8, "`extra_share` must be a share that gives each source"),
        (0.99, 8, "`extra_share` must be a share that gives each source"),
        (1.5, 8, "`extra_share` must be a number in"),
        (0.5, 0, "`batch_size` must be an integer"),
    ],
)
def test_bad_shares_are_named(share, size, match):
    with pytest.raises(ValueError, match=match):
        batches(1, share=share, size=size)


def test_another_shape_is_refused():
    other = source(20, 500, (2, 3, 1))
    with pytest.raises(ValueError, match="`extra` must be images of shape"):
        data.mixed_training_dataset(OWN, other, 0.5, 8, 0)
