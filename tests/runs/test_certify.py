"""--certify: rows, report, and what it refuses."""

import json

import calls
import keras
import pytest

from keras_mixup import models
from keras_mixup.cli import main


@pytest.fixture
def run_dir(tmp_path):
    """A run folder with an untrained classifier of digits."""
    folder = tmp_path / "run"
    folder.mkdir()
    keras.utils.set_random_seed(0)
    models.SmallConvNet((8, 8, 1), 10, width=2).save(
        folder / "classifier.keras"
    )
    flags = {"dataset": "digits", "algorithm": "erm", "model": "net"}
    (folder / "config.json").write_text(json.dumps({"flags": flags}))
    return folder


def call(folder, *switches, **flags):
    given = {"run_dir": folder, "attacks": "clean", "eval_seeds": 0, **flags}
    argv = ["evaluate", "--noprobe", "--noverbose", "--num_examples=10"]
    return main.exit_code(
        "evaluate", [*argv, *switches, *calls.arguments(given)]
    )


def test_certificates_stand_in_the_folder_and_the_report(run_dir):
    flags = {"defences": "randomized_smoothing", "certify_draws": 60}
    flags.update(smoothing_stddev=0.1, num_draws=2, figure_examples=10)
    assert call(run_dir, "--certify", **flags) == 0
    text = (run_dir / "figures" / "certified.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    assert len(rows) == 10
    assert {row["num_draws"] for row in rows} == {60}
    assert {row["stddev"] for row in rows} == {0.1}
    assert {row["model"] for row in rows} == {"smoothing 0.1 x2"}
    page = (run_dir / "report.html").read_text(encoding="utf-8")
    assert "Certified accuracy" in page


@pytest.mark.parametrize(
    "switches, flags, match",
    [
        (["--certify"], {"defences": "gaussian_noise"}, "have no certificate"),
        (
            [],
            {"defences": "randomized_smoothing", "certify_draws": 9},
            "`certify_draws` has no effect",
        ),
        (
            ["--certify"],
            {"defences": "randomized_smoothing", "certify_alpha": 0},
            "`certify_alpha` must be",
        ),
        (
            ["--certify"],
            {"defences": "randomized_smoothing", "smoothing_stddev": 0},
            "`smoothing_stddev` must be",
        ),
    ],
)
def test_refusals(run_dir, capsys, switches, flags, match):
    assert call(run_dir, *switches, **flags) != 0
    assert match in capsys.readouterr().err
    assert not (run_dir / "records.jsonl").exists()
