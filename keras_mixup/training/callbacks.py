"""What a run keeps beside its weights, and what stops it."""

import math
import os
import time
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _files


class BestModel(keras.callbacks.Callback):
    """Writes the trained model to `path` when a validation metric improves.

    That is the classifier, or under `MMDVAETraining` the autoencoder.

    Choose on data cut from the training split, never on the test split: a
    best epoch chosen on test data is the flaw of several published robust
    accuracies. The file is replaced atomically.

    Args:
        path: str ending in `.keras`.
        monitor: str, a key of the epoch's logs.
        mode: `"max"` or `"min"`.

    Attributes:
        best: `tf.Variable` float64, so that `Checkpoint(state=[best])`
            carries it through a resume.

    A resumed run whose file is gone starts to choose anew, with a warning.

    Raises:
        ValueError: for another mode; at the first epoch's end, when
            `monitor` is not among the logs.
    """

    def __init__(self, path, monitor="val_accuracy", mode="max"):
        super().__init__()
        self.path = path
        self.monitor = monitor
        self.mode = _checks.check_choice(mode, "mode", ("max", "min"))
        self._sign = 1.0 if mode == "max" else -1.0
        # Sign times value, so that larger is better in either mode.
        self.best = tf.Variable(-math.inf, dtype=tf.float64, trainable=False)

    def on_epoch_end(self, epoch, logs=None):
        """Saves when the monitored value is the best so far."""
        logs = logs or {}
        expected = f"one of {sorted(logs)}"
        _checks.check(self.monitor in logs, "monitor", expected, self.monitor)
        value = self._sign * float(logs[self.monitor])
        if math.isfinite(self.best.numpy()) and not os.path.exists(self.path):
            warnings.warn(
                f"{self.path} is gone, the model of {self.monitor} "
                f"{self._sign * self.best.numpy():g}. The best from epoch "
                f"{epoch + 1} on is kept there.",
                stacklevel=2,
            )
            self.best.assign(-math.inf)
        if value > float(self.best.numpy()):
            with self.model.averaged_weights():
                save_atomically(self.model.trained_model, self.path)
            self.best.assign(value)


def save_atomically(model, path):
    """Saves a Keras model under a temporary name, then renames it.

    Args:
        model: `keras.Model`.
        path: str ending in `.keras`.
    """
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with _files.replacing(path) as temporary:
        model.save(temporary)


class StopOnNaN(keras.callbacks.Callback):
    """Stops the run at the first step whose loss is NaN or infinite.

    Raises:
        FloatingPointError: names the step; the newest checkpoint stays.
    """

    def on_train_batch_end(self, batch, logs=None):
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
    the epochs it repeats.

    Args:
        path: str.
    """

    def __init__(self, path):
        super().__init__()
        self.path = path
        self._first = True

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock; at the run's first epoch drops later lines."""
        self._start = time.monotonic()
        if not self._first:
            return
        self._first = False
        os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
        kept = [r for r in read_metrics(self.path) if r["epoch"] <= epoch]
        _files.write_lines(self.path, kept)

    def on_epoch_end(self, epoch, logs=None):
        """Appends the epoch's line."""
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
    config = optimizer.get_config().get("learning_rate")
    if isinstance(config, dict):
        schedule = keras.saving.deserialize_keras_object(config)
        last = np.maximum(optimizer.iterations.numpy() - 1, 0)
        return float(schedule(last))
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def read_metrics(path):
    """Returns the rows of a metrics file; a torn last line is left out.

    Args:
        path: str; a missing file gives an empty list.
    """
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

    def __init__(self):
        super().__init__()
        self._expected = {}

    def on_epoch_end(self, epoch, logs=None):
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
