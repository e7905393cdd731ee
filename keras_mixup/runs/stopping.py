"""When a run should stop: at a signal, or after a time."""

import os
import signal
import time
from typing import Any

from keras_mixup import _checks
from keras_mixup import _types
from keras_mixup._stopping import Stopped

__all__ = ["Stop", "Stopped"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Says when a run should stop; give it to `train` or `evaluate` as `stop`.

    Used in a `with` statement of the main thread it also listens to SIGTERM
    and SIGINT. The first signal stops the run at the next step, with a
    checkpoint or the finished records. A second one ends the process at once.

    >>> with runs.Stop(max_minutes=55) as stop:
    ...     runs.train(settings, "runs/mine", resume=True, stop=stop)

    Args:
        max_minutes: float > 0, counted from here, or None for no limit.

    Raises:
        ValueError: for another number.
    """

    def __init__(self, max_minutes: _types.Number | None = None) -> None:
        self._end = None
        if max_minutes is not None:
            minutes = _checks.check_number(
                max_minutes, "max_minutes", 0.0, low_open=True
            )
            self._end = time.monotonic() + 60.0 * minutes
        self.max_minutes = max_minutes
        self._signal: str | None = None
        self._before: dict[int, Any] = {}

    def __call__(self) -> str | None:
        """Returns the reason to stop, a str, or None."""
        if self._signal is not None:
            return self._signal
        if self._end is not None and time.monotonic() >= self._end:
            return f"after {self.max_minutes:g} minutes"
        return None

    def __enter__(self) -> "Stop":
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._heard)
        return self

    def listen(self) -> None:
        """Listens again, where another library has taken the signals.

        TensorFlow takes SIGTERM when it connects several workers.
        """
        if self._before and self._signal is None:
            for number in _SIGNALS:
                signal.signal(number, self._heard)

    def __exit__(self, *error):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _heard(self, number, frame):
        self._signal = signal.Signals(number).name
        for each in _SIGNALS:
            # The system itself acts on the next one, also inside an op.
            signal.signal(each, signal.SIG_DFL)
        text = f"{self._signal}: stopping soon; once more ends it at once\n"
        # A handler may interrupt a print, which cannot be entered twice.
        os.write(2, text.encode())
