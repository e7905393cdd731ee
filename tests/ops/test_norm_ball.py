"""Geometry of the ball: stays inside, spreads evenly, steepest step."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import ops

LINF = ThreatModel("linf", "8/255")
L2 = ThreatModel("l2", 0.5)


def _images(count=16, size=6):
    generator = np.random.default_rng(1)
    images = generator.uniform(size=(count, size, size, 3)).astype("float32")
    images[0] = 0.0
    images[1] = 1.0
    return images


def _distance(threat, images, others):
    offset = (np.asarray(others, "float64") - images).reshape(len(images), -1)
    order = np.inf if threat.norm == "linf" else 2
    return np.linalg.norm(offset, order, axis=1)


@pytest.mark.parametrize("threat", [LINF, L2], ids=["linf", "l2"])
@pytest.mark.parametrize("scale", [0.001, 0.1, 100.0])
def test_project_lands_in_ball_and_bounds(threat, scale):
    images = _images()
    noise = np.random.default_rng(2).normal(size=images.shape)
    candidates = (images + scale * noise).astype("float32")
    points = ops.project(threat, images, candidates).numpy()
    assert _distance(threat, images, points).max() <= threat.eps + 2e-7
    assert points.min() >= 0.0 and points.max() <= 1.0


@pytest.mark.parametrize("threat", [LINF, L2], ids=["linf", "l2"])
def test_project_leaves_inner_points_alone(threat):
    images = np.full((2, 4, 4, 1), 0.5, "float32")
    inner = images + np.float32(0.9 * threat.eps / 4.0)
    np.testing.assert_allclose(
        ops.project(threat, images, inner), inner, rtol=1e-6
    )


def test_project_l2_is_the_nearest_point_of_the_ball():
    images = np.full((1, 2, 1, 1), 0.5, "float32")
    candidate = images + np.array([0.3, 0.4], "float32").reshape(1, 2, 1, 1)
    point = ops.project(ThreatModel("l2", 0.25), images, candidate)
    np.testing.assert_allclose(
        np.ravel(point), [0.5 + 0.15, 0.5 + 0.2], rtol=1e-6
    )


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_project_with_eps_zero_gives_the_images(norm):
    images = _images()
    moved = np.clip(images + 0.1, 0.0, 1.0)
    points = ops.project(ThreatModel(norm, 0.0), images, moved)
    np.testing.assert_array_equal(points, images)


@pytest.mark.parametrize("threat", [LINF, L2], ids=["linf", "l2"])
def test_random_start_is_inside_seeded_and_different_per_image(threat):
    images = np.full((8, 6, 6, 3), 0.5, "float32")
    seed = ops.seed_pair(5)
    start = ops.random_start(threat, images, seed).numpy()
    assert _distance(threat, images, start).max() <= threat.eps + 2e-7
    np.testing.assert_array_equal(start, ops.random_start(threat, images, seed))
    other = ops.random_start(threat, images, ops.seed_pair(6))
    assert not np.array_equal(start, other)
    assert not np.array_equal(start[0], start[1])


def test_random_start_linf_is_uniform():
    images = np.full((64, 8, 8, 3), 0.5, "float32")
    start = ops.random_start(LINF, images, ops.seed_pair(0)).numpy()
    scaled = (start - 0.5).ravel() / LINF.eps
    assert abs(scaled.mean()) < 5.0 / np.sqrt(3.0 * scaled.size)
    np.testing.assert_allclose(scaled.var(), 1.0 / 3.0, rtol=0.05)


def test_random_start_l2_is_uniform_in_the_ball():
    # In a ball of dimension d, (radius / eps)^d is uniform on [0, 1].
    images = np.full((4000, 3, 1, 1), 0.5, "float32")
    threat = ThreatModel("l2", 0.1)
    start = ops.random_start(threat, images, ops.seed_pair(0))
    volume = (_distance(threat, images, start) / 0.1) ** 3
    np.testing.assert_allclose(volume.mean(), 0.5, atol=0.025)
    np.testing.assert_allclose(volume.var(), 1.0 / 12.0, rtol=0.06)
    # And no direction is preferred.
    offset = (start.numpy() - 0.5).reshape(-1, 3) / 0.1
    assert np.abs(offset.mean(axis=0)).max() < 0.04


def test_random_start_is_clipped_to_the_bounds():
    start = ops.random_start(LINF, _images(), ops.seed_pair(0)).numpy()
    assert start.min() >= 0.0 and start.max() <= 1.0


def test_steepest_direction():
    gradient = np.array([[3.0, -4.0], [0.0, 0.0], [0.0, 1e-25]], "float32")
    np.testing.assert_array_equal(
        ops.steepest_direction("linf", gradient), np.sign(gradient)
    )
    np.testing.assert_allclose(
        ops.steepest_direction("l2", gradient),
        [[0.6, -0.8], [0.0, 0.0], [0.0, 1.0]],
        rtol=1e-6,
    )


@pytest.mark.parametrize("threat", [LINF, L2], ids=["linf", "l2"])
def test_graph_with_unknown_batch_equals_eager(threat):
    images = _images()
    function = tf.function(
        lambda x, seed: ops.project(
            threat, x, ops.random_start(threat, x, seed) + 0.1
        ),
        input_signature=[
            tf.TensorSpec([None, 6, 6, 3], tf.float32),
            tf.TensorSpec([2], tf.int32),
        ],
    )
    seed = ops.seed_pair(9)
    eager = ops.project(
        threat, images, ops.random_start(threat, images, seed) + 0.1
    )
    np.testing.assert_allclose(function(images, seed), eager, atol=1e-7)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_start_from_row_seeds_depends_on_the_row_alone(norm):
    threat = ThreatModel(norm, 0.3)
    images = tf.fill([64, 3, 3, 2], 0.5)
    seeds = ops.row_seeds(2, 64)
    start = ops.random_start(threat, images, seeds)
    alone = ops.random_start(threat, images[5:6], seeds[5:6])
    np.testing.assert_allclose(alone[0], start[5], atol=1e-7)
    offsets = (start - images).numpy().reshape(64, 18).astype("float64")
    order = np.inf if norm == "linf" else 2
    lengths = np.linalg.norm(offsets, order, axis=1)
    assert lengths.max() <= 0.3 * (1.0 + 1e-6)
    # Uniform in the ball: the length to the 18th power is uniform, too.
    shares = np.sort((lengths / 0.3) ** 18)
    gaps = np.abs(shares - (np.arange(64) + 0.5) / 64)
    assert gaps.max() < 0.25
