"""What the applications share: flags, one-line errors, TensorFlow set-up.

An application reads

    FLAGS = _common.Flags(__doc__)
    FLAGS.string("dataset", "digits", "Data set.")
    FLAGS.number("eps", "8/255", "Radius, in units of [0, 1] pixels.")
    FLAGS.runtime()

    def main(flags):
        from keras_mixup import training    # heavy imports belong in here
        ...

    if __name__ == "__main__":
        _common.run(main, FLAGS)

Nothing here imports TensorFlow at its top, so that `--help` and a mistyped
flag answer at once.
"""

import datetime
import glob
import importlib.metadata
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

from absl import flags as absl_flags

import keras_mixup
from keras_mixup import _checks

_USER_ERRORS = (
    absl_flags.Error,
    FileExistsError,
    FileNotFoundError,
    FloatingPointError,
    ImportError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
    ValueError,
)
_VERSIONED = ("keras", "numpy", "tensorflow", "tensorflow-datasets")


class UsageError(ValueError):
    """A request that cannot be met; shown as one line, without traceback."""


class _NumberParser(absl_flags.ArgumentParser):
    """Reads `0.1` and `8/255`."""

    syntactic_help = 'a number or a fraction such as "8/255"'

    def parse(self, argument):
        return _checks.parse_number(argument)

    def flag_type(self):
        return "number"


class _ListParser(absl_flags.ArgumentParser):
    """Reads a comma list; the empty text is the empty list."""

    def __init__(self, item):
        self.item = item
        self.syntactic_help = "a comma separated list"

    def parse(self, argument):
        if isinstance(argument, (list, tuple)):
            return [self.item(part) for part in argument]
        parts = [part.strip() for part in argument.split(",")]
        return [self.item(part) for part in parts if part]

    def flag_type(self):
        return "list"


class Flags:
    """The flags of one application, apart from every other module's.

    A set of its own, rather than absl's global one: two applications can be
    imported by one test process, and config.json holds our flags only (absl's
    global set gains foreign ones when Keras is imported, and a flag file
    written from it is refused by the next run).

    Args:
        usage: str, the text that `--help` prints above the flags.

    Attributes:
        values: `absl.flags.FlagValues`.
        typed: frozenset of str, the flags that the last parsed command line
            names itself, apart from its flag files.
    """

    def __init__(self, usage):
        self.usage = usage
        self.typed = frozenset()
        self.values = absl_flags.FlagValues()
        self.boolean("help", False, "Print this help and stop.")
        self.boolean("debug", False, "Show the traceback of an error.")

    def string(self, name, default, text):
        """Defines a text flag."""
        absl_flags.DEFINE_string(name, default, text, flag_values=self.values)

    def boolean(self, name, default, text):
        """Defines a switch: `--name` or `--noname`."""
        absl_flags.DEFINE_bool(name, default, text, flag_values=self.values)

    def integer(self, name, default, text, minimum=None):
        """Defines a whole-number flag of at least `minimum`."""
        absl_flags.DEFINE_integer(
            name, default, text, lower_bound=minimum, flag_values=self.values
        )

    def choice(self, name, default, choices, text):
        """Defines a flag with a fixed set of values."""
        absl_flags.DEFINE_enum(
            name, default, choices, text, flag_values=self.values
        )

    def number(self, name, default, text):
        """Defines a number flag that also reads `8/255`."""
        self._define(_NumberParser(), name, default, text)

    def number_list(self, name, default, text):
        """Defines a comma list of numbers."""
        self._define(_ListParser(_checks.parse_number), name, default, text)

    def integer_list(self, name, default, text):
        """Defines a comma list of whole numbers."""
        self._define(_ListParser(int), name, default, text)

    def string_list(self, name, default, text):
        """Defines a comma list of names."""
        self._define(_ListParser(str), name, default, text)

    def _define(self, parser, name, default, text):
        absl_flags.DEFINE(parser, name, default, text, flag_values=self.values)

    def runtime(self, training=True):
        """Defines --seed and --threads, for training also how it runs.

        Args:
            training: bool, whether to define --precision and --strategy; a
                loaded classifier keeps the precision it was trained in.
        """
        self.integer("seed", 0, "Seed of everything random.", minimum=0)
        self.integer(
            "threads",
            0,
            "CPU threads inside an op, and between ops; 0: as many as cores.",
            minimum=0,
        )
        if not training:
            return
        self.choice(
            "precision",
            "float32",
            ["float32", "mixed_bfloat16"],
            "Keras precision policy.",
        )
        self.choice(
            "strategy",
            "none",
            ["none", "mirrored"],
            "tf.distribute strategy: none, or one replica per local device.",
        )

    def parse(self, argv):
        """Reads `argv` (program name first); returns the values.

        Raises:
            absl.flags.Error: for an unknown flag or a bad value.
            UsageError: for an argument that is no flag.
        """
        self.values.unparse_flags()
        self.typed = self._names(argv[1:])
        rest = self.values(argv)[1:]
        if rest:
            raise UsageError(
                f"Arguments are flags, --name=value. Received: {rest[0]!r}"
            )
        return self.values

    def _names(self, arguments):
        """The flags on the command line itself, apart from flag files."""
        names = set()
        for argument in arguments:
            name = argument.lstrip("-").partition("=")[0]
            if name not in self.values and name.startswith("no"):
                name = name[2:]
            names.add(name)
        return frozenset(names)

    def as_dict(self):
        """Returns {flag: value} of the flags that describe the work."""
        return {
            name: self.values[name].value
            for name in sorted(self.values)
            if name not in ("help", "debug")
        }

    def help(self):
        """Returns the usage text and every flag."""
        listed = [self.values[name] for name in sorted(self.values)]
        shown = "\n".join(_flag_help(flag) for flag in listed)
        flagfile = "  --flagfile=PATH\n      Read flags from a file."
        return f"{self.usage.strip()}\n\nFlags:\n{flagfile}\n{shown}\n"


