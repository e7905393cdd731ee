"""The rows that an attack still works on."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.attacks import _active


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, 1), (3, 4), (5, 8), (9, 16), (65, 72), (129, 144), (10**6, 2**20)],
)
def test_sizes_in_and_outside_a_graph(count, expected):
    assert _active.filled_size(count) == expected
    assert tf.function(_active.filled_size)(tf.constant(count)) == expected


def test_sizes_are_few_and_close():
    counts = np.arange(57, 2000)
    sizes = np.array([int(_active.filled_size(count)) for count in counts])
    assert (sizes >= counts).all()
    assert (sizes <= 1.125 * counts).all()
    # Eight for each power of two.
    assert len(np.unique(sizes[(counts > 512) & (counts <= 1024)])) == 8


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function])
def test_unfinished_rows_come_first(wrap):
    done = np.array([True, False, True, True, False, False, True])
    rows = wrap(_active.unfinished_rows)(tf.constant(done)).numpy()
    np.testing.assert_array_equal(rows, [1, 4, 5, 0])
    assert len(wrap(_active.unfinished_rows)(tf.constant(~done))) == 4
    everything = wrap(_active.unfinished_rows)(tf.zeros(9, tf.bool))
    np.testing.assert_array_equal(everything, np.arange(9))
