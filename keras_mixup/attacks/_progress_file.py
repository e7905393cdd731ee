"""Saves the progress of a long attack, and reads it again."""

import json
import os
import time
import zlib

import numpy as np

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup.attacks import _survivors

# Seconds of work that a kill may cost.
SAVE_EVERY = 30.0
# Answers of one model differ by rounding from machine to machine.
_CLOSE = {"rtol": 1e-3, "atol": 1e-3}


class ProgressFile:
    """Reads and writes a `Progress`; does nothing without a path.

    Args:
        path: str or None.
        described: JSON value, which attack runs on what.
        logits: float32 [n, C], the model's answers to the clean images, or
            None of a model whose answers differ from call to call.
    """

    def __init__(self, path, described, logits=None):
        self._path = path
        self._described = json.dumps(described, sort_keys=True, default=str)
        self._logits = np.zeros([0, 0], np.float32)
        if logits is not None:
            self._logits = np.asarray(logits, np.float32)
        self._written = time.monotonic()

    def read(self):
        """Returns the stored `Progress`, or None if there is no file.

        Raises:
            ValueError: for a file of another attack, model or data set.
        """
        if self._path is None or not os.path.exists(self._path):
            return None
        expected = "a file of the same attack, model, images and labels"
        try:
            with np.load(self._path) as stored:
                found = dict(stored)
        except (OSError, ValueError) as error:
            _checks.check(False, "path", expected, f"{self._path} ({error})")
        same = str(found.pop("described", "")) == self._described
        # Two models that are right everywhere have the same predictions.
        same = same and self._same_answers(found.pop("logits", None))
        # An earlier release wrote less.
        same = same and set(found) == set(_survivors.Progress._fields)
        _checks.check(
            same,
            "path",
            expected,
            self._path,
            hint="Delete it to start anew, or choose another path.",
        )
        return _survivors.Progress(**found)

    def _same_answers(self, before):
        same = before is not None and before.shape == self._logits.shape
        return same and np.allclose(before, self._logits, **_CLOSE)

    def write(self, progress, now=False):
        """Writes the `Progress`, at most every `SAVE_EVERY` s unless `now`."""
        waited = time.monotonic() - self._written
        if self._path is None or (waited < SAVE_EVERY and not now):
            return
        own = {"described": np.array(self._described), "logits": self._logits}
        # An open file, since NumPy appends ".npz" to other names.
        with _files.replacing(self._path) as temporary:
            with open(temporary, "wb") as file:
                np.savez(file, **own, **progress._asdict())
        self._written = time.monotonic()


def checksum(array):
    """Returns an int that changes when the array does."""
    return zlib.crc32(np.ascontiguousarray(array).tobytes())
