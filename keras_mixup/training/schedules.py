"""Learning-rate schedules by epoch or by fraction of the run."""

from collections.abc import Sequence
from typing import Any
from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _config
from keras_mixup import _types

_KINDS = ("constant", "piecewise", "cosine")


@keras.saving.register_keras_serializable("keras_mixup")
class WarmUp(
    _config.Configurable, keras.optimizers.schedules.LearningRateSchedule
):
    """Raises the rate linearly over the first steps of another schedule.

    The rate of step s is schedule(s) (s + 1) / warmup_steps while
    s < warmup_steps, and schedule(s) afterwards.

    Args:
        schedule: float, or a Keras learning-rate schedule.
        warmup_steps: int >= 1.

    Raises:
        ValueError: when `warmup_steps` is smaller than 1.
    """

    def __init__(
        self,
        schedule: float | keras.optimizers.schedules.LearningRateSchedule,
        warmup_steps: int,
    ) -> None:
        if not callable(schedule):
            _checks.check_number(schedule, "schedule", 0.0, low_open=True)
        self.schedule = schedule
        self.warmup_steps = _checks.check_integer(warmup_steps, "warmup_steps")

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the learning rate of `step`, a float32 scalar."""
        rate = self.schedule(step) if callable(self.schedule) else self.schedule
        done = (tf.cast(step, tf.float32) + 1.0) / self.warmup_steps
        return rate * tf.minimum(done, 1.0)


def make_schedule(
    learning_rate: _types.Number,
    steps_per_epoch: int,
    epochs: int,
    kind: Literal["constant", "piecewise", "cosine"] = "constant",
    drops: Sequence[float] = (),
    drop_factor: _types.Number = 0.1,
    warmup_epochs: _types.Number = 0.0,
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Returns a float or a Keras schedule over the optimizer's steps.

    Args:
        learning_rate: float > 0, the rate before any drop.
        steps_per_epoch: int, steps of one epoch.
        epochs: int, the length of the run.
        kind: `"constant"`, `"piecewise"` or `"cosine"` (to zero at the end).
        drops: for piecewise, where the rate is multiplied by `drop_factor`:
            epochs where >= 1, fractions of the run where < 1. A drop at
            epoch 100 holds from the first step after 100 finished epochs.
        drop_factor: float in (0, 1].
        warmup_epochs: float >= 0, linear warm-up.

    Raises:
        ValueError: for an unknown kind, drops that do not increase or lie
            outside the run, or drops given to another kind.
    """
    rate = _checks.check_number(
        learning_rate, "learning_rate", low=0.0, low_open=True
    )
    _checks.check_integer(steps_per_epoch, "steps_per_epoch")
    _checks.check_integer(epochs, "epochs")
    _checks.check_choice(kind, "kind", _KINDS)
    factor = _checks.check_number(
        drop_factor, "drop_factor", 0.0, 1.0, low_open=True
    )
    expected = "a sequence of numbers"
    _checks.check_instance(drops, "drops", (list, tuple), expected)
    warmup = _checks.check_number(warmup_epochs, "warmup_epochs", low=0.0)
    if kind != "piecewise":
        expected = f"empty for the {kind} schedule"
        _checks.check(not drops, "drops", expected, drops)
    schedule = rate
    if kind == "piecewise":
        boundaries = _drop_steps(drops, steps_per_epoch, epochs)
        # Keras' boundaries are the last step of the old rate.
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
            [step - 1 for step in boundaries],
            [rate * factor**n for n in range(len(boundaries) + 1)],
        )
    if kind == "cosine":
        schedule = keras.optimizers.schedules.CosineDecay(
            rate, steps_per_epoch * epochs
        )
    steps = round(warmup * steps_per_epoch)
    return WarmUp(schedule, steps) if steps else schedule


def _drop_steps(drops, steps_per_epoch, epochs):
    numbers = [
        _checks.check_number(d, "drops", low=0.0, low_open=True) for d in drops
    ]
    in_epochs = [d * epochs if d < 1.0 else d for d in numbers]
    steps = [round(epoch * steps_per_epoch) for epoch in in_epochs]
    total = steps_per_epoch * epochs
    rising = all(a < b for a, b in zip(steps, steps[1:], strict=False))
    okay = bool(steps) and rising and 0 < steps[0] and steps[-1] < total
    expected = f"increasing epochs or fractions within {epochs} epochs"
    _checks.check(okay, "drops", expected, list(drops))
    return steps
