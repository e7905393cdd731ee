"""The command `list`."""

import importlib.metadata

from keras_mixup import registry
from keras_mixup import runs
from keras_mixup._setting import Setting
from keras_mixup.cli import flags as flags_lib

USAGE = """Lists names: keras-mixup list --kind=attack

Everything that a flag chooses by name, with the class or function that it
stands for and the package that it comes from. An installed package adds names
through entry points in the groups keras_mixup.model, keras_mixup.algorithm,
keras_mixup.attack, keras_mixup.defence and keras_mixup.dataset.

Where a name stands, package.module:Name may stand as well: something of your
own in a module in the working directory or on Python's path.
"""
_DATASET = "dataset"
_OWN = (
    Setting(
        "kind",
        "str",
        None,
        "Of this kind alone; default: all.",
        choices=(*registry.PACKAGES, _DATASET),
    ),
)


def make_flags():
    """Returns the `Flags` of the command."""
    return flags_lib.Flags({}, _OWN, USAGE)


def main(flags):
    """Prints a table of names for each kind."""
    kinds = (flags.kind,) if flags.kind else (*registry.PACKAGES, _DATASET)
    blocks = [_block(kind, _rows(kind)) for kind in kinds]
    print("\n\n".join(blocks))


def _rows(kind):
    """Returns (name, what it stands for, package) for each name."""
    if kind == _DATASET:
        return runs.list_datasets()
    rows = []
    for name in registry.names(kind):
        path = registry.entry(kind, name).path
        rows.append((name, path, _package(path)))
    return rows


def _package(path):
    """Returns the name of the distribution that holds a module."""
    top = path.partition(":")[0].partition(".")[0]
    if top == "keras_mixup":
        return top
    known = importlib.metadata.packages_distributions()
    return ", ".join(known.get(top, (top,)))


def _block(kind, rows):
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    lines = [
        f"  {name:{widths[0]}}  {path:{widths[1]}}  {package}".rstrip()
        for name, path, package in rows
    ]
    return "\n".join([f"{kind}:", *lines])
