"""Run folders of release 0.1 resume, evaluate and export."""

import json
import pathlib
import shutil

import calls
import keras
import numpy as np
import pytest

from keras_mixup import evaluation
from keras_mixup import reporting
from keras_mixup import training
from keras_mixup.evaluation import red_flags

# Keras does not read what a newer Keras saved; Python 3.10 has no later one.
_SAVED_BY = (3, 15)
_INSTALLED = tuple(int(x) for x in keras.__version__.split(".")[:2])
pytestmark = pytest.mark.skipif(
    _INSTALLED < _SAVED_BY, reason="Keras 3.15 saved the folders' models"
)

FOLDERS = pathlib.Path(__file__).parent / "run_folder_0_1"
# As README.md there says.
EVALUATED = {
    "flagfile": "apps/flagfiles/digits/evaluate.flags",
    # That release added tramer2020 by itself.
    "attacks": "clean,pgd,tramer2020",
    "num_examples": 20,
    "adaptive_examples": 10,
    "adaptive_steps": 3,
    "adaptive_draws": 3,
    "num_draws": 5,
    "pool_size": 100,
    "verbose": False,
}


@pytest.fixture
def folder(tmp_path):
    def copy(name):
        return pathlib.Path(shutil.copytree(FOLDERS / name, tmp_path / name))

    return copy


def test_an_interrupted_run_ends_as_it_would_have(folder):
    run = folder("interrupted")
    flags = {"run_dir": run, "width": 4, "epochs": 3, "checkpoint_every": 10}
    code = calls.call(
        "train",
        flagfile="apps/flagfiles/digits/mixup.flags",
        resume=True,
        verbose=0,
        **flags,
    )
    assert code == 0
    ours, theirs = (
        keras.saving.load_model(path)
        for path in (run / "final.keras", FOLDERS / "undisturbed.keras")
    )
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        # The recorded weights may be another machine's.
        np.testing.assert_allclose(a, b, atol=1e-3)
    rows, expected = (
        training.read_metrics(str(path))
        for path in (
            run / "metrics.jsonl",
            FOLDERS / "undisturbed_metrics.jsonl",
        )
    )
    for row, other in zip(rows, expected, strict=True):
        assert row["step"] == other["step"]
        for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
            assert row[name] == pytest.approx(other[name], abs=0.01)


def test_its_records_are_gone_on_with(folder):
    run = folder("finished")
    before = (run / "records.jsonl").read_bytes()
    assert calls.call("evaluate", run_dir=run, **EVALUATED) == 0
    assert (run / "records.jsonl").read_bytes() == before
    found = json.loads((run / "evaluation.json").read_text())
    assert len(found["calls"]) == 2
    assert {"attacks", "classifier", "columns", "models"} <= set(found)
    # Something new beside them.
    new = {**EVALUATED, "attacks": "square", "num_queries": 20}
    assert calls.call("evaluate", run_dir=run, **new) == 0
    assert (run / "records.jsonl").read_bytes().startswith(before)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"pool_size": 50}, "another thing: defences, MI-Combined"),
        ({"split": "validation"}, "another thing: data, split"),
    ],
)
def test_its_records_are_not_taken_for_other_things(
    folder, changes, expected, capsys
):
    run = folder("finished")
    before = (run / "records.jsonl").read_bytes()
    flags = {**EVALUATED, **changes}
    assert calls.call("evaluate", run_dir=run, **flags) == 2
    assert expected in capsys.readouterr().err
    assert (run / "records.jsonl").read_bytes() == before


def test_another_classifier_is_refused(folder, capsys):
    run = folder("finished")
    shutil.copy(FOLDERS / "interrupted" / "classifier.keras", run)
    assert calls.call("evaluate", run_dir=run, **EVALUATED) == 2
    assert "are of another classifier" in capsys.readouterr().err


def test_what_its_attacks_were_is_known(folder):
    """From what evaluation.json says of them, without evaluating again."""
    records = evaluation.read_records(folder("finished") / "records.jsonl")
    known = {
        column.attack: facts[:6] for column, facts in records.facts.items()
    }
    assert known == {
        "pgd-10": (True, False, False, True, 10, None),
        "tramer2020-3x3": (True, True, False, True, 3, 3),
    }
    assert red_flags.from_records(records).looked_for
    assert len(reporting.comparisons(records)) == 4


def test_it_exports(folder, tmp_path, capsys):
    code = calls.call(
        "export",
        run_dir=folder("finished"),
        defence="none",
        saved_models=tmp_path / "out",
        name="digits",
        warmup=False,
    )
    assert code == 0
    extra = tmp_path / "out" / "digits" / "1" / "assets.extra"
    card = json.loads((extra / "model_card.json").read_text())
    # Both were measured on this very classifier.
    assert len(card["evaluation"]["cells"]) == 3
    assert card["robustness_card"]["defence"] == "none"
    assert "The card has no" not in capsys.readouterr().out
