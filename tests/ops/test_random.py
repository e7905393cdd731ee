"""Seeds as data: equal seeds equal draws, anything else another draw."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ops


def _key(seed):
    return tuple(np.asarray(seed).tolist())


def test_seed_pair_keeps_large_and_negative_ints_apart():
    values = [0, 1, -1, 2**31, 2**32, 2**40 + 1, 2**63 - 1]
    assert len({_key(ops.seed_pair(value)) for value in values}) == 7
    assert _key(ops.seed_pair(5)) == _key(ops.seed_pair(np.int64(5)))
    assert _key(ops.seed_pair(tf.constant([3, 4]))) == (3, 4)


def test_seed_pair_none_is_fresh_at_every_execution():
    function = tf.function(lambda: ops.seed_pair(None))
    assert len({_key(function()) for _ in range(8)}) == 8


def test_fold_in_separates_replicas_steps_and_purposes():
    seed = ops.seed_pair(0)
    keys = {
        _key(ops.fold_in(seed, replica, step, purpose))
        for replica in range(4)
        for step in range(10)
        for purpose in range(3)
    }
    assert len(keys) == 120
    assert _key(ops.fold_in(seed, 1, 2)) == _key(ops.fold_in(seed, 1, 2))
    assert _key(ops.fold_in(seed, 1, 2)) != _key(ops.fold_in(seed, 2, 1))
    assert _key(ops.fold_in(seed)) == _key(seed)


def test_fold_in_of_a_tensor_equals_that_of_an_int():
    seed = ops.seed_pair(3)
    function = tf.function(lambda step: ops.fold_in(seed, step))
    for dtype in (tf.int32, tf.int64):
        folded = function(tf.constant(11, dtype))
        assert _key(folded) == _key(ops.fold_in(seed, 11))


def test_fold_in_differs_between_replicas(strategy):
    def replica_seed():
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group
        return ops.fold_in(ops.seed_pair(0), replica)

    seeds = strategy.experimental_local_results(strategy.run(replica_seed))
    assert _key(seeds[0]) != _key(seeds[1])


@pytest.mark.parametrize("seed", [4, tf.constant([1, 2])], ids=["int", "pair"])
def test_row_seeds_are_distinct_and_repeatable(seed):
    rows = ops.row_seeds(seed, 64)
    assert rows.shape == (64, 2) and rows.dtype == tf.int32
    assert len({_key(row) for row in rows}) == 64
    np.testing.assert_array_equal(rows, ops.row_seeds(seed, tf.constant(64)))


def test_row_seeds_pass_rows_through_and_are_fresh_without_seed():
    given = tf.constant([[1, 2], [3, 4]])
    np.testing.assert_array_equal(ops.row_seeds(given, 2), given)
    first, second = ops.row_seeds(None, 3), ops.row_seeds(None, 3)
    assert not np.array_equal(first, second)


def test_row_seeds_refuse_other_shapes():
    with pytest.raises(ValueError, match=r"of shape \[2\] or \[B, 2\]"):
        ops.row_seeds(tf.zeros([2, 3], tf.int32), 2)


def test_row_uniform_depends_on_the_row_seed_and_the_data_alone():
    seeds = ops.row_seeds(7, 5)
    drawn = ops.row_uniform(seeds, [3, 2], 4, 1)
    assert drawn.shape == (5, 3, 2)
    assert 0.0 <= drawn.numpy().min() and drawn.numpy().max() < 1.0
    for row in (0, 3):
        expected = tf.random.stateless_uniform(
            [3, 2], ops.fold_in(seeds[row], 4, 1)
        )
        np.testing.assert_array_equal(drawn[row], expected)
    other = ops.row_uniform(seeds, [3, 2], 4, 2)
    assert not np.isclose(drawn, other).all()


def test_row_normal_and_row_bits_are_the_stateless_draws_of_each_row():
    seeds = ops.row_seeds(7, 3)
    normal, bits = ops.row_normal(seeds, [4], 2), ops.row_bits(seeds, [4], 2)
    for row in range(3):
        own = ops.fold_in(seeds[row], 2)
        np.testing.assert_array_equal(
            normal[row], tf.random.stateless_normal([4], own)
        )
        np.testing.assert_array_equal(
            bits[row],
            tf.random.stateless_uniform([4], own, None, None, tf.int32),
        )
