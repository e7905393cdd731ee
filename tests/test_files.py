"""Files: whole or not at all, and named in every error."""

import json
import os
import subprocess
import sys

import pytest

from keras_mixup import _files


def test_a_text_replaces_the_old_one_and_leaves_nothing_behind(tmp_path):
    file = tmp_path / "a.json"
    _files.write_text(file, "old")
    _files.write_json(file, {"b": 1, "a": [2.5]})
    assert json.loads(file.read_text()) == {"a": [2.5], "b": 1}
    assert file.read_text().index('"a"') < file.read_text().index('"b"')
    assert os.listdir(tmp_path) == ["a.json"]


def test_an_interrupted_write_keeps_the_old_file(tmp_path):
    file = tmp_path / "a.txt"
    _files.write_text(file, "old")
    with pytest.raises(KeyboardInterrupt):
        with _files.replacing(file) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_the_temporary_name_keeps_the_suffix(tmp_path):
    with _files.replacing(tmp_path / "model.keras") as temporary:
        assert temporary.suffix == ".keras"
        assert temporary.parent == tmp_path
        temporary.write_text("x")


def test_content_reaches_the_disk_before_the_name_changes(
    tmp_path, monkeypatch
):
    seen = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda d: (seen.append("sync"), sync(d)))
    monkeypatch.setattr(
        os, "replace", lambda a, b: (seen.append("rename"), replace(a, b))
    )
    _files.write_text(tmp_path / "a", "x")
    # The file before the new name, the folder after it.
    assert seen == ["sync", "rename", "sync"]


def test_nothing_that_is_no_number_is_written(tmp_path):
    with pytest.raises(ValueError):
        _files.write_json(tmp_path / "a.json", {"x": float("nan")})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", "is no JSON"), ("{", "is no JSON"), ("[1]", "holds no JSON object")],
)
def test_a_file_that_is_no_json_object_is_named(tmp_path, text, expected):
    file = tmp_path / "config.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=expected) as caught:
        _files.read_json(file)
    assert str(file) in str(caught.value)


def test_lines_are_appended_and_read(tmp_path):
    file = tmp_path / "a.jsonl"
    _files.append_lines(file, [{"a": 1}])
    _files.append_lines(file, [{"a": 2}, {"a": 3}])
    assert [row["a"] for row in _files.read_lines(file)] == [1, 2, 3]


def test_a_torn_last_line_is_dropped_with_a_warning(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"a": 1}\n{"a": ')
    with pytest.warns(UserWarning, match="incomplete last line"):
        assert _files.read_lines(file) == [{"a": 1}]


def test_an_append_cuts_a_torn_line_off(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"a": 1}\n{"a": ')
    _files.append_lines(file, [{"a": 2}])
    assert file.read_text() == '{"a": 1}\n{"a": 2}\n'


@pytest.mark.parametrize("line", ["x", "[1]", '"a"'])
def test_a_whole_line_that_is_no_object_is_named(tmp_path, line):
    file = tmp_path / "a.jsonl"
    file.write_text(f'{{"a": 1}}\n{line}\n')
    with pytest.raises(ValueError, match="line 2") as caught:
        _files.read_lines(file)
    assert str(file) in str(caught.value)


def test_leftovers_of_dead_processes_are_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".{dead.pid}.vae.keras").write_text("half")
    folder = tmp_path / f".{dead.pid}.run.1"
    (folder / "deep").mkdir(parents=True)
    kept = {f".{os.getpid()}.vae.keras", ".lock", ".0.a", "12.b"}
    for name in kept:
        (tmp_path / name).write_text("mine")
    _files.remove_leftovers(tmp_path, "run.")
    assert not folder.exists()
    _files.remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept
    _files.remove_leftovers(tmp_path / "absent")
