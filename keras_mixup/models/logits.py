"""From a model of probabilities to the model of its logits."""

import keras

from keras_mixup import _checks
from keras_mixup import _classifiers


def to_logits(model: keras.Model) -> keras.Model:
    """Returns the model without its final softmax or sigmoid.

    All layers but the last are shared with `model`. The last one is copied
    with its weights if it computes more than the activation, as a `Dense`
    does. A single sigmoid output, of the logit z, becomes the two logits
    (0, z), whose softmax is (1 - p, p).

    Args:
        model: built functional or sequential `keras.Model` with one input
            and one output, which ends in a softmax or a sigmoid, or in a
            model that does.

    Raises:
        ValueError: for another model.
    """
    inputs = getattr(model, "inputs", None) or ()
    okay = len(inputs) == 1 and len(model.outputs) == 1
    expected = "a built functional or sequential model, one input, one output"
    _checks.check(okay, "model", expected, getattr(model, "name", model))
    last = _classifiers.last_layer(model)
    expected = "a model that ends in a softmax or a sigmoid layer"
    okay = isinstance(last, keras.layers.Layer) and _classifiers.squashes(last)
    _checks.check(okay, "model", expected, last.name)
    logits = _without_activation(model)
    if logits.output_shape[-1] > 1:
        return logits
    pair = keras.ops.pad(logits.outputs[0], ((0, 0), (1, 0)))
    return keras.Model(logits.inputs[0], pair, name=model.name)


def _without_activation(model):
    last = model.layers[-1]
    if hasattr(last, "layers"):
        head = _without_activation(last)
    elif not last.weights:
        head = keras.layers.Activation(
            "linear", dtype=last.dtype_policy, name=last.name
        )
    else:
        head = type(last).from_config(
            {**last.get_config(), "activation": "linear"}
        )

    def call(layer, *args, **options):
        # Softmax takes a mask, which the layer in its place does not.
        return layer(*args, **({} if layer is head else options))

    sequential = isinstance(model, keras.Sequential)
    found = keras.models.clone_model(
        model,
        clone_function=lambda layer: head if layer is last else layer,
        call_function=None if sequential else call,
    )
    if last.weights and not hasattr(last, "layers"):
        head.set_weights(last.get_weights())
    return found
