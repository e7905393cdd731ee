"""A small entry, a small scale and jobs that are only pretended."""

import json

from keras_mixup import _files
from keras_mixup import evaluation
from keras_mixup import reproduce
from keras_mixup.reproduce import planning
from keras_mixup.reproduce import scales

DIGITS = scales.find("digits")
ENTRY = reproduce.find("adversarial_mixup/table3")


def plan(entry=ENTRY, scale=DIGITS):
    return planning.plan(entry, scale)


def finish(job, store, right=None):
    """Writes what a finished job leaves: a network, or its records.

    `right` is called with (row label of a training, attack, example) and says
    whether the answer is right.
    """
    folder = store.folder(job)
    folder.mkdir(parents=True, exist_ok=True)
    if job.kind == "train":
        for name in (_files.CONFIG, _files.BEST_CLASSIFIER, _files.FINAL):
            (folder / name).write_text(json.dumps(job.label))
    else:
        store.prepare_evaluation(job)
        evaluation.write_records(
            str(folder / _files.RECORDS), list(records(job, right))
        )
    store.note(job, 2.0, 1.0, True)


def records(job, right):
    names = {
        "clean": "none",
        "pgd-10": "oblivious",
        "autoattack-standard": "adaptive",
    }
    for attack, knowledge in names.items():
        for i in range(20):
            hit = right is None or right(job.needs[0].label, attack, i)
            yield record(i, "none", attack, hit, knowledge)


def record(example, defence, attack, hit, knowledge="oblivious"):
    """Returns a `Record` of label 1, rightly or wrongly answered."""
    knowledge = "none" if attack == "clean" else knowledge
    attacked = knowledge != "none"
    return evaluation.Record(
        *(example, 1, "net", defence, attack, knowledge),
        "linf" if attacked else None,
        0.1 if attacked else None,
        0 if attacked else None,
        None,
        *(1 if hit else 0, 0.5, 0, 0, None),
    )
