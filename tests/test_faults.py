"""The table that `make faults` writes."""

import importlib.util
import pathlib
import sys
import types

import pytest

FOLDER = pathlib.Path(__file__).parent / "faults"


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("run", FOLDER / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(case, held, part="memory"):
    counts = {"tried": 3, "held": held, "lost": 3 - held}
    return {"part": part, "case": case, "day": "later", "note": "n", **counts}


def test_what_did_not_run_again_keeps_its_line(run):
    old = "| Memory: steps | 1 | 1 | 0 | before | +1 MiB |"
    before = "\n".join([*run.HEAD, "| Kills: a | 2 | 2 | 0 | before |  |", old])
    rows = [row("b", 3, "kills"), row("steps", 2)]
    assert run.table(rows, before).splitlines() == [
        *run.HEAD,
        "| Kills: a | 2 | 2 | 0 | before |  |",
        "| Kills: b | 3 | 3 | 0 | later | n |",
        "| Memory: steps | 3 | 2 | 1 | later | n |",
    ]


def test_only_cases_without_a_line_are_tried(run, tmp_path, monkeypatch):
    page, tried = tmp_path / "page.md", []
    lines = "\n".join([*run.HEAD, "| Memory: steps | 1 | 1 | 0 | before |  |"])
    page.write_text(f"a\n{run.BEGIN}\n{lines}\n{run.END}\nb\n", "utf-8")
    monkeypatch.setattr(run, "PAGE", page)
    part = types.SimpleNamespace(cases=lambda: cases)

    def case(folder):
        tried.append(folder)
        return {"tried": 1, "held": 1, "lost": 0}

    cases = [("steps", case), ("calls", case)]
    monkeypatch.setitem(sys.modules, "memory", part)
    told = ["--parts=memory", "--write", f"--results={tmp_path / 'rows'}"]
    assert run.main([*told, "--missing"]) == 0 and len(tried) == 1
    found = page.read_text("utf-8").splitlines()
    assert found[0] == "a" and found[-1] == "b" and len(found) == 8
    assert run.main(told) == 0 and len(tried) == 2


def test_the_page_has_such_a_table(run):
    text = run.PAGE.read_text("utf-8")
    shown = text.partition(run.BEGIN)[2].partition(run.END)[0].strip()
    assert run.table([], shown) == shown
