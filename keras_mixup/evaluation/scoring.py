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
        name: str, the model's name in errors.
        num_classes: int or None, the width that its outputs must have.
    """

    def __init__(self, model, pieces, name="model", num_classes=None):
        self._answer = scoring_function(model)
        self._pieces = pieces
        self.name, self.num_classes = name, num_classes

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

    def judge(self, images, batch, seed, attack, purpose=EVALUATE):
        """Returns (predictions int [B], cross-entropy in nats float [B]).

        Args:
            images: float32 [B, H, W, C].
            batch: `Batch`, of their labels and ids.
            seed, purpose: as in a call.
            attack: str, the attack's name in errors.

        Raises:
            ValueError: the outputs are no finite logits for the labels.
        """
        outputs = self(images, batch.example_ids, seed, purpose)
        place = f"output of {self.name} under {attack}"
        rows, shape = len(images), tuple(outputs.shape)
        okay = len(shape) == 2 and shape[0] == rows
        _checks.check(okay, place, f"of shape [{rows}, classes]", shape)
        finite = bool(np.isfinite(outputs).all())
        _checks.check(finite, place, "finite", "NaN or infinity")
        highest = int(batch.labels.max())
        expected = f"{highest + 1} or more classes wide, since a label says so"
        _checks.check(highest < shape[1], place, expected, shape)
        width = self.num_classes = self.num_classes or shape[1]
        _checks.check(shape[1] == width, place, f"{width} classes wide", shape)
        losses = np.asarray(ops.cross_entropy(batch.labels, outputs))
        return outputs.argmax(axis=-1), losses
