"""Averages of the weights over training: EMA and SWA."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _config
from keras_mixup import _inputs
from keras_mixup import _tensors
from keras_mixup import data


@keras.saving.register_keras_serializable("keras_mixup")
class EMA(_config.Configurable):
    """Exponential moving average of the weights, after every step.

    average <- d average + (1 - d) weights with d = min(decay, (1 + t) / (10 +
    t)), where t steps came before (Rebuffi et al., "Data Augmentation Can
    Improve Robustness", 2021, section 4.1 with decay 0.995; the growing d is
    that of the code of Gowal et al., 2020). The statistics of
    BatchNormalization are those of training, as in PyTorch ports of it.

    Args:
        decay: float in [0, 1).

    Raises:
        ValueError: when `decay` is out of its range.
    """

    def __init__(self, decay: float = 0.995) -> None:
        self.decay = _checks.check_number(decay, "decay", 0.0, 1.0)
        _checks.check(self.decay < 1.0, "decay", "below 1", decay)

    def share(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the weights' part of the average, a float32 scalar.

        Args:
            step: int64 scalar, the finished steps, this one included.
        """
        before = tf.cast(step - 1, tf.float32)
        return 1.0 - tf.minimum(self.decay, (1.0 + before) / (10.0 + before))

    def estimates(self, step: tf.Tensor) -> bool:
        """Returns False: the statistics are those of training."""
        del step
        return False

    def check(self, model: keras.Model, images: Any) -> None:
        """Accepts any model."""


@keras.saving.register_keras_serializable("keras_mixup")
class SWA(_config.Configurable):
    """Stochastic weight averaging: the mean of every so many steps' weights.

    average <- (n average + weights) / (n + 1) at every `every`-th step after
    `start`, n = 1, 2, ..., from the weights at `start` on (Izmailov et al.,
    "Averaging Weights Leads to Wider Optima and Better Generalization", 2018,
    Algorithm 1). Before, it is the weights themselves. The statistics of
    BatchNormalization are then those of the averaged network on training
    images: `model.batch_norm_images` where set, otherwise the array that `fit`
    is given, without what `validation_split` holds out.

    Args:
        start: int >= 0, the step whose weights are the first average.
        every: int >= 1, steps from one averaged network to the next, the
            paper's c. The paper has one epoch.

    Raises:
        ValueError: when an argument is out of its range.
    """

    def __init__(self, start: int, every: int = 1) -> None:
        self.start = _checks.check_integer(start, "start", minimum=0)
        self.every = _checks.check_integer(every, "every")

    def share(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the weights' part of the average; as `EMA.share`."""
        since = tf.cast(step, tf.int64) - self.start
        number, rest = since // self.every, since % self.every
        due = 1.0 / tf.cast(number + 1, tf.float32)
        later = tf.where(tf.equal(rest, 0), due, tf.zeros_like(due))
        return tf.where(since <= 0, tf.ones_like(later), later)

    def estimates(self, step: tf.Tensor) -> bool:
        """Returns whether the average is another network than training's."""
        return int(step.numpy()) > self.start

    def check(self, model: keras.Model, images: Any) -> None:
        """Raises `ValueError` where statistics cannot be estimated."""
        if not batch_norms(model):
            return
        expected = "training images [n, H, W, C], for SWA with "
        expected += "BatchNormalization"
        received = None if images is None else f"shape {np.shape(images)}"
        hint = "Set model.batch_norm_images = images before `fit`"
        okay = images is not None and len(np.shape(images)) == 4
        _checks.check(okay, "batch_norm_images", expected, received, hint)


KINDS = (EMA, SWA)


class Averages(keras.layers.Layer):
    """The averaged weights of a model, and which weights the model has.

    It holds a value for each weight of the model. `swap` exchanges them, so
    that either set is in the model and the other one here. It is empty until
    `make`. A layer, so that a model saves it.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.kept, self.exchanged = None, None
        self.built = True  # It has no input that could build it.

    def make(self, model):
        """Makes the variables, once. Args: model: a built `keras.Model`."""
        if self.exchanged is not None:
            return
        options = {"initializer": "zeros", "trainable": False}
        self.kept = [
            self.add_weight(
                name=f"average_{number}",
                shape=weight.shape,
                dtype=weight.dtype,
                **options,
            )
            for number, weight in enumerate(model.weights)
        ]
        self.exchanged = self.add_weight(
            name="exchanged", shape=(), dtype="int32", **options
        )
        self.start(model)

    @property
    def shown(self):
        """bool: whether the model has the averages."""
        return self.exchanged is not None and bool(self.exchanged.numpy())

    def start(self, model):
        """Begins anew with the weights that the model has."""
        if self.exchanged is None:
            return
        self.exchanged.assign(0)
        for kept, weight in self._pairs(model):
            kept.assign(weight)

    def update(self, model, share):
        """Averages what is trained and copies the rest; on one replica."""
        trained = {id(weight) for weight in model.trainable_weights}
        for kept, weight in zip(self.kept, model.weights, strict=True):
            value = tf.convert_to_tensor(weight.value)
            if id(weight) in trained:
                part = tf.cast(share, value.dtype)
                value = (1.0 - part) * kept.value + part * value
            kept.assign(value)

    def swap(self, model):
        """Exchanges the model's weights and those kept here."""
        for kept, weight in self._pairs(model):
            value = kept.numpy()
            kept.assign(weight)
            weight.assign(value)
        self.exchanged.assign(1 - self.exchanged.numpy())

    def _pairs(self, model):
        for kept, weight in zip(self.kept, model.weights, strict=True):
            yield from zip(_parts(kept), _parts(weight), strict=True)


def _parts(variable):
    # Replicas have statistics of their own: each variable by itself.
    return getattr(variable.value, "values", (variable.value,))


def batch_norms(model):
    """Returns the BatchNormalization layers of a model, a list."""
    kind = keras.layers.BatchNormalization
    layers = model._flatten_layers(include_self=True, recursive=True)
    return [layer for layer in layers if isinstance(layer, kind)]


def estimate_batch_norm(
    model: keras.Model, images: _tensors.ArrayLike, batch_size: int = 256
) -> None:
    """Gives BatchNormalization the statistics of these images.

    Means and variances of the batches are averaged, each by its size
    (Izmailov et al., 2018, section 3.2). Nothing else in the model changes.

    Args:
        model: `keras.Model`.
        images: uint8 or float [n, H, W, C].
        batch_size: int >= 1.

    Raises:
        ValueError: for another model, images or number.
    """
    _checks.check_instance(model, "model", keras.Model, "a keras.Model")
    _checks.check_integer(batch_size, "batch_size")
    layers = batch_norms(model)
    expected = "uint8 or float images [n, H, W, C]"
    images = _inputs.read_array(images, "images", expected)
    okay = images.ndim == 4 and len(images) > 0
    _checks.check(okay, "images", expected, f"shape {images.shape}")
    if not layers:
        return
    own = {id(v) for layer in layers for v in layer.non_trainable_variables}
    others = [v for v in model.non_trainable_variables if id(v) not in own]
    before = [v.numpy() for v in others]
    momenta = [layer.momentum for layer in layers]
    for first in range(0, len(images), batch_size):
        part = data.as_float(images[first : first + batch_size])
        for layer in layers:
            layer.momentum = first / (first + len(part))
        model(part, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    for variable, value in zip(others, before, strict=True):
        variable.assign(value)
