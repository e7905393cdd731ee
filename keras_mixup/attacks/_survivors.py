"""Runs attacks in sequence, each on the images not broken so far.

This is right only for a model that is itself scored.
"""

import functools
import sys
import typing

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import ops
from keras_mixup.attacks import _inputs
from keras_mixup.attacks import base
from keras_mixup.attacks import targets as targets_lib

# Values of `Progress.broken_part`: not broken, wrong without an attack.
ROBUST, CLEAN = -1, -2
# A batch is filled up to a multiple of the first, and at least to the second.
_MULTIPLE, _FEWEST = 4, 8


class Stage(typing.NamedTuple):
    """One attack of the sequence; a broken image gets no more restarts."""

    name: str
    attack: object
    num_restarts: int = 1


class Part(typing.NamedTuple):
    """One restart of a stage; a targeted one leads to the class of `rank`."""

    stage: int
    rank: int | None
    restart: int


class Progress(typing.NamedTuple):
    """How far a sequence has come.

    Attributes:
        images: float32 [n, H, W, C], adversarial where broken.
        broken_part: int32 [n], the part that broke it, or `ROBUST`, `CLEAN`.
        gradient_passes, queries: int64 [n].
        position: int64 [2], the next part and the next batch in it.
        gradients: int64 [stages, 3], the `GradientHealth` of each stage.
    """

    images: np.ndarray
    broken_part: np.ndarray
    gradient_passes: np.ndarray
    queries: np.ndarray
    position: np.ndarray
    gradients: np.ndarray


