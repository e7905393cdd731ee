"""What an export adds to its model card: training, evaluation, robustness.

A run folder may hold results of another classifier or of other settings. The
card takes the results of the exported classifier and defence alone. For
results that are left out it gives the reason.
"""

import hashlib
import pathlib

from keras_mixup import _files
from keras_mixup import evaluation
from keras_mixup.evaluation import red_flags
from keras_mixup.evaluation.identity import BESIDE
from keras_mixup.evaluation.identity import former_fingerprint
from keras_mixup.evaluation.identity import settings_of_defence
from keras_mixup.inference import defence_label
from keras_mixup.reporting import tables
from keras_mixup.reporting import verdicts
from keras_mixup.runs import _data
from keras_mixup.runs import folder

# These describe the machine, not the model.
_LEFT_OUT = ("checkpoint_dir", "data_dir", "download", "resume", "run_dir")
# Without an effect on an answer (release 0.1 recorded it), or no setting.
_WITHOUT_EFFECT = ("max_inputs", *BESIDE)


def model_card(settings, trained, path, defence, pool_text, threshold):
    """Returns what the run adds to the model card, a dict.

    Args:
        settings: `ExportSettings`.
        trained: dict, the training run's settings; {} without a run.
        path: path of the exported .keras file.
        defence: the exported layer, or the classifier without a defence.
        pool_text: str, identifies the pool; empty without one.
        threshold: str or None, how the detector's threshold was chosen.
    """
    dataset = settings.dataset or trained.get("dataset")
    card = {"dataset": dataset}
    names = _class_names(settings, trained) if dataset else ()
    if names:
        card["class_names"] = list(names)
    if threshold:
        card["threshold"] = threshold
    if not settings.run_dir:
        return card
    run_dir = pathlib.Path(settings.run_dir).resolve()
    if path.resolve().parent == run_dir:
        card["training"] = _training(run_dir, trained)
    exported = None
    if settings.defence != "none":
        exported = settings_of_defence(defence, pool_text)
    label = "none" if exported is None else defence_label(exported)
    classifier = getattr(defence, "classifier", defence)
    fingerprint = evaluation.fingerprint(classifier)
    former = former_fingerprint(classifier)
    found, reason = _evaluation(
        run_dir, (fingerprint, former), exported, dataset
    )
    if found:
        card["evaluation"] = found
    if reason:
        card["evaluation_left_out"] = reason
    found, reason = _robustness(run_dir, path, fingerprint, exported, label)
    if found:
        card["robustness_card"] = found
    if reason:
        card["robustness_left_out"] = reason
    return card


def _class_names(settings, trained):
    try:
        return _data.of_run(settings, trained).spec.class_names
    except FileNotFoundError:  # Without a pool the images are not needed.
        return trained.get("class_names") or ()


def notices(card):
    """Returns a list of str: what the card leaves out, and why."""
    parts = {"evaluation": "evaluation", "robustness": "robustness card"}
    reasons = ((what, card.get(f"{k}_left_out")) for k, what in parts.items())
    return [f"The card has no {w}: {why}." for w, why in reasons if why]


def _training(run_dir, trained):
    return {
        "run": run_dir.name,
        "commit": folder.read_config(run_dir).get("git_commit"),
        "flags": {
            name: value
            for name, value in trained.items()
            # A seed of 0 equals False, but is a setting.
            if name not in _LEFT_OUT
            and not (value is None or value is False or value == [])
        },
    }


def _evaluation(run_dir, fingerprints, exported, dataset):
    """Returns (evaluation, None), or (None, the reason to leave it out).

    Both are None for a run that was never evaluated.
    """
    file = run_dir / _files.RECORDS
    if not file.is_file():
        return None, None
    path = evaluation.identity.path_of(file)
    if not path.is_file():
        return None, f"{run_dir.name} has no {path.name} to identify the models"
    found = _files.read_json(path)
    models = {
        name
        for name, model in found.get("models", {}).items()
        if model.get("sha256") in fingerprints
    }
    # Release 0.1 scored a single classifier, and did not record its name.
    alone = found.get("classifier", {}).get("sha256") in fingerprints
    if not (models or alone):
        return None, f"{file.name} is of another classifier"
    about = {**found.get("data", {}), **found.get("about", {})}
    if about.get("dataset") != dataset:
        return None, f"{file.name} is of {about.get('dataset')}"
    rows = {"none"}
    if exported is not None:
        labels = {
            label
            for label, own in found.get("defences", {}).items()
            if _with_effect(own) == _with_effect(exported)
        }
        if not labels:
            reason = "is of no defence with the exported settings and pool"
            return None, f"{file.name} {reason}"
        rows |= labels
    # The defence is compared with the bare classifier.
    records = evaluation.read_records(file).where(
        lambda r: r.defence in rows and (not models or r.model in models)
    )
    if not rows - {"none"} <= {record.defence for record in records}:
        return None, f"{file.name} has no record of the exported defence"
    if not records:
        return None, f"{file.name} has no record of the bare classifier"
    probed = red_flags.read(run_dir / _files.RED_FLAGS)
    return _evaluation_of(records, probed), None


def _with_effect(settings):
    return {k: v for k, v in settings.items() if k not in _WITHOUT_EFFECT}


def _evaluation_of(records, probed):
    """Returns the evaluation, with adaptive beside oblivious numbers."""
    found = [verdict.sentence for verdict in verdicts.verdicts(records, probed)]
    table = tables.to_markdown(tables.accuracy_table(records))
    listed = "".join(f"- {sentence}\n" for sentence in found)
    return {
        "text": f"{listed}\n{table}" if listed else table,
        "verdicts": found,
        "cells": [s._asdict() for s in evaluation.summarize(records)],
    }


def _robustness(run_dir, path, fingerprint, exported, label):
    """Returns (the run's robustness card of this very export, reason)."""
    file = run_dir / _files.CARD
    if not file.is_file():
        return None, None
    found = _files.read_json(file)
    # Release 0.1 identified a classifier by the bytes of its file.
    content = path.read_bytes() if path.is_file() else b""
    former = hashlib.sha256(content).hexdigest()
    # A run with several defences lists a card of each.
    cards = [
        card
        for card in found.get("cards", [found])
        if card.get("classifier_fingerprint") == fingerprint
        or card.get("classifier_sha256") == former
    ]
    if not cards:
        return None, f"{file.name} is of another classifier"
    for card in cards:
        own = card.get("defence_settings")
        same = card.get("defence") == label
        if own is not None and exported is not None:
            same = _with_effect(own) == _with_effect(exported)
        if same:
            text = file.with_suffix(".md")
            shown = text.read_text("utf-8") if text.is_file() else ""
            return {"text": shown, **card}, None
    return None, f"{file.name} is of no defence with the exported settings"
