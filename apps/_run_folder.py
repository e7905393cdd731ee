"""A run's folder: made once, never overwritten, every write atomic.

`check` looks only, so that an application can refuse before it does any work
and write nothing; `create` makes the folder with its config.json in one step,
so that a run killed at any moment leaves either no folder or a whole one.
"""

import contextlib
import json
import os
import pathlib
import shutil
import tempfile

from apps import _common

CONFIG = "config.json"
# These flags may differ between a run and its continuation.
_FREE_ON_RESUME = ("data_dir", "download", "resume", "tensorboard", "verbose")


def check(path, resume=False):
    """Looks whether a run may be written at `path`; writes nothing.

    Args:
        path: str or path of the run folder.
        resume: bool, an existing run is to be continued.

    Returns:
        The path, as a `pathlib.Path`.

    Raises:
        FileExistsError: the folder exists and `resume` is false.
        NotADirectoryError: `path` or one of its parents is a file.
        PermissionError: its parent cannot be written.
        UsageError: `resume` is true and `path` holds no run.
    """
    if not path:
        raise _common.UsageError("A run folder is needed: --run_dir=PATH")
    path = pathlib.Path(path)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"{path} is a file, not a run folder.")
    if path.exists() and any(path.iterdir()):
        _check_existing(path, resume)
    parent = path if path.exists() else path.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise NotADirectoryError(f"{parent} is a file, not a folder.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(f"No permission to write in {parent}.")
    return path


def _check_existing(path, resume):
    if not resume:
        raise FileExistsError(
            f"The run folder {path} exists. Continue that run with --resume, "
            "or choose another --run_dir."
        )
    if not (path / CONFIG).is_file():
        raise _common.UsageError(
            f"{path} holds no run to resume: {CONFIG} is missing."
        )


def create(path, config, resume=False):
    """Makes the run folder with its config.json, or opens it to resume.

    Args:
        path: str or path of the run folder.
        config: dict, from `_common.describe_run`.
        resume: bool; an existing run is continued if its flags are the same.

    Returns:
        (path, resumed): `pathlib.Path`, and whether a run lay there.

    Raises:
        UsageError: a flag differs from that of the run to be resumed.
        OSError: as `check`.
    """
    path = check(path, resume)
    if (path / CONFIG).is_file():
        _check_same_flags(path, config)
        return path, True
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    fresh = tempfile.mkdtemp(
        prefix=f".{path.name}.", dir=path.absolute().parent
    )
    try:
        os.chmod(fresh, 0o755)
        write_json(pathlib.Path(fresh) / CONFIG, config)
        # Fails if another process made the folder in the meantime.
        os.rename(fresh, path)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return path, False


def _check_same_flags(path, config):
    recorded = read_config(path)["flags"]
    asked = json.loads(json.dumps(config["flags"]))
    for name in sorted(recorded.keys() | asked.keys()):
        before, now = recorded.get(name), asked.get(name)
        if name not in _FREE_ON_RESUME and before != now:
            raise _common.UsageError(
                f"The run in {path} was started with --{name}={before}. "
                f"Received: --{name}={now}. Resume with the same flags, or "
                "choose another --run_dir."
            )


def read_config(path):
    """Returns the config.json of the run folder `path`.

    Raises:
        FileNotFoundError: `path` is no run folder.
        ValueError: the file is no JSON.
    """
    file = pathlib.Path(path) / CONFIG
    if not file.is_file():
        raise FileNotFoundError(f"{path} is no run folder: no {CONFIG} in it.")
    return json.loads(file.read_text("utf-8"))


def write_json(path, value):
    """Writes `value` as JSON to `path`, atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def write_text(path, text):
    """Writes `text` to `path`: the whole of it or, if interrupted, none."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, "utf-8")


@contextlib.contextmanager
def atomic_file(path):
    """Yields a temporary path beside `path`; moves it there when all is well.

    The temporary name keeps the suffix of `path`, since Keras and NumPy
    choose the format by it.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
