"""Versions of Python and of packages, for what is left on the disk."""

import importlib.metadata
import platform
import sys


def versions(*packages):
    """Returns dict "python" and each package -> version, a str.

    Args:
        *packages: str, as a package index calls them. What an imported module
            says of itself counts, since it may come from a folder. None
            stands for a package that is not there.
    """
    return {"python": platform.python_version(), **dict(map(_told, packages))}


def _told(name):
    module = sys.modules.get(name.replace("-", "_"))
    if hasattr(module, "__version__"):
        return name, module.__version__
    try:
        return name, importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return name, None
