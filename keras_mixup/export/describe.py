"""What a SavedModel on disk offers, read without loading it."""

import os
from typing import NamedTuple

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2


class SavedModelInfo(NamedTuple):
    """Signatures and size of a SavedModel folder.

    Attributes:
        signatures: dict, signature name -> (inputs, outputs), each a dict of
            tensor name -> tf.TensorSpec.
        size_bytes: int, all files of the folder together.
    """

    signatures: dict
    size_bytes: int


def _specs(tensors):
    return {
        name: tf.TensorSpec(
            tf.TensorShape(info.tensor_shape), tf.as_dtype(info.dtype), name
        )
        for name, info in sorted(tensors.items())
    }


def describe_saved_model(path):
    """Returns the `SavedModelInfo` of the SavedModel in folder `path`.

    Raises:
        FileNotFoundError: when the folder holds no saved_model.pb.
    """
    message = saved_model_pb2.SavedModel()
    with open(os.path.join(path, "saved_model.pb"), "rb") as file:
        message.ParseFromString(file.read())
    signatures = {
        name: (_specs(definition.inputs), _specs(definition.outputs))
        for name, definition in message.meta_graphs[0].signature_def.items()
        # TensorFlow adds this one for its own initialisation.
        if not name.startswith("__saved_model")
    }
    sizes = (
        os.path.getsize(os.path.join(folder, file))
        for folder, _, files in os.walk(path)
        for file in files
    )
    return SavedModelInfo(signatures, sum(sizes))
