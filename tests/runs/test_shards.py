"""An evaluation in shards, by commands: the records of one run."""

import json
import shutil

import pytest
from calls import call
from calls import check_error
from calls import train

from keras_mixup import runs

SETTINGS = {
    "attacks": "clean,pgd",
    "pgd_steps": 1,
    "eps": 0.1,
    "adaptive_steps": 1,
    "adaptive_draws": 2,
    "adaptive_examples": 4,
    "num_draws": 2,
    "eval_seeds": "0,1",
    "num_examples": 12,
    "batch_size": 5,
    "pool_size": 40,
    "verbose": False,
}


def test_without_shards_there_is_nothing_to_join(tmp_path, capsys):
    check_error(capsys, call("merge", run_dir=tmp_path), "There are no shards")
    check_error(capsys, call("merge"), "`run_dir` must be a path")


def test_a_shard_refuses_to_keep_some_images(tmp_path):
    settings = runs.EvaluateSettings(dataset="digits", save_adversarial=True)
    (tmp_path / "classifier.keras").touch()
    with pytest.raises(ValueError, match="`save_adversarial` must be False"):
        runs.evaluate(settings, tmp_path, shard="1/2")
    with pytest.raises(ValueError, match='`shard` must be "i/n"'):
        runs.evaluate(settings, tmp_path, shard="3/2")
    assert [p.name for p in tmp_path.iterdir()] == ["classifier.keras"]


@pytest.mark.slow
def test_two_shards_join_into_one_run(tmp_path, capsys):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(whole, epochs=1) == 0
    shutil.copytree(whole, parts)
    assert call("evaluate", run_dir=whole, **SETTINGS) == 0
    assert call("evaluate", run_dir=parts, shard="2/2", **SETTINGS) == 0
    assert not (parts / "records.jsonl").exists()
    capsys.readouterr()
    check_error(capsys, call("merge", run_dir=parts), "1 of 2, without 1/2")
    assert call("evaluate", run_dir=parts, shard="1/2", **SETTINGS) == 0
    for _ in range(2):
        assert call("merge", run_dir=parts) == 0
        assert "Joined 2 shards" in capsys.readouterr().out
    expected = (whole / "records.jsonl").read_bytes()
    assert (parts / "records.jsonl").read_bytes() == expected
    one, joined = (
        json.loads((path / "evaluation.json").read_text())
        for path in (whole, parts)
    )
    for found in (one, joined):
        found.pop("calls"), found.pop("classifier")
    assert one == joined
    # What a shard leaves is added without a new record.
    assert call("evaluate", run_dir=parts, **SETTINGS) == 0
    assert (parts / "records.jsonl").read_bytes() == expected
    assert (parts / "report.html").exists()
    (parts / "records.jsonl").write_bytes(expected[:-1] + b"\n\n")
    check_error(capsys, call("merge", run_dir=parts), "or with these very ones")
