"""What is read of a SavedModel without loading it."""

import os
import pathlib

import pytest
import tensorflow as tf

from keras_mixup.export import describe_saved_model


def test_reads_any_saved_model(tmp_path):
    root = tf.Module()
    root.scale = tf.Variable(tf.ones((1000,)))
    spec = tf.TensorSpec((None, 1000), tf.float32, name="x")
    double = tf.function(
        lambda x: {"y": x * root.scale},
        input_signature=[spec],
        jit_compile=False,
    )
    tf.saved_model.save(root, str(tmp_path), signatures={"double": double})
    info = describe_saved_model(tmp_path)
    inputs, outputs = info.signatures["double"]
    assert inputs == {"x": spec}
    assert outputs == {"y": tf.TensorSpec((None, 1000), tf.float32, "y")}
    # The initialisation that TensorFlow adds is no signature.
    assert list(info.signatures) == ["double"]
    on_disk = [
        os.path.getsize(tmp_path / folder / file)
        for folder, _, files in os.walk(tmp_path)
        for file in files
    ]
    assert info.size_bytes == sum(on_disk) > 4000


def test_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="saved_model.pb"):
        describe_saved_model(tmp_path)


@pytest.mark.parametrize("kept", [0, 0.5], ids=["empty", "half"])
def test_a_part_of_a_model_is_named(tmp_path, kept):
    tf.saved_model.save(tf.Module(), str(tmp_path))
    file = pathlib.Path(tmp_path, "saved_model.pb")
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ValueError, match="saved_model.pb is no SavedModel: "):
        describe_saved_model(tmp_path)
