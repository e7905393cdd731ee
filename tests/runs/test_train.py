"""python -m apps.train: the chain to an export, resuming, and bad input."""

import json
import os
import shutil

import keras
import numpy as np
import pytest
from calls import call
from calls import train as run
from calls import visible

from keras_mixup import runs
from keras_mixup import training
from keras_mixup.runs import _seed
from keras_mixup.runs import folder as run_folder
from keras_mixup.runs import train_result

ALGORITHMS = ("erm", "mixup", "interpolated_adversarial_training")


@pytest.mark.slow
def test_train_evaluate_export_and_everything_once_more(tmp_path, capsys):
    folder = tmp_path / "run"
    assert run(folder) == 0
    assert visible(folder) == {
        "checkpoints",
        "classifier.keras",
        "config.json",
        "final.keras",
        "metrics.jsonl",
    }
    config = json.loads((folder / "config.json").read_text())
    assert config["settings"]["algorithm"] == "mixup"
    assert config["settings"]["num_train"] == 64
    rows = training.read_metrics(str(folder / "metrics.jsonl"))
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 4), (2, 8)]
    assert "Trained 2 epochs (8 steps)" in capsys.readouterr().out
    scored = {
        "run_dir": folder,
        "classifier": folder / "final.keras",
        "eps": 0.1,
        "attacks": "clean,pgd",
        "pgd_steps": 1,
        "adaptive_steps": 1,
        "adaptive_draws": 2,
        "num_draws": 2,
        "eval_seeds": 0,
        "num_examples": 10,
        "pool_size": 40,
    }
    exported = {
        "run_dir": folder,
        "saved_models": tmp_path / "saved",
        "num_draws": 2,
        "pool_per_class": 2,
        "name": "digits",
        "defence": "mixup_inference_ol",
    }
    before = (folder / "final.keras").read_bytes()
    # A second round, as of `make demo`, goes on where the first one ended.
    for version in ("1", "2"):
        assert run(folder, resume=True) == 0
        assert call("evaluate", **scored) == 0, capsys.readouterr().err
        assert call("export", **exported) == 0, capsys.readouterr().err
        assert (tmp_path / "saved" / "digits" / version).is_dir()
    assert (folder / "final.keras").read_bytes() == before
    assert len((folder / "records.jsonl").read_text().splitlines()) == 60


def test_without_a_seed_one_is_drawn_and_a_resumed_run_keeps_it(tmp_path):
    said = []
    settings = runs.TrainSettings(width=2)
    seeds = {
        _seed.settled(settings, tmp_path / "run", said.append).seed
        for _ in range(3)
    }
    assert len(seeds) == 3
    assert f"seed={seeds.pop()}" in "".join(said)
    drawn = _seed.settled(settings, tmp_path / "run", said.append)
    run_folder.create(tmp_path / "run", "train", drawn)
    again = _seed.settled(settings, tmp_path / "run", said.append)
    assert again.seed == drawn.seed
    given = settings.replace(seed=5)
    assert _seed.settled(given, tmp_path / "run", said.append).seed == 5


