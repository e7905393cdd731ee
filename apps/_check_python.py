"""Refuses, in one line, a Python that cannot hold the environment.

Runs before anything is installed, under whatever `python3` is, so it uses
no syntax newer than Python 3.6.
"""

import importlib.util
import sys


def problem(version, has_ensurepip, has_venv):
    """Returns what is wrong with this Python, or None.

    Args:
        version: tuple of int, as `sys.version_info`.
        has_ensurepip: bool.
        has_venv: bool.
    """
    shown = ".".join(str(part) for part in version[:3])
    if not (3, 10) <= tuple(version[:2]) <= (3, 13):
        return (
            "Python 3.10, 3.11, 3.12 or 3.13 is needed (TensorFlow has no "
            f"build for others). Received: Python {shown}. Choose another "
            "with make PYTHON=/path/to/python3.12"
        )
    if not (has_ensurepip and has_venv):
        short = f"{version[0]}.{version[1]}"
        return (
            f"Python {short} comes without venv or ensurepip. On Debian and "
            f"Ubuntu: apt-get install python{short}-venv; or choose another "
            "with make PYTHON=/path/to/python3"
        )
    return None


if __name__ == "__main__":
    found = problem(
        sys.version_info,
        importlib.util.find_spec("ensurepip") is not None,
        importlib.util.find_spec("venv") is not None,
    )
    sys.exit("error: " + found if found else 0)
