"""Files: written whole or not at all, read with their name in every error.

Every file that the library writes goes through this module, and so does
every JSON file that it reads.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import uuid
import warnings

# What lies in the folder of a run.
CONFIG = "config.json"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
BEST_CLASSIFIER = "classifier.keras"
BEST_VAE = "vae.keras"
FINAL = "final.keras"
RECORDS = "records.jsonl"
EVALUATION = "evaluation.json"
PICTURES = "pictures.npz"
RED_FLAGS = "red_flags.json"
CARD = "robustness_card.json"
CARD_TEXT = "robustness_card.md"
REPORT = "report.html"
ADVERSARIAL = "adversarial"
VAE_REPORT = "report.md"
STUDIES = "figures"
TENSORBOARD = "tensorboard"

# What a process has not finished: its number, then the final name.
_TEMPORARY = re.compile(r"\.([1-9]\d*)\.(.+)")


@contextlib.contextmanager
def replacing(path):
    """Yields a temporary path beside `path`; moves it there when all is well.

    The content reaches the disk before the name changes, so that a crash
    leaves the old file or the new one. The temporary name keeps the suffix,
    since Keras and NumPy choose the format by it.

    Args:
        path: str or path of a file; its folder must exist.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        with _naming(path):
            yield temporary
            sync(temporary)
            os.replace(temporary, path)
            sync(path.absolute().parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _naming(path):
    """Adds the file to a system's error that lacks it, as a full disk's."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def scratch_path(parent, name):
    """Returns a new hidden path of this process in the folder `parent`.

    Args:
        parent: str or path of a folder.
        name: str, what will be made of it.
    """
    hidden = f".{os.getpid()}.{name}.{uuid.uuid4().hex}"
    return pathlib.Path(parent) / hidden


def remove_leftovers(folder, name=""):
    """Removes what killed processes left half-written in a folder.

    Args:
        folder: str or path; it need not exist.
        name: str, how the final name begins; empty for every name.
    """
    folder = pathlib.Path(folder)
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        found = _TEMPORARY.match(path.name)
        if found is None or not found.group(2).startswith(name):
            continue
        if _is_dead(int(found.group(1))):
            remove(path)


def remove(path):
    """Removes a file or a folder with its content, as far as possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_dead(process):
    """Whether there is no process of that number on this machine."""
    try:
        os.kill(process, 0)
    except (OverflowError, ProcessLookupError):
        return True
    except PermissionError:  # of another user
        return False
    return False


def write_bytes(path, content):
    """Writes `content` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path, text):
    """Writes `text` to `path` in UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path, value):
    """Writes `value` as JSON to `path`, whole or not at all."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path):
    """Returns the JSON object in the file `path`, a dict.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds something else; the text names the file.
    """
    try:
        found = json.loads(pathlib.Path(path).read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object.")
    return found


def to_lines(rows):
    """Returns the text of a JSON-lines file.

    Args:
        rows: iterable of dicts of JSON values.
    """
    return "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)


def write_lines(path, rows):
    """Writes a JSON-lines file, whole or not at all."""
    write_text(path, to_lines(rows))


def append_lines(path, rows):
    """Appends lines; cuts off first what a killed run left half-written.

    Args:
        path: str or path, created if missing.
        rows: iterable of dicts of JSON values.
    """
    with _naming(path), open(path, "ab+") as file:
        file.seek(0)
        text = file.read() if _ends_torn(file) else b""
        if text:
            file.truncate(text.rfind(b"\n") + 1)
        # One write of whole lines: a kill leaves at most one torn line.
        file.write(to_lines(rows).encode())
        file.flush()
        os.fsync(file.fileno())


def read_lines(path):
    """Returns the rows of a JSON-lines file, a list of dicts.

    A last line without its end was cut off by a kill. It is left out, with a
    warning.

    Args:
        path: str or path.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a whole line is no JSON object; the text names file and
            line.
    """
    *lines, torn = pathlib.Path(path).read_text("utf-8").split("\n")
    if torn:
        warnings.warn(
            f"{path}: dropped an incomplete last line (a run was cut short).",
            stacklevel=2,
        )
    return [
        _row(line, f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line
    ]


def _row(line, place):
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{place}: no JSON ({error}).") from error
    if not isinstance(row, dict):
        raise ValueError(f"{place}: no JSON object.")
    return row


def _ends_torn(file):
    end = file.seek(0, os.SEEK_END)
    if not end:
        return False
    file.seek(end - 1)
    torn = file.read(1) != b"\n"
    file.seek(0)
    return torn


def sync(path):
    """Puts a file or a folder on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
