"""Files for results of one's own: rows of a table, figures of one call."""

import pathlib
from collections.abc import Sequence
from typing import Any

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import _types
from keras_mixup.runs import folder


class Results:
    """Rows of a table in a JSON-lines file, which a stopped call goes on with.

    Args:
        path: str or path of the file; its folder is made when missing.
        settings: dict of JSON values, the same for all rows of the table, or
            None for rows that have nothing in common.
        key: tuple of str, the entries that identify a row.

    Attributes:
        rows: list of dicts, those of the file and those that were added.

    Raises:
        ValueError: no path, or the file holds rows of other settings.

    Example:

    >>> results = Results("rows.jsonl", {"epochs": 5}, key=("seed",))
    >>> if (0,) not in results:
    ...     results.add({"seed": 0, "accuracy": 0.5})
    """

    def __init__(
        self,
        path: _types.Path,
        settings: _types.Json | None = None,
        key: Sequence[str] = (),
    ) -> None:
        _checks.check_path(path, "path")
        okay = settings is None or isinstance(settings, dict)
        _checks.check(okay, "settings", "a dict or None", settings)
        okay = isinstance(key, (list, tuple))
        okay = okay and all(isinstance(name, str) for name in key)
        _checks.check(okay, "key", "a tuple of str", key)
        self._path, self._key = pathlib.Path(path), key
        self._settings = settings
        exists = self._path.is_file()
        self.rows = _files.read_lines(self._path) if exists else []
        others = (row.get("settings") != settings for row in self.rows)
        if settings is not None and any(others):
            raise ValueError(f"{path} holds rows of other settings.")

    def __contains__(self, key):
        return key in [tuple(row[k] for k in self._key) for row in self.rows]

    def add(self, row: _types.Json) -> str:
        """Keeps a row, a dict of JSON values; returns its line, a str."""
        if self._settings is not None:
            row = {**row, "settings": self._settings}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        _files.append_lines(self._path, [row])
        self.rows.append(row)
        return _files.to_lines([row]).rstrip()


def write_figures(
    path: _types.Path, settings: _types.Json, **figures: Any
) -> None:
    """Writes figures as JSON, with settings, versions, commit and time.

    Args:
        path: str or path of the file.
        settings: dict of JSON values.
        **figures: JSON values.
    """
    _checks.check_path(path, "path")
    _checks.check_instance(settings, "settings", dict, "a dict")
    _files.write_json(path, {**folder.described(settings), **figures})
