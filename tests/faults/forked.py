"""Commands in a forked process: TensorFlow is imported once, and never run."""

import os
import signal
import sys
import time
import traceback

from keras_mixup.cli import main
from keras_mixup.runs import evaluation  # noqa: F401 - before the fork
from keras_mixup.runs import training  # noqa: F401

FEW = ["--width=2", "--num_train=48", "--batch_size=12", "--seed=0"]
FEW += ["--verbose=0", "--threads=1"]


class Child:
    """A process that runs a command, or any function.

    Args:
        log: path of its output.
        function: callable without arguments; returns the exit code.
    """

    def __init__(self, log, function):
        self.log, self._code = log, None
        sys.stdout.flush()
        self.process = os.fork()
        if not self.process:
            _run(log, function)

    def poll(self):
        """Returns the exit code, minus a signal's number, or None."""
        if self._code is None:
            number, status = os.waitpid(self.process, os.WNOHANG)
            if number:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, seconds=600.0):
        """Returns the exit code; None for a process that does not end."""
        end = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        if self.poll() is None:
            self.kill()
            return None
        return self._code

    def kill(self):
        """Kills it as a machine would."""
        if self.poll() is None:
            os.kill(self.process, signal.SIGKILL)
            while self.poll() is None:
                time.sleep(0.001)

    @property
    def text(self):
        """str: what it printed."""
        return self.log.read_text("utf-8", "replace")


def yes(log, function):
    """Returns whether a function is true, in a process of its own."""
    return Child(log, lambda: 0 if function() else 3).wait() == 0


def _run(log, function):
    code = 1
    try:
        with open(log, "wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        code = function()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def command(log, name, *arguments, before=None):
    """Starts `keras-mixup NAME ...`; `before` is called in the process."""

    def run():
        if before is not None:
            before()
        return main.exit_code(name, [name, *map(str, arguments)])

    return Child(log, run)


def done(log, name, *arguments, before=None):
    """Returns (exit code, output) of a command."""
    child = command(log, name, *arguments, before=before)
    return child.wait(), child.text
