"""AutoAttack: complementary attacks in sequence."""

import functools
import warnings
from typing import Literal

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.attacks import _functions
from keras_mixup.attacks import _inputs
from keras_mixup.attacks import _progress_file
from keras_mixup.attacks import _randomized
from keras_mixup.attacks import _survivors
from keras_mixup.attacks import _versions
from keras_mixup.attacks import base
from keras_mixup.attacks import eot
from keras_mixup.attacks import results
from keras_mixup.threat import ThreatModel

# Croce and Hein's number of draws, of version "rand-apgd".
_RAND_DRAWS = 20
_DRAWS = {"rand": _randomized.LEVELS[0], "rand-apgd": _RAND_DRAWS}
_RANDOMIZED = tuple(_DRAWS)
# Folded into the seed: the clean pass and the attacks.
_CLEAN, _ATTACK = 0, 1


@registry.register(
    "attack",
    "autoattack",
    label="AutoAttack",
    flags={"num_steps": "adaptive_steps"},
)
class AutoAttack(base.Attack):
    """AutoAttack (Croce and Hein, 2020): only survivors meet the next attack.

    An image that is wrong or broken is not attacked again. This is right only
    for a model that is itself scored. Images that withstand all attacks come
    back clean. Any wrong prediction is a success; there is no targeted form.

    Versions, all with 100 steps:

    - `"standard"`: APGD on cross-entropy, targeted APGD and FAB on 9 classes
      each, Square with 5,000 queries.
    - `"cheap"`: the earlier untargeted version, which AOM's Table 1 used:
      APGD on cross-entropy, on DLR, FAB, Square with 1,000 queries.
    - `"plus"`: APGD on cross-entropy and on DLR and FAB with 5 restarts each,
      Square, then targeted APGD and FAB.
    - `"fast"`: close to the verdict of `"standard"` for less (BENCHMARKS.md).
      APGD on cross-entropy and MALT on 3 classes, half of the steps each. Then
      MALT, FAB and Square with 1,000 queries see the few images that came
      closest to a wrong answer.
    - `"rand"`, this package's standard for randomised models. It starts at
      adversarial images of the undefended classifier, and at random points. It
      climbs cross-entropy and margin in steps that halve, each on half of the
      steps. Every image keeps its best point on draws held out. It begins with
      15 draws at a step and doubles them while that breaks more images.
    - `"rand-apgd"`, the original for randomised models: APGD on cross-entropy
      and on DLR. Loss, gradient and decision come from one mean probability
      over 20 draws; the original takes only the gradient from it.

    With C classes there are at most C - 1 targets. Below four classes the
    targeted DLR is the margin; below three, so is the DLR.

    Args:
        threat: `ThreatModel`.
        version: one of the above.
        seed: int, the source of every draw of a call without a seed.
        batch_size: int >= 1, images at a time; fewer survivors are filled up
            to a multiple of 4, at least 8. Nothing is traced twice.
        num_steps: int >= 1, the steps of APGD and FAB.
        num_targets: int >= 1, the classes that targeted attacks try.
        num_queries: int >= 1, Square's queries. None takes the version's.

    Raises:
        ValueError: for arguments outside these ranges.

    Example:

    >>> attack = AutoAttack(ThreatModel("linf", "8/255"))
    >>> report = attack.evaluate(model, images, labels, path="aa.npz")
    >>> report.robust_accuracy, report.counts
    """

    # A Python loop over compiled stages counts the survivors.
    compiled = False
    transferable = False
    uses_gradients = True

    def __init__(
        self,
        threat: ThreatModel,
        version: _types.PythonOnly[
            Literal["standard", "cheap", "plus", "fast", "rand", "rand-apgd"]
        ] = "standard",
        seed: _types.Seed = 0,
        batch_size: _types.PythonOnly[int] = 250,
        num_steps: int = 100,
        num_targets: int = 9,
        num_queries: int | None = None,
    ) -> None:
        super().__init__(threat)
        self.version = _checks.check_choice(
            version, "version", _versions.VERSIONS
        )
        # Of "rand" the draws of the mean at first.
        self.averages_draws = version in _RANDOMIZED
        self.num_draws = _DRAWS.get(version)
        self.seed = _checks.check_seed(seed)
        self.batch_size = _checks.check_integer(batch_size, "batch_size")
        self.num_steps = _checks.check_integer(num_steps, "num_steps")
        self.num_targets = _checks.check_integer(num_targets, "num_targets")
        if num_queries is not None:
            _checks.check_integer(num_queries, "num_queries")
        self.num_queries = num_queries
        self._stages = _versions.stages(self)
        self._sequence = None
        self._mean: eot.ExpectationOverTransformation | None = None

    @property
    def name(self) -> str:
        return f"autoattack-{self.version}"

    @property
    def stage_names(self) -> tuple[str, ...]:
        """tuple of str: the attacks in their order."""
        return tuple(stage.name for stage in self._stages)

    def target_of(self, model_fn: _tensors.ModelFn) -> _tensors.ModelFn:
        if self.version != "rand-apgd":
            return model_fn
        if hasattr(model_fn, "reseed"):
            return eot.checked(model_fn, _RAND_DRAWS)
        if self._mean is None or self._mean.model_fn is not model_fn:
            self._mean = eot.ExpectationOverTransformation(
                model_fn, _RAND_DRAWS
            )
        return self._mean

    def evaluate(
        self,
        model_fn: _tensors.ModelFn,
        images: _tensors.Images,
        labels: _tensors.ArrayLike | None = None,
        *,
        batch_size: int | None = None,
        path: _types.Path | None = None,
        verbose: bool = True,
    ) -> results.AutoAttackReport:
        """Attacks a whole data set and says which attack broke what.

        Args:
            model_fn: callable from images to logits.
            images: float [n, H, W, C] in the threat's bounds, or a data set
                of images and labels, as in a call.
            labels: the true labels, integers [n] or probabilities [n, C].
            batch_size: int, or None for the constructor's.
            path: str or None, a file (.npz) for the progress, written every
                half minute. After a kill, the same call goes on from it.
            verbose: bool, whether to print the progress.

        Returns:
            `results.AutoAttackReport`.

        Raises:
            ValueError: for unusable input, or a file of another attack,
                model or data set.
        """
        size = self.batch_size if batch_size is None else batch_size
        _checks.check_integer(size, "batch_size")
        images, labels = _inputs.read_pairs(images, labels)
        images = _inputs.check_images(images, self.threat)
        labels = _inputs.check_labels(labels, len(images))
        _functions.build(model_fn, images)
        batches = self._batches(
            images, labels, min(size, len(images)), ops.seed_pair(self.seed)
        )
        subject = self.target_of(model_fn)
        report = self._attack(subject, batches, path, verbose)
        for text in _doubts(report.parts, len(images)):
            warnings.warn(text, stacklevel=2)
        return report

    def run(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
        _checks.check(
            targets is None,
            "targets",
            "None",
            targets,
            hint="AutoAttack is untargeted. Take TargetedAPGD or PGD.",
        )
        size = min(self.batch_size, len(images))
        batches = self._batches(images, labels, size, seed)
        report = self._attack(model_fn, batches, None, verbose=False)
        self._parts = report.parts
        return report.images, report.gradient_passes, report.queries

    def _takes_one_draw(self, model_fn):
        return False  # `_attack` asks itself.

    def _evidence(self, model_fn, function):
        found = [part.gradients for part in self._parts if part.gradients]
        total = functools.reduce(
            ops.GradientHealth.plus, found, ops.GradientHealth()
        )
        doubts = _doubts(self._parts, self._parts[0].attacked)
        if doubts and self._first(function, "gradients"):
            warnings.warn("\n".join(doubts), stacklevel=3)
        return (total if total.rows else None), self._parts

    def _check_seed(self, seed, num_images):
        seed = self.seed if seed is None else seed
        return super()._check_seed(seed, num_images)

    def _batches(self, images, labels, size, seed):
        labels = ops.label_indices(labels).numpy()
        return _survivors.Batches(images.numpy(), labels, size, seed)

    def _attack(self, model_fn, batches, path, verbose):
        sequence = self._sequence_for(model_fn, batches.images.shape[1:])
        seed, size = batches.seed, batches.size
        clean = ops.fold_in(seed, _CLEAN)
        with _inputs.numpy_refused(model_fn, batches.images):
            logits = sequence.clean_logits(batches.images, size, clean)
        labels = tf.constant(batches.labels)
        _inputs.check_label_range(labels, logits.shape[-1])
        if self.version not in _RANDOMIZED:
            _warn_if_random(sequence, batches, logits, clean)
        file = _progress_file.ProgressFile(None, None)
        if path is not None:
            told = self._described(batches, logits)
            steady = _is_steady(sequence, batches, logits, clean)
            file = _progress_file.ProgressFile(
                path, told, logits if steady else None
            )
        progress = file.read() or _survivors.start(
            batches, logits, len(self._stages)
        )
        parts = sequence.run(
            batches._replace(seed=ops.fold_in(seed, _ATTACK)),
            logits,
            progress,
            file,
            _survivors.teller(self.stage_names, verbose),
        )
        report = self._report(progress, parts)
        if self.version == "rand-apgd":
            spent = report.gradient_passes, report.queries
            passes, queries = eot.whole_cost(model_fn, *spent)
            return report._replace(gradient_passes=passes, queries=queries)
        if self.version != "rand":
            return report
        right = sequence.share_right(
            progress.images, batches.labels, size, batches.seed
        )
        return report._replace(
            clean_right=logits.argmax(axis=-1) == batches.labels,
            share_right=right,
            num_draws=_randomized.most_draws(progress),
        )

    def _sequence_for(self, model_fn, image_shape):
        if self.version == "rand":
            return self._randomized_for(model_fn, image_shape)
        # One model at a time: each trace holds memory.
        function = _functions.told(_functions.as_function(model_fn))
        known = self._sequence
        if (
            known is None
            or known.function is not function
            or known.image_shape != image_shape
        ):
            known = _survivors.Sequence(
                self._stages,
                self.threat,
                function,
                image_shape,
                getattr(model_fn, "reseed", None),
            )
            known.watch.subject = base.name_of(model_fn)
            self._sequence = known
        return known

    def _randomized_for(self, model_fn, image_shape):
        known = self._sequence
        if (
            known is None
            or known.model_fn is not model_fn
            or known.image_shape != image_shape
        ):
            known = _randomized.Sequence(
                self._stages, self.threat, model_fn, image_shape
            )
            known.watch.subject = base.name_of(model_fn)
            self._sequence = known
        return known

    def _described(self, batches, logits):
        return {
            **self.get_config(),
            "batch_size": batches.size,
            "seed": batches.seed.numpy().tolist(),
            "images": _progress_file.checksum(batches.images),
            "labels": _progress_file.checksum(batches.labels),
            "shape": batches.images.shape,
            "predictions": _progress_file.checksum(logits.argmax(axis=-1)),
        }

    def _report(self, progress, parts):
        names = {_survivors.ROBUST: "", _survivors.CLEAN: "clean"}
        for number, part in enumerate(parts):
            names[number] = self.stage_names[part.stage]
        broken_by = [names[part] for part in progress.broken_part.tolist()]
        stages = self.stage_names
        if self.version == "rand":
            stages = _randomized.stages_run(stages, progress)
        counts = {n: broken_by.count(n) for n in ("clean", *stages)}
        return results.AutoAttackReport(
            progress.images,
            broken_by,
            progress.gradient_passes,
            progress.queries,
            counts,
            self._judged(counts, len(broken_by), progress.gradients),
        )

    def _judged(self, counts, left, gradients):
        found, left = [], left - counts["clean"]
        for stage, numbers in zip(self._stages, gradients, strict=True):
            if stage.name not in counts:
                continue
            health = ops.GradientHealth(*map(int, numbers))
            part = results.AttackPart(
                stage.name,
                stage.attack.uses_gradients,
                _survivors.attacked(stage, left),
                counts[stage.name],
                health if health.rows else None,
            )
            found.append(part)
            left -= part.broken
        return tuple(found)


def _doubts(parts, num_images):
    """Returns what the parts say against the result, a list of sentences."""
    found = [
        part.gradients.text(f"the model under {part.name}")
        for part in parts
        if part.gradients is not None and part.gradients.poor
    ]
    found += [
        f"{part.name} uses no gradient and broke {part.broken} of "
        f"{part.attacked} images that gradients left standing. They mislead "
        "the attacks that follow them, so that the robust accuracy is too "
        "high. Give Square more queries, or attack the model in a way made "
        "for it."
        for part in results.unseen_by_gradients(parts, num_images)
    ]
    return found + _randomized.doubts(parts, num_images)


def _is_steady(sequence, batches, logits, seed):
    """Whether the draws of a model, if any, follow the seed."""
    images = batches.images[: batches.size]
    again = sequence.clean_logits(images, batches.size, seed)
    return not base.differ(again, logits[: len(again)])


def _warn_if_random(sequence, batches, logits, seed):
    first = batches._replace(images=batches.images[: batches.size])
    # Another seed, for a model whose draws follow one.
    seed = ops.fold_in(seed, 1)
    again = sequence.clean_logits(first.images, batches.size, seed)
    if base.differ(again, logits[: len(again)]):
        warnings.warn(
            "The model gave two answers to the same images. AutoAttack's "
            'versions for deterministic models overrate it: take "rand", or '
            "wrap it in ExpectationOverTransformation.",
            stacklevel=4,
        )
