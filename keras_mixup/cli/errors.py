"""What a command says of an error, and its exit code."""

import errno
import os
import re
import sys

from absl import flags as absl_flags

MISTAKE = 2  # in the command line, the data or the files
MACHINE = 74  # the disk or the memory failed: EX_IOERR of sysexits.h

_USER_ERRORS = (
    absl_flags.Error,
    FloatingPointError,
    ImportError,
    OSError,
    ValueError,
)
_FULL = "Make room, then give the same command again"
_READ_ONLY = "Choose a folder that can be written"
_MEMORY = "Choose a smaller batch_size, or stop other programs"
_BROKEN = "Look at the disk, then give the same command again"
_REMEDIES = {
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EIO: _BROKEN,
    errno.ENOMEM: _MEMORY,
    errno.ENOSPC: _FULL,
    errno.EROFS: _READ_ONLY,
}
# TensorFlow gives the system's words and no number.
_WORDS = {os.strerror(number): number for number in _REMEDIES}


def described(error):
    """Returns (line, exit code) of an exception; None for a fault of ours.

    Args:
        error: the exception.

    Returns:
        (str, int): file, what is wrong and what to do; `MISTAKE` or
        `MACHINE`.
    """
    if isinstance(error, MemoryError):
        return f"The memory is full. {_MEMORY}.", MACHINE
    if _of_tensorflow(error):
        return _tensorflow_line(error)
    if not isinstance(error, _USER_ERRORS):
        return None
    number = getattr(error, "errno", None)
    text = str(error)
    if number is not None and error.strerror:
        text = f"{error.filename or 'A file'}: {error.strerror}."
    return _with_remedy(text, number)


def _of_tensorflow(error):
    # What was never imported has raised nothing.
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(
        error, tensorflow.errors.OpError
    )


def _tensorflow_line(error):
    message = re.sub(r"\{\{.*?\}\}", "", error.message).strip()
    text = message.partition("\n")[0] or type(error).__name__
    found = [n for words, n in _WORDS.items() if words in error.message]
    if not found and "OOM when allocating" in error.message:
        found = [errno.ENOMEM]
    return _with_remedy(f"{text.rstrip('.')}.", *found[:1])


def _with_remedy(text, number=None):
    line = " ".join(text.split())
    if number not in _REMEDIES:
        return line, MISTAKE
    return f"{line} {_REMEDIES[number]}.", MACHINE
