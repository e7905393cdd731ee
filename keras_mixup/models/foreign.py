"""Classifiers that are no Keras models, as Keras models."""

import hashlib
import pathlib
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types

_USABLE = (
    "a SavedModel with a signature of one float32 input [B, H, W, C] and one "
    'output, or one called "logits"'
)
_FIRST = "serving_default"


class ForeignClassifier(keras.Model):
    """A callable from images to logits, as a Keras model without weights.

    Gradients go through the callable where it is made of TensorFlow
    operations or has `tf.custom_gradient`.

    Args:
        function: callable, float32 [B, H, W, C] to float32 [B, classes].
        image_shape: (H, W, C).
        identity: str that tells the callable from another one; None takes a
            digest of its answers to a few fixed images.
        name: str or None.

    Raises:
        ValueError: for something that cannot be called.

    Example:

    >>> weights = tf.random.normal((12, 10))
    >>> model = ForeignClassifier(
    ...     lambda images: tf.reshape(images, (-1, 12)) @ weights, (2, 2, 3))
    >>> model(tf.zeros((5, 2, 2, 3))).shape
    TensorShape([5, 10])
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        image_shape: Sequence[int],
        identity: str | None = None,
        name: str | None = None,
    ) -> None:
        _checks.check(callable(function), "function", "callable", function)
        image_shape = _checks.check_image_shape(image_shape, "image_shape")
        super().__init__(name=name, trainable=False)
        self.function = function
        self.image_shape = image_shape
        self.identity = identity or _answers(function, image_shape)
        self.built = True

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """tuple: (None, H, W, C)."""
        return (None, *self.image_shape)

    def call(
        self, images: _tensors.Array, training: bool | None = None
    ) -> tf.Tensor:
        """Returns the callable's answer; `training` changes nothing."""
        return self.function(images)

    def get_config(self) -> dict[str, Any]:
        """Returns what tells the model from another one.

        The callable itself cannot be stored in a .keras file.
        """
        return {"image_shape": self.image_shape, "identity": self.identity}


def from_saved_model(
    path: _types.Path, image_shape: Sequence[int] | None = None
) -> ForeignClassifier:
    """Returns the classifier in a SavedModel as a Keras model.

    It takes the signature "serving_default", or the first other one that has
    one image input and one output or an output "logits". A SavedModel without
    such a signature must itself be callable on images.

    Args:
        path: str or path of the folder that holds saved_model.pb.
        image_shape: (H, W, C), needed where the signature leaves it open.

    Returns:
        `ForeignClassifier`; gradients go through it.

    Raises:
        ValueError: no signature is usable, or another image shape.
        OSError: it cannot be read.
    """
    loaded = tf.saved_model.load(str(_checks.check_path(path, "path")))
    names = sorted(loaded.signatures, key=lambda name: name != _FIRST)
    usable = [n for n in names if _output(loaded.signatures[n])]
    if usable:
        signature = loaded.signatures[usable[0]]
        key, spec = next(iter(signature.structured_input_signature[1].items()))
        shape, output = tuple(spec.shape[1:]), _output(signature)

        def function(images):
            return signature(**{key: images})[output]

    else:
        okay, shape = callable(loaded), (None, None, None)
        shown = ", ".join(map(_described, loaded.signatures.items())) or "none"
        received = f"{path} with the signatures {shown}"
        _checks.check(okay, "classifier", _USABLE, received)
        function = loaded
    if image_shape is None:
        expected = "(height, width, channels), since the model leaves it open"
        known = None not in shape
        _checks.check(known, "image_shape", expected, image_shape)
        image_shape = shape
    fits = all(a in (None, b) for a, b in zip(shape, image_shape, strict=True))
    expected = f"a model of {tuple(image_shape)} images"
    _checks.check(fits, "classifier", expected, f"{path} of {shape} images")
    model = ForeignClassifier(function, tuple(image_shape), _digest(path))
    # The functions know the variables, but do not keep them alive.
    model.loaded = loaded
    return model


def _output(signature):
    """Returns the name of a signature's logits, or None if it has none."""
    inputs = list(signature.structured_input_signature[1].values())
    outputs = signature.structured_outputs
    image = len(inputs) == 1 and inputs[0].dtype == tf.float32
    if not image or inputs[0].shape.rank != 4 or not isinstance(outputs, dict):
        return None
    if "logits" in outputs:
        return "logits"
    return next(iter(outputs)) if len(outputs) == 1 else None


def _described(item):
    name, signature = item
    inputs = ", ".join(signature.structured_input_signature[1])
    return f"{name}: {inputs} -> {', '.join(signature.structured_outputs)}"


def _answers(function, image_shape):
    """Returns a digest of a callable's answers to a few fixed images."""
    random = np.random.default_rng(0)
    images = random.uniform(size=(3, *image_shape)).astype(np.float32)
    found = np.asarray(function(tf.constant(images)), np.float64)
    return hashlib.sha256(np.round(found, 3).tobytes()).hexdigest()


def _digest(path):
    """Returns the sha256 of a SavedModel's graph and variables."""
    digest, path = hashlib.sha256(), pathlib.Path(path)
    variables = sorted((path / "variables").glob("variables.*"))
    for file in [path / "saved_model.pb", *variables]:
        digest.update(file.read_bytes())
    return digest.hexdigest()
