"""The starts and the proposals of Square Attack, image by image."""

import typing

import numpy as np
import tensorflow as tf

from keras_mixup import ops

# Queries (of 10,000) after which the share of changed pixels is halved
# (Andriushchenko et al., 2020, section 5).
BREAKPOINTS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
_PUBLISHED_QUERIES = 10000
# Keeps the division by an empty window's length finite.
_TINY = 1e-12


class Place(typing.NamedTuple):
    """The pixels of one window in each image."""

    inside: tf.Tensor  # bool [B, H, W, 1]
    row: tf.Tensor  # int32 [B, H, 1, 1], counted from the window's corner
    column: tf.Tensor  # int32 [B, 1, W, 1]


def changed_shares(num_queries, p_init, rescale):
    """Returns the share of pixels that each step changes, float64 [steps].

    Args:
        num_queries: int >= 1, number of steps.
        p_init: float, the share at the first step.
        rescale: bool, whether the breakpoints, published for 10,000 queries,
            are rescaled to `num_queries`.
    """
    steps = np.arange(num_queries)
    if rescale:
        steps = steps * _PUBLISHED_QUERIES // num_queries
    halvings = (steps[:, None] > np.array(BREAKPOINTS)).sum(axis=1)
    return p_init / 2.0**halvings


def window_side(norm, share, image_shape):
    """Returns the side of the window that covers a share of the pixels.

    Args:
        norm: `"linf"`, or `"l2"`, whose windows are odd and at least 3 wide.
        share: float64 tensor.
        image_shape: int32 [2], height and width.

    Returns:
        int32, at most the image's shorter side.
    """
    pixels = tf.cast(tf.reduce_prod(image_shape), tf.float64)
    side = tf.cast(tf.round(tf.sqrt(share * pixels)), tf.int32)
    if norm == "linf":
        side = tf.maximum(side, 1)
    else:
        side = tf.maximum(side, 3)
        side += 1 - side % 2
    return tf.minimum(side, tf.reduce_min(image_shape))


def start(threat, images, seeds, restart):
    """Returns the first point: stripes in L-infinity, tiles in L2.

    Args:
        threat: `ThreatModel`.
        images: float32 [B, H, W, C].
        seeds: int32 [B, 2].
        restart: int scalar, folded into the seeds.
    """
    shape = tf.shape(images)
    if threat.norm == "linf":
        uniform = ops.row_uniform(seeds, [1, shape[2], shape[3]], restart, 0)
        moved = images + threat.eps * _signs(uniform)
    else:
        moved = images + threat.eps * _unit(_tiles(shape, seeds, restart))
    return _within(threat, images, moved)


def numbers_per_step(norm, channels):
    """Returns how many uniform numbers one step takes."""
    return channels + (2 if norm == "linf" else 5)


def propose(threat, images, best, side, uniform):
    """Returns the next point to be tried.

    Args:
        threat: `ThreatModel`.
        images: float32 [B, H, W, C].
        best: float32 [B, H, W, C], the best points so far.
        side: int scalar, side of the window.
        uniform: float32 [B, K], numbers of this step.
    """
    if threat.norm == "linf":
        change = 2.0 * threat.eps * _signs(uniform[:, None, 2:])
        moved = best + _painted(images, side, uniform[:, :2], change)
        moved = tf.ensure_shape(moved, images.shape)
        return ops.project(threat, images, moved)
    offset = _moved_mass(threat.eps, images, best - images, side, uniform)
    return _within(threat, images, images + threat.eps * _unit(offset))


def _painted(images, side, uniform, colours):
    # `colours` [B, 1, C] in the window, zero elsewhere. Two products of
    # small matrices: broadcasting a mask over channels is slow on a CPU.
    place = _place(images, side, uniform)
    rows = (place.row >= 0) & (place.row < side)
    columns = (place.column >= 0) & (place.column < side)
    shape = tf.shape(images)
    across = tf.matmul(tf.cast(columns[:, 0], tf.float32), colours)
    across = tf.reshape(across, [shape[0], 1, shape[2] * shape[3]])
    painted = tf.matmul(tf.cast(rows[:, :, 0], tf.float32), across)
    return tf.reshape(painted, shape)


