"""Flags, one-line errors and results of all benchmarks."""

import pathlib
import sys

from keras_mixup import _files
from keras_mixup._settings import Setting
from keras_mixup.cli import flags as flags_lib
from keras_mixup.cli import main as main_lib
from keras_mixup.runs import _process
from keras_mixup.runs import folder


class Flags:
    """The flags of one benchmark; each is declared once, by its kind.

    Args:
        usage: str, the text that `--help` prints above the flags.
    """

    def __init__(self, usage):
        self._usage, self._declared = usage, []

    def _add(self, kind, name, default, text, **options):
        setting = Setting(name, kind, None, text, **options)
        setting = Setting(name, kind, setting.parse(default), text, **options)
        self._declared.append(setting)

    def string(self, name, default, text):
        """Declares a text."""
        self._add("str", name, default, text)

    def boolean(self, name, default, text):
        """Declares a switch."""
        self._add("bool", name, default, text)

    def integer(self, name, default, text, minimum=None):
        """Declares a whole number of at least `minimum`."""
        self._add("int", name, default, text, minimum=minimum)

    def number(self, name, default, text):
        """Declares a number; "8/255" is one."""
        self._add("float", name, default, text)

    def choice(self, name, default, choices, text):
        """Declares one of several texts."""
        self._add("str", name, default, text, choices=tuple(choices))

    def string_list(self, name, default, text):
        """Declares a comma list of texts."""
        self._add("str", name, default, text, many=True)

    def integer_list(self, name, default, text):
        """Declares a comma list of whole numbers."""
        self._add("int", name, default, text, many=True)

    def number_list(self, name, default, text):
        """Declares a comma list of numbers."""
        self._add("float", name, default, text, many=True)

    def runtime(self):
        """Declares --seed and --threads."""
        self.integer("seed", 0, "Seed of everything random.", 0)
        self.integer(
            "threads", 0, "CPU threads in and between ops; 0: all cores.", 0
        )

    def parse(self, argv):
        """Returns the values of a command line, the program's name first."""
        made = flags_lib.Flags({}, self._declared, self._usage).parse(argv)
        return made

    def as_dict(self, values):
        """Returns dict name -> JSON value of a parsed command line."""
        found = {s.name: getattr(values, s.name) for s in self._declared}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in found.items()
        }


def exit_code(main, flags, argv):
    """Calls `main(values)`; returns the exit code, as a command does."""
    return main_lib.guarded(lambda: flags, main, argv)


def run(main, flags):
    """Calls `main(values)` with the process' arguments; exits the process."""
    sys.exit(exit_code(main, flags, sys.argv))


def prepare(values):
    """Applies --seed and --threads to TensorFlow and Keras."""
    import keras

    _process.import_tensorflow()
    _process._set_threads(values.threads)
    keras.utils.set_random_seed(values.seed)


def write_figures(path, flags, values, **figures):
    """Writes figures as JSON, with settings, versions and commit.

    Args:
        path: str, or None for nothing.
        flags: `Flags`.
        values: the parsed command line.
        **figures: JSON values.
    """
    if path:
        described = folder.described(flags.as_dict(values))
        _files.write_json(path, {**described, **figures})


class Results:
    """Rows of one table in a JSON-lines file, to which rows are added.

    Args:
        path: str.
        settings: dict of JSON values, the same for all rows of a table.
        key: names of the entries that identify a row.

    Raises:
        ValueError: no path, or the file holds rows of other settings.
    """

    def __init__(self, path, settings, key):
        if not path:
            raise ValueError("--results=FILE is needed.")
        self._path, self._key = pathlib.Path(path), key
        self._settings = settings
        exists = self._path.is_file()
        self.rows = _files.read_lines(self._path) if exists else []
        if any(row["settings"] != settings for row in self.rows):
            raise ValueError(f"{path} holds rows of other settings.")

    def __contains__(self, key):
        return key in [tuple(row[k] for k in self._key) for row in self.rows]

    def add(self, row):
        """Keeps a row, a dict, and prints it."""
        self.rows.append({**row, "settings": self._settings})
        self._path.parent.mkdir(parents=True, exist_ok=True)
        _files.append_lines(self._path, self.rows[-1:])
        main_lib.say(_files.to_lines([row]).rstrip())
