"""Rows of one's own table: kept, told apart, never mixed."""

import json
import types

import pytest

from keras_mixup import runs


def test_a_second_call_goes_on(tmp_path):
    path = tmp_path / "made" / "rows.jsonl"
    first = runs.Results(path, {"epochs": 2}, ("name", "seed"))
    line = first.add({"name": "a", "seed": 1, "accuracy": 0.5})
    assert json.loads(line)["settings"] == {"epochs": 2}
    again = runs.Results(path, {"epochs": 2}, ("name", "seed"))
    assert again.rows == first.rows == [json.loads(path.read_text())]
    assert ("a", 1) in again
    assert ("a", 2) not in again


def test_rows_of_other_settings_are_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    runs.Results(path, {"epochs": 2}).add({"name": "a"})
    with pytest.raises(ValueError, match="holds rows of other settings"):
        runs.Results(path, {"epochs": 3})
    assert len(runs.Results(path).rows) == 1


def test_a_missing_path_is_named():
    with pytest.raises(ValueError, match="`path` must be a path"):
        runs.Results(None)


def test_figures_have_settings_versions_and_time(tmp_path):
    path = tmp_path / "figures.json"
    runs.write_figures(path, {"rounds": 3}, rows=[1.5])
    found = json.loads(path.read_text())
    assert found["rows"] == [1.5]
    assert found["settings"] == {"rounds": 3}
    assert {"versions", "git_commit", "time"} <= set(found)


def test_the_process_gets_its_seed():
    import keras

    runs.prepare(types.SimpleNamespace(seed=5, threads=0))
    first = keras.random.uniform((3,))
    runs.prepare(types.SimpleNamespace(seed=5, threads=0))
    assert (first.numpy() == keras.random.uniform((3,)).numpy()).all()
