"""The run folder: never overwritten, whole or absent."""

import json
import os

import pytest

from apps import _common
from apps import _run_folder

CONFIG = {"flags": {"eps": 0.1, "resume": False}}


def test_create_writes_the_config_and_nothing_else(tmp_path):
    path, resumed = _run_folder.create(tmp_path / "deep" / "run", CONFIG)
    assert not resumed
    assert os.listdir(path) == ["config.json"]
    assert os.listdir(tmp_path / "deep") == ["run"]
    assert json.loads((path / "config.json").read_text()) == CONFIG
    assert _run_folder.read_config(path) == CONFIG


def test_check_writes_nothing(tmp_path):
    _run_folder.check(str(tmp_path / "deep" / "run"))
    assert os.listdir(tmp_path) == []


def test_an_existing_run_is_refused(tmp_path):
    path, _ = _run_folder.create(tmp_path / "run", CONFIG)
    before = (path / "config.json").read_bytes()
    with pytest.raises(FileExistsError, match="exists. Continue .* --resume"):
        _run_folder.create(path, {"flags": {}})
    assert (path / "config.json").read_bytes() == before


def test_an_empty_folder_may_be_used(tmp_path):
    (tmp_path / "run").mkdir()
    _, resumed = _run_folder.create(tmp_path / "run", CONFIG)
    assert not resumed


def test_resume_opens_the_run_and_starts_one_where_there_is_none(tmp_path):
    again = {"flags": {"eps": 0.1, "resume": True}}
    path, resumed = _run_folder.create(tmp_path / "run", again, resume=True)
    assert not resumed
    assert _run_folder.create(path, CONFIG, resume=True) == (path, True)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"eps": 0.2}, "started with --eps=0.1. Received: --eps=0.2"),
        ({}, "--eps=0.1. Received: --eps=None"),
        ({"eps": 0.1, "new": 1}, "--new=None. Received: --new=1"),
    ],
)
def test_resume_with_other_flags_is_refused(tmp_path, flags, expected):
    path, _ = _run_folder.create(tmp_path / "run", CONFIG)
    with pytest.raises(_common.UsageError, match=expected):
        _run_folder.create(path, {"flags": flags}, resume=True)


def test_resume_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(_common.UsageError, match="config.json is missing"):
        _run_folder.check(tmp_path, resume=True)


def test_files_in_the_way_and_no_name(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="is a file, not a run"):
        _run_folder.check(tmp_path / "file")
    with pytest.raises(NotADirectoryError, match="is a file, not a folder"):
        _run_folder.check(tmp_path / "file" / "run")
    with pytest.raises(_common.UsageError, match="--run_dir=PATH"):
        _run_folder.check(None)


def test_no_permission(tmp_path, monkeypatch):
    # The test may run as root, whom no mode bits stop.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match="No permission to write in"):
        _run_folder.check(tmp_path / "run")


def test_a_failed_start_leaves_nothing(tmp_path, monkeypatch):
    def fail(path, value):
        raise OSError("disk full")

    monkeypatch.setattr(_run_folder, "write_json", fail)
    with pytest.raises(OSError, match="disk full"):
        _run_folder.create(tmp_path / "run", CONFIG)
    assert os.listdir(tmp_path) == []


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "report.html"
    _run_folder.write_text(path, "old")

    def half():
        with _run_folder.atomic_file(path) as temporary:
            assert temporary.parent == path.parent
            assert temporary.suffix == ".html"
            temporary.write_text("ha")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.html"]


def test_read_config_of_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no run folder"):
        _run_folder.read_config(tmp_path)
