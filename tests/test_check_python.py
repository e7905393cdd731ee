"""The check that runs before anything is installed."""

import ast
import pathlib
import subprocess
import sys

import pytest

from apps import _check_python


@pytest.mark.parametrize("minor", [10, 11, 12, 13])
def test_supported_versions(minor):
    assert _check_python.problem((3, minor, 1), True, True) is None


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 14, 0), (2, 7, 18)])
def test_other_versions_are_named(version):
    text = _check_python.problem(version, True, True)
    assert "Received: Python " + ".".join(map(str, version)) in text
    assert "make PYTHON=" in text


def test_a_python_without_ensurepip_says_what_to_install():
    for present in ((False, True), (True, False)):
        text = _check_python.problem((3, 12, 1), *present)
        assert "apt-get install python3.12-venv" in text


def test_it_runs_on_this_python_and_parses_on_old_ones():
    path = pathlib.Path(_check_python.__file__)
    done = subprocess.run([sys.executable, str(path)], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    ast.parse(path.read_text(), feature_version=(3, 6))
