"""Jobs: one training or one evaluation each, told by its content."""

import hashlib
import json
import pathlib
from typing import NamedTuple

from keras_mixup import _checks
from keras_mixup import runs

# Raise it with a change after which the same settings give other results.
REVISION = 1
TRAIN = "train"
EVALUATE = "evaluate"
# Of the machine, or found in another job.
UNTOLD = (
    *("data_dir", "download", "threads", "tensorboard", "corruption_dir"),
    *("vae", "adv_vae"),
)
# Published corrupted sets that tfds does not have, as they are unpacked.
_CORRUPTED = {"cifar100": "CIFAR-100-C", "tiny_imagenet": "Tiny-ImageNet-C"}


class Job(NamedTuple):
    """One training or evaluation.

    Attributes:
        kind: `"train"` or `"evaluate"`.
        label: str, for a reader; it does not count.
        settings: dict name -> value, what is given to the run.
        needs: tuple of `Job` that come first: the autoencoder of a training;
            the training of an evaluation, and behind it the second
            autoencoder of a figure.
        source: str, the flag file of the paper.
        paper: dict name -> value, the paper's settings.
        choices: tuple of `Job`, evaluations on validation images by which
            settings of this evaluation are chosen; see `choosing`.
    """

    kind: str
    label: str
    settings: dict
    needs: tuple
    source: str
    paper: dict
    choices: tuple = ()

    @property
    def key(self):
        """str: the same for the same settings, data and needed jobs."""
        told = {
            "revision": REVISION,
            "kind": self.kind,
            "settings": told_settings(self.kind, self.settings),
            "needs": [job.key for job in self.needs],
        }
        if self.choices:
            told["choices"] = [job.key for job in self.choices]
        text = json.dumps(told, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def made(self, **places):
        """Returns `TrainSettings` or `EvaluateSettings`.

        Args:
            **places: settings of the machine, such as `data_dir` and the
                autoencoder's folder `vae`. The folder `corruption_dir` has
                the set that is scored, under its published name.
        """
        given = {n: v for n, v in places.items() if v is not None}
        corrupted = given.pop("corruption_dir", None)
        if corrupted is not None and self.corrupted_folder is not None:
            place = pathlib.Path(corrupted, self.corrupted_folder)
            given["corruption_dir"] = str(place)
        return settings_class(self.kind)(**{**self.settings, **given})

    @property
    def reads_corrupted(self):
        """bool: whether a published corrupted test set is scored."""
        return self.settings.get("corruptions") == "published"

    @property
    def corrupted_folder(self):
        """str: the name of that set's folder; None if it is one of tfds."""
        if not self.reads_corrupted:
            return None
        return _CORRUPTED.get(self.needs[0].settings["dataset"])

    @property
    def in_order(self):
        """list of `Job`: all that it needs, itself last, each once."""
        found = {}
        for job in (*self.needs, *self.choices):
            found |= {own.key: own for own in job.in_order}
        return [*found.values(), self]


def settings_class(kind):
    """Returns the class of the settings of a kind of job."""
    _checks.check_choice(kind, "kind", (TRAIN, EVALUATE))
    return runs.TrainSettings if kind == TRAIN else runs.EvaluateSettings


def told_settings(kind, values):
    """Returns dict name -> JSON value: what of settings tells a job.

    A text and the value it stands for are the same.
    """
    declared = settings_class(kind).declared
    found = {}
    for name, value in values.items():
        if name not in UNTOLD and value is not None:
            parsed = declared[name].parse(value)
            found[name] = json.loads(json.dumps(parsed))
    return found


def unique(jobs):
    """Returns a list of `Job`, each key once, with all that they need.

    What a job needs precedes it.
    """
    found = {}
    for job in jobs:
        for own in job.in_order:
            found.setdefault(own.key, own)
    return list(found.values())
