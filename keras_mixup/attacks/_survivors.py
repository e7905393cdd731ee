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
    """One attack of the sequence; a broken image gets no more restarts.

    It attacks a share of the survivors: those that came closest to a wrong
    answer in the attacks before.
    """

    name: str
    attack: object
    num_restarts: int = 1
    share: float = 1.0


def attacked(stage, left):
    """Returns how many of the images that are left a stage attacks, int."""
    # A batch is filled up to the fewest anyway.
    return min(max(int(np.ceil(stage.share * left)), _FEWEST), left)


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
        closest: float32 [n], the highest DLR of any point that was found.
    """

    images: np.ndarray
    broken_part: np.ndarray
    gradient_passes: np.ndarray
    queries: np.ndarray
    position: np.ndarray
    gradients: np.ndarray
    closest: np.ndarray


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
        self._rankings = {
            index: tf.function(
                functools.partial(stage.attack.rank, self._predict),
                input_signature=[batch, rows],
                jit_compile=False,
                autograph=False,
            )
            for index, stage in enumerate(stages)
            if hasattr(stage.attack, "num_candidates")
        }

    def parts(self, num_classes):
        """Returns the list of `Part` for a number of classes."""
        found = []
        for index, stage in enumerate(self.stages):
            ranks = [None]
            if hasattr(stage.attack, "run_towards"):
                ranks = range(min(stage.attack.num_targets, num_classes - 1))
            found += [
                Part(index, rank, restart)
                for rank in ranks
                for restart in range(stage.num_restarts)
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
        chosen, stage = None, None
        for number in range(int(progress.position[0]), len(parts)):
            advance(parts, number, progress.broken_part)
            if parts[number].stage != stage:
                stage = parts[number].stage
                chosen = self._chosen(parts, stage, progress)
                ranked = self._ranked(stage, chosen, batches, logits)
            # A stage without targets ignores them.
            targets = ranked[:, parts[number].rank or 0]
            self._part(parts, number, chosen, batches, targets, progress, file)
        advance(parts, len(parts), progress.broken_part)
        return parts

    def _chosen(self, parts, stage, progress):
        """Returns the rows that a stage attacks, int [k]."""
        own = [i for i, part in enumerate(parts) if part.stage == stage]
        # With those that it broke before an interruption.
        rows = np.flatnonzero(np.isin(progress.broken_part, [ROBUST, *own]))
        share = self.stages[stage].share
        if share == 1.0:
            return rows
        count = attacked(self.stages[stage], len(rows))
        order = np.argsort(-progress.closest[rows], kind="stable")
        return np.sort(rows[order[:count]])

    def _ranked(self, stage, rows, batches, logits):
        """Returns the targets of a stage, best first, int32 [n, C - 1]."""
        ranked = targets_lib.likeliest_targets(
            logits, batches.labels, logits.shape[-1] - 1
        ).numpy()
        if stage not in self._rankings:
            return ranked
        for start in range(0, len(rows), batches.size):
            own = rows[start : start + batches.size]
            padded = _padded(own, batches.size)
            found = self._rankings[stage](
                batches.images[padded], batches.labels[padded]
            ).numpy()
            ranked[own, : found.shape[1]] = found[: len(own)]
        return ranked

    def _part(self, parts, number, chosen, batches, targets, progress, file):
        search = self._searches[parts[number].stage]
        seed = ops.fold_in(batches.seed, number)
        # With those that this part broke before an interruption.
        broken, size = progress.broken_part, batches.size
        standing = (broken[chosen] == ROBUST) | (broken[chosen] == number)
        left = chosen[standing]
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
            found[2] = found[2] + self._rank_passes(parts[number], found[1])
            _keep(progress, number, rows, batches.labels[rows], *found)
            if self.stages[parts[number].stage].share == 1.0:
                _note_closest(progress, rows, batches.labels[rows], found[1])
            progress.position[1] = index + 1
            file.write(progress)
        progress.position[:] = number + 1, 0
        file.write(progress, now=number + 1 == len(parts))

    def _rank_passes(self, part, logits):
        """What the targets cost, which the first part of a stage pays."""
        if part.stage not in self._rankings or part.rank or part.restart:
            return 0
        attack = self.stages[part.stage].attack
        return attack.rank_cost(logits.shape[-1])[0]

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
        _closeness(batches.labels, logits),
    )


def _closeness(labels, logits):
    """Returns the DLR, float32 [n]: at most 1, positive means wrong."""
    return ops.difference_of_logits_ratio(labels, logits).numpy()


def _note_closest(progress, rows, labels, logits):
    own = _closeness(labels, logits)
    progress.closest[rows] = np.maximum(progress.closest[rows], own)


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
