"""Selection against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ops

_RNG = np.random.default_rng(0)
CHOSEN = _RNG.normal(size=(5, 3, 2)).astype("float32")
OTHER = _RNG.normal(size=(5, 3, 2)).astype("float32")
ROWS = np.array([True, False, True, True, False])


@pytest.mark.parametrize(
    "condition", [ROWS, CHOSEN > 0.0], ids=["rows", "entries"]
)
@pytest.mark.parametrize("wrap", [lambda f: f, tf.function])
def test_select(condition, wrap):
    full = condition if condition.ndim > 1 else condition[:, None, None]
    expected = np.where(full, CHOSEN, OTHER)
    found = wrap(ops.select)(condition, CHOSEN, OTHER)
    np.testing.assert_array_equal(found, expected)


def test_the_gradient_goes_where_the_value_came_from():
    chosen, other = tf.constant(CHOSEN), tf.constant(OTHER)
    with tf.GradientTape() as tape:
        tape.watch([chosen, other])
        total = tf.reduce_sum(ops.select(ROWS, chosen, other))
    slopes = tape.gradient(total, [chosen, other])
    mask = np.broadcast_to(ROWS[:, None, None], CHOSEN.shape)
    np.testing.assert_array_equal(slopes[0], mask.astype("float32"))
    np.testing.assert_array_equal(slopes[1], (~mask).astype("float32"))


def test_other_shapes_are_refused():
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        ops.select(ROWS, CHOSEN, OTHER[:, :1])
