"""The gradients that an attack follows, and whether they lead anywhere."""

import threading
import typing
import warnings
from collections.abc import Sequence

import tensorflow as tf

from keras_mixup import _checks

# An attack is warned about from this share of rows without a gradient on.
ZERO_SHARE = 0.1
_ACTIVE = threading.local()
_REMEDY = (
    "What cuts it off has no derivative, as tf.round, tf.stop_gradient and "
    "tf.numpy_function. Take an attack without gradients (Square, SPSA), or "
    'recipe "bpda" on a defence.'
)
_WARNING = (
    "On {zero} of {rows} rows the gradient of {name} is exactly zero, on "
    "{nonfinite} it is not finite. There an attack by gradients stays where it "
    "started, and what is left says nothing of robustness. Attack with the "
    "margin or DLR loss, replace what has no derivative, and add an attack "
    "without gradients (Square)."
)


class GradientHealth(typing.NamedTuple):
    """How many gradients led an attack nowhere.

    A row without a gradient stays where it starts, and one whose gradient is
    once no number loses its place. Both still show after the last step. So
    each run counts then, and its steps cost nothing.

    Attributes:
        rows: int, the rows looked at, one per image and run.
        zero: int, those that never moved, as their gradient was exactly zero.
        nonfinite: int, those whose gradient or point was NaN or infinite.
    """

    rows: int = 0
    zero: int = 0
    nonfinite: int = 0

    @property
    def poor(self) -> bool:
        """bool: zero on `ZERO_SHARE` of the rows or more, or not finite."""
        zero = self.zero > 0 and self.zero >= ZERO_SHARE * self.rows
        return zero or self.nonfinite > 0

    def plus(self, other: "GradientHealth") -> "GradientHealth":
        """Returns the `GradientHealth` of both."""
        return GradientHealth(*map(sum, zip(self, other, strict=True)))

    def text(self, name: str) -> str:
        """Returns a warning, with the remedy; `name` is what was attacked."""
        return _WARNING.format(name=name, **self._asdict())


class GradientWatch:
    """Counts the gradients of all ascents inside its context.

    Ascents that are traced inside count whenever their graph runs. Each
    replica counts for itself. Make it inside the strategy's scope.

    Args:
        name: str, the argument's name in an error.

    Attributes:
        subject: the model in an error.
        error: the `ValueError` for a model without a gradient, or None.
    """

    def __init__(self, name: str = "model_fn") -> None:
        self.name, self.subject, self.error = name, None, None
        self._warned = False
        self._counts = tf.Variable(
            tf.zeros([3], tf.int64),
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.SUM,
        )

    def __enter__(self):
        if not hasattr(_ACTIVE, "stack"):
            _ACTIVE.stack = []
        _ACTIVE.stack.append(self)
        return self

    def __exit__(self, *_):
        _ACTIVE.stack.pop()

    def reset(self) -> None:
        """Starts to count from zero."""
        for counts in self._local():
            counts.assign(tf.zeros([3], tf.int64))

    @property
    def health(self) -> GradientHealth:
        """`GradientHealth` so far, of this worker's replicas."""
        return GradientHealth(*map(int, sum(c.numpy() for c in self._local())))

    def warn_once(self, model: str) -> None:
        """Warns, the first time that `health` is poor, of `model`, a str."""
        found = self.health
        if found.poor and not self._warned:
            self._warned = True
            warnings.warn(found.text(f"{model} under the attack"), stacklevel=3)

    def _local(self):
        return getattr(self._counts, "values", (self._counts,))

    def add(self, zero: tf.Tensor, nonfinite: tf.Tensor) -> None:
        """Adds rows, two bool tensors [B]; safe inside a graph."""
        parts = [tf.ones_like(zero), zero, nonfinite]
        counts = [tf.math.count_nonzero(p, dtype=tf.int64) for p in parts]
        self._counts.assign_add(tf.stack(counts))


def _watch():
    stack = getattr(_ACTIVE, "stack", None)
    return stack[-1] if stack else None


def input_gradients(
    tape: tf.GradientTape,
    value: tf.Tensor,
    point: typing.Any,
    **options: typing.Any,
) -> typing.Any:
    """Returns the gradients with respect to what an attack moves.

    Args:
        tape: `tf.GradientTape` that watches `point`.
        value: a tensor; its sum is differentiated.
        point: a tensor or nested structure of tensors.
        **options: as for `tape.gradient`.

    Returns:
        tensors in the structure of `point`, zeros for a tensor on which
        `value` does not depend.

    Raises:
        ValueError: when it depends on none of them, so that an attack would
            stay where it starts.
    """
    found = tf.nest.flatten(tape.gradient(value, point, **options))
    points = tf.nest.flatten(point)
    if all(slope is None for slope in found):
        _refuse(_watch())
    found = [
        tf.zeros_like(p) if slope is None else tf.ensure_shape(slope, p.shape)
        for slope, p in zip(found, points, strict=True)
    ]
    return tf.nest.pack_sequence_as(point, found)


def _refuse(watch):
    name, subject = "model_fn", "a model without one"
    if watch is not None:
        name, subject = watch.name, watch.subject
    expected = "a model whose loss has a gradient at the images"
    try:
        _checks.check(False, name, expected, subject, _REMEDY)
    except ValueError as error:
        if watch is not None:
            watch.error = error
        raise


def observe(
    slopes: Sequence[tf.Tensor],
    point: Sequence[tf.Tensor],
    start: Sequence[tf.Tensor],
) -> None:
    """Counts a run's gradients for the watch, if there is one.

    Args:
        slopes: list of float tensors [B, ...], the last gradients.
        point: list of float tensors [B, ...], where the run ended.
        start: likewise, where it started.
    """
    watch = _watch()
    if watch is None or not slopes:
        return
    way = [end - begin for end, begin in zip(point, start, strict=True)]
    length, moved = (
        tf.add_n([_row_sums(tensor) for tensor in tensors])
        for tensors in (slopes, way)
    )
    still = (length == 0.0) & (moved == 0.0)
    watch.add(still, ~tf.math.is_finite(length + moved))


def _row_sums(tensor):
    tensor = tf.abs(tf.cast(tensor, tf.float32))
    return tf.reduce_sum(tensor, axis=list(range(1, tensor.shape.rank)))
