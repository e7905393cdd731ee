"""One run folder for all workers of a run; the chief makes it."""

import pathlib
from typing import Any

from keras_mixup import _types
from keras_mixup import _workers
from keras_mixup.runs import _devices
from keras_mixup.runs import _gathering
from keras_mixup.runs import folder


def leads(settings, say=None):
    """Whether this process writes: the only one, or the chief of several.

    Args:
        settings: `TrainSettings`.
        say: callable, told who this worker is; None for silence.

    Raises:
        ValueError: nothing says who the workers are.
    """
    resolver = _devices.resolver_of(settings)
    if resolver is None:
        return True
    if say is not None:
        who = f"{resolver.task_type} {resolver.task_id}"
        say(f"This is {who}. Waiting for the other workers.")
    return _workers.leads(resolver)


def gather(settings: Any, stop: _types.AskStop | None = None) -> None:
    """Waits for the other workers, `settings.worker_timeout` at most.

    Args:
        settings: `TrainSettings`.
        stop: callable that returns the reason to stop, or something false.

    Raises:
        WorkerLost: not all of them came; the text names those missing.
        ValueError, Stopped: as `_gathering.gather`.
    """
    resolver = _devices.resolver_of(settings)
    if resolver is not None:
        _gathering.gather(resolver, settings.worker_timeout, stop)


def create(
    path: _types.Path, settings: Any, resume: bool, strategy: Any
) -> tuple[pathlib.Path, bool]:
    """Returns (path, resumed) at every worker, as `folder.create`.

    The others wait until the chief has made the folder, and compare their own
    settings with it.

    Args:
        path: str or path, the same for all.
        settings: `TrainSettings`.
        resume: bool.
        strategy: `tf.distribute.Strategy`.

    Raises:
        FileNotFoundError: the folder is not on a disk that all of them see.
        ValueError, OSError: as `folder.create`.
    """
    resumed = False
    if _workers.is_chief(strategy):
        path, resumed = folder.create(path, "train", settings, resume)
    resumed = bool(_workers.from_chief(strategy, resumed))
    if not _workers.is_chief(strategy):
        path = pathlib.Path(path)
        folder.read_config(path)
        folder.create(path, "train", settings, resume=True)
    return pathlib.Path(path), resumed