def _moved_mass(eps, images, offset, side, uniform):
    # Algorithm 3: the second window gives its length to the first one.
    first = _place(images, side, uniform[:, 0:2])
    second = _place(images, side, uniform[:, 2:4])
    either = first.inside | second.inside
    unused = tf.maximum(eps**2 - _squares(offset, [1, 2, 3]), 0.0)
    channels = tf.cast(tf.shape(images)[3], tf.float32)
    windows = _squares(tf.where(either, offset, 0.0), [1, 2])
    kept = tf.where(first.inside, offset, 0.0)
    kept /= tf.sqrt(_squares(kept, [1, 2])) + _TINY
    bump = _bump(first, side, uniform[:, 4] < 0.5)
    fresh = bump * _signs(uniform[:, None, None, 5:]) + kept
    fresh /= tf.sqrt(_squares(fresh, [1, 2])) + _TINY
    fresh *= tf.sqrt(unused / channels + windows)
    offset = tf.where(second.inside, 0.0, offset)
    return tf.where(first.inside, fresh, offset)


def _tiles(shape, seeds, restart):
    # A five by five grid of bumps, each with a random sign and direction.
    height, width, channels = shape[1], shape[2], shape[3]
    side = tf.maximum(tf.minimum(height, width) // 5, 1)
    rows, columns = height // side, width // side
    drawn = ops.row_uniform(seeds, [rows, columns, channels + 1], restart, 0)
    drawn = tf.repeat(tf.repeat(drawn, side, axis=1), side, axis=2)
    place = Place(
        tf.ones([1, side, side, 1], tf.bool),
        tf.range(side)[None, :, None, None],
        tf.range(side)[None, None, :, None],
    )
    upright, turned = (
        tf.tile(_bump(place, side, [turn]), [1, rows, columns, 1])
        for turn in (False, True)
    )
    bumps = tf.where(drawn[..., :1] < 0.5, turned, upright)
    bumps *= _signs(drawn[..., 1:])
    top, left = (height - rows * side) // 2, (width - columns * side) // 2
    bottom = height - rows * side - top
    right = width - columns * side - left
    return tf.pad(bumps, [[0, 0], [top, bottom], [left, right], [0, 0]])


def _place(images, side, uniform):
    # Every corner that keeps the window inside is equally likely.
    shape = tf.shape(images)[1:3]
    free = shape - side
    corner = tf.cast(uniform * tf.cast(free + 1, tf.float32), tf.int32)
    corner = tf.minimum(corner, free)[:, None, None, :]
    row = tf.range(shape[0])[None, :, None, None] - corner[..., :1]
    column = tf.range(shape[1])[None, None, :, None] - corner[..., 1:]
    inside = (row >= 0) & (row < side) & (column >= 0) & (column < side)
    return Place(inside, row, column)


def _bump(place, side, turned):
    """Returns two opposite peaks of unit length in a window.

    Eq. 2 of the paper: either half of the window falls from its middle by
    sums of 1 / k^2; `turned` bool [B] swaps rows and columns.
    """
    turned = tf.reshape(turned, [-1, 1, 1, 1])
    along = tf.where(turned, place.column, place.row)
    across = tf.where(turned, place.row, place.column)
    half = side // 2
    upper = _peak(along, across, half, side)
    lower = _peak(along - half, across, side - half, side)
    upper = tf.where(place.inside & (along < half), upper, 0.0)
    lower = tf.where(place.inside & (along >= half), lower, 0.0)
    return _unit(_unit(upper) - _unit(lower))


def _peak(along, across, length, width):
    middle, other = length // 2, width // 2
    count = tf.maximum(middle, other) + 1
    terms = 1.0 / tf.cast(tf.range(1, count + 1), tf.float32) ** 2
    sums = tf.cumsum(terms, reverse=True)
    distance = tf.maximum(tf.abs(along - middle), tf.abs(across - other))
    # Values outside the window are masked.
    return tf.gather(sums, tf.minimum(distance, count - 1))


def _within(threat, images, moved):
    # The drawn numbers hide the static shape, which models may ask for.
    moved = tf.ensure_shape(moved, images.shape)
    return tf.clip_by_value(moved, *threat.bounds)


def _signs(uniform):
    return tf.where(uniform < 0.5, -1.0, 1.0)


def _squares(values, axes):
    return tf.reduce_sum(values**2, axis=axes, keepdims=True)


def _unit(values):
    return values / (tf.sqrt(_squares(values, [1, 2, 3])) + _TINY)