@pytest.mark.slow
def test_runs_without_a_seed_differ_and_one_can_be_repeated(tmp_path, capsys):
    for name in ("one", "two"):
        assert run(tmp_path / name, seed=None) == 0
    seed = run_folder.read_settings(tmp_path / "one")["seed"]
    assert f"Drew seed {seed}." in capsys.readouterr().out
    assert run(tmp_path / "again", seed=seed) == 0
    one, two, again = (
        keras.saving.load_model(tmp_path / name / "final.keras").get_weights()
        for name in ("one", "two", "again")
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, again))
    assert not all(np.array_equal(a, b) for a, b in zip(one, two))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_run_cut_short_ends_as_one_that_was_not(
    algorithm, tmp_path, monkeypatch
):
    watch = training.StopOnNaN.on_train_batch_end

    def copied(self, batch, logs=None):
        """Copies the folder as a kill at step 5 would leave it."""
        watch(self, batch, logs)
        if int(self.model.step.numpy()) == 5:
            shutil.copytree(tmp_path / "whole", tmp_path / "cut")

    with monkeypatch.context() as patch:
        patch.setattr(training.StopOnNaN, "on_train_batch_end", copied)
        assert run(tmp_path / "whole", algorithm=algorithm) == 0
    assert not (tmp_path / "cut" / "final.keras").exists()
    assert run(tmp_path / "cut", algorithm=algorithm, resume=True) == 0
    whole, cut = (
        keras.saving.load_model(tmp_path / name / "final.keras")
        for name in ("whole", "cut")
    )
    for a, b in zip(whole.get_weights(), cut.get_weights()):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_two_replicas_and_half_precision_from_the_command_line(
    tmp_path, monkeypatch, strategy
):
    import tensorflow as tf

    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda: strategy)
    options = {"strategy": "mirrored", "precision": "mixed_bfloat16"}
    assert run(tmp_path / "run", model="preact_resnet18", **options) == 0
    classifier = keras.saving.load_model(tmp_path / "run" / "final.keras")
    normalizations = [
        layer
        for layer in classifier.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert all(layer.synchronized for layer in normalizations)
    assert classifier.get_layer("stage_1").compute_dtype == "bfloat16"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"eps": 8, "algorithm": "adversarial_training"}, 'mean "8/255"'),
        ({"eps": "8/255"}, "`eps` has no effect with attack=None"),
        ({"dataset": "mnist"}, "`dataset` must be one of digits"),
        ({"model": "preact_resnet"}, 'Did you mean "preact_resnet18"?'),
        ({"algorithm": "mixups"}, 'Did you mean "mixup"?'),
        ({"alpha": 0}, "`alpha` must be"),
        ({"mix_weight": 1.5}, r"`mix_weight` must be"),
        ({"mix_weight": "uniform:0.1"}, "`mix_weight` must be"),
        (
            {"clean_weight": 1},
            "`clean_weight` has no effect with algorithm=mixup",
        ),
        ({"momentum": 0.9}, "It belongs to optimizer=sgd"),
        ({"batch_size": 65}, "at most the 64 training images"),
        ({"num_train": 5000}, "num_examples"),
        ({"schedule": "piecewise"}, "`drops` must be increasing"),
        ({"drops": "1"}, "`drops` has no effect with schedule=constant"),
        ({"learning_rate": 0}, "`learning_rate` must be"),
        ({"dataset": "cifar10", "data_dir": "/nowhere"}, "/nowhere"),
        ({"run_dir": ""}, "`run_dir` must be"),
        ({"epochs": 0}, "epochs"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    flags, message, tmp_path, capsys
):
    assert run(tmp_path / "run", **flags) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_existing_run_is_never_overwritten(tmp_path, capsys):
    folder = tmp_path / "run"
    assert run(folder) == 0
    before = {p: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    assert run(folder) == 2
    assert "Continue that run with resume" in capsys.readouterr().err
    assert run(folder, resume=True, epochs=3) == 2
    assert "started with epochs=2" in capsys.readouterr().err
    after = {p: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    assert after == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path, capsys):
    tmp_path.chmod(0o500)
    try:
        assert run(tmp_path / "run") == 2
    finally:
        tmp_path.chmod(0o700)
    assert "No permission to write" in capsys.readouterr().err


def test_a_file_in_place_of_the_folder_is_named(tmp_path, capsys):
    (tmp_path / "run").write_text("")
    assert run(tmp_path / "run") == 2
    assert "is a file, not a run folder" in capsys.readouterr().err


def test_tensorboard_writes_its_logs(tmp_path, capsys):
    pytest.importorskip("tensorboard", reason="the tensorboard extra is absent")
    assert run(tmp_path / "run", tensorboard=True) == 0
    assert any((tmp_path / "run" / "tensorboard").rglob("events.*"))


def test_the_result_names_the_epoch_of_the_best_file_itself(tmp_path, capsys):
    folder = tmp_path / "run"
    assert run(folder) == 0
    assert "Starting at step 0." in capsys.readouterr().out
    rows = training.read_metrics(folder / "metrics.jsonl")
    best = folder / "classifier.keras"
    training.save_atomically(
        keras.saving.load_model(best), best, {"epoch": 1, "value": 0.25}
    )
    settings = runs.TrainSettings(task="classifier")
    result = train_result.of_run(settings, folder, False, False)
    assert (result.best_epoch, result.best_value) == (1, 0.25)
    best.unlink()
    result = train_result.of_run(settings, folder, False, False)
    assert result.best_epoch is None and len(rows) == 2
    assert result.text.endswith(f"The best model is gone: no file {best}")
