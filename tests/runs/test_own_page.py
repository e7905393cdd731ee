"""The commands of docs/own.md, line by line, in an empty folder."""

import pathlib
import re
import runpy
import shlex
import sys

import pytest

from keras_mixup import _sources
from keras_mixup.cli import main

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "own.md"


@pytest.mark.slow
def test_every_command_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    _sources.source.cache_clear()
    (tmp_path / "apps").mkdir()  # A folder of that name shadows nothing.
    text = PAGE.read_text("utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        (tmp_path / re.match(r"# (\w+\.py)", block)[1]).write_text(block)
    lines = "".join(re.findall(r"```bash\n(.*?)```", text, re.S)).splitlines()
    assert len(lines) > 10
    for line in lines:
        program, *arguments = shlex.split(line)
        if program == "python":
            runpy.run_path(arguments[0])
            continue
        assert main.main([program, *arguments]) == 0, capsys.readouterr().err
    table = (tmp_path / "runs" / "compared" / "comparison.md").read_text()
    assert table.count("\n| npz |") + table.count("\n| plain |") == 4
    page = (tmp_path / "runs" / "npz" / "report.html").read_text("utf-8")
    assert "nought" in page
    assert (tmp_path / "saved_models" / "pictures_mixup_inference_ol").is_dir()
    sys.modules.pop("mynet", None)
