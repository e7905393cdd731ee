"""The files of a version other than the graph and its variables."""

import os

import numpy as np

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import _types
from keras_mixup.export import card as card_lib
from keras_mixup.export import warmup as warmup_lib

# For --enable_per_model_batching_parameters of tensorflow_model_server. The
# server pads a batch to the next allowed size. A padded row costs a defence
# all its draws.
BATCHING_PARAMETERS = """\
max_batch_size { value: 64 }
batch_timeout_micros { value: 2000 }
num_batch_threads { value: 4 }
max_enqueued_batches { value: 100 }
allowed_batch_sizes: 1
allowed_batch_sizes: 4
allowed_batch_sizes: 16
allowed_batch_sizes: 64
"""
EXTRA_FOLDER = "assets.extra"
BATCHING_FILE = "batching_params.pbtxt"
POOL_LABELS_FILE = "pool_labels.txt"


def write_extras(folder, target, requests, model_name, warmup, card):
    """Writes warm-up, batching parameters, pool labels and the model card.

    `requests` is a dict, signature name -> a request of one row; `card` is a
    dict that the caller adds to the model card.
    """
    extra = os.path.join(folder, EXTRA_FOLDER)
    os.mkdir(extra)
    _files.write_text(os.path.join(folder, BATCHING_FILE), BATCHING_PARAMETERS)
    if target.pool is not None:
        labels = np.asarray(target.pool.labels)
        text = "".join(f"{label}\n" for label in labels.tolist())
        _files.write_text(os.path.join(extra, POOL_LABELS_FILE), text)
    if warmup:
        path = os.path.join(extra, warmup_lib.WARMUP_FILE)
        warmup_lib.write_warmup(path, model_name, requests)
    facts = card_lib.make_card(folder, target, model_name, card)
    _files.write_json(os.path.join(extra, "model_card.json"), facts)
    text = card_lib.to_markdown(facts)
    _files.write_text(os.path.join(extra, "model_card.md"), text)


def read_pool_labels(path: _types.Path) -> np.ndarray | None:
    """Returns the class of each pool row of a version folder.

    int32 [P], or None for an export without a pool.
    """
    _checks.check_path(path, "path")
    path = os.path.join(path, EXTRA_FOLDER, POOL_LABELS_FILE)
    if not os.path.isfile(path):
        return None
    return np.loadtxt(path, dtype="int32", ndmin=1)
