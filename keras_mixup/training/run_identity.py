"""What makes two calls the same training run."""

import json
import pathlib
import zlib

import keras
import numpy as np

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import _fingerprint
from keras_mixup import _workers
from keras_mixup import data


def of_run(model, images, held_out):
    """Returns what tells another algorithm and other images, a dict.

    Args:
        model: the `TrainStep`.
        images: `data.ImageSet`, of training.
        held_out: `data.ImageSet`, of validation, or None.
    """
    own = {n: getattr(model, n) for n in model.argument_names()}
    own = {  # Not so a classifier, whose weights change, and an autoencoder.
        name: value
        for name, value in own.items()
        if name not in ("seed", "name")
        and not isinstance(value, keras.layers.Layer)
    }
    return {
        "algorithm": type(model).__name__,
        "model.seed": model.seed,
        "settings of the algorithm": _fingerprint.describe(own),
        # Each draws for its own part of a batch.
        "number of replicas": model.distribute_strategy.num_replicas_in_sync,
        # XLA draws other numbers from the same seeds.
        "jit_compile": bool(model.jit_compile),
        "number of images": len(images.labels),
        "image shape": list(images.images.shape[1:]),
        "checksum of labels": _checksum(images.labels),
        "checksum of images": _of_pixels(images),
        # The best value so far is one of these.
        "checksum of validation labels": held_out
        and _checksum(held_out.labels),
        "checksum of validation images": held_out and _of_pixels(held_out),
    }


def of_extra(images, extra, share, batch_size):
    """Returns what tells another second source of images, a dict.

    Args:
        images, extra: `data.ImageSet`; `extra` may be None.
        share: float, the part of `extra` in a batch.
        batch_size: int.
    """
    if extra is None:
        return dict.fromkeys(_EXTRA)
    data.check_extra(images, extra, share, batch_size)
    found = share, _checksum(extra.labels), _of_pixels(extra)
    return dict(zip(_EXTRA, found, strict=True))


_EXTRA = ("extra_share", "labels of extra", "images of extra")


def _checksum(values):
    return zlib.crc32(np.ascontiguousarray(values))


def _of_pixels(images):
    # Codes differ by rounding elsewhere.
    return _checksum(images.images) if images.images.ndim == 4 else None


def check_same(strategy, directory, arguments, resumed):
    """Keeps what shapes a run beside its checkpoints; refuses other values.

    Args:
        strategy: `tf.distribute.Strategy`.
        directory: str, of the checkpoints.
        arguments: dict, from the functions above and more.
        resumed: bool, whether there is a checkpoint.

    Returns:
        bool, whether release 0.1 began the run, which kept nothing there.

    Raises:
        ValueError: names the argument that is another one.
    """
    directory = pathlib.Path(directory)
    file = directory / "arguments.json"
    # As they come back from the file: no tuples.
    arguments = json.loads(json.dumps(arguments))
    if not _workers.is_chief(strategy):
        return True
    if resumed and not file.is_file():
        return True
    if resumed:
        before = _files.read_json(file)
        # What runs had before there was a choice, or before it was kept.
        before = {"crop_padding": "reflect", **before}
        if "extra_share" not in before:
            before |= dict.fromkeys(_EXTRA)
        for name, now in arguments.items():
            hint = f"{directory} holds another run. Choose another run_dir."
            expected = f"{before.get(name, now)!r}, as before"
            okay = before.get(name, now) == now
            _checks.check(okay, name, expected, now, hint)
        return False
    directory.mkdir(parents=True, exist_ok=True)
    _files.write_json(file, arguments)
    return False
