"""Whole runs as the command line calls them, on very little."""

import importlib

from keras_mixup import runs
from keras_mixup.cli import main
from keras_mixup.runs import training

SETTINGS = {
    "evaluate": runs.EvaluateSettings,
    "export": runs.ExportSettings,
    "train": runs.TrainSettings,
}


def arguments(flags):
    """["--name=value", ...] of a dict; False is `--noname`, None nothing."""
    return [
        f"--no{name}" if value is False else f"--{name}={value}"
        for name, value in flags.items()
        if value is not None
    ]


def call(command, **flags):
    """The exit code of a command."""
    return main.exit_code(command, [command, *arguments(flags)])


def train(folder, **flags):
    """The exit code of a training of 2 epochs of 4 steps."""
    settings = {
        "run_dir": folder,
        "width": 2,
        "num_train": 64,
        "batch_size": 16,
        "epochs": 2,
        "seed": 0,
        "checkpoint_every": 3,
        "verbose": 0,
        **flags,
    }
    return call("train", **settings)


def parse(command, *argv):
    """The settings that a command line leads to."""
    module = importlib.import_module(f"keras_mixup.cli.{command}")
    flags = module.make_flags().parse([command, *argv])
    return flags.settings(SETTINGS[command])


def built(*argv, steps_per_epoch=4):
    """The algorithm that a command line leads to, around a small network."""
    settings = parse("train", "--model=small_convnet", "--width=2", *argv)
    return training.build(settings, steps_per_epoch)


def visible(folder):
    """The names in a folder, the hidden lock aside."""
    return {p.name for p in folder.iterdir() if not p.name.startswith(".")}


def check_error(capsys, code, *parts):
    """One line on stderr that holds all parts."""
    assert code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    for part in parts:
        assert part in error
