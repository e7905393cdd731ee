"""The curves of the adaptive attack over its draws and steps."""

import keras
import pytest

from benchmarks import adaptive
from benchmarks import program
from keras_mixup import models


@pytest.fixture
def folder(tmp_path):
    keras.utils.set_random_seed(0)
    made = models.SmallConvNet((8, 8, 1), 10, width=2)
    made.save(tmp_path / "classifier.keras")
    return tmp_path


def run(folder, *flags):
    argv = [
        "adaptive",
        f"--run_dirs={folder}",
        "--num_draws=2",
        "--num_examples=10",
        "--steps=1",
        "--draws=2",
        "--draws_curve=1,2",
        "--steps_curve=1,2",
        *flags,
    ]
    return program.exit_code(adaptive.main, adaptive.FLAGS, argv)


@pytest.mark.slow
def test_each_point_is_measured_once(folder, capsys):
    pytest.importorskip("matplotlib")
    picture = folder / "curves.png"
    assert run(folder, f"--figure={picture}") == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    lines = [
        line.split(" | ")[1:3]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith(f"| {folder.name}")
    ]
    assert lines == [
        ["draws", "1x1"],
        ["draws", "1x2"],
        ["steps", "1x2"],
        ["steps", "2x2"],
    ]
    records = folder / "adaptive_records.jsonl"
    before = records.read_bytes()
    # 1x2 is a point of both curves: three attacks, ten seeds.
    assert len(before.splitlines()) == 3 * 10 * 10
    assert run(folder) == 0
    assert records.read_bytes() == before


def test_the_curves_by_hand():
    pytest.importorskip("matplotlib")
    rows = [
        {"model": m, "part": part, "steps": n, "draws": n, "accuracy": n / 10}
        for m in ("a", "b")
        for part in ("draws", "steps")
        for n in (1, 5)
    ]
    left, right = adaptive.figure(rows, theme="light").axes
    assert left.get_xlabel() == "draws of the attack"
    assert [line.get_label() for line in right.lines] == ["a", "b"]
    assert list(left.lines[0].get_ydata()) == [10.0, 50.0]
