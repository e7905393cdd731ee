"""Steps to a hyperplane against scipy's solvers and closed forms."""

import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf

from keras_mixup import ops

_RNG = np.random.default_rng(0)
POINTS = _RNG.uniform(size=(12, 6)).astype("float32")
NORMALS = _RNG.normal(size=(12, 6)).astype("float32")
NORMALS[:, 2] *= np.array([0.0, 1.0] * 6, "float32")
# From hardly any gap to nearly all that the box allows.
REACH = np.where(NORMALS > 0, NORMALS * (1 - POINTS), -NORMALS * POINTS).sum(1)
GAPS = (REACH * np.linspace(0.02, 0.98, 12)).astype("float32")


def _shortest_linf(point, normal, gap):
    size = len(point)
    # Variables d and t: minimise t subject to |d_i| <= t.
    above = np.hstack([np.eye(size), -np.ones((size, 1))])
    below = np.hstack([-np.eye(size), -np.ones((size, 1))])
    found = scipy.optimize.linprog(
        [0.0] * size + [1.0],
        A_ub=np.vstack([above, below]),
        b_ub=np.zeros(2 * size),
        A_eq=[[*normal, 0.0]],
        b_eq=[gap],
        bounds=[(-p, 1.0 - p) for p in point] + [(0.0, None)],
    )
    return found.fun


def _shortest_l2(point, normal, gap):
    found = scipy.optimize.minimize(
        lambda d: (d**2).sum(),
        np.zeros(len(point)),
        jac=lambda d: 2 * d,
        bounds=[(-p, 1.0 - p) for p in point],
        constraints={"type": "eq", "fun": lambda d: normal @ d - gap},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    return found.x


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_linf_steps_are_as_short_as_linprog_says(sign):
    # With both signs turned, the same step solves the same problem.
    normals, gaps = sign * NORMALS, sign * GAPS
    steps = ops.step_to_hyperplane("linf", POINTS, normals, gaps, (0.0, 1.0))
    steps = steps.numpy().astype("float64")
    np.testing.assert_allclose(
        (normals * np.asarray(steps)).sum(1), gaps, atol=1e-5
    )
    assert (POINTS + steps).min() >= 0.0 and (POINTS + steps).max() <= 1 + 1e-6
    shortest = [
        _shortest_linf(*problem) for problem in zip(POINTS, normals, gaps)
    ]
    np.testing.assert_allclose(np.abs(steps).max(1), shortest, atol=1e-5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_l2_steps_equal_those_of_scipy(sign):
    normals, gaps = sign * NORMALS, sign * GAPS
    steps = ops.step_to_hyperplane("l2", POINTS, normals, gaps, (0.0, 1.0))
    expected = [
        _shortest_l2(*problem)
        for problem in zip(
            POINTS.astype("float64"), normals.astype("float64"), gaps
        )
    ]
    np.testing.assert_allclose(steps, expected, atol=2e-4)
    np.testing.assert_allclose(
        (normals * np.asarray(steps)).sum(1), gaps, atol=1e-5
    )


def test_without_the_box_in_the_way_the_steps_are_the_textbook_ones():
    points, gaps = np.full((12, 6), 0.5, "float32"), 0.01 * GAPS
    linf, l2 = (
        ops.step_to_hyperplane(norm, points, NORMALS, gaps, (0.0, 1.0))
        for norm in ("linf", "l2")
    )
    sums = np.abs(NORMALS).sum(1)
    expected = np.sign(NORMALS) * (gaps / sums)[:, None]
    np.testing.assert_allclose(linf, expected, atol=1e-7)
    squares = (NORMALS**2).sum(1)
    expected = NORMALS * (gaps / squares)[:, None]
    np.testing.assert_allclose(l2, expected, atol=1e-7)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_out_of_reach_the_step_ends_in_the_nearest_corner(norm):
    steps = ops.step_to_hyperplane(
        norm, POINTS, NORMALS, 1.5 * GAPS + REACH, (0.0, 1.0)
    )
    corner = np.where(NORMALS > 0, 1.0, 0.0)
    expected = np.where(NORMALS != 0, corner - POINTS, 0.0)
    np.testing.assert_allclose(steps, expected, atol=1e-7)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("scale", [0.0, 1e-36, 1e-20, 1e20, 1e36])
def test_extreme_and_zero_normals_give_finite_steps(norm, scale):
    normals = NORMALS * np.float32(scale)
    gaps = GAPS * np.float32(scale)
    steps = ops.step_to_hyperplane(norm, POINTS, normals, gaps, (0.0, 1.0))
    if scale == 0.0:
        np.testing.assert_array_equal(steps, np.zeros_like(POINTS))
        gaps = np.ones_like(gaps)
        steps = ops.step_to_hyperplane(norm, POINTS, normals, gaps, (0.0, 1.0))
        np.testing.assert_array_equal(steps, np.zeros_like(POINTS))
        return
    plain = ops.step_to_hyperplane(norm, POINTS, NORMALS, GAPS, (0.0, 1.0))
    np.testing.assert_allclose(steps, plain, atol=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_large_problems_in_a_graph_equal_the_eager_ones(norm):
    points = _RNG.uniform(size=(4, 3072)).astype("float32")
    normals = _RNG.normal(size=(4, 3072)).astype("float32")
    reach = np.where(normals > 0, normals * (1 - points), -normals * points)
    gaps = reach.sum(1) * np.array([0.01, 0.3, 0.9, 0.999], "float32")
    eager = ops.step_to_hyperplane(norm, points, normals, gaps, (0.0, 1.0))
    graph = tf.function(ops.step_to_hyperplane, jit_compile=False)(
        norm, points, normals, gaps, (0.0, 1.0)
    )
    np.testing.assert_allclose(eager, graph, atol=1e-6)
    covered = (normals.astype("float64") * eager.numpy()).sum(1)
    np.testing.assert_allclose(covered, gaps, rtol=1e-4)