class Sequence:
    """Runs stages on one model.

    Args:
        stages: list of `Stage`.
        threat: `ThreatModel`.
        function: callable from images to logits, traced.
        image_shape: (H, W, C).
        reseed: callable taking int32 [2] that restarts the draws of a
            randomised model, or None.
    """

    def __init__(self, stages, threat, function, image_shape, reseed=None):
        self.stages = stages
        self.function = function
        self.image_shape = image_shape
        self._threat = threat
        self._reseed = reseed or (lambda seed: None)
        self.watch = ops.GradientWatch()
        batch = tf.TensorSpec([None, *image_shape], tf.float32)
        rows = tf.TensorSpec([None], tf.int32)
        seed = tf.TensorSpec([2], tf.int32)
        # One trace serves any number of rows. Only the model, which others
        # wrote, may need AutoGraph; without it a trace takes a third of the
        # time.
        self._predict = tf.function(
            function, input_signature=[batch], jit_compile=False
        )
        self._searches = [
            tf.function(
                functools.partial(self._search, stage.attack),
                input_signature=[batch, rows, rows, seed],
                jit_compile=False,
                autograph=False,
            )
            for stage in stages
        ]

    def parts(self, num_classes):
        """Returns the list of `Part` for a number of classes."""
        found = []
        for index, (_, attack, num_restarts) in enumerate(self.stages):
            ranks = [None]
            if hasattr(attack, "run_towards"):
                ranks = range(min(attack.num_targets, num_classes - 1))
            found += [
                Part(index, rank, restart)
                for rank in ranks
                for restart in range(num_restarts)
            ]
        return found

    def clean_logits(self, images, batch_size, seed):
        """Returns the logits of all images, float32 [n, C].

        Raises:
            ValueError: for outputs that are no logits.
        """
        logits = []
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            rows = _padded(np.arange(len(batch)), batch_size)
            self._reseed(ops.fold_in(seed, start))
            answer = self._predict(batch[rows])
            _inputs.check_logits(answer, len(rows))
            logits.append(answer.numpy()[: len(batch)])
        return np.concatenate(logits).astype("float32")

    def run(self, batches, logits, progress, file, advance):
        """Attacks until the last part.

        Args:
            batches: `Batches`.
            logits: float32 [n, C], of the clean images.
            progress: `Progress`, changed in place.
            file: has `write(progress, now)`.
            advance: callable (parts, number of the part, broken_part).

        Returns:
            list of `Part`.
        """
        parts = self.parts(logits.shape[-1])
        ranked = targets_lib.likeliest_targets(
            logits, batches.labels, logits.shape[-1] - 1
        ).numpy()
        for number in range(int(progress.position[0]), len(parts)):
            advance(parts, number, progress.broken_part)
            rank = parts[number].rank
            # A stage without targets ignores them.
            targets = ranked[:, 0 if rank is None else rank]
            self._part(parts, number, batches, targets, progress, file)
        advance(parts, len(parts), progress.broken_part)
        return parts

    def _part(self, parts, number, batches, targets, progress, file):
        search = self._searches[parts[number].stage]
        seed = ops.fold_in(batches.seed, number)
        # With those that this part broke before an interruption.
        broken, size = progress.broken_part, batches.size
        left = np.flatnonzero((broken == ROBUST) | (broken == number))
        for index in range(int(progress.position[1]), -(-len(left) // size)):
            rows = left[index * size : (index + 1) * size]
            padded = _padded(rows, size)
            own = ops.fold_in(seed, index)
            self._reseed(own)
            images, labels = batches.images[padded], batches.labels[padded]
            self.watch.reset()
            found = search(images, labels, targets[padded], own)
            progress.gradients[parts[number].stage] += self.watch.health
            _inputs.check_logits(found[1], len(padded))
            found = [tensor.numpy()[: len(rows)] for tensor in found]
            _keep(progress, number, rows, batches.labels[rows], *found)
            progress.position[1] = index + 1
            file.write(progress)
        progress.position[:] = number + 1, 0
        file.write(progress, now=number + 1 == len(parts))

    def _search(self, attack, images, labels, targets, seed):
        search = attack.run
        if hasattr(attack, "run_towards"):
            search = attack.run_towards
        else:
            targets = None
        with self.watch:
            found, *counts = search(
                self._predict, images, labels, targets, seed
            )
        found = base.kept_inside(self._threat, images, found)
        rows = tf.shape(images)[:1]
        counts = [tf.broadcast_to(tf.cast(n, tf.int32), rows) for n in counts]
        return (found, self._predict(found), *counts)


class Batches(typing.NamedTuple):
    """What is attacked, the number of rows at a time, and int32 [2]."""

    images: np.ndarray
    labels: np.ndarray
    size: int
    seed: tf.Tensor


def start(batches, logits, num_stages):
    """Returns the `Progress` before the first part."""
    wrong = logits.argmax(axis=-1) != batches.labels
    zeros = np.zeros(len(wrong), "int64")
    return Progress(
        batches.images.copy(),
        np.where(wrong, CLEAN, ROBUST).astype("int32"),
        zeros,
        zeros.copy(),
        np.zeros(2, "int64"),
        np.zeros([num_stages, 3], "int64"),
    )


def _keep(progress, number, rows, labels, images, logits, passes, queries):
    wrong = logits.argmax(axis=-1) != labels
    progress.images[rows[wrong]] = images[wrong]
    progress.broken_part[rows[wrong]] = number
    progress.gradient_passes[rows] += passes
    progress.queries[rows] += queries


def _padded(rows, batch_size):
    # Repeats the first row. Few are added, since they cost full passes.
    size = max(-(-len(rows) // _MULTIPLE) * _MULTIPLE, _FEWEST)
    size = min(size, max(batch_size, len(rows)))
    return np.concatenate([rows, np.repeat(rows[:1], size - len(rows))])


def teller(names, verbose):
    """Returns an `advance` for `Sequence.run`: a bar, or lines in a log.

    Args:
        names: the stages' names.
        verbose: bool, whether to say anything.
    """
    if not verbose:
        return lambda parts, number, broken: None
    state = {"bar": None, "name": None}

    def advance(parts, number, broken):
        left = int((broken == ROBUST).sum())
        if sys.stdout.isatty():
            if state["bar"] is None:
                state["bar"] = keras.utils.Progbar(
                    len(parts), stateful_metrics=["left"], unit_name="attack"
                )
            state["bar"].update(number, [("left", left)])
            return
        done = number == len(parts)
        name = "end" if done else names[parts[number].stage]
        if name != state["name"]:
            print(f"{name}: {left} of {len(broken)} images left", flush=True)
        state["name"] = name

    return advance
