"""What a user writes in a module of his own: `package.module:Name`."""

import difflib
import importlib
import os
import sys
import traceback

from keras_mixup import _checks

FORM = '"package.module:Name"'


def is_path(name):
    """Whether a text has the form `package.module:Name`."""
    module, colon, attribute = str(name).partition(":")
    parts = [*module.split("."), attribute]
    return bool(colon) and all(part.isidentifier() for part in parts)


def import_module(module, argument):
    """Imports a module from the working directory or Python's path.

    Args:
        module: str, its dotted name.
        argument: str, the argument's name in the error.

    Raises:
        ImportError: it does not import; the text is its own error in one
            line, with the place where it arose.
    """
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.insert(0, "")
    # A file that was written since Python last looked.
    importlib.invalidate_caches()
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:  # A script may exit.
        raise ImportError(
            f"`{argument}`: the module {module} does not import. "
            f"{_reason(error)}"
        ) from error


def find(path, argument):
    """Returns what `package.module:Name` stands for; imports it.

    Args:
        path: str.
        argument: str, the argument's name in the error.

    Raises:
        ValueError: another form, or the module has no such name; the text
            has the nearest.
        ImportError: as `import_module`.
    """
    _checks.check(is_path(path), argument, FORM, path)
    module, _, attribute = path.partition(":")
    found = import_module(module, argument)
    if not hasattr(found, attribute):
        unknown(argument, path, vars(found))
    return getattr(found, attribute)


def call(function, argument, path, *arguments, **options):
    """Calls what a user wrote; returns what it returns.

    Args:
        function: callable.
        argument: str, the argument's name in the error.
        path: str, its `package.module:Name`.
        *arguments, **options: what it is called with.

    Raises:
        ValueError: it fails; the text is its own error in one line, with the
            place where it arose. An error of `_checks` stays as it is.
    """
    try:
        return function(*arguments, **options)
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:
        if hasattr(error, "parts"):
            raise
        text = f"`{argument}`: {path} fails. {_reason(error)}"
        raise ValueError(text) from error


def unknown(argument, path, names):
    """Raises `ValueError`: the module of `path` has no such name.

    Args:
        argument: str, the argument's name.
        path: str, `package.module:Name`.
        names: iterable of str, what the module has.
    """
    module, _, attribute = path.partition(":")
    near = difflib.get_close_matches(attribute, names, n=1, cutoff=0.5)
    hint = f'Did you mean "{module}:{near[0]}"?' if near else ""
    expected = f"a name in the module {module}"
    _checks.check(False, argument, expected, path, hint=hint)


def _reason(error):
    return f"{type(error).__name__}: {error}{_place(error)}"


def _place(error):
    """Returns " (file, line n)" of the last frame that is the user's own."""
    if isinstance(error, SyntaxError):
        return ""  # Its text has it.
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__
        and not frame.filename.startswith("<")
        and "site-packages" not in frame.filename
        and f"{os.sep}importlib{os.sep}" not in frame.filename
    ]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
