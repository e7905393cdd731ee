"""Writes a classifier with its defence as a SavedModel for TF Serving."""

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _classifiers
from keras_mixup.export.signatures import SIGNATURES
from keras_mixup.export.signatures import ExportTarget
from keras_mixup.export.signatures import choose_signatures
from keras_mixup.export.signatures import example_inputs
from keras_mixup.export.signatures import trace_signature
from keras_mixup.export.versions import write_version

# The reloaded graph is the traced graph, so that only the order of sums can
# differ; a half-precision classifier rounds the logits themselves.
_TOLERANCE = {"float32": 1e-4, "float16": 2e-2, "bfloat16": 2e-2}


def export_saved_model(
    defence, base_path, version=None, signatures=None, image_shape=None
):
    """Writes `<base_path>/<version>/`, which needs TensorFlow alone to load.

    Signatures (B is free, images are float32 [B, H, W, C] in [0, 1]):
    `serving_default`: image -> probabilities float32 [B, K], label int32 [B],
    with draws that no call, thread or server start repeats; `seeded`: image,
    seed int32 [B, 2], one seed per row -> the same outputs; `undefended`:
    image -> logits float32 [B, K] of the classifier alone. Every variable is
    stored once. The folder is reloaded and compared with the layer before it
    gets its name, so that a server never sees a partial or a wrong version.

    Args:
        defence: a `keras_mixup.inference` layer, or a plain keras classifier
            (images -> logits), which has no `seeded` signature.
        base_path: local folder of the model, `saved_models/<name>`.
        version: int >= 1, or None for one above the largest version there.
        signatures: names out of `SIGNATURES`, or None for all that apply.
        image_shape: (H, W, C), needed only where the classifier leaves its
            input shape open.

    Returns:
        The path of the version folder, a str.

    Raises:
        ValueError: for an unbuilt classifier, one that answers an image with
            NaN or infinity, an open image shape, an unknown signature, or a
            version that is no integer.
        FileExistsError: when the version exists.
        OSError: when the folder cannot be written.
        RuntimeError: when the reloaded SavedModel disagrees with the layer.
            After any error nothing new is left on disk.
    """
    if version is not None:
        version = _checks.check_integer(version, "version", minimum=1)
    target = _make_target(defence, image_shape)
    names = choose_signatures(target, signatures)

    def write(folder):
        _check_answers(target)
        functions = {name: trace_signature(target, name) for name in names}
        _save(functions, folder)
        _check_reloaded(target, functions, folder)

    return write_version(base_path, version, write)


def _make_target(defence, image_shape):
    """Returns the checked `ExportTarget`."""
    is_defence = hasattr(defence, "predict_from_draws")
    # A training algorithm is a model around its classifier, too.
    classifier = getattr(defence, "classifier", defence)
    _classifiers.check_classifier(classifier, "defence")
    _checks.check(
        classifier.built,
        "defence",
        "around a built classifier",
        defence,
        "Train it, load its weights, or call it once on a batch of images",
    )
    shape = _image_shape(classifier) if image_shape is None else image_shape
    _checks.check(
        len(shape) == 3 and all(isinstance(side, int) for side in shape),
        "image_shape",
        "(height, width, channels), needed as the classifier leaves it open",
        image_shape,
    )
    return ExportTarget(classifier, defence if is_defence else None, shape)


def _image_shape(classifier):
    # A subclassed model has no symbolic input whose shape could be read.
    shape = getattr(classifier, "input_shape", None)
    return shape[1:] if isinstance(shape, tuple) else ()


def _check_answers(target):
    """Runs the layer once: builds it, and refuses what are no logits."""
    image = tf.random.stateless_uniform((2, *target.image_shape), (0, 0))
    _classifiers.check_logits(target.classifier(image, training=False))
    if target.defence is not None:
        answer = target.defence(image, seed=tf.zeros((2, 2), tf.int32))
        _classifiers.check_logits(answer, name="defence")


def _save(functions, folder):
    """Saves the functions and, once each, the variables they read."""
    root = tf.Module()
    # keras' export archive stores a tracked layer's variables twice; here the
    # functions themselves say which variables belong to the SavedModel.
    variables = [v for f in functions.values() for v in f.variables]
    root.variables_once = list({id(v): v for v in variables}.values())
    try:
        tf.saved_model.save(root, folder, signatures=functions)
    except tf.errors.OpError as error:
        raise OSError(
            f"The SavedModel cannot be written: {error.message}"
        ) from error


def _check_reloaded(target, functions, folder):
    """Compares the SavedModel on disk with the functions it came from."""
    # Keep the root: signatures of a collected one lose their variables.
    reloaded = tf.saved_model.load(folder)
    dtype = getattr(target.classifier, "compute_dtype", "float32")
    tolerance = _TOLERANCE.get(dtype, 1e-4)
    for name, function in functions.items():
        if not SIGNATURES[name].repeatable(target):
            continue
        # Three rows, not the two above: the batch must be free.
        inputs = example_inputs(function, rows=3)
        expected = function(*inputs.values())
        received = reloaded.signatures[name](**inputs)
        for key, value in expected.items():
            _compare(f"{name}/{key}", value, received[key], tolerance)


def _compare(name, expected, received, tolerance):
    expected, received = expected.numpy(), received.numpy()
    difference = np.abs(expected.astype("float64") - received).max()
    limit = tolerance * max(1.0, np.abs(expected).max())
    # Rounding may turn a tie between two labels; their probabilities are
    # compared as well, so that labels need no check of their own.
    if np.issubdtype(expected.dtype, np.floating) and not difference <= limit:
        raise RuntimeError(
            f"The reloaded SavedModel disagrees with the layer in {name}: "
            f"largest difference {difference:g}, allowed {limit:g}"
        )
