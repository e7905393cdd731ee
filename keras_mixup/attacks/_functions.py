"""Models as plain callables that last, so that no call retraces."""

import functools
import inspect
import weakref

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _classifiers

# One callable per model (and method), so that no call retraces.
_FUNCTIONS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def as_function(model_fn):
    """Returns a plain callable from images to logits, one per model.

    A Keras layer or model is called with `training=False`, so that BatchNorm
    and Dropout are those of inference. Python makes a bound method anew at
    each access, and `tf.function` traces once per object: it gets one lasting
    callable. Other callables come back as they are.

    Raises:
        ValueError: when `model_fn` cannot be called.
    """
    expected = "a callable from images to logits"
    _checks.check(callable(model_fn), "model_fn", expected, model_fn)
    if isinstance(model_fn, keras.layers.Layer):
        return _lasting(model_fn, lambda owner, x: owner(x, training=False))
    if inspect.ismethod(model_fn):
        method = model_fn.__func__
        return _lasting(model_fn.__self__, method, key=method)
    return model_fn


def told(function):
    """Returns a callable whose traces know the shape of the logits.

    Where a trace does not tell the number of classes, as that of a
    `tf.py_function`, one image is asked for it. The callable lasts as long as
    `function`, which the caller keeps.
    """
    if isinstance(function, functools.partial):  # Nobody else keeps it.
        return functools.partial(_with_shape, function)
    return _lasting(function, _with_shape, key="told")


def _lasting(owner, call, key=None):
    try:
        functions = _FUNCTIONS.setdefault(owner, {})
    except TypeError:  # No hash or no weak reference: it is traced again.
        return functools.partial(call, owner)
    if key not in functions:
        # A strong reference would keep the model alive for ever.
        reference = weakref.ref(owner)
        functions[key] = lambda x: call(reference(), x)
    return functions[key]


def _with_shape(function, images):
    logits = function(images)
    if tf.executing_eagerly() or not tf.is_tensor(logits):
        return logits
    shape, rows = logits.shape, tf.TensorShape(images.shape[:1])
    if not shape[1:].is_fully_defined():
        with tf.init_scope():
            one = tf.zeros([1, *images.shape[1:]], images.dtype)
            shape = tf.convert_to_tensor(function(one)).shape
    if shape.rank and logits.shape[:1].is_compatible_with(rows):
        logits = tf.identity(logits)
        logits.set_shape(rows.concatenate(shape[1:]))
    return logits


def build(model_fn, images):
    """Makes the variables of an unbuilt model here: a trace cannot."""
    layer = getattr(model_fn, "model_fn", model_fn)
    _classifiers.check_model(layer, "model_fn")
    if isinstance(layer, keras.layers.Layer) and not layer.built:
        layer(images[:1], training=False)
