"""The process of one job: `python -m keras_mixup.reproduce.one_job`.

`parallel` starts it, and writes the job to its standard input.
"""

import os
import pickle
import sys

from keras_mixup import _stopping
from keras_mixup import runs
from keras_mixup.reproduce import running
from keras_mixup.reproduce import store as store_lib


def main():
    """Does the job; returns the exit code."""
    job, place, data, machine, parent = pickle.load(sys.stdin.buffer)
    store = store_lib.Store(place)
    store.data = data
    with runs.Stop() as stop:

        def ask():
            if os.getppid() != parent:
                return "the process that began it has ended"
            return stop()

        try:
            running.run_job(job, store, ask, machine)
        except _stopping.Stopped as stopped:
            print(stopped)
            return _stopping.EXIT_CODE
    return 0


if __name__ == "__main__":
    sys.exit(main())
