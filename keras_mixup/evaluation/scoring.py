"""What a model answers, with draws that depend on seed and example alone."""

import functools
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _classifiers
from keras_mixup import ops
from keras_mixup.evaluation import specs as specs_lib

# What a seed is for: draws of attack, target and evaluation never meet, even
# when the attack seed equals an evaluation seed.
ATTACK, TARGET, EVALUATE, SELECT = 0, 1, 2, 3
# Two answers of one model that differ by more are drawn (AutoAttack's check).
_SAME = 1e-4


def scoring_function(model):
    """Returns (images, row seeds or None) -> outputs, compiled for layers.

    Args:
        model: a defence, a Keras layer or any callable from images to logits.
    """
    if specs_lib.is_randomized(model):
        return _compiled(lambda images, seeds: model(images, seed=seeds))
    if isinstance(model, keras.layers.Layer):
        return _compiled(lambda images, seeds: model(images, training=False))
    # A plain function may use Python randomness, which a trace freezes.
    return lambda images, seeds: model(images)


def _compiled(function):
    # The partial makes TensorFlow count traces per model, not per line of code.
    traced = tf.function(
        functools.partial(function), jit_compile=False, reduce_retracing=True
    )

    def call(*arguments):
        try:
            return traced(*arguments)
        except ValueError as error:
            raise _checks.first_error(error) from None

    return call


def direct(model):
    """Returns `model` as a plain callable from images to outputs."""
    if isinstance(model, keras.layers.Layer):
        return functools.partial(model, training=False)
    return model


def differ(first, second):
    """Whether two answers [B, C] of one model to the same images are drawn."""
    first = np.asarray(first, np.float64)
    scale = np.linalg.norm(first, axis=-1, keepdims=True) + 1e-12
    return bool(np.abs((first - second) / scale).max() > _SAME)


def is_frozen(function, images):
    """Whether the draws of a random callable are frozen in a trace."""
    # A new function object, so that no earlier trace is met.
    traced = _compiled(lambda images: function(images))
    return not differ(traced(images), traced(images))


def row_seeds(seed, example_ids, purpose=EVALUATE):
    """Returns int32 [B, 2], a pure function of each (seed, example id).

    Args:
        seed: int.
        example_ids: int [B].
        purpose: `EVALUATE`, or `SELECT` for the draws on which the strongest
            attack is chosen.
    """
    seed = ops.fold_in(ops.seed_pair(seed), purpose)
    return ops.fold_in_each(seed, tf.constant(example_ids, tf.int64))


class Answers(NamedTuple):
    """What a model answered to a batch.

    Attributes:
        predictions: int [B], the class with the largest output.
        losses: float [B], cross-entropy with the true label in nats.
        confidences: float [B] in (0, 1], the probability of the prediction.
    """

    predictions: np.ndarray
    losses: np.ndarray
    confidences: np.ndarray


class Scorer:
    """Answers of one model, in pieces if memory is short.

    Args:
        model: callable from images to logits.
        pieces: `data.pieces.Pieces`.
        name: str, the model's name in errors.
        num_classes: int or None, the width that its outputs must have.
    """

    def __init__(self, model, pieces, name="model", num_classes=None):
        self._model, self._pieces = model, pieces
        self._answer = scoring_function(model)
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
            outputs = self._answer(images, seeds)
            _classifiers.check_output(outputs, self.name)
            return (outputs,)

        return self._pieces(piece, images, example_ids)[0]

    def seeds(self, batch, seeds):
        """Returns the seeds to ask the model by; `[None]` if it never draws.

        A model without `draw` that is random by itself, as by noise in a
        layer, does not follow a seed. It draws anew for each of them.

        Args:
            batch: `Batch` of clean images, on which it is tried.
            seeds: list of int, of the evaluation.

        Raises:
            ValueError: a model is random by itself, and would be judged by
                one draw: there is one seed, or a trace freezes its draws.
        """
        if specs_lib.is_randomized(self._model):
            return seeds
        function = direct(self._model)
        answers = [self(batch.images, batch.example_ids, None)]
        # Compiled and direct answers may round in their own ways.
        for _ in range(2):
            answers += self._pieces(lambda x: (function(x),), batch.images)
            if not differ(*answers[-2:]):
                return [None]
        random = f"{self.name} gives two answers to the same images"
        expected = f"two or more seeds, since {random}"
        hint = (
            "Each seed asks it once more. What follows its seed is a subclass "
            "of `inference.RandomizedInference`."
        )
        _checks.check(len(seeds) > 1, "eval_seeds", expected, seeds, hint)
        _checks.check(
            not is_frozen(function, batch.images),
            self.name,
            "a model that draws by TensorFlow",
            f"{random}, and one inside a tf.function",
            "Python's and NumPy's random numbers are drawn once, while "
            "TensorFlow traces the model.",
        )
        return seeds

    def judge(self, images, batch, seed, attack, purpose=EVALUATE):
        """Returns the `Answers` to images.

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
        outputs = outputs.astype(np.float64)
        below = outputs - outputs.max(axis=-1, keepdims=True)
        confidences = 1.0 / np.exp(below).sum(axis=-1)
        return Answers(outputs.argmax(axis=-1), losses, confidences)
