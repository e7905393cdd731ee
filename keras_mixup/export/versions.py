"""Version folders `<base_path>/<integer>` that appear whole or not at all."""

import contextlib
import os
import shutil

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import _types


def list_versions(base_path: _types.Path) -> list[int]:
    """Returns the sorted integer names of the folders in `base_path`."""
    _checks.check_path(base_path, "base_path")
    if not os.path.isdir(base_path):
        return []
    names = os.listdir(base_path)
    return sorted(int(n) for n in names if n.isascii() and n.isdecimal())


def check_version(base_path: _types.Path, version: int | None = None) -> None:
    """Checks whether a version may be written; writes nothing.

    Args:
        base_path: path of the model's folder, which need not exist.
        version: int, or None for the next free one.

    Raises:
        FileExistsError: `version` exists already.
        OSError: `base_path`, or its nearest parent, is no folder or is
            not writable.
    """
    _checks.check_path(base_path, "base_path")
    if version is not None:
        # TensorFlow Serving reads it as an int64.
        _checks.check_integer(version, "version", 0, maximum=2**63 - 1)
    _refuse_existing(base_path, version)
    folder = os.path.abspath(os.fspath(base_path))
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        raise NotADirectoryError(
            f"`base_path` cannot be written: no folder: {folder}"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            f"`base_path` cannot be written: no permission: {folder}"
        )


def write_version(base_path, version, write):
    """Writes one version folder in a single visible step.

    TF Serving loads every folder in `base_path` with an integer name. So the
    content is written under another name, and the folder is renamed at the end.
    What killed processes left there is removed first.

    Args:
        base_path: path of the model's folder on a local file system; created
            when missing.
        version: int, or None for one above the largest version there.
        write: called with the path of an empty folder to fill.

    Returns:
        The path of the new version, a str.

    Raises:
        FileExistsError: `version` exists already.
        OSError: `base_path` cannot be written. After any error, one of `write`
            included, the folders made here are removed again.
    """
    base_path = os.path.abspath(os.fspath(base_path))
    check_version(base_path, version)
    missing = _missing_folders(base_path)
    _files.remove_leftovers(base_path, "incoming")
    partial = str(_files.scratch_path(base_path, "incoming"))
    try:
        for folder in reversed(missing):
            # Another export of the same model may have made it meanwhile.
            _make_folder(folder, exist_ok=True)
        _make_folder(partial)
        write(partial)
        _sync(partial)
        path = _publish(partial, base_path, version)
        _files.sync(base_path)
        return path
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        # rmdir leaves a folder alone in which another export now lives.
        with contextlib.suppress(OSError):
            for folder in missing:
                os.rmdir(folder)
        raise


def _refuse_existing(base_path, version):
    if version is not None and version in list_versions(base_path):
        raise FileExistsError(
            f"Version {version} exists already in {base_path}; it is never "
            "overwritten. Leave `version` out to write the next free one"
        )


def _missing_folders(path):
    """Returns `path` and its parents as far as absent, deepest first."""
    missing = []
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    return missing


def _make_folder(path, exist_ok=False):
    try:
        os.mkdir(path)
    except OSError as error:
        if exist_ok and os.path.isdir(path):
            return
        raise type(error)(
            f"`base_path` cannot be written: {error.strerror}: "
            f"{os.path.dirname(path)}"
        ) from error


def _sync(folder):
    """Puts the content on the disk before the rename can get there."""
    for path, _, files in os.walk(folder, topdown=False):
        for file in files:
            _files.sync(os.path.join(path, file))
        _files.sync(path)


def _publish(partial, base_path, version):
    """Renames `partial` to its version; another export may race for it."""
    while True:
        number = version or max(list_versions(base_path), default=0) + 1
        final = os.path.join(base_path, str(number))
        try:
            os.rename(partial, final)
            return final
        except OSError:
            _refuse_existing(base_path, version)
            if number not in list_versions(base_path):
                raise
