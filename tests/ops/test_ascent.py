"""The one inner loop against a NumPy loop."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ops


def _quadratic(point):
    first, second = point["a"], point["b"]
    return -tf.reduce_sum((first - 1.0) ** 2) - tf.reduce_sum(
        (second + 2.0) ** 2 * tf.constant([1.0, 10.0])
    )


def _numpy_ascent(first, second, num_steps):
    for _ in range(num_steps):
        slope_a = -2.0 * (first - 1.0)
        slope_b = -2.0 * (second + 2.0) * np.array([1.0, 10.0], "float32")
        first = np.clip(first + 0.3 * np.sign(slope_a), -0.5, 0.5)
        second = np.clip(second + 0.02 * slope_b, -3.0, 3.0)
    return first, second


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["e", "g"])
@pytest.mark.parametrize("num_steps", [0, 1, 7])
def test_nested_point_follows_a_numpy_loop(wrap, num_steps):
    start_a = np.linspace(-0.5, 0.5, 6, dtype="float32").reshape(2, 3)
    start_b = np.array([[0.5, 1.0], [2.0, -3.0]], "float32")

    @wrap
    def climb(first, second):
        return ops.projected_ascent(
            _quadratic,
            {"a": first, "b": second},
            {"a": 0.3, "b": tf.constant(0.02)},
            {
                "a": lambda t: tf.clip_by_value(t, -0.5, 0.5),
                "b": lambda t: tf.clip_by_value(t, -3.0, 3.0),
            },
            num_steps,
            directions={"a": tf.sign, "b": tf.identity},
        )

    point = climb(tf.constant(start_a), tf.constant(start_b))
    first, second = _numpy_ascent(start_a, start_b, num_steps)
    np.testing.assert_allclose(point["a"], first, atol=1e-6)
    np.testing.assert_allclose(point["b"], second, rtol=1e-5)


def test_every_step_gets_its_own_seed():
    seed = tf.constant([3, 4])

    def objective(point, seed):
        noise = tf.random.stateless_uniform((), seed)
        return tf.reduce_sum(point) * noise

    # With the gradient itself as direction the point sums up the noise.
    end = ops.projected_ascent(
        objective,
        tf.zeros([1]),
        1.0,
        tf.identity,
        5,
        directions=tf.identity,
        seed=seed,
    )
    noises = [
        float(tf.random.stateless_uniform((), ops.fold_in(seed, step)))
        for step in range(5)
    ]
    assert len(set(noises)) == 5
    np.testing.assert_allclose(float(end[0]), sum(noises), rtol=1e-6)


def test_costs_one_gradient_per_step_and_nothing_else():
    calls = tf.Variable(0)

    def objective(point):
        calls.assign_add(1)
        return tf.reduce_sum(point)

    ops.projected_ascent(objective, tf.zeros([2]), 0.1, tf.identity, 6)
    assert int(calls) == 6


def test_no_gradient_flows_through_the_result():
    start = tf.ones([2])
    with tf.GradientTape() as tape:
        tape.watch(start)
        end = ops.projected_ascent(
            lambda p: tf.reduce_sum(p**2), start, 0.1, tf.identity, 2
        )
    assert tape.gradient(end, start) is None


def test_a_tensor_the_objective_ignores_stays():
    end = ops.projected_ascent(
        lambda point: tf.reduce_sum(point[0]),
        (tf.zeros([2]), tf.ones([3])),
        (0.5, 0.5),
        (tf.identity, tf.identity),
        2,
    )
    np.testing.assert_array_equal(end[0], [1.0, 1.0])
    np.testing.assert_array_equal(end[1], [1.0, 1.0, 1.0])


def test_structures_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="zip"):
        ops.projected_ascent(
            lambda point: tf.reduce_sum(point[0]),
            (tf.zeros([2]), tf.ones([3])),
            (0.5,),
            (tf.identity, tf.identity),
            1,
        )
