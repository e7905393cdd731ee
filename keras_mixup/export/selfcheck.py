"""Compares a SavedModel on disk with the functions it came from."""

import numpy as np
import tensorflow as tf

from keras_mixup.export.sample_requests import input_specs
from keras_mixup.export.sample_requests import sample_request
from keras_mixup.export.signatures import SIGNATURES

# The reloaded graph is the traced graph, so that only the order of sums can
# differ; a half-precision classifier rounds the logits themselves.
TOLERANCE = {"float32": 1e-4, "float16": 2e-2, "bfloat16": 2e-2}


def make_request(target, function, rows):
    """Returns a request of so many rows for a concrete function."""
    return sample_request(
        input_specs(function), rows, target.image_shape, target.pool_rows
    )


def check_reloaded(target, sources, functions, folder):
    """Reloads the SavedModel and compares every output of every signature.

    Args:
        target: `ExportTarget`.
        sources: dict, signature name -> its name in `SIGNATURES`.
        functions: dict, signature name -> concrete function.
        folder: path of the SavedModel.

    Raises:
        RuntimeError: it cannot be reloaded or run, or an output differs.
    """
    try:
        # Keep the root: signatures of a collected one lose their variables.
        reloaded = tf.saved_model.load(folder)
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise RuntimeError(
            f"The SavedModel was written, but cannot be reloaded: {error}"
        ) from error
    tolerance = TOLERANCE.get(target.compute_dtype, TOLERANCE["float32"])
    for name, function in functions.items():
        # Three rows: other than what the layer was tried on.
        request = make_request(target, function, 3)
        expected = _answer(f"{name} fails", function, request)
        served = reloaded.signatures[name]
        received = _answer(f"{name} fails once reloaded", served, request)
        repeatable = SIGNATURES[sources[name]].repeatable(target)
        compare_answers(name, expected, received, tolerance, repeatable)


def _answer(text, function, request):
    try:
        return {k: v.numpy() for k, v in function(**request).items()}
    except tf.errors.OpError as error:
        raise RuntimeError(f"{text}: {error.message}") from error


def compare_answers(name, expected, received, tolerance, repeatable):
    """Raises `RuntimeError` unless two answers agree in every output.

    The tolerance is relative for floats above 1. An answer that is not
    `repeatable` is compared in form, finiteness and threshold alone.
    """
    if set(expected) != set(received):
        _disagree(name, f"outputs {sorted(received)}, not {sorted(expected)}")
    for key, value in expected.items():
        found, where = received[key], f"{name}/{key}"
        if (found.shape, found.dtype) != (value.shape, value.dtype):
            form = f"{value.dtype} {value.shape}"
            _disagree(where, f"{found.dtype} {found.shape}, not {form}")
        if value.dtype.kind == "f" and not np.isfinite(found).all():
            _disagree(where, "NaN or infinity")
        if not repeatable and key != "threshold":
            continue
        limit = 0.0 if key == "threshold" else tolerance
        if value.dtype.kind == "f":
            _compare_floats(where, value, found, limit)
        else:
            _compare_exactly(where, value, found, _ties(key, expected, limit))


def _compare_floats(where, expected, received, tolerance):
    difference = np.abs(expected.astype("float64") - received).max()
    limit = tolerance * max(1.0, np.abs(expected).max())
    if not difference <= limit:
        _disagree(
            where, f"largest difference {difference:g}, allowed {limit:g}"
        )


def _compare_exactly(where, expected, received, ties):
    rows = np.flatnonzero((expected != received) & ~ties)
    if rows.size:
        row = rows[0]
        _disagree(
            where, f"row {row} is {received[row]}, expected {expected[row]}"
        )


def _ties(key, answer, tolerance):
    """Returns bool [B]: rows where rounding alone may turn the decision."""
    if key == "label":
        ranked = np.sort(answer["probabilities"], axis=-1)
        gap = ranked[:, -1] - ranked[:, -2:-1].sum(axis=-1)
        return gap <= 2 * tolerance
    if key == "is_adversarial":
        return np.abs(answer["score"] - answer["threshold"]) <= tolerance
    return np.zeros(answer[key].shape, bool)


def _disagree(where, text):
    raise RuntimeError(
        f"The reloaded SavedModel disagrees with the layer in {where}: {text}"
    )
