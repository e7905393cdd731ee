"""Which images a job is of: a digest of each data set."""

import hashlib

import numpy as np

from keras_mixup import _checks
from keras_mixup import runs
from keras_mixup.reproduce import jobs
from keras_mixup.runs import _data
from keras_mixup.runs import _studies

# Digests of images that are not those of their publisher: they were kept as
# JPEG files, which changes pixels.
_TELLING = {"e979d84ce9c0e6cd": "CIFAR-10 (JPEG)"}


def telling(name, digest):
    """Returns what a page calls a data set of these images, a str."""
    return _TELLING.get(digest, name)


def digests_of(known, plan):
    """Returns dict data set -> digest of the images of a plan's begun jobs.

    Args:
        known: dict key of a job -> what its job.json says.
        plan: `Plan` or `FigurePlan`.
    """
    begun = [job for job in plan.jobs if known[job.key]]
    return {dataset_of(job): known[job.key].get("data") for job in begun}


def dataset_of(job):
    """Returns the name of the data set of a `Job`, a str."""
    own = job if job.kind == jobs.TRAIN else job.needs[0]
    return own.settings["dataset"]


def digests(wanted, data_dir=None):
    """Reads the data sets of jobs; returns dict name -> digest, a str.

    Args:
        wanted: list of `Job`.
        data_dir: str, the tfds folder, or None.

    Raises:
        FileNotFoundError: a data set is not there; the text says how to get
            it.
    """
    names = dict.fromkeys(map(dataset_of, wanted))
    return {name: _digest(name, data_dir) for name in names}


def present_digests(wanted, say, data_dir=None):
    """Returns `digests` of the data sets that are there.

    Args:
        wanted, data_dir: as for `digests`.
        say: callable of a str, which is told what is not there.
    """
    found = {}
    for name in dict.fromkeys(map(dataset_of, wanted)):
        try:
            found[name] = _digest(name, data_dir)
        except FileNotFoundError:
            say(f"The images of {name} are not here, and not checked.")
    return found


def corruption_dir(wanted, given):
    """Returns the folder of corrupted images as a str, or None.

    Raises:
        ValueError: it is given, and no job reads it.
    """
    if given is None:
        return None
    _checks.check_path(given, "corruption_dir")
    read = any(job.corrupted_folder for job in wanted)
    expected = "left out: no job of these entries reads it"
    _checks.check(read, "corruption_dir", expected, str(given))
    return str(given)


def check_corrupted(missing, **machine):
    """Raises unless the corrupted images that jobs score are there.

    Args:
        missing: list of `Job`, what will be done.
        **machine: settings of the machine, `data_dir` and `corruption_dir`.

    Raises:
        ValueError: a set needs `corruption_dir`.
        FileNotFoundError: a set lacks a kind or severity.
    """
    found = {dataset_of(j): j for j in missing if j.reads_corrupted}
    for name, job in found.items():
        # As the evaluation takes it from the run's folder.
        settings = job.made(**machine).replace(dataset=name)
        _studies.check(settings)


def _digest(name, data_dir):
    settings = runs.TrainSettings(
        dataset=name, data_dir=data_dir, num_validation=0
    )
    source, found = _data.of_training(settings), hashlib.sha256()
    for split in ("train", "test"):
        part = source.load(split)
        found.update(np.ascontiguousarray(part.images).tobytes())
        found.update(np.asarray(part.labels, np.int64).tobytes())
    return found.hexdigest()[:16]
