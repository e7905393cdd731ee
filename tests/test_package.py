"""The face of the package: its metadata and what goes into it."""

import pathlib
import re
import subprocess
import sys

import pytest

import keras_mixup
from keras_mixup import runs

ROOT = pathlib.Path(__file__).parent.parent


def read(name):
    return (ROOT / name).read_text("utf-8")


def test_the_version_is_the_same_everywhere():
    version = keras_mixup.__version__
    assert f'version = "{version}"' in read("pyproject.toml")
    assert f"version: {version}\n" in read("CITATION.cff")
    assert f"\n## {version}\n" in read("CHANGELOG.md")


def test_types_are_marked_and_carried():
    assert (ROOT / "keras_mixup" / "py.typed").is_file()
    assert '"py.typed"' in read("pyproject.toml")


def test_each_supported_python_is_named():
    text = read("pyproject.toml")
    low, high = re.search(r">=3\.(\d+),<3\.(\d+)", text).groups()
    named = re.findall(r"Python :: 3\.(\d+)", text)
    assert [int(n) for n in named] == list(range(int(low), int(high)))


def test_a_setting_points_to_nothing_that_is_not_installed():
    """docs/ and BUILD.md are no part of the wheel."""
    kinds = (runs.TrainSettings, runs.EvaluateSettings, runs.ExportSettings)
    for kind in kinds:
        for setting in kind.declared.values():
            shown = setting.help + setting.unset
            assert "docs/" not in shown and ".md" not in shown, setting.name


IMPORTS = "import sys; from keras_mixup.cli import main\n"
# More text than a pipe holds.
MANY = (
    "class Many:\n"
    "    debug, help = False, True\n"
    "    def parse(self, argv): return self\n"
    "    def help_text(self): return 'text ' * 1_000_000\n"
)


@pytest.mark.parametrize(
    "code",
    [
        f"{MANY}sys.exit(main.guarded(lambda: Many(), None, ['x']))",
        "main._USAGE = 'text ' * 1_000_000; sys.argv[1:] = ['--help']; "
        "main.console()",
    ],
    ids=["command", "all"],
)
def test_a_reader_who_goes_away_ends_the_help_quietly(code):
    process = subprocess.Popen(
        [sys.executable, "-c", IMPORTS + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    process.stdout.read(10)
    process.stdout.close()
    error = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait() == 141
    assert error == ""


# A Python that makes environments of itself and installs nothing. The address
# of PyTorch does not answer.
STUB = """#!/bin/sh
echo "$*" >> {log}
case "$*" in
  "-m venv"*) mkdir -p {folder}/bin; cp "$0" {folder}/bin/python;;
  *--index-url*) exit 1;;
esac
"""


def test_the_referees_need_the_package_index_alone(tmp_path):
    folder, log, stub = (tmp_path / n for n in ("env", "log", "python"))
    stub.write_text(STUB.format(log=log, folder=folder))
    stub.chmod(0o755)
    target = f"{folder}/.installed"
    settings = [f"PYTHON={stub}", f"REFEREE={folder}"]
    subprocess.run(
        ["make", "--silent", *settings, target],
        check=True,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    asked = [line for line in log.read_text().splitlines() if "pip" in line]
    assert "--index-url" in asked[0] and "--retries 0" in asked[0]
    # This one brings PyTorch, too.
    assert asked[-1].endswith("install --editable .[plots,serving,dev,referee]")
