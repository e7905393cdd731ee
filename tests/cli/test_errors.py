"""One line and one exit code for whatever the machine does to a run."""

import errno
import logging
import os
import resource
import sys
import warnings

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import _files
from keras_mixup.cli import errors
from keras_mixup.cli import flags as flags_lib
from keras_mixup.cli import main


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "a/b.json"),
            "a/b.json: No space left on device. Make room, then give the same "
            "command again.",
            74,
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "r"),
            "r: Read-only file system. Choose a folder that can be written.",
            74,
        ),
        (FileNotFoundError("No classifier at x."), "No classifier at x.", 2),
        (PermissionError(13, "Denied", "x"), "x: Denied.", 2),
        (ValueError("`a` must be\n b."), "`a` must be b.", 2),
        (
            MemoryError(),
            "The memory is full. Choose a smaller batch_size, or stop other "
            "programs.",
            74,
        ),
        (
            tf.errors.ResourceExhaustedError(
                None, None, "/r/step; No space left on device\nat f.cc:1"
            ),
            "/r/step; No space left on device. Make room, then give the same "
            "command again.",
            74,
        ),
        (
            tf.errors.InvalidArgumentError(
                None, None, "{{function_node f}}\n`y` must be in 0..9 [99]\n"
            ),
            "`y` must be in 0..9 [99].",
            2,
        ),
    ],
)
def test_an_error_is_one_line_with_remedy_and_exit_code(error, line, code):
    assert errors.described(error) == (line, code)


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError(), TypeError()])
def test_a_fault_of_the_package_keeps_its_traceback(error):
    assert errors.described(error) is None


@pytest.fixture
def full_disk():
    """No file may grow beyond a few bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_checkpoint(path):
    tf.train.Checkpoint(v=tf.Variable(np.zeros(999))).write(str(path))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: _files.write_json(path, {"a": "b" * 99}),
        lambda path: _files.append_lines(path, [{"a": "b" * 99}]),
        write_checkpoint,
    ],
)
def test_a_full_disk_is_one_line_that_names_the_file(
    write, tmp_path, full_disk
):
    with pytest.raises((OSError, tf.errors.OpError)) as caught:
        write(tmp_path / "held")
    line, code = errors.described(caught.value)
    assert str(tmp_path) in line and "held" in line and os.linesep not in line
    assert line.endswith("Make room, then give the same command again.")
    assert code == errors.MACHINE


def test_a_warning_of_a_command_is_one_line(capsys):
    def warn(flags):
        told = UserWarning("No warm-up\nrequests.")
        told = warnings.formatwarning(told, UserWarning, __file__, 1)
        print(told, end="", file=sys.stderr)

    for arguments, line in [
        ([], "warning: No warm-up requests.\n"),
        (["--debug"], "UserWarning: No warm-up"),
    ]:
        flags = flags_lib.Flags({}, (), "usage")
        before = warnings.formatwarning
        code = main.guarded(lambda flags=flags: flags, warn, ["x", *arguments])
        assert code == 0 and warnings.formatwarning is before
        shown = capsys.readouterr().err
        assert line in shown
        assert ("test_errors.py" in shown) == bool(arguments)


@pytest.mark.parametrize("debug", [False, True])
def test_what_tensorflow_says_to_programmers_needs_debug(debug):
    """cleverhans calls a loop in a way that TensorFlow will give up."""
    logger, heard = tf.get_logger(), []
    flags = flags_lib.Flags({}, (), "usage")
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())

    def command(flags):
        logger.warning("From %s: loop is deprecated and will be removed", "f")
        logger.warning("The tensor is not what it seems")

    logger.addHandler(handler)
    before, level = logger.disabled, logger.level
    logger.disabled = False
    logger.setLevel("WARNING")
    try:
        argv = ["command", *(["--debug"] if debug else [])]
        assert main.guarded(lambda: flags, command, argv) == 0
    finally:
        logger.removeHandler(handler)
        logger.disabled = before
        logger.setLevel(level)
    assert heard[-1] == "The tensor is not what it seems"
    assert len(heard) == 1 + debug and not logger.filters
