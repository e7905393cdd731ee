"""The leaderboard of the demo's data: its order, commands and numbers."""

import importlib
import json
import pathlib
import re
import shlex

import pytest

from keras_mixup import runs

ROOT = pathlib.Path(__file__).parent.parent
BOARD = json.loads((ROOT / "docs/results/digits.json").read_text("utf-8"))
SETTINGS = {"evaluate": runs.EvaluateSettings, "train": runs.TrainSettings}


def test_entries_are_ordered_by_the_adaptive_accuracy():
    found = [entry["adaptive"]["accuracy"] for entry in BOARD["entries"]]
    assert found == sorted(found, reverse=True)
    assert (BOARD["norm"], BOARD["eps"]) == ("linf", 0.1)
    # Those that the slowest attack saw.
    assert len(BOARD["examples"]) == 100


@pytest.mark.parametrize("entry", BOARD["entries"], ids=lambda e: e["defence"])
def test_the_commands_of_an_entry_are_the_demo(entry):
    train, evaluate = (shlex.split(c) for c in entry["commands"])
    for (_, command, *flags), file in [
        (train, entry["run"]),
        (evaluate, "evaluate"),
    ]:
        module = importlib.import_module(f"keras_mixup.cli.{command}")
        own = [module.make_flags().parse([command, *flags])]
        demo = ["demo", f"--flagfile=digits/{file}.flags"]
        if command == "evaluate":
            demo.append("--classifier=" + own[0].classifier)
            # The evaluation took it from the run.
            demo.append("--dataset=digits")
            if entry["run"] == "erm":
                demo.append("--defences=mixup_inference_ol")
        own.append(module.make_flags().parse(demo))
        first, second = (f.settings(SETTINGS[command]) for f in own)
        assert first == second


def test_readme_prints_the_same_numbers():
    text = (ROOT / "README.md").read_text("utf-8")
    cells = r"(.*?) \| .*? \| .*? \| (.*?) \|"
    rows = re.findall(rf"^\| (mixup|plain)(?: \(ERM\))? \| {cells}", text, re.M)
    found = {
        (
            entry["run"].replace("erm", "plain"),
            entry["defence"].split()[0].replace("none", "-"),
            f"{100 * entry['adaptive']['accuracy']:.1f}",
        )
        for entry in BOARD["entries"]
    }
    shown = {(run, defence, cell.split()[0]) for run, defence, cell in rows}
    assert found == shown and len(found) == 6
