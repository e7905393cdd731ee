"""The table of `rand` beside `eot` and the worst of all attacks."""

import json

from benchmarks import randomised
from keras_mixup.evaluation.records import Summary


def summary(attack, accuracy, passes=0.0, queries=0.0, defence="MI-OL"):
    return Summary(
        *("net", defence, attack, "adaptive", "linf", 0.1),
        accuracy=accuracy,
        std=None,
        num_examples=10,
        num_seeds=10,
        loss=1.0,
        gradient_passes=passes,
        queries=queries,
    )


def test_the_table_by_hand():
    found = [
        summary("clean", 0.9),
        summary("eot-100x30", 0.42, 12100.0, 3000.0),
        summary("autoattack-standard, rand on draws", 0.415, 2595.4, 3055.0),
        summary("worst-case", 0.41),
        summary("eot-100x30", 0.1, defence="none"),
    ]
    lines = randomised.table(randomised.rows_of(found)).splitlines()
    assert len(lines) == 3
    assert lines[2] == (
        "| net | MI-OL | 42.0 | 41.5 | 41.0 | +0.5 | 12,100 | 2,595 | 3,000 "
        "| 3,055 |"
    )


def settings(tmp_path, **config):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"flags": config}))
    flags = randomised.FLAGS.parse(["randomised", "--num_examples=50"])
    return randomised.settings_of(flags, folder)


def test_a_classifier_meets_the_defences_of_its_training(tmp_path):
    found = settings(tmp_path, dataset="digits", algorithm="mixup")
    assert found.model_name == "run" and found.radii == (0.1,)
    assert found.defences == tuple(
        f"mixup_inference_{kind}" for kind in ("ol", "pl", "combined")
    )
    assert found.worst_case and len(found.seeds) == 10
    assert {"eot", "autoattack"} <= set(found.attacks)


def test_one_that_has_an_autoencoder_meets_varmi(tmp_path):
    found = settings(tmp_path, dataset="digits", vae="vae")
    assert found.defences == ("var_mixup_inference",)
    assert found.vae == "vae" and found.mix_weights == (0.5,)
