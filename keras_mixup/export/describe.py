"""Signatures and size of a SavedModel on disk, without loading it."""

import os
import pathlib
from typing import NamedTuple

import tensorflow as tf
from google.protobuf import message as message_lib
from tensorflow.core.protobuf import saved_model_pb2

from keras_mixup import _checks
from keras_mixup import _types


class SavedModelInfo(NamedTuple):
    """Signatures and size of a SavedModel folder.

    Attributes:
        signatures: dict, signature name -> (inputs, outputs), each a dict of
            tensor name -> tf.TensorSpec.
        size_bytes: int, all files of the folder together.
        variable_bytes: int, the files of its variables.
        graph_bytes: dict, signature name -> size of its graph; functions that
            two signatures share count for both.
    """

    signatures: dict
    size_bytes: int
    variable_bytes: int
    graph_bytes: dict


def _specs(tensors):
    return {
        name: tf.TensorSpec(
            tf.TensorShape(info.tensor_shape), tf.as_dtype(info.dtype), name
        )
        for name, info in sorted(tensors.items())
    }


def describe_saved_model(path: _types.Path) -> SavedModelInfo:
    """Returns the `SavedModelInfo` of the SavedModel in folder `path`.

    Raises:
        FileNotFoundError: when the folder holds no saved_model.pb.
        ValueError: when that file is no SavedModel, or a part of one.
    """
    _checks.check_path(path, "path")
    graph = _read_graph(os.path.join(path, "saved_model.pb"))
    signatures, graph_bytes = {}, {}
    for name, definition in graph.signature_def.items():
        # TensorFlow adds one for its own initialisation.
        if not name.startswith("__saved_model"):
            specs = _specs(definition.inputs), _specs(definition.outputs)
            signatures[name] = specs
            graph_bytes[name] = _graph_bytes(graph.graph_def, definition)
    variables = _folder_bytes(os.path.join(path, "variables"))
    return SavedModelInfo(
        signatures, _folder_bytes(path), variables, graph_bytes
    )


def _read_graph(path):
    message = saved_model_pb2.SavedModel()
    with open(path, "rb") as file:
        content = file.read()
    try:
        message.ParseFromString(content)
    except message_lib.DecodeError as error:
        raise ValueError(f"{path} is no SavedModel: {error}") from error
    # An empty file is a valid message without a graph.
    if not message.meta_graphs:
        raise ValueError(f"{path} is no SavedModel: it holds no graph")
    return message.meta_graphs[0]


def _folder_bytes(path):
    files = (f for f in pathlib.Path(path).rglob("*") if f.is_file())
    return sum(file.stat().st_size for file in files)


def _graph_bytes(graph_def, definition):
    """Size of the functions that the outputs of a signature call."""
    library = {f.signature.name: f for f in graph_def.library.function}
    outputs = {info.name.split(":")[0] for info in definition.outputs.values()}
    found = {}
    waiting = [node for node in graph_def.node if node.name in outputs]
    while waiting:
        node = waiting.pop()
        called = [value.func.name for value in node.attr.values()]
        called += [f.name for v in node.attr.values() for f in v.list.func]
        for name in (node.op, *called):
            if name in library and name not in found:
                found[name] = library[name]
                waiting.extend(library[name].node_def)
    return sum(function.ByteSize() for function in found.values())
