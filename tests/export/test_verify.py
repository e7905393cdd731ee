"""The check of an export on disk, on good and on broken ones."""

import export_toys as toys
import pytest
import tensorflow as tf

from keras_mixup import export


def save(path, function):
    """Writes a SavedModel with one signature, `broken`."""
    spec = tf.TensorSpec((None, 2), tf.float32, "image")
    function = tf.function(
        function, input_signature=[spec], jit_compile=False
    ).get_concrete_function()
    tf.saved_model.save(tf.Module(), str(path), signatures={"broken": function})


def test_a_good_export_passes_with_time_and_size(tmp_path):
    path = export.export_saved_model(toys.DEFENCES["pl"](), tmp_path)
    found = export.verify_saved_model(path)
    info = export.describe_saved_model(path)
    assert [check.name for check in found] == sorted(info.signatures)
    for check in found:
        assert check.graph_bytes == info.graph_bytes[check.name] > 1000
        assert set(check.milliseconds) == {0, 1, 16}
        assert all(0 < ms < 60e3 for ms in check.milliseconds.values())


def checked(image):
    inside = tf.reduce_all(tf.math.is_finite(image))
    with tf.control_dependencies([tf.debugging.Assert(inside, ["no"])]):
        return tf.identity(image)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda image: {"y": image}, "broken answers an image that holds NaN"),
        (
            lambda image: {"y": tf.reduce_sum(checked(image), 0)},
            "answers 0 rows with y of",
        ),
        (
            lambda image: {"y": checked(image) / 0.0},
            "answers with NaN or infinity in y",
        ),
        (
            lambda image: {
                "probabilities": checked(image),
                "label": tf.zeros_like(image[:, 0], tf.int32),
            },
            "probabilities do not sum to one",
        ),
        (
            lambda image: {
                "probabilities": tf.nn.softmax(checked(image)),
                "label": tf.fill(tf.shape(image)[:1], 2),
            },
            "a label is no class",
        ),
        (
            lambda image: {"y": tf.reshape(checked(image), [-1, 3])},
            "broken fails",
        ),
    ],
)
def test_a_broken_signature_is_named(tmp_path, function, text):
    save(tmp_path, function)
    with pytest.raises(RuntimeError, match=text):
        export.verify_saved_model(str(tmp_path))


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="saved_model.pb"):
        export.verify_saved_model(str(tmp_path))


def test_lost_variables_are_one_clear_error(tmp_path):
    path = export.export_saved_model(toys.classifier(), tmp_path, warmup=False)
    index = tmp_path / "1" / "variables" / "variables.index"
    index.unlink()
    with pytest.raises(RuntimeError, match="cannot be loaded"):
        export.verify_saved_model(path)
