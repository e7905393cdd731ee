"""The best model of a run: a file that says itself which epoch it is."""

import json
import math
import os
import pathlib
import warnings
import zipfile
from typing import Any
from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import _types
from keras_mixup import _workers

# A member of the .keras archive, which Keras leaves alone.
_NOTE = "keras_mixup.json"


class BestModel(keras.callbacks.Callback):
    """Writes the trained model to `path` when a validation metric improves.

    That is the classifier, or under `MMDVAETraining` the autoencoder.

    Choose on data cut from the training split, never on the test split: a
    best epoch chosen on test data is the flaw of several published robust
    accuracies. The file is replaced atomically, and says which epoch it is
    (`read_best`).

    A resumed run whose file is gone, or is another than the best one so far,
    starts to choose anew, with a warning.

    Args:
        path: str ending in `.keras`.
        monitor: str, a key of the epoch's logs.
        mode: `"max"` or `"min"`.

    Attributes:
        best: `tf.Variable` float64, so that `Checkpoint(state=[best])`
            carries it through a resume.
        trusts_any_file: bool, whether a file that says nothing of itself is
            taken for the best one so far, as in a run of release 0.1.

    Raises:
        ValueError: for another mode; at the first epoch's end, when
            `monitor` is not among the logs.
    """

    def __init__(
        self,
        path: _types.Path,
        monitor: str = "val_accuracy",
        mode: Literal["max", "min"] = "max",
    ) -> None:
        super().__init__()
        self.path = _check_file(path)
        self.monitor = _checks.check_instance(monitor, "monitor", str, "a str")
        self.mode = _checks.check_choice(mode, "mode", ("max", "min"))
        self.trusts_any_file = False
        self._sign = 1.0 if mode == "max" else -1.0
        # Sign times value, so that larger is better in either mode.
        self.best = tf.Variable(-math.inf, dtype=tf.float64, trainable=False)

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Saves when the monitored value is the best so far."""
        logs = logs or {}
        expected = f"one of {sorted(logs)}"
        _checks.check(self.monitor in logs, "monitor", expected, self.monitor)
        strategy = self.model.distribute_strategy
        if _workers.is_chief(strategy):
            self._look_at_file(epoch + 1)
        self.best.assign(_workers.from_chief(strategy, self.best.numpy()))
        value = float(logs[self.monitor])
        if self._sign * value > float(self.best.numpy()):
            note = {
                "epoch": epoch + 1,
                "step": int(self.model.step.numpy()),
                "monitor": self.monitor,
                "value": value,
            }
            with self.model.averaged_weights():
                save_atomically(self.model.trained_model, self.path, note)
            self.best.assign(self._sign * value)

    def _look_at_file(self, epoch):
        """Forgets the best value when the file is not the model that had it."""
        best = float(self.best.numpy())
        if not math.isfinite(best):
            return
        fault = "is gone,"
        if os.path.exists(self.path):
            note = read_best(self.path)
            if note is None and self.trusts_any_file:
                return
            note = note or {}
            fault = "is another model than"
            # After a kill it may be newer than the checkpoint, hence better.
            newer = note.get("monitor") == self.monitor
            if newer and self._sign * note["value"] >= best:
                return
        warnings.warn(
            f"{self.path} {fault} the model of {self.monitor} "
            f"{self._sign * best:g}, the best so far. The best from epoch "
            f"{epoch} on is kept there.",
            stacklevel=2,
        )
        self.best.assign(-math.inf)


def save_atomically(
    model: keras.Model, path: _types.Path, note: _types.Json | None = None
) -> None:
    """Saves a Keras model under a temporary name, then renames it.

    Of several workers, which all call it, the chief writes.

    Args:
        model: `keras.Model`.
        path: str ending in `.keras`.
        note: dict of JSON values to keep inside the file, or None.
    """
    _checks.check_instance(model, "model", keras.Model, "a keras.Model")
    _check_file(path)
    strategy = model.distribute_strategy
    if not _workers.is_chief(strategy):
        with _workers.place_for(strategy, ".") as folder:
            model.save(folder / pathlib.Path(path).name)
        return
    pathlib.Path(path).absolute().parent.mkdir(parents=True, exist_ok=True)
    with _files.replacing(path) as temporary:
        model.save(temporary)
        if note is not None:
            with zipfile.ZipFile(temporary, "a") as archive:
                archive.writestr(_NOTE, json.dumps(note, allow_nan=False))


def _check_file(path):
    """Returns the path of a .keras file; raises `ValueError` for another."""
    okay = str(_checks.check_path(path, "path")).endswith(".keras")
    _checks.check(okay, "path", "a path that ends in .keras", path)
    return path


def read_best(path: _types.Path) -> _types.Json | None:
    """Returns what the file of a best model says of itself.

    Args:
        path: str or path of a .keras file.

    Returns:
        dict with `epoch` (from 1), `step`, `monitor` and `value`; None for a
        file that is damaged or was not written by `BestModel`.

    Raises:
        OSError: it cannot be read.
        ValueError: `path` is no path.
    """
    _checks.check_path(path, "path")
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read(_NOTE))
    except (KeyError, ValueError, zipfile.BadZipFile):
        return None
