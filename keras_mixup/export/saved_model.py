"""Writes a classifier with its defence as a SavedModel for TF Serving."""

import contextlib
import os
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _classifiers
from keras_mixup import _types
from keras_mixup.export.extras import write_extras
from keras_mixup.export.selfcheck import check_reloaded
from keras_mixup.export.selfcheck import make_request
from keras_mixup.export.signatures import choose_signatures
from keras_mixup.export.signatures import trace_signature
from keras_mixup.export.target import ExportTarget
from keras_mixup.export.untrained import looks_untrained
from keras_mixup.export.versions import write_version

# MI-Combined's, from the paper's CIFAR-10 experiments.
_DEFAULT_THRESHOLD = 0.2
# Images that an export is tried on.
_TRIED = 8


def export_saved_model(
    defence: keras.layers.Layer,
    base_path: _types.Path,
    version: int | None = None,
    signatures: Sequence[str] | None = None,
    image_shape: Sequence[int] | None = None,
    *,
    threshold: _types.Number | None = None,
    default_signature: str = "serving_default",
    warmup: bool = True,
    card: _types.Json | None = None,
    allow_untrained: bool = False,
) -> str:
    """Writes `<base_path>/<version>/`, which needs TensorFlow alone to load.

    Signatures (B is free; image is float32 [B, H, W, C], finite and in [0, 1];
    a request with any other value is refused with InvalidArgument):

    `serving_default`: image -> probabilities float32 [B, K], label int32 [B].
    No call, thread or server start repeats the draws of another. A defence
    with a detector (MI-PL, MI-Combined) also gives score float32 [B],
    is_adversarial bool [B] and threshold float32 [B], the same in every row.
    `seeded`: image, seed int32 [B, 2], one seed per row -> the same.
    `undefended`: image -> logits float32 [B, K] of the classifier alone.
    `detect`: image -> score, is_adversarial, threshold.
    `encoded_images`: image_bytes string [B], JPEG or PNG files, resized to
    H x W where they differ -> as `serving_default`.
    `indices`: image and indices int32 [B, N] in [0, P), the pool rows to mix
    with (of MI-Combined pl_indices and ol_indices) -> as `serving_default`. A
    random mixing weight adds the input mix_weight float32 [B, N]
    (pl_mix_weight, ol_mix_weight). This graph has neither a random op nor a
    loop, and classifies all N draws in one pass.

    The folder also holds batching_params.pbtxt and, in assets.extra, a model
    card (Markdown and JSON), warm-up requests, and pool_labels.txt, the class
    of each pool row. Every variable is stored once. The version is reloaded
    and compared with the layer before the folder gets its name, so a server
    never sees a partial or a wrong version.

    Args:
        defence: a `keras_mixup.inference` layer, or a Keras classifier
            (images -> logits), which has `serving_default`, `undefended` and
            `encoded_images`.
        base_path: local folder of the model, `saved_models/<name>`.
        version: int >= 1, or None for one above the largest version there.
        signatures: names out of `SIGNATURES`, or None for all that apply.
        image_shape: (H, W, C), needed only for a classifier of open input
            shape.
        threshold: float in [-1, 1], the score above which MI-PL reports an
            attack, default 0.2; `choose_threshold` finds one on validation
            data. MI-Combined has its own.
        default_signature: name of the signature that is also stored as
            `serving_default`, instead of the one above.
        warmup: bool, whether to write warm-up requests. They need
            tensorflow-serving-api; without it there is a warning.
        card: dict of JSON values to add to the model card, such as the data
            set and the results of an evaluation; see `card.make_card`.
        allow_untrained: bool, whether to export a classifier whose biases are
            all zero, as before training.

    Returns:
        The path of the version folder, a str.

    Raises:
        ValueError: for an unbuilt or untrained classifier, an answer with NaN
            or infinity, an open image shape, an unknown signature, a
            threshold without a detector, or a version that is no integer.
        FileExistsError: when the version exists.
        OSError: when the folder cannot be written.
        RuntimeError: when the SavedModel cannot be reloaded, or disagrees
            with the layer in any output.
            After any error nothing new is left on disk.
    """
    _checks.check_path(base_path, "base_path")
    _checks.check_flag(warmup, "warmup")
    _checks.check_flag(allow_untrained, "allow_untrained")
    if version is not None:
        version = _checks.check_integer(version, "version", minimum=1)
    target = _make_target(defence, image_shape, threshold)
    _checks.check(
        allow_untrained or not looks_untrained(target.classifier),
        "defence",
        "around a trained classifier, one whose biases are not all zero",
        defence,
        "Train it, load its weights, or pass allow_untrained=True",
    )
    sources = _choose_sources(target, signatures, default_signature)
    name = os.path.basename(os.path.abspath(base_path))

    def write(folder):
        _check_answers(target)
        traced = {n: trace_signature(target, n) for n in {*sources.values()}}
        functions = {name: traced[source] for name, source in sources.items()}
        with _os_errors():
            _save(functions, folder)
        check_reloaded(target, sources, functions, folder)
        requests = {n: make_request(target, f, 1) for n, f in functions.items()}
        with _os_errors():
            write_extras(folder, target, requests, name, warmup, card or {})

    return write_version(base_path, version, write)


