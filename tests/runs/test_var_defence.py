"""VarMI on the command line: --vae, its labels, and what is refused."""

import json

import calls
import keras
import numpy as np
import pytest

from keras_mixup import data
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import models
from keras_mixup.cli import main
from keras_mixup.runs import _defences

DEFENCE = "var_mixup_inference"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder with a classifier, and the autoencoder it was made with."""
    folder = tmp_path_factory.mktemp("trained")
    keras.utils.set_random_seed(0)
    train = data.load_arrays("digits", "train")
    classifier = models.SmallConvNet((8, 8, 1), 10, width=2)
    classifier.layers[-1].bias.assign([0.1] * 10)
    classifier.save(folder / "classifier.keras")
    vae = models.MMDVAE((8, 8, 1), latent_size=4, width=2)
    vae.start_from_pca(train.images)
    vae.save(folder / "vae.keras")
    flags = {"dataset": "digits", "vae": str(folder / "vae.keras")}
    (folder / "config.json").write_text(json.dumps({"flags": flags}))
    return folder


def run_evaluate(folder, **flags):
    given = {
        "run_dir": folder,
        "attacks": "clean,pgd",
        "eps": 0.1,
        "pgd_steps": 1,
        "num_draws": 2,
        "num_examples": 10,
        "eval_seeds": 0,
        "pool_size": 40,
        **flags,
    }
    off = {"adaptive": False, "probe": False, "verbose": False}
    return calls.call("evaluate", **off, **given)


def test_var_mi_is_evaluated_with_the_runs_autoencoder(trained, tmp_path):
    flags = {
        "classifier": trained / "classifier.keras",
        "dataset": "digits",
        "vae": trained,
    }
    weights = {"mix_weights": "0.5,1"}
    folder = tmp_path / "run"
    assert run_evaluate(folder, defences=DEFENCE, **weights, **flags) == 0
    records = evaluation.read_records(folder / "records.jsonl")
    attacked = {r.defence for r in records if r.knowledge == "oblivious"}
    assert {"VarMI 0.5 x2", "VarMI 1 x2"} <= attacked
    settings = json.loads((folder / "evaluation.json").read_text())
    config = settings["defences"]["VarMI 0.5 x2"]
    assert config["label_from"] == "input"
    assert len(config["vae"]) == 64


@pytest.mark.slow
def test_average_and_label_source_are_flags_and_in_the_name(trained, tmp_path):
    flags = {
        "classifier": trained / "classifier.keras",
        "dataset": "digits",
        "vae": trained,
        "defences": DEFENCE,
    }
    folder = tmp_path / "run"
    assert run_evaluate(folder, **flags, average="logits") == 0
    options = {"average": "probabilities", "label_from": "reconstruction"}
    assert run_evaluate(folder, **flags, **options) == 0
    settings = json.loads((folder / "evaluation.json").read_text())["defences"]
    shown = {
        name: (config["average"], config["label_from"])
        for name, config in settings.items()
    }
    assert shown == {
        "VarMI 0.5 logits x2": ("logits", "input"),
        "VarMI 0.5 reconstruction x2": ("probabilities", "reconstruction"),
    }
    defence = inference.VarMixupInference(
        models.SmallConvNet((8, 8, 1), 10, width=2),
        keras.saving.load_model(trained / "vae.keras"),
        inference.SamplePool(
            np.zeros((10, 8, 8, 1), "uint8"), np.arange(10)
        ).encode(lambda rows: rows[:, 0, :4, 0]),
        num_draws=2,
        average="logits",
        label_from="reconstruction",
    )
    label = _defences.label(defence)
    assert label == "VarMI 0.5 logits reconstruction x2"


def test_average_belongs_to_var_mi(trained, tmp_path, capsys):
    flags = {"classifier": trained / "classifier.keras", "dataset": "digits"}
    assert run_evaluate(tmp_path / "a", average="logits", **flags) == 2
    assert "`average` has no effect" in capsys.readouterr().err


def test_missing_autoencoders_are_named(trained, tmp_path, capsys):
    flags = {"classifier": trained / "classifier.keras", "dataset": "digits"}
    assert run_evaluate(tmp_path / "a", defences=DEFENCE, **flags) == 2
    assert "evaluation needs `vae`" in capsys.readouterr().err
    flags["vae"] = tmp_path / "vae.keras"
    assert run_evaluate(tmp_path / "a", defences=DEFENCE, **flags) == 2
    assert "no autoencoder at" in capsys.readouterr().err
    assert run_evaluate(tmp_path / "a", **flags) == 2
    assert "`vae` has no effect" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_exports_with_the_codes_of_the_pool(trained, tmp_path, capsys):
    argv = [
        "export",
        f"--run_dir={trained}",
        f"--defence={DEFENCE}",
        f"--vae={trained}",
        "--mix_weight=0.6",
        "--average=logits",
        "--label_from=reconstruction",
        "--num_draws=2",
        "--pool_per_class=3",
        "--name=var",
        "--nowarmup",
        f"--saved_models={tmp_path}",
    ]
    assert main.exit_code("export", argv) == 0
    assert "indices: " in capsys.readouterr().out
    card = tmp_path / "var" / "1" / "assets.extra" / "model_card.json"
    card = json.loads(card.read_text())
    assert card["pool"]["row_shape"] == [4]
    assert card["autoencoder"]["type"] == "MMDVAE"
    assert card["defence"]["average"] == "logits"
    assert card["defence"]["label_from"] == "reconstruction"
