"""A defence written by others is tried out at its first draw."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import inference
from keras_mixup import ops

IMAGES = np.random.default_rng(0).random((4, 3, 3, 1), dtype="float32")


def draw(self, seeds, labels, image_shape):
    shape = [self.num_draws, *image_shape]
    return {"noise": 0.1 * ops.row_normal(seeds, shape)}


def right(self, images, draws):
    return tf.transpose(images[:, None] + draws["noise"], [1, 0, 2, 3, 4])


def swapped(self, images, draws):
    return images[:, None] + draws["noise"]


def infinite(self, images, draws):
    return right(self, images, draws) / 0.0


def rows_only(self, images, draws):
    return images + draws["noise"][:, 0]


def defence(draw_rows=draw, apply=right, num_draws=4, max_inputs=4096, **facts):
    kind = type(
        "Mine",
        (inference.RandomizedInference,),
        {
            "draw_rows": draw_rows,
            "apply": apply,
            "__module__": "mine",
            **facts,
        },
    )
    network = keras.Sequential(
        [
            keras.Input((3, 3, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    return kind(network, num_draws=num_draws, max_inputs=max_inputs)


WRONG = [
    # B = N hides it from every look at the shapes alone.
    (draw, swapped, r"Mine.apply.*\[2, 3, 3, 3, 1\].*\[3, 2, 3, 3, 1\]"),
    (draw, rows_only, r"Mine.apply.*shape \[3, 3, 3, 1\]"),
    (draw, infinite, "Mine.apply.*finite.*NaN or infinity"),
    (
        lambda self, *a: draw(self, *a)["noise"],
        right,
        "Mine.draw_rows.*a dict of tensors",
    ),
    (lambda self, *a: {}, right, "Mine.draw_rows.*a dict of tensors"),
    (
        lambda self, seeds, *a: {"noise": tf.zeros([])},
        right,
        "Mine.draw_rows.*'noise' of shape",
    ),
    (
        lambda self, seeds, *a: {"noise": tf.zeros([1, 4, 3, 3, 1])},
        right,
        "Mine.draw_rows.*B is 3",
    ),
]


@pytest.mark.parametrize(("draw_rows", "apply", "match"), WRONG)
@pytest.mark.parametrize("traced", [False, True])
def test_what_breaks_the_contract_is_named(draw_rows, apply, match, traced):
    call = defence(draw_rows, apply)
    if traced:
        call = tf.function(call, autograph=False)
    with pytest.raises(ValueError, match=match):
        call(IMAGES)


@pytest.mark.parametrize("num_draws", [1, 2, 4])
@pytest.mark.parametrize("uses_prediction", [False, True])
def test_what_keeps_it_is_tried_once(num_draws, uses_prediction):
    tried = []

    def counted(self, seeds, labels, image_shape):
        tried.append((len(seeds), labels is not None))
        return draw(self, seeds, labels, image_shape)

    mine = defence(
        counted, num_draws=num_draws, uses_prediction=uses_prediction
    )
    answers = [mine(IMAGES, seed=0), mine(IMAGES, seed=0)]
    np.testing.assert_array_equal(*answers)
    assert [rows for rows, _ in tried] == [3, 4, 4]
    assert {asked for _, asked in tried} == {uses_prediction}


@pytest.mark.parametrize("max_inputs", [None, 4096, 8, 1])
@pytest.mark.parametrize("traced", [False, True])
def test_several_inputs_of_a_draw_count_the_same_in_chunks(max_inputs, traced):
    def both(self, images, draws):
        moved = right(self, images, draws)
        return tf.concat([moved, tf.reverse(moved, [3])], 0)

    mine = defence(apply=both, max_inputs=max_inputs)
    call = tf.function(mine, autograph=False) if traced else mine
    found = np.exp(call(IMAGES, seed=3))
    inputs = both(mine, IMAGES, mine.draw(IMAGES, 3)).numpy()
    assert inputs.shape == (8, 4, 3, 3, 1)
    logits = mine.classify(inputs.reshape(-1, 3, 3, 1))
    expected = tf.nn.softmax(logits).numpy().reshape(8, 4, 3).mean(0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
