"""Early stopping whose patience survives a resumed run."""

import math
from typing import Any
from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _checks


class EarlyStopping(keras.callbacks.Callback):
    """Stops a run when a validation metric has not improved for a while.

    On robust validation accuracy this is the remedy for robust overfitting
    (Rice et al., "Overfitting in Adversarially Robust Deep Learning", 2020).
    `keras.callbacks.EarlyStopping` forgets its count when a run resumes.

    Args:
        monitor: str, a key of the epoch's logs.
        patience: int >= 1, epochs without an improvement before the stop.
        mode: `"max"` or `"min"`.

    Attributes:
        state: float64 `tf.Variable` [3]: the best value times the sign of
            the mode, the epochs since then, the last epoch counted. Give it
            to `Checkpoint(state=[...])`.

    Raises:
        ValueError: for a bad argument; at the first epoch's end, when
            `monitor` is not among the logs.
    """

    def __init__(
        self,
        monitor: str = "val_robust_accuracy",
        patience: int = 10,
        mode: Literal["max", "min"] = "max",
    ) -> None:
        super().__init__()
        self.monitor = _checks.check_instance(monitor, "monitor", str, "a str")
        self.patience = _checks.check_integer(patience, "patience")
        self.mode = _checks.check_choice(mode, "mode", ("max", "min"))
        self.state = tf.Variable(
            [-math.inf, 0.0, -1.0], dtype=tf.float64, trainable=False
        )

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Counts the epoch, once, and stops the run if it was one too many."""
        logs = logs or {}
        expected = f"one of {sorted(logs)}"
        _checks.check(self.monitor in logs, "monitor", expected, self.monitor)
        best, waited, counted = self.state.numpy()
        # A run resumed at the end of an epoch ends that epoch again.
        if epoch > counted:
            sign = 1.0 if self.mode == "max" else -1.0
            value = sign * float(logs[self.monitor])
            waited = 0.0 if value > best else waited + 1.0
            self.state.assign([max(best, value), waited, epoch])
        if waited >= self.patience:
            self.model.stop_training = True
