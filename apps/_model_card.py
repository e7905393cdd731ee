"""What apps.export adds to the model card: training, evaluation, robustness.

A run folder may hold figures of other classifiers or other settings than the
exported ones. Only what was measured on the very classifier and defence goes
into the card; the rest is left out with its reason.
"""

import hashlib
import json
import pathlib

from apps import _common
from apps import _evaluation
from apps import _evaluation_settings
from apps import _run_folder

ROBUSTNESS_CARD = "robustness_card.json"
# Of the machine, not of the model.
_LEFT_OUT = ("checkpoint_dir", "data_dir", "download", "resume", "run_dir")


def model_card(flags, config, path, defence, pool_text, threshold):
    """Returns what the application adds to the model card, a dict.

    Args:
        flags: the parsed flags.
        config: dict, the training run's flags; empty without a run.
        path: path of the exported .keras file.
        defence: the exported layer, or the classifier for --defence=none.
        pool_text: str, what tells its pool; empty without one.
        threshold: str or None, how the detector's threshold was chosen.
    """
    dataset = flags.dataset or config.get("dataset")
    card = {"dataset": dataset}
    if threshold:
        card["threshold"] = threshold
    if not flags.run_dir:
        return card
    run_dir = pathlib.Path(flags.run_dir).resolve()
    if path.resolve().parent == run_dir:
        card["training"] = _training(run_dir, config)
    label = "none"
    if flags.defence != "none":
        label = _evaluation.defence_label(flags.defence, defence)
    evaluation, reason = _find_evaluation(run_dir, defence, pool_text, dataset)
    if reason:
        card["evaluation_left_out"] = reason
    if evaluation:
        card["evaluation"] = evaluation
    card.update(_robustness(run_dir, path, label, defence, pool_text))
    return card


def notices(card):
    """Returns lines for the user: what the card leaves out, and why."""
    reason = card.get("evaluation_left_out")
    return [f"The card has no evaluation: {reason}."] if reason else []


def _training(run_dir, config):
    return {
        "run": run_dir.name,
        "commit": _run_folder.read_config(run_dir).get("git_commit"),
        "flags": {
            name: value
            for name, value in config.items()
            # A seed of 0 equals False, and says something.
            if name not in _LEFT_OUT
            and not (value is None or value is False or value == [])
        },
    }


def _find_evaluation(run_dir, defence, pool_text, dataset):
    """Returns (evaluation, None), or (None, why what is there is left out).

    Both are None for a run that was never evaluated.
    """
    from keras_mixup import evaluation

    file = run_dir / _evaluation_settings.RECORDS
    if not file.is_file():
        return None, None
    settings = run_dir / _evaluation_settings.SETTINGS
    if not settings.is_file():
        name = settings.name
        return None, f"{run_dir.name} holds no {name}, which tells of what"
    found = _read_json(settings)
    classifier = getattr(defence, "classifier", defence)
    print_ = _evaluation_settings.fingerprint(classifier)
    if found.get("classifier", {}).get("sha256") != print_:
        return None, f"{file.name} is of another classifier"
    measured = found.get("data", {}).get("dataset")
    if measured != dataset:
        return None, f"{file.name} is of {measured}"
    rows = {"none"}
    if classifier is not defence:
        labels = _labels(found.get("defences", {}), defence, pool_text)
        if not labels:
            reason = "is of no defence with the exported settings and pool"
            return None, f"{file.name} {reason}"
        rows |= labels
    # The bare classifier stays in as what the defence is compared with.
    records = [r for r in evaluation.read_records(file) if r.defence in rows]
    if not rows - {"none"} <= {record.defence for record in records}:
        return None, f"{file.name} has no record of the exported defence"
    if not records:
        return None, f"{file.name} has no record of the bare classifier"
    return _evaluation_of(records), None


def _labels(defences, defence, pool_text):
    """Returns the labels under which the same defence was evaluated."""
    own = _settings(defence, pool_text)
    return {
        label for label, config in defences.items() if _plain(config) == own
    }


def _settings(defence, pool_text):
    return _plain(_evaluation_settings.plain_config(defence, pool_text))


def _plain(config):
    # How many inputs make one pass of the classifier changes no answer.
    return {k: v for k, v in config.items() if k != "max_inputs"}


def _evaluation_of(records):
    """Returns the evaluation; oblivious numbers never stand alone."""
    from keras_mixup import evaluation
    from keras_mixup.evaluation import tables
    from keras_mixup.evaluation import verdicts

    found = [verdict.sentence for verdict in verdicts.verdicts(records)]
    table = tables.to_markdown(tables.accuracy_table(records))
    listed = "".join(f"- {sentence}\n" for sentence in found)
    return {
        "text": f"{listed}\n{table}" if listed else table,
        "verdicts": found,
        "cells": [s._asdict() for s in evaluation.summarize(records)],
    }


def _robustness(run_dir, path, label, defence, pool_text):
    """Returns the run's robustness card of this very export, else {}."""
    file = run_dir / ROBUSTNESS_CARD
    if not file.is_file():
        return {}
    found = _read_json(file)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    own = {"classifier_sha256": digest, "defence": label}
    # A run with several defences lists a card of each.
    for card in found.get("cards", [found]):
        if any(card.get(key) != value for key, value in own.items()):
            continue
        settings = card.get("defence_settings")
        if settings and _plain(settings) != _settings(defence, pool_text):
            continue
        text = file.with_suffix(".md")
        shown = text.read_text("utf-8") if text.is_file() else ""
        return {"robustness_card": {"text": shown, **card}}
    return {}


def _read_json(file):
    try:
        found = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise _common.UsageError(f"{file} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise _common.UsageError(f"{file} holds no JSON object.")
    return found
