"""What apps.export says of exports, and what goes into their model card."""

import pathlib

from apps import _common
from apps import _run_folder

_RECORDS = "records.jsonl"
# Of the machine, not of the model.
_LEFT_OUT = ("checkpoint_dir", "data_dir", "download", "resume", "run_dir")


def list_exports(saved_models):
    """Returns one line per version in the folder of all exports."""
    from keras_mixup import export

    folder = pathlib.Path(saved_models)
    if not folder.is_dir():
        raise FileNotFoundError(f"No folder {folder}: nothing was exported.")
    lines = []
    for base in sorted(path for path in folder.iterdir() if path.is_dir()):
        for version in export.list_versions(base):
            lines.append(_line(base / str(version)))
    return "\n".join(lines) or f"{folder} holds no export."


def _line(path):
    from keras_mixup import export

    if not (path / "saved_model.pb").is_file():
        return f"{path}: no SavedModel"
    info = export.describe_saved_model(path)
    names = ", ".join(sorted(info.signatures))
    return f"{path} ({info.size_bytes / 1e6:.2f} MB): {names}"


def verify(path):
    """Runs every signature of a version (or of a model's newest version).

    Returns:
        A table of latency and size, a str.

    Raises:
        FileNotFoundError: when no SavedModel is there.
        UsageError: when a signature fails; the text says which and how.
    """
    from keras_mixup import export

    path = _newest(pathlib.Path(path))
    info = export.describe_saved_model(path)
    try:
        checks = export.verify_saved_model(str(path))
    except RuntimeError as error:
        raise _common.UsageError(f"{path}: {error}") from error
    width = max(len(check.name) for check in checks)
    lines = [
        f"{path}: {info.size_bytes / 1e6:.2f} MB, of it variables "
        f"{info.variable_bytes / 1e6:.2f} MB",
        f"{'signature':{width}}  graph kB  ms at batch 1  ms at batch 16",
    ]
    for check in checks:
        times = check.milliseconds
        lines.append(
            f"{check.name:{width}}  {check.graph_bytes / 1e3:8.1f}"
            f"  {times[1]:13.2f}  {times[16]:14.2f}"
        )
    lines.append("Every signature answers; images with NaN are refused.")
    return "\n".join(lines)


def _newest(path):
    """Returns `path` if it is a version, else the newest one in it."""
    from keras_mixup import export

    if (path / "saved_model.pb").is_file():
        return path
    versions = export.list_versions(path)
    if not versions:
        raise FileNotFoundError(f"{path} holds no exported version.")
    return path / str(versions[-1])


def model_card(flags, config, threshold):
    """Returns what the application adds to the model card, a dict.

    Args:
        flags: the parsed flags.
        config: dict, the training run's flags; empty without a run.
        threshold: str or None, how the detector's threshold was chosen.
    """
    card = {"dataset": flags.dataset or config.get("dataset")}
    if threshold:
        card["threshold"] = threshold
    if not flags.run_dir:
        return card
    run = _run_folder.read_config(flags.run_dir)
    card["training"] = {
        "run": pathlib.Path(flags.run_dir).resolve().name,
        "commit": run.get("git_commit"),
        "flags": {
            name: value
            for name, value in config.items()
            if name not in _LEFT_OUT and value not in (None, False, [])
        },
    }
    records = pathlib.Path(flags.run_dir) / _RECORDS
    if records.is_file():
        card["evaluation"] = _evaluation(records)
    return card


def _evaluation(path):
    """Returns the run's evaluation; oblivious numbers never stand alone."""
    from keras_mixup import evaluation
    from keras_mixup.evaluation import tables
    from keras_mixup.evaluation import verdicts

    records = evaluation.read_records(path)
    if not records:
        return None
    found = [verdict.sentence for verdict in verdicts.verdicts(records)]
    table = tables.to_markdown(tables.accuracy_table(records))
    listed = "".join(f"- {sentence}\n" for sentence in found)
    return {
        "text": f"{listed}\n{table}" if listed else table,
        "verdicts": found,
        "cells": [s._asdict() for s in evaluation.summarize(records)],
    }