def _flag_help(flag):
    default = "" if flag.default is None else f" Default: {flag.default!r}."
    return f"  --{flag.name}\n      {flag.help}{default}"


def run(main, flags, argv=None):
    """Parses the flags, calls `main(values)` and exits the process.

    A mistake of the user's (see `_USER_ERRORS`) becomes one line on stderr
    and exit code 2; `--debug` shows where it came from. Any other exception
    is ours and keeps its traceback.

    Args:
        main: callable of the parsed flag values.
        flags: `Flags`.
        argv: list of str with the program's name first; default `sys.argv`.
    """
    sys.exit(exit_code(main, flags, argv))


def exit_code(main, flags, argv=None):
    """Does the work of `run`, but returns the exit code: 0, 2 or 130."""
    # Before TensorFlow is imported: hides its start-up notices.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    argv = sys.argv if argv is None else argv
    debug = "--debug" in argv
    try:
        values = flags.parse(argv)
        debug = values.debug
        if values.help:
            print(flags.help())
            return 0
        main(values)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except _USER_ERRORS as error:
        if debug:
            traceback.print_exc()
        line = " ".join(str(error).split())
        print(f"error: {line}", file=sys.stderr)
        return 2
    return 0


def import_tensorflow():
    """Imports TensorFlow without its start-up notices.

    Some are written before TensorFlow reads the variables that silence it,
    so that only the file descriptor can be turned away. If the import fails,
    what it wrote is shown. Where there is an NVIDIA device everything is
    shown, since a driver's complaint then matters.
    """
    if glob.glob("/dev/nvidia*"):
        return
    with tempfile.TemporaryFile() as notices:
        sys.stderr.flush()
        stderr = os.dup(2)
        os.dup2(notices.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
        except BaseException:
            notices.seek(0)
            os.write(stderr, notices.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def set_up(values):
    """Applies the flags of `Flags.runtime` to TensorFlow and Keras.

    Must run before TensorFlow's first op. The global seed reaches the
    initial weights only: every other draw of the package is stateless.

    Args:
        values: the parsed flags.

    Returns:
        A `tf.distribute.Strategy`; with `--strategy=none` the default one,
        whose `scope()` changes nothing.
    """
    import_tensorflow()
    import keras
    import tensorflow as tf

    if values.threads:
        tf.config.threading.set_intra_op_parallelism_threads(values.threads)
        tf.config.threading.set_inter_op_parallelism_threads(values.threads)
    keras.utils.set_random_seed(values.seed)
    if "precision" not in values:
        return tf.distribute.get_strategy()
    keras.config.set_dtype_policy(values.precision)
    if values.strategy == "mirrored":
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def parse_mix_weight(text):
    """Reads `0.6`, `uniform:0.4:0.6`, `beta:2:1`, `learned` or `frozen`.

    None stays None.
    """
    if text in (None, "learned", "frozen"):
        return text
    kind, *numbers = text.split(":")
    if not numbers:
        return _checks.parse_number(kind, "mix_weight")
    return (
        kind,
        *(_checks.parse_number(n, "mix_weight") for n in numbers),
    )


def describe_run(app, flags):
    """Returns what config.json holds: flags, versions, commit and time.

    Args:
        app: str, the application's name, such as "apps.train".
        flags: `Flags`, parsed.
    """
    versions = {name: _version(name) for name in _VERSIONED}
    versions["keras_mixup"] = keras_mixup.__version__
    versions["python"] = sys.version.split()[0]
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "app": app,
        "flags": flags.as_dict(),
        "versions": versions,
        "git_commit": _git_commit(),
        "time": now.isoformat(timespec="seconds"),
    }


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_commit():
    """The checkout's commit, "+changes" if it is edited; None outside one."""
    here = pathlib.Path(__file__)
    try:
        # An installed copy may lie in some other project's repository.
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
