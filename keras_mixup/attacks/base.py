"""The base of every attack: checks, one compiled run, the success."""

import functools
import typing
import warnings
import weakref

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _config
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup.attacks import _functions
from keras_mixup.attacks import _inputs
from keras_mixup.attacks import results
from keras_mixup.threat import ThreatModel

# Traces are dropped beyond these, since each one takes megabytes.
_MOST_TRACES = 32


class Attack(_config.Configurable):
    """Base class: a subclass defines `run`, callers call the object.

    The object holds settings only and never changes. `__call__` is final: it
    checks every attack, keeps it inside the threat model and judges it in
    the same way.

    Args:
        threat: `ThreatModel`, what the adversary may do.

    Raises:
        ValueError: when `threat` is no `ThreatModel`.
    """

    # Whether `run` may be traced; an attack of eager code may not.
    compiled: bool = True
    # The facts, see `facts.Facts`. Each attack states whether it uses
    # gradients.
    uses_gradients: bool | None = None
    averages_draws: bool = False
    # If so, the seed of `run` is int32 [B, 2], the row seeds of the draws with
    # which the defence will be judged.
    knows_draws: bool = False
    num_steps: int | None = None
    num_draws: int | None = None
    # What the attacker knows of the defence: "oblivious" (nothing),
    # "adaptive" or "transfer" (another model alone).
    knowledge: str = "oblivious"

    def __init__(self, threat: ThreatModel) -> None:
        okay = isinstance(threat, ThreatModel)
        _checks.check(okay, "threat", "a keras_mixup.ThreatModel", threat)
        self.threat = threat
        self._watch = None
        self._seen: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self._warned_of_traces = False
        self._trace_anew()

    @property
    def name(self) -> str:
        """str: names the attack in records and tables."""
        return type(self).__name__.lower()

    @property
    def transferable(self) -> bool:
        """bool: whether its images may be scored on another model.

        Not so where a broken image takes fewer steps than others.
        """
        if type(self).drops_broken is not Attack.drops_broken:
            return not self.drops_broken  # Stated by a subclass, as in 0.1.
        return not getattr(self, "early_stop", False)

    @property
    def drops_broken(self) -> bool:
        """bool: deprecated; the opposite of `transferable`."""
        warnings.warn(
            "`drops_broken` is deprecated: use `not transferable`.",
            DeprecationWarning,
            stacklevel=2,
        )
        return not self.transferable

    def run(
        self,
        model_fn: _tensors.ModelFn,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> _tensors.Attacked:
        """Searches adversarial images; written by each subclass.

        Args:
            model_fn: callable from images to logits.
            images: float32 [B, H, W, C], checked.
            labels: int32 [B] or float32 [B, C].
            targets: int32 [B], or None for an untargeted attack.
            seed: int32 [2], or int32 [B, 2] with `knows_draws`.

        Returns:
            (images, gradient_passes, queries): float32 [B, H, W, C], then
            two integers or int32 [B].
        """
        raise TypeError(f"{type(self).__name__} must define `run`.")

    def target_of(self, model_fn: _tensors.ModelFn) -> _tensors.ModelFn:
        """Returns what `run` gets as `model_fn`: a plain callable."""
        return _functions.told(_functions.as_function(model_fn))

    @typing.final
    def __call__(
        self,
        model_fn: _tensors.ModelFn,
        images: _tensors.Images,
        labels: _tensors.ArrayLike | None = None,
        *,
        targets: _tensors.ArrayLike | None = None,
        seed: _tensors.SeedLike = None,
    ) -> results.AttackResult:
        """Attacks a batch of images.

        Args:
            model_fn: callable from images [B, H, W, C] to logits [B, C]: a
                Keras model (called with `training=False`), a defence or a
                function.
            images: float [B, H, W, C] in the threat's bounds; what is outside
                by rounding is clipped. Or a finite `tf.data.Dataset` or
                `PyDataset` of images and labels, which is read into memory
                and attacked as one batch.
            labels: the true labels, integers [B] or [B, 1], or probabilities
                [B, C]; None beside a data set.
            targets: integers [B], the classes to lead to, other ones than
                the labels, or None.
            seed: None (fresh), an int, or int32 [2]; for an attack with
                `knows_draws` also int32 [B, 2], the row seeds with which the
                defence will answer. A model with `reseed` (an
                `ExpectationOverTransformation`) starts its draws from it.

        Returns:
            `AttackResult`. `model_fn` itself judges success; a randomised
            defence does so in one pass with fresh draws that follow `seed`.

        Raises:
            ValueError: for unusable images, labels, targets or outputs; for a
                model without a gradient, if the attack follows one.
            RuntimeError: inside a `tf.function`.

        Warns:
            UserWarning: where gradients lead nowhere, for a randomised model
                of which the attack takes a single draw for its loss, and where
                each call brings another callable, which is traced anew.
        """
        if not tf.executing_eagerly():
            raise RuntimeError(
                f"{type(self).__name__} checks its input, so it must be called "
                "eagerly. Inside a graph use `PGD.perturb`."
            )
        function = _functions.told(_functions.as_function(model_fn))
        subject = self.target_of(model_fn)
        self._bound_memory()
        images, labels = _inputs.read_pairs(images, labels)
        images = _inputs.check_images(images, self.threat)
        labels = _inputs.check_labels(labels, len(images))
        if targets is not None:
            targets = _inputs.check_labels(targets, len(images), "targets")
            _inputs.check_targets(targets, ops.label_indices(labels))
        _functions.build(model_fn, images)
        logits = self._check_outputs(function, images, labels, targets)
        if self._takes_one_draw(model_fn) and self._first(function, "answer"):
            if differ(self._predict(function, images), logits):
                warnings.warn(RANDOM_MODEL.format(self.name), stacklevel=2)
        seed = self._check_seed(seed, len(images))
        if hasattr(model_fn, "reseed"):
            model_fn.reseed(seed)
        arguments = subject, images, labels, targets, seed
        adversarial, passes, queries = self._watched(model_fn, arguments)
        if hasattr(model_fn, "draw"):
            # A randomised defence takes fresh draws that follow this seed.
            logits = model_fn(adversarial, seed=draw_seeds(seed, len(images)))
        else:
            logits = self._predict(function, adversarial)
        _inputs.check_logits(logits, len(images))
        predicted = ops.label_indices(logits)
        if targets is None:
            success = predicted != ops.label_indices(labels)
        else:
            success = predicted == targets
        gradients, parts = self._evidence(model_fn, function)
        return results.AttackResult(
            adversarial, success, passes, queries, gradients, parts
        )

    def _trace_anew(self):
        """Makes what is compiled, without any trace."""
        self._predict = _compile(_logits)
        run = self._run_and_project
        self._execute = _compile(run) if self.compiled else run

    def _bound_memory(self):
        """Drops the traces when there are too many; warns once."""
        if self._predict.experimental_get_tracing_count() < _MOST_TRACES:
            return
        self._trace_anew()
        if not self._warned_of_traces:
            self._warned_of_traces = True
            warnings.warn(
                f"{self.name} was traced {_MOST_TRACES} times, which is slow: "
                "a lambda made for each call is traced at each call. Pass one "
                "lasting object: the Keras model, the defence or a function.",
                stacklevel=3,
            )

    def _watched(self, model_fn, arguments):
        """Runs the attack; a model without a gradient is refused by name."""
        if self._watch is None:
            self._watch = ops.GradientWatch()
        watch = self._watch
        watch.reset()
        watch.subject, watch.error = model_fn, None
        try:
            return self._execute(*arguments)
        except ValueError as error:
            # A trace buries the error under that of its own.
            raise watch.error or _checks.first_error(error) from None
        finally:
            watch.subject = watch.error = None

    def _evidence(self, model_fn, function):
        """Returns what the result says of gradients and parts; may warn."""
        found = self._watch.health
        if found.poor and self._first(function, "gradients"):
            warnings.warn(found.text(name_of(model_fn)), stacklevel=3)
        return (found if found.rows else None), ()

    def _takes_one_draw(self, model_fn):
        aware = self.averages_draws or self.knowledge != "oblivious"
        return not aware and not hasattr(model_fn, "reseed")

    def _first(self, function, purpose):
        """Whether a model comes for the first time for this purpose."""
        try:
            seen = self._seen.setdefault(function, set())
        except TypeError:  # It takes no weak reference.
            return True
        first = purpose not in seen
        seen.add(purpose)
        return first

    def _check_seed(self, seed, num_images):
        seed = ops.seed_pair(seed)
        shape, allowed = tuple(seed.shape), [(2,)]
        if self.knows_draws:
            allowed.append((num_images, 2))
        expected = f"None, an int, or int32 of shape {list(allowed[-1])}"
        _checks.check(shape in allowed, "seed", expected, f"shape {shape}")
        return draw_seeds(seed, num_images) if self.knows_draws else seed

    def _check_outputs(self, function, images, labels, targets):
        try:
            with _inputs.numpy_refused(function, images):
                logits = self._predict(function, images)
        except ValueError as error:
            raise _checks.first_error(error) from None
        _inputs.check_logits(logits, len(images))
        _inputs.check_label_range(labels, logits.shape[-1])
        if targets is not None:
            _inputs.check_label_range(targets, logits.shape[-1], "targets")
        return logits

    def _run_and_project(self, subject, images, labels, targets, seed):
        with self._watch:
            adversarial, *counts = self.run(
                subject, images, labels, targets, seed
            )
        adversarial = kept_inside(self.threat, images, adversarial)
        rows = [tf.shape(images)[0]]
        counts = [tf.broadcast_to(tf.cast(n, tf.int32), rows) for n in counts]
        return (adversarial, *counts)


RANDOM_MODEL = (
    "The model gave two answers to the same images, and {} takes one of them "
    "for its loss, which overrates the model. Wrap the model in "
    "ExpectationOverTransformation, or take MixupInferenceAttack, "
    'AveragedAttack, or AutoAttack\'s version "rand".'
)


def kept_inside(threat, images, adversarial):
    """Projects; a row that is no number, as its gradient, comes back clean."""
    adversarial = ops.project(threat, images, adversarial)
    finite = tf.reduce_all(tf.math.is_finite(adversarial), axis=[1, 2, 3])
    return ops.select(finite, adversarial, images)


def differ(first, second):
    """Whether two answers of a model, [B, C] each, differ beyond rounding."""
    return not np.allclose(first, second, rtol=1e-3, atol=1e-3)


def name_of(model_fn):
    """Returns what a warning calls a model, str."""
    name = getattr(model_fn, "name", getattr(model_fn, "__name__", None))
    if name == "<lambda>":
        return "the model (a lambda)"
    return str(name or type(model_fn).__name__)


def times(num_restarts):
    """Returns what an attack's name says of restarts, such as "x5"."""
    return f"x{num_restarts}" if num_restarts > 1 else ""


# Keeps the draws that judge success apart from those of the attack.
_JUDGE = 100


def draw_seeds(seed, num_images):
    """Returns the row seeds of the draws that judge success, int32 [B, 2].

    Args:
        seed: int32 [2], an attack's, or int32 [B, 2], which is returned.
        num_images: int or int scalar tensor, B.
    """
    if seed.shape.rank == 2:
        return seed
    return ops.row_seeds(ops.fold_in(seed, _JUDGE), num_images)


def _compile(function):
    # With the partial, TensorFlow counts traces per attack. Otherwise it
    # counts per line of code and warns when several attacks are traced.
    return tf.function(
        functools.partial(function), jit_compile=False, reduce_retracing=True
    )


def _logits(function, images):
    return function(images)
