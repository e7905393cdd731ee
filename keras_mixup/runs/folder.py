"""The folder of a run: created once, locked, never overwritten."""

import contextlib
import datetime
import hashlib
import os
import pathlib
import shutil
import subprocess

from keras_mixup import _files
from keras_mixup import _versions

_LOCK = ".lock"
_VERSIONED = (
    "keras_mixup",
    "keras",
    "numpy",
    "tensorflow",
    "tensorflow-datasets",
)
# Settings that may differ between a run and its continuation.
_FREE = ("data_dir", "download", "tensorboard", "threads", "worker_timeout")
# Settings that name a file, whose content counts and not its path.
_FILES = ("vae",)


def check(path, resume=False):
    """Checks whether a run may be written at `path`; writes nothing.

    Returns:
        `pathlib.Path`.

    Raises:
        ValueError: no path; or `resume` is true and `path` holds no run.
        FileExistsError: the folder exists and `resume` is false.
        NotADirectoryError: `path` or one of its parents is a file.
        PermissionError: its parent cannot be written.
    """
    if not path:
        raise ValueError("`run_dir` must be the path of a folder.")
    path = pathlib.Path(path)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"{path} is a file, not a run folder.")
    if path.exists() and any(path.iterdir()):
        if not resume:
            raise FileExistsError(
                f"The run folder {path} exists. Continue that run with "
                "resume, or choose another run_dir."
            )
        if not (path / _files.CONFIG).is_file():
            raise ValueError(
                f"{path} holds no run to resume: {_files.CONFIG} is missing."
            )
    check_writable(path)
    return path


def check_writable(path):
    """Raises unless the folder `path` can be created, if missing, and written.

    Raises:
        NotADirectoryError: one of its parents is a file.
        PermissionError: it, or its nearest parent, cannot be written.
    """
    parent = pathlib.Path(path).absolute()
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise NotADirectoryError(f"{parent} is a file, not a folder.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(f"No permission to write in {parent}.")


def create(path, what, settings, resume=False):
    """Creates the run folder with its config.json, or opens it to resume.

    Args:
        path: str or path of the run folder.
        what: str, the kind of run.
        settings: `Settings`, for config.json.
        resume: bool; an existing run continues if its settings are the same.

    Returns:
        (path, resumed): `pathlib.Path`, and whether the run existed.

    Raises:
        ValueError: a setting differs from that of the run to be resumed.
        OSError: as `check`.
    """
    path = check(path, resume)
    if (path / _files.CONFIG).is_file():
        _check_same_settings(path, settings)
        return path, True
    parent = path.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    _files.remove_leftovers(parent, f"{path.name}.")
    fresh = _files.scratch_path(parent, path.name)
    try:
        fresh.mkdir()
        config = describe(what, settings)
        config["checksums"] = _checksums(settings.as_dict())
        _files.write_json(fresh / _files.CONFIG, config)
        # Fails if another process made the folder in the meantime.
        os.rename(fresh, path)
        _files.sync(parent)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return path, False


@contextlib.contextmanager
def owned(path):
    """Locks the run folder `path` against other processes.

    The operating system releases the lock when the process ends.

    Raises:
        BlockingIOError: another process owns the folder; the text names it.
    """
    import filelock

    file = pathlib.Path(path) / _LOCK
    lock = filelock.FileLock(file, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise BlockingIOError(
            f"Process {file.read_text('utf-8').strip() or 'unknown'} is at "
            f"work in {path}. Wait until it ends, or choose another run_dir."
        ) from error
    try:
        file.write_text(f"{os.getpid()}\n", "utf-8")
        _files.remove_leftovers(path)
        yield
    finally:
        lock.release()


def _check_same_settings(path, settings):
    config, asked = read_config(path), settings.as_dict()
    recorded, known = _settings_in(config), config.get("checksums", {})
    for name, now in asked.items():
        if name not in recorded or name in _FREE:
            continue
        before = recorded[name]
        if before is None:  # What was not given had its default.
            before = settings.declared[name].default
        file = name in _FILES and _same_file(before, now, known.get(name))
        if before != now and not file:
            raise ValueError(
                f"The run in {path} was started with {name}={before}. "
                f"Received: {name}={now}. Resume with the same settings, or "
                "choose another run_dir."
            )
        if name in known and known[name] != _checksum(now):
            raise ValueError(
                f"`{name}` must be the file that the run in {path} was started "
                f"with. Received: {name}={now}, which has changed. Put the "
                "former file there, or choose another run_dir."
            )


def _same_file(before, now, checksum):
    """Whether two paths lead to one file; its content counts if known."""
    if not isinstance(before, str) or not isinstance(now, str):
        return False
    if checksum is not None:
        return _checksum(now) == checksum
    return os.path.abspath(before) == os.path.abspath(now)


def _checksums(settings):
    """Returns dict name -> checksum of the files that settings name."""
    found = {name: _checksum(settings.get(name)) for name in _FILES}
    return {name: value for name, value in found.items() if value}


def _checksum(path):
    """Returns SHA-256 of an autoencoder's file or run folder, or None."""
    file = pathlib.Path(path or "")
    file = file / _files.BEST_VAE if file.is_dir() else file
    if not file.is_file():
        return None
    return hashlib.sha256(file.read_bytes()).hexdigest()


def changed_versions(path):
    """Returns a sentence on versions that changed since a run began, or None.

    Args:
        path: str or path of the run folder.
    """
    before = read_config(path).get("versions", {})
    changes = [
        f"{name} {before[name]}, now {now}"
        for name, now in _versions.versions(*_VERSIONED).items()
        if before.get(name) not in (None, now)
    ]
    if not changes:
        return None
    return (
        f"The run began with {'; '.join(changes)}. Its end may differ from "
        "that of an undisturbed run."
    )


def read_config(path):
    """Returns the config.json of the run folder `path`, a dict.

    Raises:
        FileNotFoundError: `path` is no run folder.
        ValueError: the file is no JSON object.
    """
    file = pathlib.Path(path) / _files.CONFIG
    if not file.is_file():
        raise FileNotFoundError(
            f"{path} is no run folder: no {_files.CONFIG} in it."
        )
    return _files.read_json(file)


def read_settings(path):
    """Returns the settings in the config.json of a run folder, a dict."""
    return _settings_in(read_config(path))


def _settings_in(config):
    # Release 0.1 called them flags.
    return config.get("settings", config.get("flags", {}))


def describe(what, settings):
    """Returns the content of config.json: settings, versions, commit, time."""
    return {"run": what, **described(settings.as_dict())}


def described(settings):
    """Returns `settings`, a dict, with versions, commit and time."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "settings": settings,
        "versions": _versions.versions(*_VERSIONED),
        "git_commit": _git_commit(),
        "time": now.isoformat(timespec="seconds"),
    }


def _git_commit():
    """The checkout's commit, "+changes" if it is edited; None without one."""
    here = pathlib.Path(__file__)
    try:
        # An installed copy may be inside another project's repository.
        _git(here.parent, "ls-files", "--error-unmatch", here.name)
        commit = _git(here.parent, "rev-parse", "HEAD")
        edited = _git(here.parent, "status", "--porcelain", "-uno")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}+changes" if edited else commit


def _git(folder, *arguments):
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()
