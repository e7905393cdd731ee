"""The memory of a server process under load."""

import threading
import time

import numpy as np

_MEGABYTE = 1e6


class MemoryWatch:
    """Reads a process's resident memory once an interval, in a thread.

    Used as a context manager, entered after the warm-up.

    Args:
        process: `psutil.Process`.
        interval: float, seconds between two readings.

    Attributes:
        samples: list of (seconds since the start, MB).
    """

    def __init__(self, process, interval=1.0):
        self.samples = []
        self._process = process
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._start = time.perf_counter()
        self.read()
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        self._thread.join()
        if error[0] is None:
            self.read()

    def read(self):
        """Adds a reading; returns it in MB."""
        held = self._process.memory_info().rss / _MEGABYTE
        self.samples.append((time.perf_counter() - self._start, held))
        return held

    def _watch(self):
        while not self._stop.wait(self._interval):
            self.read()


def memory_summary(samples):
    """Returns after warm-up, max and last in MB, and the slopes in MB / min.

    Args:
        samples: list of (seconds, MB), at least one, the first of them taken
            after the warm-up.

    Returns:
        dict. `"slope_mb_per_min"` is the least-squares line through all
        samples, `"slope_second_half_mb_per_min"` through the later half: a
        leak keeps it up, a server that settles lets it fall.
    """
    seconds, held = np.array(samples, "float64").T
    later = seconds >= seconds[-1] / 2
    return {
        "after_warm_up_mb": float(held[0]),
        "max_mb": float(held.max()),
        "last_mb": float(held[-1]),
        "slope_mb_per_min": _slope(seconds, held),
        "slope_second_half_mb_per_min": _slope(seconds[later], held[later]),
        "samples": len(held),
    }


def _slope(seconds, held):
    if np.ptp(seconds) == 0.0:
        return 0.0
    return 60.0 * float(np.polyfit(seconds, held, 1)[0])


def memory_text(summary):
    """Returns the summary as one line."""
    return (
        f"server memory: {summary['after_warm_up_mb']:.0f} MB after warm-up, "
        f"{summary['max_mb']:.0f} at most, {summary['last_mb']:.0f} at the "
        f"end; {summary['slope_mb_per_min']:+.2f} MB a minute, "
        f"{summary['slope_second_half_mb_per_min']:+.2f} in the second half"
    )
