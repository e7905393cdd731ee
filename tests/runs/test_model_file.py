"""A .keras file that is no model: one line with file, fault and remedy."""

import io
import json
import zipfile

import keras
import pytest

from keras_mixup.runs import _model_file
from keras_mixup.runs import autoencoder
from keras_mixup.runs import source


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.keras"
    layers = [keras.Input((4, 4, 1)), keras.layers.Flatten()]
    keras.Sequential([*layers, keras.layers.Dense(3)]).save(path)
    return path.read_bytes()


def _flipped(content):
    changed = bytearray(content)
    changed[len(content) // 2] ^= 0x55
    return bytes(changed)


DAMAGES = {
    "cut": (lambda content: content[: len(content) // 2], "it is cut short"),
    "empty": (lambda content: b"", "it is cut short"),
    "text": (lambda content: b"no model", "it is cut short, or no .keras file"),
    "flipped": (_flipped, "its part .* is damaged"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "load", [_model_file.load_model, source.load_classifier, autoencoder.load]
)
def test_a_damaged_file_is_named_with_fault_and_remedy(
    content, tmp_path, damage, load
):
    act, fault = DAMAGES[damage]
    path = tmp_path / "m.keras"
    path.write_bytes(act(content))
    text = f"m.keras is no .* that can be loaded: {fault}.*Put a whole copy"
    with pytest.raises(ValueError, match=text) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_foreign_archive_is_one_line(tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "mine")
    with pytest.raises(ValueError, match="that can be loaded: .*Import the"):
        _model_file.load_model(path)


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        ("99.1.0", "Keras 99.1.0 saved it, which is newer than the installed"),
        ("2.0.0", "Import the modules with its own layers"),
        (None, "Import the modules with its own layers"),
    ],
)
def test_a_file_of_a_newer_keras_names_both_versions(
    content, tmp_path, saved, expected
):
    """What Keras 3.12 says of a setting that only Keras 3.15 knows."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = parts["config.json"].decode()
    parts["config.json"] = config.replace('"units":', '"unknown": 1, "units":')
    metadata = {} if saved is None else {"keras_version": saved}
    parts["metadata.json"] = json.dumps(metadata)
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    with pytest.raises(ValueError, match=expected) as caught:
        _model_file.load_model(path)
    assert "\n" not in str(caught.value)


def test_a_layer_of_its_own_is_one_line_with_the_remedy(tmp_path):
    @keras.saving.register_keras_serializable("somewhere_else")
    class Strange(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    path = tmp_path / "m.keras"
    keras.Sequential([keras.Input((3,)), Strange()]).save(path)
    registered = keras.saving.get_custom_objects()
    registered.pop("somewhere_else>Strange")
    with pytest.raises(ValueError, match="Strange.*Give --import=") as e:
        _model_file.load_model(path)
    assert "\n" not in str(e.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no classifier at .*m.keras"):
        _model_file.load_model(tmp_path / "m.keras", "classifier")
