"""Flags and one-line errors of all benchmarks."""

import sys

from keras_mixup import runs
from keras_mixup.cli import flags as flags_lib
from keras_mixup.cli import main as main_lib


class Flags:
    """The flags of one benchmark; each is declared once, by its kind.

    Args:
        usage: str, the text that `--help` prints above the flags.
    """

    def __init__(self, usage):
        self._usage, self._declared = usage, []

    def _add(self, kind, name, default, text, **options):
        setting = flags_lib.Setting(name, kind, None, text, **options)
        self._declared.append(setting.but(setting.parse(default)))

    def of_training(self, *names, **defaults):
        """Declares settings of `runs.TrainSettings`, some with a default."""
        for name in (*names, *defaults):
            setting = runs.TrainSettings.declared[name]
            default = setting.parse(defaults.get(name, setting.default))
            self._declared.append(setting.but(default, (), setting.unset))

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
        # A benchmark repeats itself; a run draws its seed.
        self.of_training("threads", seed=0)

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
    runs.prepare(values)


def write_figures(flags, values, **figures):
    """Writes figures to --json, if it is given; JSON values by name."""
    if values.json:
        runs.write_figures(values.json, flags.as_dict(values), **figures)


def say(line):
    """Prints a line at once."""
    main_lib.say(line)
