"""Checks of what the functions of this package are called with."""

import pathlib
from collections.abc import Sequence

from keras_mixup import _checks


def check_call(
    results_dir,
    output=None,
    data_dir=None,
    threads=0,
    yes=False,
    progress=None,
    stop=None,
    jobs=1,
):
    """Raises `ValueError` unless a call gets what `reproduce` takes.

    Args:
        results_dir: must be a path.
        output, data_dir: must be paths or None.
        threads: must be an int >= 0.
        yes: must be a bool.
        progress, stop: must be callables or None.
        jobs: must be an int >= 1.
    """
    _checks.check_path(results_dir, "results_dir")
    for name, value in (("output", output), ("data_dir", data_dir)):
        if value is not None:
            _checks.check_path(value, name)
    if output is not None:
        free = (
            not pathlib.Path(output).exists() or pathlib.Path(output).is_dir()
        )
        _checks.check(free, "output", "a folder, or a free path", str(output))
    _checks.check_integer(threads, "threads", 0)
    _checks.check_flag(yes, "yes")
    _checks.check_integer(jobs, "jobs")
    for name, value in (("progress", progress), ("stop", stop)):
        _checks.check_callable(value, name)


def check_rows(rows):
    """Raises `ValueError` unless rows are a sequence of labels."""
    valid = isinstance(rows, Sequence) and not isinstance(rows, str)
    valid = valid and all(isinstance(row, str) for row in rows)
    _checks.check(valid, "rows", "a sequence of labels of rows", rows)
