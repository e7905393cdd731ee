"""The attack on a detector: fool the classifier, and lower the score."""

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.attacks import _functions
from keras_mixup.attacks import apgd
from keras_mixup.attacks import base
from keras_mixup.attacks import eot
from keras_mixup.attacks import gradient
from keras_mixup.threat import ThreatModel

# The logits of an image that counts as fooling differ by this at least.
_SURE = 0.01
# Each stage has half the step size of the last.
_STAGES = 5
_STEPS_PER_EPS = 4
# Few steps are longer: together, they cross the ball and come back.
_PATH = 5.0
# Steps of the attack on the classifier, whose images are one start.
_TRANSFER_STEPS = 50
# Folded into the seed.
_RANDOM, _TRANSFER, _STEPS, _HELD_OUT = 0, 1, 2, 3


@registry.register(
    "attack",
    "detection_score",
    label="Attack on the score",
    flags={"num_steps": "adaptive_steps", "num_draws": "adaptive_draws"},
)
class DetectionScoreAttack(base.Attack):
    """Fools the classifier and lowers a detector's score.

    The threat: an input is refused if its score exceeds a threshold. The
    attacker knows classifier, detector and pool, but not the draws. He
    succeeds if the classifier errs and the score stays below the threshold.
    The score is made as low as it gets, so that one run serves every
    threshold.

    Each step follows one of two gradients, as in selective gradient descent
    (Bryniarski et al., 2021, "Evading Adversarial Example Detection
    Defenses"). While the classifier is right, it climbs the margin of the
    logits. From then on it descends the mean score over fresh draws. It runs
    from a random point and from an adversarial image of the classifier, in
    steps that halve. Each stage goes on from the best point of the last: of
    those that fool the classifier, the one with the lowest score. Draws held
    out choose between the stages.

    A model without `detection_score` is its own detector: the score is one
    minus its largest probability.

    Args:
        threat: `ThreatModel`.
        num_steps: int >= 1, the steps from each of both starts.
        num_draws: int >= 1, the draws at each step.

    Raises:
        ValueError: for numbers out of range.

    A detector has `classifier`, and `draw(images, seed)` with
    `predict_with_score(images, draws, logits)`, whose second result is the
    score [B]. With `detection_score(images, seed)` alone, one score is taken
    at each step.

    Example:

    >>> attack = DetectionScoreAttack(ThreatModel("linf", "8/255"))
    >>> found = attack(detector, images, labels, seed=0)
    """

    uses_gradients = True
    averages_draws = True
    num_steps: int
    num_draws: int
    knowledge = "adaptive"

    def __init__(
        self, threat: ThreatModel, num_steps: int = 100, num_draws: int = 30
    ) -> None:
        super().__init__(threat)
        self.num_steps = _checks.check_integer(num_steps, "num_steps")
        self.num_draws = _checks.check_integer(num_draws, "num_draws")

    @property
    def name(self) -> str:
        return f"score-{self.num_steps}x{self.num_draws}"

    def target_of(self, model_fn: _tensors.ModelFn) -> _tensors.ModelFn:
        return model_fn

    def run(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
        """Counts the passes of both runs, and queries for the choices."""
        classify = _functions.told(
            _functions.as_function(classifier_of(model_fn))
        )
        search = _Search(self, model_fn, classify, images, labels, targets)
        inner = self._first_attack()
        start = inner.perturb(
            classify, images, labels, ops.fold_in(seed, _TRANSFER), targets
        )
        random = ops.random_start(
            self.threat, images, ops.fold_in(seed, _RANDOM)
        )
        found = search.run(tf.stack([start, random]), seed)
        stages = min(_STAGES, self.num_steps)
        passes = search.passes * 2 * self.num_steps
        queries = search.passes * 2 * stages
        return found, passes + inner.num_steps + 1, queries

    def _first_attack(self):
        return apgd.APGD(self.threat, "margin", _TRANSFER_STEPS, best="loss")


def classifier_of(model_fn):
    """Returns the classifier of a detector, or the model itself."""
    return getattr(model_fn, "classifier", model_fn)


def score_function(model_fn, classify, num_draws):
    """Returns (score, passes): what an attack lowers, and its cost.

    Args:
        model_fn: a detector or a classifier, as of `DetectionScoreAttack`.
        classify: callable from images to the classifier's logits.
        num_draws: int >= 1.

    Returns:
        a callable (images, logits, seed int32 [2]) -> float [B], and an int.
    """

    def drawn(images, logits, seed):
        draws = eot.draw_repeatedly(model_fn, images, seed, num_draws)
        return model_fn.predict_with_score(images, draws, logits)[1]

    def scored(images, logits, seed):
        del logits
        seeds = ops.row_seeds(seed, tf.shape(images)[0])
        return model_fn.detection_score(images, seed=seeds)

    def unsure(images, logits, seed):
        # The log of one minus the largest probability, which never saturates.
        del images, seed
        log = tf.nn.log_softmax(logits)
        top = tf.one_hot(tf.argmax(log, axis=-1), log.shape[-1]) > 0.0
        return tf.reduce_logsumexp(tf.where(top, log.dtype.min, log), axis=-1)

    if hasattr(model_fn, "predict_with_score"):
        return drawn, 1 + sum(eot.cost(model_fn, num_draws))
    if hasattr(model_fn, "detection_score"):
        return scored, 1 + sum(eot.cost(model_fn, model_fn.num_draws))
    return unsure, 1


class _Search:
    """Runs one `DetectionScoreAttack` on a batch."""

    def __init__(self, attack, model_fn, classify, images, labels, targets):
        self._attack = attack
        self._classify = classify
        self._images = images
        self._labels, self._targets = labels, targets
        self._score, self.passes = score_function(
            model_fn, classify, attack.num_draws
        )

    def run(self, starts, seed):
        """Returns the best points, [B, H, W, C], of float [S, B, H, W, C]."""
        stages = min(_STAGES, self._attack.num_steps)
        held_out = ops.fold_in(seed, _HELD_OUT)

        def body(index, point, best, worth):
            stage = index % stages
            first = tf.gather(starts, index // stages)
            point = tf.where(tf.equal(stage, 0), first, point)
            own = ops.fold_in(seed, _STEPS, index)
            point = self._stage(point, stage, stages, own)
            found = self._worth(*self._judge(point, held_out))
            best = ops.select(found > worth, point, best)
            return index + 1, point, best, tf.maximum(worth, found)

        count = starts.shape[0] * stages
        _, _, best, _ = tf.while_loop(
            lambda index, *_: index < count,
            body,
            (tf.constant(0), starts[0], self._images, self._nothing()),
            parallel_iterations=1,
            maximum_iterations=count,
        )
        return best

    def _nothing(self):
        return tf.fill(tf.shape(self._images)[:1], float("-inf"))

    def _judge(self, point, seed):
        """Returns the margin and the score, float [B] each."""
        logits = self._classify(point)
        margin = gradient.climbed("margin", self._labels, self._targets, logits)
        return margin, self._score(point, logits, seed)

    def _worth(self, margin, score):
        """Any point that fools the classifier beats any that does not."""
        worth = tf.where(
            margin > _SURE, 2.0 - score, tf.minimum(margin, 0.0) - 1.0
        )
        return tf.stop_gradient(worth)

    def _stage(self, point, stage, stages, seed):
        """Returns the best of all points of a stage, by each step's draws."""
        threat, total = self._attack.threat, self._attack.num_steps
        num_steps = (stage + 1) * total // stages - stage * total // stages
        longest = threat.eps * max(1.0 / _STEPS_PER_EPS, _PATH / total)
        size = longest * 0.5 ** tf.cast(stage, tf.float32)

        def body(step, point, slope, best, worth):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(point)
                margin, score = self._judge(point, ops.fold_in(seed, step))
                climbed = tf.where(margin > _SURE, -score, margin)
            slope = ops.input_gradients(tape, climbed, point)
            found = self._worth(margin, score)
            best = ops.select(found > worth, point, best)
            move = ops.steepest_direction(threat.norm, slope)
            moved = ops.project(threat, self._images, point + size * move)
            return step + 1, moved, slope, best, tf.maximum(worth, found)

        start = point
        _, point, slope, best, _ = tf.while_loop(
            lambda step, *_: step < num_steps,
            body,
            (
                tf.constant(0),
                start,
                tf.ones_like(start),
                start,
                self._nothing(),
            ),
            parallel_iterations=1,
            maximum_iterations=num_steps,
        )
        ops.observe([slope], [point], [start])
        return tf.stop_gradient(best)
