"""Ascent from several starts; the iterate is chosen on draws held out."""

import tensorflow as tf

from keras_mixup import ops
from keras_mixup.attacks import apgd
from keras_mixup.attacks import eot
from keras_mixup.attacks import gradient
from keras_mixup.attacks import pgd

LOSSES = ("cross_entropy", "margin")
# Folded into the seed of a search: what its draws are for.
_START, _STEPS, _HELD_OUT, _TRANSFER = 0, 1, 2, 3


class Search:
    """One search with the settings of a `MixupInferenceAttack`.

    Args:
        attack: the `MixupInferenceAttack`.
        answer: callable (images, seed, num_draws) -> log mean probability.
        images, labels, targets: what is attacked.
        seed: int32 [2].
    """

    def __init__(self, attack, answer, images, labels, targets, seed):
        self._attack = attack
        self._answer = answer
        self._images = images
        self._labels = labels
        self._targets = targets
        self._seed = seed

    def score(self, points):
        """The margin by which points fool the model on held-out draws, [B].

        All points are judged with the same seeds. Draws that depend on the
        predicted label may still differ between points.
        """
        seed = ops.fold_in(self._seed, _HELD_OUT)
        log_mean = self._answer(points, seed, self._attack.selection_draws)
        value = gradient.climbed(
            "margin", self._labels, self._targets, log_mean
        )
        return tf.stop_gradient(value)

    def run(self, starts):
        """Returns the best point of all runs, [B, H, W, C].

        Args:
            starts: list of float32 [B, H, W, C]; each may be the best point.
        """
        return self.run_from(starts[0], starts)

    def run_from(self, best, starts):
        """As `run`; `best` is a further point that may be the best one."""
        points = [best, *(start for start in starts if start is not best)]
        best = self.choose(points)
        if self._attack.inner == "apgd":
            return self._apgd_runs(starts, *best)[0]
        return self._pgd_runs(starts, *best)[0]

    def random_start(self):
        """Returns the random start, or the clean images without one."""
        if not self._attack.random_start:
            return self._images
        seed = ops.fold_in(self._seed, _START)
        return ops.random_start(self._attack.threat, self._images, seed)

    def choose(self, points):
        """Returns each image's point of the highest score, and the score."""
        best, highest = points[0], self.score(points[0])
        for point in points[1:]:
            best, highest = self._better(best, highest, point)
        return best, highest

    def _better(self, best, highest, point):
        value = self.score(point)
        best = ops.select(value > highest, point, best)
        return best, tf.maximum(value, highest)

    def _pgd_runs(self, starts, best, highest):
        """Runs every loss from every start; each stage halves the step.

        All stages of all runs are one graph loop, which traces the defence
        twice: for the gradient and for the score.
        """
        attack, starts = self._attack, tf.stack(starts)
        stages, kinds = attack.num_stages, len(attack.losses)

        def body(index, point, best, highest):
            run, stage = index // stages, index % stages
            first = tf.gather(starts, run // kinds)
            point = tf.where(tf.equal(stage, 0), first, point)
            point = self._stage(point, index, run % kinds, stage)
            return index + 1, point, *self._better(best, highest, point)

        count = starts.shape[0] * kinds * stages
        _, _, best, highest = tf.while_loop(
            lambda index, *_: index < count,
            body,
            (tf.constant(0), starts[0], best, highest),
            parallel_iterations=1,
            maximum_iterations=count,
        )
        return best, highest

    def _stage(self, point, index, kind, stage):
        attack = self._attack

        def objective(candidates, seed):
            log_mean = self._answer(candidates, seed, attack.num_draws)
            values = [
                gradient.climbed(name, self._labels, self._targets, log_mean)
                for name in attack.losses
            ]
            return tf.gather(tf.stack(values), kind)

        # The stages share `num_steps` evenly.
        total, stages = attack.num_steps, attack.num_stages
        num_steps = (stage + 1) * total // stages - stage * total // stages
        return gradient.ascend(
            attack.threat,
            objective,
            self._images,
            point,
            attack.step_size * 0.5 ** tf.cast(stage, tf.float32),
            num_steps,
            seed=ops.fold_in(self._seed, _STEPS, index),
        )

    def _apgd_runs(self, starts, best, highest):
        attack, index = self._attack, 0

        def model_fn(candidates, seed):
            return self._answer(candidates, seed, attack.num_draws)

        for start in starts:
            for name in attack.losses:
                inner = apgd.APGD(
                    attack.threat,
                    loss=name,
                    num_steps=attack.num_steps,
                    best="loss",
                )
                point = inner.perturb(
                    model_fn,
                    self._images,
                    self._labels,
                    ops.fold_in(self._seed, _STEPS, index),
                    self._targets,
                    start,
                    seeded=True,
                )
                best, highest = self._better(best, highest, point)
                index += 1
        return best, highest


def search(attack, defence, images, labels, targets, seed):
    """Runs `"eot"` or `"fixed_draws"`: (images, passes, queries)."""
    answer, num_draws = _answer_of(attack, defence, seed)
    # The defence's own seeds are one per image; other draws need only one.
    one = seed[0] if attack.knows_draws else seed
    task = Search(attack, answer, images, labels, targets, one)
    starts, passes, scores = [], 0, 0
    for kind in attack.starts:
        if kind == "random":
            starts.append(task.random_start())
            continue
        points, passes = transfer_examples(
            attack, defence, images, labels, targets, one
        )
        starts.append(task.choose(points)[0])
        scores += len(points)
    steps, chosen = attack.num_steps, attack.num_stages
    if attack.inner == "apgd":
        steps, chosen = steps + 1, 1  # It evaluates its start, too.
    runs = len(starts) * len(attack.losses)
    scores += len(starts) + runs * chosen
    per_step, asked = eot.cost(defence, num_draws)
    held_out = sum(eot.cost(defence, attack.selection_draws or num_draws))
    passes += runs * steps * per_step
    return task.run(starts), passes, runs * steps * asked + scores * held_out


def transfer(attack, defence, images, labels, targets, seed):
    """Runs the recipe `"transfer"`: (images, passes, queries)."""
    points, passes = transfer_examples(
        attack, defence, images, labels, targets, seed
    )
    if len(points) == 1:
        return points[0], passes, 0
    answer, _ = _answer_of(attack, defence, seed)
    task = Search(attack, answer, images, labels, targets, seed)
    held_out = sum(eot.cost(defence, attack.selection_draws))
    return task.choose(points)[0], passes, len(points) * held_out


def transfer_examples(attack, defence, images, labels, targets, seed):
    """Returns the points of PGD on models beside the defence, and its passes.

    The models are the undefended classifier and those of the defence's
    optional method `transfer_models`. Each is attacked on every loss.
    """
    models = {"classifier": defence.classifier}
    if hasattr(defence, "transfer_models"):
        models.update(defence.transfer_models())
    pairs = [(m, loss) for m in models.values() for loss in attack.losses]
    points = []
    for index, (model, loss) in enumerate(pairs):
        inner = transfer_attack(attack, loss)
        own = ops.fold_in(seed, _TRANSFER, index)
        points.append(inner.perturb(model, images, labels, own, targets))
    return points, len(points) * inner.num_steps


def transfer_attack(attack, loss):
    """Returns the `PGD` with which transfer examples are made."""
    num_steps, step_size = attack.num_steps, attack.step_size
    if attack.inner is not None:
        # A start for other runs takes enough steps to converge.
        num_steps, step_size = 50, attack.threat.eps / 16
    return pgd.PGD(
        attack.threat,
        step_size=step_size,
        num_steps=num_steps,
        random_start=attack.random_start,
        loss=loss,
    )


def _answer_of(attack, defence, seed):
    """Returns (callable (points, seed, num_draws) -> log mean, num_draws)."""
    if not attack.knows_draws:

        def answer(points, seed, num_draws):
            return eot.log_mean(defence, points, seed, num_draws)

        return answer, attack.num_draws
    own = seed

    def known(points, seed, num_draws):
        # The seeds are known; what they draw may depend on the point.
        draws = defence.draw(tf.stop_gradient(points), own)
        return defence.predict_from_draws(points, draws)

    return known, defence.num_draws
