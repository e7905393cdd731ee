"""The command `keras-mixup`: errors and exit codes of all commands.

A user's mistake is one line on stderr and exit code 2, a full disk or memory
one line and exit code 74, a run that was asked to stop exit code 75. `--debug`
shows the traceback and TensorFlow's log. Any other exception is a fault of the
package and has its traceback. A warning is one line on stderr.
"""

import difflib
import importlib
import logging
import os
import sys
import traceback
import warnings

from keras_mixup import _stopping
from keras_mixup._setting import Setting
from keras_mixup.cli import errors
from keras_mixup.runs import _process

COMMANDS = (
    *("train", "evaluate", "merge", "compare"),
    *("export", "list", "reproduce"),
)
RESUME = _stopping.EXIT_CODE
MAX_MINUTES = Setting(
    "max_minutes",
    "float",
    None,
    "Stop after so many minutes, with exit code 75.",
)
# 128 + SIGPIPE, as a shell reports it.
_CLOSED_PIPE = 141
_USAGE = """keras-mixup COMMAND --flag=value ...

Commands:
  train      train a classifier, or VarMixup's autoencoder
  evaluate   attack a classifier and its defences
  merge      join the shards of an evaluation
  compare    compare evaluated runs in one table
  export     export a defended classifier for TensorFlow Serving
  list       list the names of models, data sets, algorithms, attacks, ...
  reproduce  repeat a table or figure of a paper, as a page

`keras-mixup COMMAND --help` lists the flags of a command.
"""


def console():
    """The console command `keras-mixup`; exits the process."""
    sys.exit(main(sys.argv))


def main(argv):
    """Returns the exit code of `keras-mixup COMMAND ...`, given as `argv`."""
    command = argv[1] if len(argv) > 1 else "--help"
    if command in ("--help", "-h", "help"):
        return _shown(_USAGE)
    if command not in COMMANDS:
        near = difflib.get_close_matches(command, COMMANDS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        print(
            f"error: There is no command {command!r}, only "
            f"{', '.join(COMMANDS)}.{hint}",
            file=sys.stderr,
        )
        return 2
    return exit_code(command, [f"{argv[0]} {command}", *argv[2:]])


def run(command):
    """Runs a command with the process' arguments; exits the process."""
    sys.exit(exit_code(command, sys.argv))


def exit_code(command, argv):
    """Runs a command of `COMMANDS`; returns the exit code, see `guarded`."""

    def module():
        return importlib.import_module(f"keras_mixup.cli.{command}")

    return guarded(
        lambda: module().make_flags(), lambda flags: module().main(flags), argv
    )


def guarded(make_flags, main, argv):
    """Parses a command line and runs it; returns the exit code.

    `make_flags` returns the `Flags`, `main` is called with the parsed ones.
    """
    debug = "--debug" in argv
    _process.notices_shown = debug
    if debug:
        return _guarded(make_flags, main, argv)
    _hide_log()
    logger = logging.getLogger("tensorflow")
    logger.addFilter(_tells_users)
    before = warnings.formatwarning
    warnings.formatwarning = _one_line
    try:
        return _guarded(make_flags, main, argv)
    finally:
        warnings.formatwarning = before
        logger.removeFilter(_tells_users)


def _guarded(make_flags, main, argv):
    debug = "--debug" in argv
    try:
        flags = make_flags().parse(argv)
        debug = flags.debug
        if flags.help:
            print(flags.help_text())
        else:
            if getattr(flags, "import"):
                _process.import_tensorflow()
                flags.import_modules()
            main(flags)
        # Here, where a reader who went away can still be told of.
        sys.stdout.flush()
    except _stopping.Stopped as stopped:
        print(stopped, file=sys.stderr)
        return RESUME
    except BrokenPipeError:
        return _without_reader()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        found = errors.described(error)
        if found is None:
            raise
        if debug:
            traceback.print_exc()
        print(f"error: {found[0]}", file=sys.stderr)
        return found[1]
    return 0


def _hide_log():
    """Silences TensorFlow's own log, before it is imported.

    Only in the process of a command. Who imports the library has TensorFlow's
    own settings.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _tells_users(record):
    """Whether a record of TensorFlow's log is for users of a command.

    What TensorFlow says of its own functions is for whoever calls them, here
    other packages.
    """
    return "is deprecated" not in record.getMessage()


def _one_line(message, category, filename, lineno, line=None):
    """A warning without the line of this package's code that gave it."""
    text = " ".join(str(message).split())
    kind = "" if category is UserWarning else f" ({category.__name__})"
    return f"warning: {text}{kind}\n"


def _shown(text):
    """Prints a text; returns the exit code."""
    try:
        # Here, where a reader who went away can still be told of.
        print(text, flush=True)
    except BrokenPipeError:
        return _without_reader()
    return 0


def _without_reader():
    """Returns the exit code of a program whose output nobody reads."""
    # What is still buffered would raise again when Python ends.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return _CLOSED_PIPE


def say(line):
    """Prints a line at once."""
    print(line, flush=True)
