"""Cuts a classifier in two at a stage, for mixing in the middle."""

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import models

INPUT = "input"


def stage_names(classifier):
    """Returns the hidden stages of a classifier, in order.

    Args:
        classifier: `keras.Model`.

    Returns:
        A tuple of the names of its layers `stage_1`, `stage_2`, ...; empty
        for a model without such layers or without a graph of layers.
    """
    return models.stages(classifier) if _has_graph(classifier) else ()


def split_at_stage(classifier, stage):
    """Cuts a classifier in two: decode(encode(x)) is classifier(x).

    Both halves share the classifier's weights, and every layer runs in one
    of them, so that one pass through both moves the averages of each
    BatchNormalization once.

    Args:
        classifier: functional or built sequential `keras.Model` with one
            input and one output.
        stage: the name of the layer behind which to cut, such as
            `"stage_2"`, or `"input"`: nothing is then encoded.

    Returns:
        (encode, decode): plain functions `encode(images, training=False)`,
        images [B, H, W, C] to float32 features [B, ...], and
        `decode(features, training=False)`, features to logits. Functions,
        not models, so that a model may keep them as attributes without
        counting the weights twice.

    Raises:
        ValueError: for another kind of classifier, a stage that it does not
            have, or one that a skip connection bridges.
    """
    if stage == INPUT:
        return (
            lambda images, training=False: images,
            lambda images, training=False: classifier(
                images, training=training
            ),
        )
    _check_splittable(classifier, stage)
    inputs, layers, outputs = trace_layers(classifier)
    hidden = layers.get(stage, inputs)
    expected = "a layer between the input and the logits"
    between = isinstance(hidden, keras.KerasTensor) and not any(
        hidden is end for end in (inputs, outputs)
    )
    _checks.check(between, "stage", expected, stage)
    first = keras.Model(inputs, hidden)
    try:
        second = keras.Model(hidden, outputs)
    except ValueError as error:
        raise ValueError(
            "`stage` must be a layer whose output alone feeds the rest of "
            f"the classifier. Received: stage={stage!r}, which a skip "
            "connection bridges."
        ) from error

    def encode(images, training=False):
        # float32, for a mix of bfloat16 features would round lambda.
        return tf.cast(first(images, training=training), tf.float32)

    def decode(features, training=False):
        return second(features, training=training)

    return encode, decode


def _has_graph(classifier):
    model = isinstance(classifier, keras.Model)
    # A subclassed model has layers and no symbolic tensors between them.
    tensors = getattr(classifier, "inputs", None) if model else None
    return bool(tensors) and len(tensors) == len(classifier.outputs) == 1


def _check_splittable(classifier, stage):
    _checks.check(
        _has_graph(classifier),
        "classifier",
        f"a functional keras.Model to be cut at stage {stage!r}",
        type(classifier).__name__,
    )
    names = [layer.name for layer in classifier.layers]
    listed = ", ".join(stage_names(classifier)) or "none"
    _checks.check(
        stage in names,
        "stage",
        f'"{INPUT}" or the name of a stage of the classifier',
        stage,
        f"Its stages: {listed}",
    )


def trace_layers(classifier):
    """Calls every layer of a classifier once more, symbolically.

    A layer may belong to more graphs than the classifier's own, as those of
    a loaded sequential model do. It does not tell which of its outputs is
    the classifier's. Calling all layers again settles it.

    Args:
        classifier: functional or built sequential `keras.Model` with one
            input and one output.

    Returns:
        (inputs, outputs by layer name, logits), symbolic tensors.
    """
    found = {}

    def call(layer, *args, **kwargs):
        found[layer.name] = layer(*args, **kwargs)
        return found[layer.name]

    if isinstance(classifier, keras.Sequential):
        inputs = x = keras.Input(
            batch_shape=classifier.inputs[0].shape,
            dtype=classifier.inputs[0].dtype,
        )
        for layer in classifier.layers:
            x = call(layer, x)
        return inputs, found, x
    trace = keras.models.clone_model(
        classifier, clone_function=lambda layer: layer, call_function=call
    )
    return trace.inputs[0], found, trace.outputs[0]
