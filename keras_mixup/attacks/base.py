"""The base of every attack: checks, one compiled run, the success."""

import functools
import inspect
import typing
import warnings
import weakref

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _classifiers
from keras_mixup import _config
from keras_mixup import ops
from keras_mixup.attacks import _inputs
from keras_mixup.threat import ThreatModel


class AttackResult(typing.NamedTuple):
    """What an attack returns, one row per image.

    Attributes:
        images: float32 [B, H, W, C], in the ball and in the bounds.
        success: bool [B], the model is now wrong, or predicts the target.
        gradient_passes: int32 [B], forward-and-backward passes spent.
        queries: int32 [B], forward-only passes spent by the attack.
    """

    images: tf.Tensor
    success: tf.Tensor
    gradient_passes: tf.Tensor
    queries: tf.Tensor


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
    compiled = True
    # The facts, see `facts.Facts`. Each attack states whether it uses
    # gradients.
    uses_gradients = None
    averages_draws = False
    # If so, the seed of `run` is int32 [B, 2], the row seeds of the draws with
    # which the defence will be judged.
    knows_draws = False
    num_steps = None
    num_draws = None
    # What the attacker knows of the defence: "oblivious" (nothing),
    # "adaptive" or "transfer" (another model alone).
    knowledge = "oblivious"

    def __init__(self, threat):
        okay = isinstance(threat, ThreatModel)
        _checks.check(okay, "threat", "a keras_mixup.ThreatModel", threat)
        self.threat = threat
        self._predict = _compile(_logits)
        self._execute = self._run_and_project
        if self.compiled:
            self._execute = _compile(self._run_and_project)

    @property
    def name(self):
        """str: names the attack in records and tables."""
        return type(self).__name__.lower()

    @property
    def transferable(self):
        """bool: whether its images may be scored on another model.

        Not so where a broken image takes fewer steps than others.
        """
        if type(self).drops_broken is not Attack.drops_broken:
            return not self.drops_broken  # Stated by a subclass, as in 0.1.
        return not getattr(self, "early_stop", False)

    @property
    def drops_broken(self):
        """bool: deprecated; the opposite of `transferable`."""
        warnings.warn(
            "`drops_broken` is deprecated: use `not transferable`.",
            DeprecationWarning,
            stacklevel=2,
        )
        return not self.transferable

    def run(self, model_fn, images, labels, targets, seed):
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

    def target_of(self, model_fn):
        """Returns what `run` gets as `model_fn`: a plain callable."""
        return as_function(model_fn)

    @typing.final
    def __call__(self, model_fn, images, labels, *, targets=None, seed=None):
        """Attacks a batch of images.

        Args:
            model_fn: callable from images [B, H, W, C] to logits [B, C]: a
                Keras model (called with `training=False`), a defence or a
                function.
            images: float [B, H, W, C] in the threat's bounds; what is outside
                by rounding is clipped.
            labels: the true labels, integers [B] or [B, 1], or probabilities
                [B, C].
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
            ValueError: for unusable images, labels, targets or outputs.
            RuntimeError: inside a `tf.function`.
        """
        if not tf.executing_eagerly():
            raise RuntimeError(
                f"{type(self).__name__} checks its input, so it must be called "
                "eagerly. Inside a graph use `PGD.perturb`."
            )
        function, subject = as_function(model_fn), self.target_of(model_fn)
        images = _inputs.check_images(images, self.threat)
        labels = _inputs.check_labels(labels, len(images))
        if targets is not None:
            targets = _inputs.check_labels(targets, len(images), "targets")
            _inputs.check_targets(targets, ops.label_indices(labels))
        _build(model_fn, images)
        self._check_outputs(function, images, labels, targets)
        seed = self._check_seed(seed, len(images))
        if hasattr(model_fn, "reseed"):
            model_fn.reseed(seed)
        adversarial, gradient_passes, queries = self._execute(
            subject, images, labels, targets, seed
        )
        if hasattr(model_fn, "draw"):
            # A randomised defence takes fresh draws that follow this seed.
            seeds = draw_seeds(seed, len(images))
            logits = model_fn(adversarial, seed=seeds)
        else:
            logits = self._predict(function, adversarial)
        _inputs.check_logits(logits, len(images))
        predicted = ops.label_indices(logits)
        if targets is None:
            success = predicted != ops.label_indices(labels)
        else:
            success = predicted == targets
        return AttackResult(adversarial, success, gradient_passes, queries)

    def _check_seed(self, seed, num_images):
        seed = ops.seed_pair(seed)
        shape, allowed = tuple(seed.shape), [(2,)]
        if self.knows_draws:
            allowed.append((num_images, 2))
        expected = f"None, an int, or int32 of shape {list(allowed[-1])}"
        _checks.check(shape in allowed, "seed", expected, f"shape {shape}")
        return draw_seeds(seed, num_images) if self.knows_draws else seed

    def _check_outputs(self, function, images, labels, targets):
        with _inputs.numpy_refused(function, images):
            logits = self._predict(function, images)
        _inputs.check_logits(logits, len(images))
        _inputs.check_label_range(labels, logits.shape[-1])
        if targets is not None:
            _inputs.check_label_range(targets, logits.shape[-1], "targets")

    def _run_and_project(self, subject, images, labels, targets, seed):
        adversarial, *counts = self.run(subject, images, labels, targets, seed)
        adversarial = ops.project(self.threat, images, adversarial)
        rows = [tf.shape(images)[0]]
        counts = [tf.broadcast_to(tf.cast(n, tf.int32), rows) for n in counts]
        return (adversarial, *counts)


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


# One callable per model (and method), so that no call retraces.
_FUNCTIONS = weakref.WeakKeyDictionary()


def as_function(model_fn):
    """Returns a plain callable from images to logits, one per model.

    A Keras layer or model is called with `training=False`, so that BatchNorm
    and Dropout are those of inference. Python makes a bound method anew at
    each access, and `tf.function` traces once per object: it gets one lasting
    callable. Other callables come back as they are.

    Raises:
        ValueError: when `model_fn` cannot be called.
    """
    expected = "a callable from images to logits"
    _checks.check(callable(model_fn), "model_fn", expected, model_fn)
    if isinstance(model_fn, keras.layers.Layer):
        return _lasting(model_fn, None)
    if inspect.ismethod(model_fn):
        return _lasting(model_fn.__self__, model_fn.__func__)
    return model_fn


def _lasting(owner, method):
    try:
        functions = _FUNCTIONS.setdefault(owner, {})
    except TypeError:  # No hash or no weak reference: it is traced again.
        return functools.partial(method, owner)
    if method not in functions:
        # A strong reference would keep the model alive for ever.
        reference = weakref.ref(owner)
        if method is None:
            functions[method] = lambda x: reference()(x, training=False)
        else:
            functions[method] = lambda x: method(reference(), x)
    return functions[method]


def _build(model_fn, images):
    # An unbuilt model makes its variables here, since a trace cannot.
    layer = getattr(model_fn, "model_fn", model_fn)
    _classifiers.check_model(layer, "model_fn")
    if isinstance(layer, keras.layers.Layer) and not layer.built:
        layer(images[:1], training=False)


def _compile(function):
    # With the partial, TensorFlow counts traces per attack. Otherwise it
    # counts per line of code and warns when several attacks are traced.
    return tf.function(
        functools.partial(function), jit_compile=False, reduce_retracing=True
    )


def _logits(function, images):
    return function(images)
