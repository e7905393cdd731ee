"""Which images a job is of: a digest of each data set."""

import hashlib

import numpy as np

from keras_mixup import runs
from keras_mixup.reproduce import jobs
from keras_mixup.runs import _data


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
