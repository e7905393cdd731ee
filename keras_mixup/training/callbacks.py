"""The log of a run, and what stops it."""

import math
import os
import time
import warnings
from typing import Any

import keras
import numpy as np

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import _types
from keras_mixup import _workers


class StopOnNaN(keras.callbacks.Callback):
    """Stops the run at the first step whose loss is NaN or infinite.

    Raises:
        FloatingPointError: names the step; the newest checkpoint stays.
    """

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Reads the running mean of the loss, which keeps a NaN."""
        loss = (logs or {}).get("loss", 0.0)
        if math.isfinite(float(loss)):
            return
        step = int(self.model.step.numpy())
        raise FloatingPointError(
            f"The loss is {float(loss)} at step {step} (step {batch + 1} of "
            "its epoch). Try a smaller learning rate, or float32 instead of "
            "a mixed precision."
        )


class MetricsLog(keras.callbacks.Callback):
    """Appends one JSON line per epoch to a file.

    A line has `epoch` (from 1), `step`, `learning_rate` (of the epoch's last
    step), `seconds` and the epoch's logs. A resumed run drops the lines of
    the epochs it repeats, and warns of lines that are gone. Of several workers
    the chief writes.

    Args:
        path: str.
    """

    def __init__(self, path: _types.Path) -> None:
        super().__init__()
        self.path = _checks.check_path(path, "path")
        self._first = True

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Starts the clock; at the run's first epoch drops later lines."""
        self._start = time.monotonic()
        if not self._first:
            return
        self._first = False
        if not _workers.is_chief(self.model.distribute_strategy):
            return
        os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
        kept = [r for r in read_metrics(self.path) if r["epoch"] <= epoch]
        gone = sorted(set(range(1, epoch + 1)) - {r["epoch"] for r in kept})
        if gone:
            warnings.warn(
                f"{self.path} has no line of epoch "
                f"{', '.join(map(str, gone))}, which an earlier call trained.",
                stacklevel=2,
            )
        _files.write_lines(self.path, kept)

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Appends the epoch's line."""
        if not _workers.is_chief(self.model.distribute_strategy):
            return
        row = {
            "epoch": epoch + 1,
            "step": int(self.model.step.numpy()),
            "learning_rate": last_learning_rate(self.model.optimizer),
            "seconds": round(time.monotonic() - self._start, 3),
            **{key: _number(value) for key, value in (logs or {}).items()},
        }
        _files.append_lines(self.path, [row])


def _number(value):
    """A float that JSON holds: None for NaN and infinity."""
    return float(value) if math.isfinite(value) else None


def last_learning_rate(optimizer):
    """Returns the rate of the last finished step, a float.

    Args:
        optimizer: Keras optimizer; its own `learning_rate` is that of the
            next step already when it follows a schedule.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return last_learning_rate(optimizer.inner_optimizer)
    config = optimizer.get_config().get("learning_rate")
    if isinstance(config, dict):
        schedule = keras.saving.deserialize_keras_object(config)
        last = np.maximum(optimizer.iterations.numpy() - 1, 0)
        return float(schedule(last))
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def read_metrics(path: _types.Path) -> list[_types.Json]:
    """Returns the rows of a metrics file; a torn last line is left out.

    Args:
        path: str; a missing file gives an empty list.
    """
    _checks.check_path(path, "path")
    if not os.path.exists(path):
        return []
    return _files.read_lines(path)


class RetraceGuard(keras.callbacks.Callback):
    """Stops a run whose steps are traced again after the first epoch.

    A retrace costs seconds every time, and on one worker of several it makes
    the others wait for ever.

    Raises:
        RuntimeError: at the end of the epoch in which it happened.
    """

    def __init__(self) -> None:
        super().__init__()
        self._expected: dict[str, int] = {}

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Compares the traces of each step with its first number."""
        for step, count in self.model.traces.items():
            # A resumed run may skip its whole first epoch: zero is no count.
            expected = self._expected.setdefault(step, count) if count else 0
            if count != expected:
                raise RuntimeError(
                    f"The {step} step was traced again in epoch {epoch + 1}: "
                    f"{count} times, before {expected}. Keep the shapes and "
                    "dtypes of the batches constant."
                )
