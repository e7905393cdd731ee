"""The standard search on a randomised model: draws are added while they help.

Each image keeps its best point, chosen on draws held out. A part works on the
images that are still standing: those that the model gets right in at least
one of several answers.
"""

import functools
import typing

import numpy as np
import tensorflow as tf

from keras_mixup import ops
from keras_mixup.attacks import _inputs
from keras_mixup.attacks import _search
from keras_mixup.attacks import _survivors
from keras_mixup.attacks import apgd
from keras_mixup.attacks import base
from keras_mixup.attacks import eot

# An image has fallen if so many answers of the model are all wrong.
ANSWERS = 8
# The draws at each step, level by level, and those that choose a point.
LEVELS = (15, 30, 60)
HELD_OUT = 120
# The next level runs if the last one broke more than this share of all images,
# and more than one image.
HELPS = 0.005
# A batch holds fewer images where they take more draws than this.
_DRAWS_OF_A_BATCH = 20
# Folded into a seed: what its draws are for.
_ATTACK, _VERDICT, _FINAL = 0, 1, 2
_KINDS = ("transfer", "best", "random")


class Part(typing.NamedTuple):
    """One search: its stage, where it starts, and its draws at each step."""

    stage: int
    kind: str
    draws: int


def parts():
    """Returns the list of `Part`: the transfer, then two for each level."""
    found = [Part(0, "transfer", 1)]
    for stage, draws in enumerate(LEVELS, 1):
        found += [Part(stage, kind, draws) for kind in _KINDS[1:]]
    return found


def helped(progress, number):
    """Whether the part of this number is worth running.

    A level runs if the level before broke enough; the first one always does.

    Args:
        progress: `_survivors.Progress`.
        number: int, the place in `parts()`.
    """
    listed = parts()
    before = listed[number].stage - 1
    if before < 1:
        return True
    own = [i for i, part in enumerate(listed) if part.stage == before]
    broke = int(np.isin(progress.broken_part, own).sum())
    return _many(broke, len(progress.broken_part))


def _many(broke, num_images):
    return broke > max(HELPS * num_images, 1)


def stage_name(draws):
    """Returns the name of a level."""
    return f"{draws} draws"


def doubts(parts, num_images):
    """Says whether the last level of all still broke images, a list of str.

    Args:
        parts: tuple of `AttackPart`.
        num_images: int.
    """
    last, most = parts[-1], LEVELS[-1]
    if last.name != stage_name(most) or not _many(last.broken, num_images):
        return []
    return [
        f"{most} draws at each step still broke {last.broken} of "
        f"{last.attacked} images. More draws may break more: the accuracy is "
        "an upper bound."
    ]


def stages_run(names, progress):
    """Returns the names of the stages that ran, a tuple of str.

    Args:
        names: str of each stage.
        progress: `_survivors.Progress`.
    """
    rows = progress.gradients[:, 0]
    ran = tuple(name for name, n in zip(names, rows, strict=True) if n)
    return ran or tuple(names[:1])


def most_draws(progress):
    """Returns the draws at a step of the last level that ran, int."""
    ran = np.flatnonzero(progress.gradients[1:, 0])
    return LEVELS[ran[-1]] if len(ran) else LEVELS[0]


