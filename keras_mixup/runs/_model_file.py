"""The one reader of .keras files: its errors have file, fault and remedy."""

import json
import pathlib
import re
import zipfile

import keras

# What Keras raises for a file that it cannot turn into a model.
_FOREIGN = (
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
)
_DAMAGED = "Put a whole copy in its place, or train it again."
_CUSTOM = (
    "Import the modules with its own layers before the call, or save it with "
    "the installed version of Keras."
)


def load_model(path, what="model"):
    """Returns the Keras model in a .keras file, not compiled.

    Args:
        path: str or path.
        what: str, what the file should hold, for the error.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or holds something else.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no {what} at {path}.")
    fault, remedy = _damage(path), _DAMAGED
    if fault is None:
        try:
            return keras.saving.load_model(str(path), compile=False)
        except _FOREIGN as error:
            fault = str(error) or repr(error)
            remedy = _import_remedy(fault) or _newer_keras(path) or _CUSTOM
    lines = fault.split("\n")
    # Keras reports the cause below what it could not build in consequence.
    line = next((x for x in lines if "Could not locate" in x), lines[0])
    text = f"{path} is no {what} that can be loaded: {line.rstrip('.')}."
    raise ValueError(f"{text} {remedy}")


def _import_remedy(fault):
    """Returns how to import the class that Keras misses, "" if it names none.

    Keras' text has the class and, in its configuration, the module.
    """
    found = re.search(r"Could not locate (?:class|function) '(\w+)'", fault)
    name = found[1] if found else ""
    place = re.search(rf"'module': '([\w.]+)', 'class_name': '{name}'", fault)
    if not (found and place):
        return ""
    return (
        f"It needs the class {name} of the module {place[1]}, which is not "
        f"imported. Give --import={place[1]}; in Python, import it first."
    )


def _newer_keras(path):
    """Returns what to do with a file of a newer Keras, "" if it is of none."""
    try:
        with zipfile.ZipFile(path) as archive:
            saved = json.loads(archive.read("metadata.json"))["keras_version"]
        newer = _numbers(saved) > _numbers(keras.__version__)
    except (KeyError, TypeError, ValueError):
        return ""
    if not newer:
        return ""
    return (
        f"Keras {saved} saved it, which is newer than the installed Keras "
        f"{keras.__version__}. Install that version, or save it with this one."
    )


def _numbers(version):
    """Returns "3.15.1" as (3, 15, 1); what is no number is left out."""
    return tuple(int(x) for x in re.findall(r"\d+", version))


def _damage(path):
    """Returns what is wrong with the archive, None if each part is whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            part = archive.testzip()
    except (EOFError, NotImplementedError, ValueError, zipfile.BadZipFile):
        return "it is cut short, or no .keras file"
    return f"its part {part} is damaged" if part else None
