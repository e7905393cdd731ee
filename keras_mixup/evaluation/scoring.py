"""What a model answers, with draws that depend on seed and example alone."""

import functools

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import ops
from keras_mixup.evaluation import specs as specs_lib

# What a seed is for: draws of attack, target and evaluation never meet, even
# when the attack seed equals an evaluation seed.
ATTACK, TARGET, EVALUATE, SELECT = 0, 1, 2, 3


def scoring_function(model):
    """Returns (images, row seeds or None) -> outputs, compiled for layers.

    Args:
        model: a defence, a Keras layer or any callable from images to logits.
    """
    if specs_lib.is_randomized(model):

        def score(images, seeds):
            return model(images, seed=seeds)

    elif isinstance(model, keras.layers.Layer):

        def score(images, seeds):
            return model(images, training=False)

    else:
        # A plain function may use Python randomness, which a trace freezes.
        return lambda images, seeds: model(images)
    # The partial makes TensorFlow count traces per model, not per line of code.
    return tf.function(
        functools.partial(score), jit_compile=False, reduce_retracing=True
    )


@tf.function(jit_compile=False, reduce_retracing=True)
def _fold_rows(seed, example_ids):
    return tf.map_fn(
        lambda example: ops.fold_in(seed, example),
        example_ids,
        fn_output_signature=tf.TensorSpec([2], tf.int32),
    )


def row_seeds(seed, example_ids, purpose=EVALUATE):
    """Returns int32 [B, 2], a pure function of each (seed, example id).

    Args:
        seed: int.
        example_ids: int [B].
        purpose: `EVALUATE`, or `SELECT` for the draws on which the strongest
            attack is chosen.
    """
    seed = ops.fold_in(ops.seed_pair(seed), purpose)
    return _fold_rows(seed, tf.constant(example_ids, tf.int64))


class Scorer:
    """Answers of one model, in pieces if memory is short.

    Args:
        model: callable from images to logits.
        pieces: `memory.Pieces`.
    """

    def __init__(self, model, pieces):
        self._answer = scoring_function(model)
        self._pieces = pieces

    def __call__(self, images, example_ids, seed, purpose=EVALUATE):
        """Returns the outputs [B, C] as a NumPy array.

        Args:
            images: float32 [B, H, W, C].
            example_ids: int [B].
            seed: int, or None for a model without draws.
            purpose: see `row_seeds`.
        """

        def piece(images, example_ids):
            seeds = None
            if seed is not None:
                seeds = row_seeds(seed, example_ids, purpose)
            return (self._answer(images, seeds),)

        return self._pieces(piece, images, example_ids)[0]


def check_outputs(outputs, labels, name, attack, num_classes=None):
    """Raises `ValueError` unless `outputs` are finite logits for the labels.

    Args:
        outputs: [B, C].
        labels: int [B].
        name: str, the model's name in the error.
        attack: str, the attack's name in the error.
        num_classes: int or None, the width that is asked for.
    """
    place = f"output of {name} under {attack}"
    rows, shape = len(labels), tuple(outputs.shape)
    okay = len(shape) == 2 and shape[0] == rows
    _checks.check(okay, place, f"of shape [{rows}, classes]", shape)
    finite = bool(np.isfinite(outputs).all())
    _checks.check(finite, place, "finite", "NaN or infinity")
    highest = int(labels.max())
    expected = f"{highest + 1} or more classes wide, since a label says so"
    _checks.check(highest < shape[1], place, expected, shape)
    okay = num_classes in (None, shape[1])
    _checks.check(okay, place, f"{num_classes} classes wide", shape)