class Sequence:
    """Runs the parts on one model; called as `_survivors.Sequence`.

    Args:
        stages: list of `Stage`: the transfer, then one `MixupInferenceAttack`
            for each level, which holds its settings.
        threat: `ThreatModel`.
        model_fn: a defence, an `ExpectationOverTransformation`, or a callable
            from images to logits that is random by itself.
        image_shape: (H, W, C).
    """

    def __init__(self, stages, threat, model_fn, image_shape):
        self.stages, self.image_shape = stages, image_shape
        self.model_fn = model_fn
        self.watch = ops.GradientWatch()
        self._threat = threat
        self._inner = getattr(model_fn, "model_fn", model_fn)
        self._own = own_draws(model_fn)
        self._models = transfer_models(self._inner)
        batch = tf.TensorSpec([None, *image_shape], tf.float32)
        rows = tf.TensorSpec([None], tf.int32)
        seed = tf.TensorSpec([2], tf.int32)
        compiled = functools.partial(
            tf.function, jit_compile=False, autograph=False
        )
        # Only the model, which others wrote, may need AutoGraph.
        most = max(LEVELS[0], self._own)
        self._in_turn = max(HELD_OUT // most, 1)
        self._means = {
            draws: tf.function(
                eot.ExpectationOverTransformation(self._inner, draws),
                input_signature=[batch, seed],
                jit_compile=False,
            )
            for draws in {HELD_OUT // self._in_turn, self._own, *LEVELS}
        }
        # TensorFlow counts the traces of a method over all objects, and warns.
        self._predict = compiled(
            functools.partial(self._mean), input_signature=[batch, seed]
        )
        self._right = compiled(
            functools.partial(self._right_answers),
            input_signature=[batch, rows, seed],
        )
        self._searches = {
            part: compiled(
                functools.partial(self._search, part),
                input_signature=[batch, batch, rows, seed],
            )
            for part in parts()
        }

    def clean_logits(self, images, batch_size, seed):
        """Returns the log mean probability of all images, float32 [n, C]."""
        answers = []
        for start in range(0, len(images), batch_size):
            own = ops.fold_in(seed, start)
            part = images[start : start + batch_size]
            answer = self._predict(part, own)
            _inputs.check_logits(answer, len(part))
            answers.append(answer.numpy())
        return np.concatenate(answers).astype("float32")

    def share_right(self, images, labels, batch_size, seed):
        """Returns the share of fresh answers that are right, float32 [n]."""
        found = []
        for start in range(0, len(images), batch_size):
            chosen = slice(start, start + batch_size)
            own = ops.fold_in(seed, _FINAL, start)
            found.append(self._right(images[chosen], labels[chosen], own))
        return np.concatenate([right.numpy() for right in found])

    def run(self, batches, logits, progress, file, advance):
        """See `_survivors.Sequence.run`."""
        self._classes = logits.shape[-1]
        listed = parts()
        if not progress.position.any():
            self._judge_clean(batches, progress)
        for number in range(int(progress.position[0]), len(listed)):
            if not helped(progress, number):
                break
            advance(listed, number, progress.broken_part)
            self._part(listed[number], number, batches, progress, file)
        advance(listed, len(listed), progress.broken_part)
        return listed

    def _judge_clean(self, batches, progress):
        right = self.share_right(
            batches.images, batches.labels, batches.size, batches.seed
        )
        progress.broken_part[:] = np.where(
            right > 0.0, _survivors.ROBUST, _survivors.CLEAN
        )

    def _part(self, part, number, batches, progress, file):
        if part.kind == "transfer" and not self._models:
            progress.position[:] = number + 1, 0
            return
        size = max(batches.size * _DRAWS_OF_A_BATCH // part.draws, 1)
        size = min(size, batches.size)
        seed = ops.fold_in(batches.seed, number)
        broken = progress.broken_part
        left = np.flatnonzero(
            (broken == _survivors.ROBUST) | (broken == number)
        )
        for index in range(int(progress.position[1]), -(-len(left) // size)):
            rows = left[index * size : (index + 1) * size]
            padded = _survivors._padded(rows, size)
            labels = batches.labels[padded]
            own = ops.fold_in(seed, index)
            self.watch.reset()
            found = self._searches[part](
                batches.images[padded], progress.images[padded], labels, own
            )
            progress.gradients[part.stage] += self.watch.health
            right = self._right(found, labels, ops.fold_in(own, _VERDICT))
            fallen = right.numpy()[: len(rows)] == 0.0
            progress.images[rows] = found.numpy()[: len(rows)]
            progress.broken_part[rows[fallen]] = number
            passes, queries = self.cost(part)
            progress.gradient_passes[rows] += passes
            progress.queries[rows] += queries
            progress.position[1] = index + 1
            file.write(progress)
        progress.position[:] = number + 1, 0
        file.write(progress, now=number + 1 == len(parts()))

    def cost(self, part):
        """Returns (gradient passes, queries) of a part for each image."""
        held_out = sum(self._cost(HELD_OUT))
        verdict = ANSWERS * sum(self._cost(self._own))
        if part.kind == "transfer":
            inner = transfer_attacks(self._threat)
            passes = sum(passes_of(a, self._classes) for a in inner)
            passes *= len(self._models)
            points = 1 + len(self._models) * len(inner)
            return passes, points * held_out + verdict
        attack = self.stages[part.stage].attack
        runs = len(attack.losses)
        draws, asked = self._cost(part.draws)
        steps = runs * attack.num_steps
        scores = 2 + runs * attack.num_stages
        return steps * draws, steps * asked + scores * held_out + verdict

    def _cost(self, draws):
        return eot.cost(self._inner, draws)

    def _answer(self, points, seed, num_draws):
        """The log mean probability; those held out are drawn in turn."""
        if num_draws != HELD_OUT or self._in_turn == 1:
            return self._means[num_draws](points, seed)
        model = self._means[HELD_OUT // self._in_turn]
        answers = tf.map_fn(
            lambda index: model(points, ops.fold_in(seed, index)),
            tf.range(self._in_turn),
            fn_output_signature=tf.float32,
            parallel_iterations=1,
        )
        return ops.log_mean_probability(answers)

    def _mean(self, images, seed):
        return self._answer(images, seed, HELD_OUT)

    def _right_answers(self, images, labels, seed):
        def right(index):
            own = ops.fold_in(seed, index)
            answer = self._answer(images, own, self._own)
            return tf.cast(ops.label_indices(answer) == labels, tf.float32)

        shares = tf.map_fn(
            right,
            tf.range(ANSWERS),
            fn_output_signature=tf.float32,
            parallel_iterations=1,
        )
        return tf.reduce_mean(shares, axis=0)

    def _search(self, part, images, best, labels, seed):
        attack = self.stages[max(part.stage, 1)].attack
        seed = ops.fold_in(seed, _ATTACK)
        task = _search.Search(attack, self._answer, images, labels, None, seed)
        with self.watch:
            if part.kind == "transfer":
                points = self._transferred(images, labels, seed)
                found, _ = task.choose([best, *points])
            elif part.kind == "best":
                found = task.run([best])
            else:
                found = task.run_from(best, [task.random_start()])
        return base.kept_inside(self._threat, images, found)

    def _transferred(self, images, labels, seed):
        pairs = [
            (model, attack)
            for model in self._models
            for attack in transfer_attacks(self._threat)
        ]
        return [
            attack.perturb(model, images, labels, ops.fold_in(seed, index))
            for index, (model, attack) in enumerate(pairs)
        ]


def own_draws(model_fn):
    """Returns the draws of one answer of a model, int."""
    return getattr(model_fn, "num_draws", 1)


def transfer_models(model_fn):
    """Returns the models beside a defence, a list; [] if there are none."""
    if not hasattr(model_fn, "classifier"):
        return []
    models = [model_fn.classifier]
    if hasattr(model_fn, "transfer_models"):
        models += model_fn.transfer_models().values()
    return models


def transfer_attacks(threat):
    """Returns the attacks on the models beside a defence."""
    return [
        apgd.APGD(threat, "cross_entropy", 100, best="loss"),
        apgd.APGD(threat, "margin", 100, best="loss"),
        apgd.TargetedAPGD(threat, 9, 50, best="loss"),
    ]


def passes_of(attack, num_classes):
    """Returns the gradient passes of one of `transfer_attacks`."""
    runs = min(getattr(attack, "num_targets", 1), num_classes - 1)
    return (attack.num_steps + 1) * runs