def _choose_sources(target, signatures, default_signature):
    """Returns dict, name on disk -> name in the table of signatures."""
    names = choose_signatures(target, signatures)
    sources = {name: name for name in names}
    if default_signature != "serving_default":
        offered = choose_signatures(target)
        _checks.check_choice(default_signature, "default_signature", offered)
        sources["serving_default"] = default_signature
    return sources


def _make_target(defence, image_shape, threshold):
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
    expected = "(height, width, channels), since the classifier leaves it open"
    _checks.check(shape, "image_shape", expected, image_shape)
    shape = _checks.check_image_shape(shape, "image_shape")
    defence = defence if is_defence else None
    threshold = _choose_threshold(defence, threshold)
    return ExportTarget(classifier, defence, shape, threshold)


def _choose_threshold(defence, threshold):
    """Returns the detector's threshold as a float, None without a detector."""
    if not hasattr(defence, "predict_with_score"):
        expected = "None for a defence without a detector"
        _checks.check(threshold is None, "threshold", expected, threshold)
        return None
    own = getattr(defence, "threshold", None)
    if threshold is None:
        return _DEFAULT_THRESHOLD if own is None else own
    # MI-Combined's answer turns on its own threshold.
    expected = f"None, or the defence's own, {own}"
    _checks.check(own in (None, threshold), "threshold", expected, threshold)
    return _checks.check_number(threshold, "threshold", -1.0, 1.0)


def _image_shape(classifier):
    # A subclassed model has no symbolic input whose shape could be read.
    shape = getattr(classifier, "input_shape", None)
    return shape[1:] if isinstance(shape, tuple) else ()


def _check_answers(target):
    """Runs the layer once, which builds it, and checks its logits."""
    shape = _TRIED, *target.image_shape
    images = tf.random.stateless_uniform(shape, (0, 0))
    _classifiers.check_logits(target.classifier(images, training=False))
    if target.defence is not None:
        seeds = tf.zeros((_TRIED, 2), tf.int32)
        answer = target.defence(images, seed=seeds)
        _classifiers.check_logits(answer, name="defence")


def _save(functions, folder):
    """Saves the functions and, once each, the variables they read."""
    root = tf.Module()
    # Keras' export archive stores a tracked layer's variables twice. Here the
    # functions determine the variables of the SavedModel.
    variables = [v for f in functions.values() for v in f.variables]
    root.variables_once = list({id(v): v for v in variables}.values())
    tf.saved_model.save(root, folder, signatures=functions)


@contextlib.contextmanager
def _os_errors():
    """Raises TensorFlow's errors of files as `OSError`."""
    try:
        yield
    except tf.errors.OpError as error:
        raise OSError(
            f"The SavedModel cannot be written: {error.message}"
        ) from error
