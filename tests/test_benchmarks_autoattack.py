"""The comparison with torchattacks, as far as it needs no PyTorch."""

import sys

import numpy as np
import pytest

from benchmarks import autoattack
from benchmarks import pgd_peers
from benchmarks import program
from benchmarks import torch_twin


def row(**changes):
    counts = {"clean": 9, "apgd-ce": 50, "apgd-t": 3, "fab-t": 0, "square": 1}
    side = {"counts": {**counts, "": 37}, "cpu_seconds": 30.0}
    theirs = {**side, "cpu_seconds": 60.0}
    apart = {
        "example_id": 7,
        "ours": "square",
        "our_margin": 0.25,
        "theirs": "",
        "their_margin": -0.5,
    }
    made = {"title": "net", "eps": 0.1, "images": 100, "ours": side}
    return {**made, "theirs": theirs, "disagreements": [apart], **changes}


def test_the_table_has_both_sides_and_what_they_disagree_on():
    lines = autoattack.table([row()]).splitlines()
    assert lines[2] == (
        "| net | 0.1000 | ours | 9 | 50 | 3 | 0 | 1 | 37.0 | 30 | 0.50 |"
    )
    assert lines[3].startswith("| net | 0.1000 | theirs | 9 |")
    assert lines[3].endswith("| 60 | 1.00 |")
    assert lines[-1] == (
        "- net, example 7: ours square (+0.2500), theirs none (-0.5000)"
    )
    lines = autoattack.table([row(disagreements=[])]).splitlines()
    assert len(lines) == 4


def test_margins_by_hand():
    logits = np.array([[1.0, 4.0, 2.0], [1.0, 4.0, 2.0]], "float32")
    np.testing.assert_allclose(torch_twin.margins(logits, [1, 2]), [-2.0, 2.0])


def test_a_missing_pytorch_is_named_with_its_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="pip install torch torchattacks"):
        torch_twin.twin(None, 1)


def test_a_missing_art_is_named_with_its_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "art.attacks", None)
    with pytest.raises(ImportError, match="adversarial-robustness-toolbox"):
        pgd_peers.art_attack(None, None, 1)


def test_what_is_missing_is_said_in_one_line(capsys):
    code = program.exit_code(autoattack.main, autoattack.FLAGS, ["autoattack"])
    assert code == 2
    assert "--classifier or --results" in capsys.readouterr().err
    code = program.exit_code(pgd_peers.main, pgd_peers.FLAGS, ["pgd_peers"])
    assert code == 2
    assert "--classifier=FILE" in capsys.readouterr().err


def test_the_table_of_our_versions():
    def side(passes, queries):
        return {
            "robust_accuracy": 0.37,
            "counts": {"clean": 9, "apgd-ce": 54},
            "gradient_passes": passes,
            "queries": queries,
            "cpu_seconds": 12.4,
        }

    made = {"standard": side(1000.0, 3000.0), "fast": side(200.0, 300.0)}
    versions = {"title": "net", "eps": 0.1, "versions": made}
    lines = autoattack.table([versions]).splitlines()
    assert lines[2] == (
        "| net | 0.1000 | standard | 37.0 | 1000 | 3000 | 1.00 | 12 "
        "| clean 9, apgd-ce 54 |"
    )
    assert "| fast | 37.0 | 200 | 300 | 0.12 | 12 |" in lines[3]
    # Both kinds of rows in one file: both tables.
    both = autoattack.table([row(), versions])
    assert "| net | 0.1000 | ours |" in both and "| fast |" in both
