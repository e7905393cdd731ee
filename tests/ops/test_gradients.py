"""What counts as a gradient that leads nowhere, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ops

START = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]], "float32")
# Slopes of the rows: none, one that is no number, one of two, both.
FACTORS = np.array([[0.0, 0.0], [np.nan, 1.0], [0.0, 2.0], [3.0, 4.0]])


def climb(start, factors=FACTORS, num_steps=3):
    factors = tf.constant(factors, tf.float32)
    return ops.projected_ascent(
        lambda point: tf.reduce_sum(point * factors, axis=-1),
        start,
        0.1,
        tf.identity,
        num_steps,
    )


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["e", "g"])
def test_counts_rows_without_a_gradient_and_without_a_number(wrap):
    watch = ops.GradientWatch()

    @wrap
    def run(start):
        with watch:
            return climb(start)

    run(tf.constant(START))
    assert watch.health == (4, 1, 1)
    # The graph counts whenever it runs.
    run(tf.constant(START))
    assert watch.health == (8, 2, 2)
    watch.reset()
    assert watch.health == (0, 0, 0)


def test_counts_inside_a_loop_once_a_run():
    watch = ops.GradientWatch()

    @tf.function
    def run(start):
        def body(index, point):
            return index + 1, climb(point, FACTORS[:1])

        return tf.while_loop(lambda i, _: i < 5, body, (0, start))

    with watch:
        run(tf.constant(START[:1]))
    assert watch.health == (5, 5, 0)


def test_a_row_that_moved_or_took_no_step_is_not_stuck():
    watch = ops.GradientWatch()
    with watch:
        # The slope vanishes where the row arrives.
        ops.projected_ascent(
            lambda p: tf.minimum(p, 0.0), tf.constant([-1.0]), 2.0, tf.abs, 3
        )
        climb(tf.constant(START), num_steps=0)
    assert watch.health == (5, 0, 0)


def test_only_the_innermost_watch_counts_and_none_outside():
    outer, inner = ops.GradientWatch(), ops.GradientWatch()
    with outer:
        with inner:
            climb(tf.constant(START))
        climb(tf.constant(START[:2]), FACTORS[:2])
    climb(tf.constant(START))
    assert (outer.health, inner.health) == ((2, 1, 1), (4, 1, 1))


def test_what_no_part_depends_on_is_refused_by_name():
    watch = ops.GradientWatch("classifier")
    watch.subject = "mine"
    expected = "`classifier` must be a model whose loss.*'mine'.*Square"
    with watch, pytest.raises(ValueError, match=expected):
        ops.projected_ascent(tf.round, tf.constant([1.0]), 1.0, tf.abs, 1)
    with pytest.raises(ValueError, match="`model_fn` must be a model"):
        ops.projected_ascent(tf.round, tf.constant([1.0]), 1.0, tf.abs, 1)


def test_a_part_that_nothing_depends_on_has_zero_gradient():
    point = {"a": tf.constant([1.0]), "b": tf.constant([[2.0], [3.0]])}
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = 2.0 * point["a"]
    found = ops.input_gradients(tape, value, point)
    np.testing.assert_array_equal(found["a"], [2.0])
    np.testing.assert_array_equal(found["b"], [[0.0], [0.0]])


@pytest.mark.parametrize(
    ("health", "poor"),
    [
        ((0, 0, 0), False),
        ((100, 9, 0), False),
        ((100, 10, 0), True),
        ((100, 0, 1), True),
    ],
)
def test_a_tenth_of_the_rows_is_poor(health, poor):
    health = ops.GradientHealth(*health)
    assert health.poor is poor
    assert health.plus((1, 2, 3)) == tuple(np.add(health, (1, 2, 3)))
    rows, zero, nonfinite = health
    said = health.text("mine")
    assert f"On {zero} of {rows} rows the gradient of mine" in said
    assert f"on {nonfinite} it is not finite" in said
