"""Classifiers of the user's own: a SavedModel, or `package.module:Name`."""

import inspect
import pathlib

import keras
import numpy as np

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import _own_modules
from keras_mixup import models

_GRAPH = "saved_model.pb"


def is_own(path):
    """Whether a text names a SavedModel's folder or something in a module."""
    text = str(path)
    return _own_modules.is_path(text) or pathlib.Path(text, _GRAPH).is_file()


def load(path, spec=None):
    """Returns the classifier at a path for which `is_own` holds.

    Args:
        path: str or path.
        spec: `DatasetSpec` of the images, or None.

    Raises:
        ValueError: it is no classifier, or takes other images.
        ImportError: its module does not import.
    """
    shape = None if spec is None else spec.image_shape
    if _own_modules.is_path(str(path)):
        return find(str(path), "classifier", shape)
    try:
        return models.from_saved_model(path, shape)
    except OSError as error:
        expected = "the folder of a SavedModel that can be read"
        _checks.check(False, "classifier", expected, str(path), str(error))


def find(path, argument, image_shape=None):
    """Returns the model that `package.module:Name` stands for.

    A function or class without required arguments is called: it makes the
    model. Anything else is the model itself.

    Args:
        path: str.
        argument: str, the argument's name in errors.
        image_shape: (H, W, C) of the images, or None.

    Raises:
        ValueError: it cannot be called, or its image shape is not known.
        ImportError: its module does not import.
    """
    found = _own_modules.find(path, argument)
    expected = "a model, or a function that makes one"
    _checks.check(callable(found), argument, expected, path)
    if not isinstance(found, keras.layers.Layer) and _makes(found):
        found = _own_modules.call(found, argument, path)
        _checks.check(callable(found), argument, expected, path)
    shape = getattr(found, "input_shape", None)
    if isinstance(found, keras.layers.Layer) and isinstance(shape, tuple):
        return found
    expected = "a model whose image shape is known, or beside a `dataset`"
    _checks.check(image_shape is not None, argument, expected, path)
    return _own_modules.call(
        models.ForeignClassifier, argument, path, found, tuple(image_shape)
    )


def check_network(network, path, spec):
    """Refuses what a user's function made, unless it can be trained.

    Args:
        network: what it returned.
        path: str, its `package.module:Name`.
        spec: `DatasetSpec` of the images.

    Raises:
        ValueError: it is no Keras model, does not take the images, or has
            not one output for each class.
    """
    expected = "a function of (input_shape, num_classes) that returns a model"
    received = f"{path}, which returns {type(network).__name__}"
    okay = isinstance(network, keras.Model)
    _checks.check(okay, "model", f"{expected} of Keras", received)
    image = np.zeros((1, *spec.image_shape), np.float32)
    answer = _own_modules.call(network, "model", path, image, training=False)
    shape = getattr(answer, "shape", type(answer).__name__)
    expected = f"{expected} with outputs [batch, {spec.num_classes}]"
    received = f"{path}, whose outputs for one image are {shape}"
    okay = tuple(shape) == (1, spec.num_classes)
    _checks.check(okay, "model", expected, received)


def _makes(function):
    """Whether a callable takes no argument that must be given."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    fixed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return not any(
        p.default is p.empty and p.kind not in fixed for p in parameters
    )


def start_from(settings, spec):
    """Returns the trained classifier that a training run starts from.

    Raises:
        ValueError: it is no Keras model, or has other images or classes.
        FileNotFoundError: there is no such file.
    """
    from keras_mixup.runs import source

    given = settings.start_from
    in_folder = pathlib.Path(given).is_dir() and not is_own(given)
    found = pathlib.Path(given, _files.BEST_CLASSIFIER) if in_folder else given
    if not is_own(given) and not pathlib.Path(found).is_file():
        raise FileNotFoundError(
            f"`start_from`: there is no classifier at {found}. Expected a run "
            f"folder or a .keras file. Received: {given!r}"
        )
    path = source.classifier_path(found, None)
    with _checks.called({"classifier": "start_from"}):
        classifier = source.load_classifier(path, spec)
    okay = bool(classifier.trainable_weights)
    expected = "a Keras classifier with weights to train"
    _checks.check(okay, "start_from", expected, given)
    width = classifier.output_shape[-1]
    expected = f"a classifier of {spec.num_classes} classes, as {spec.name} has"
    _checks.check(width == spec.num_classes, "start_from", expected, width)
    return classifier
