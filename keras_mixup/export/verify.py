"""Loads a SavedModel and runs each of its signatures, as a server would."""

import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_mixup import _types
from keras_mixup.export import describe
from keras_mixup.export import extras
from keras_mixup.export import sample_requests

# An empty batch, one row, and a batch as a server merges it.
BATCH_SIZES = (0, 1, 16)
# The most calls that are timed, and about the longest time.
_CALLS = 5
_SECONDS = 1.0
# For a model whose signatures take encoded images alone.
_ENCODED_SHAPE = (8, 8, 3)


class SignatureCheck(NamedTuple):
    """Size and latency of one signature.

    Attributes:
        name: str.
        graph_bytes: int, size of its graph.
        milliseconds: dict, batch size -> median time of a call after the
            first.
    """

    name: str
    graph_bytes: int
    milliseconds: dict


def verify_saved_model(path: _types.Path) -> list[SignatureCheck]:
    """Runs every signature with random input, on batches of 0, 1 and 16.

    Each output must have as many rows as its input. Numbers must be finite,
    probabilities must sum to one, and labels must name a class. An image with
    NaN must be refused.

    Args:
        path: path of a version folder.

    Returns:
        list of `SignatureCheck`, sorted by name.

    Raises:
        FileNotFoundError: when the folder holds no saved_model.pb.
        ValueError: when that file is no SavedModel.
        RuntimeError: when it cannot be loaded, or a signature fails.
    """
    info = describe.describe_saved_model(path)
    labels = extras.read_pool_labels(path)
    options = {
        "image_shape": _image_shape(info),
        "pool_rows": 1 if labels is None else len(labels),
    }
    try:
        # Keep the root: signatures of a collected one lose their variables.
        root = tf.saved_model.load(path)
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise RuntimeError(f"{path} cannot be loaded: {error}") from error
    return [
        SignatureCheck(
            name,
            info.graph_bytes[name],
            _run(name, root.signatures[name], inputs, options),
        )
        for name, (inputs, _) in sorted(info.signatures.items())
    ]


def _image_shape(info):
    for inputs, _ in info.signatures.values():
        if "image" in inputs:
            return tuple(inputs["image"].shape[1:])
    return _ENCODED_SHAPE


def _run(name, function, inputs, options):
    """Checks one signature; returns batch size -> milliseconds."""
    milliseconds = {}
    try:
        for rows in BATCH_SIZES:
            request = sample_requests.sample_request(inputs, rows, **options)
            answer = {k: v.numpy() for k, v in function(**request).items()}
            _check_answer(name, rows, answer)
            milliseconds[rows] = _time(function, request)
    except tf.errors.OpError as error:
        raise RuntimeError(f"{name} fails: {error.message}") from error
    if "image" in inputs:
        image = tf.fill(request["image"].shape, np.float32("nan"))
        _check_refused(name, function, {**request, "image": image})
    return milliseconds


def _check_answer(name, rows, answer):
    for key, value in answer.items():
        if value.shape[:1] != (rows,):
            raise RuntimeError(
                f"{name} answers {rows} rows with {key} of {value.shape}"
            )
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise RuntimeError(f"{name} answers with NaN or infinity in {key}")
    if "probabilities" in answer:
        total = answer["probabilities"].sum(axis=-1)
        count = answer["probabilities"].shape[-1]
        label = answer["label"]
        if not np.allclose(total, 1.0, atol=1e-3):
            raise RuntimeError(f"{name}: probabilities do not sum to one")
        if not ((label >= 0) & (label < count)).all():
            raise RuntimeError(f"{name}: a label is no class")


def _check_refused(name, function, request):
    try:
        function(**request)
    except tf.errors.InvalidArgumentError:
        return
    raise RuntimeError(f"{name} answers an image that holds NaN")


def _time(function, request):
    times = []
    for _ in range(_CALLS):
        start = time.perf_counter()
        answer = function(**request)
        # Waits for what a GPU still works on.
        _ = [value.numpy() for value in answer.values()]
        times.append(time.perf_counter() - start)
        if sum(times) > _SECONDS:
            break
    return 1e3 * float(np.median(times))
