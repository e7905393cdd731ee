"""Signatures in LiteRT, with built-in operations alone, against the layers."""

import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import data
from keras_mixup import export
from keras_mixup import inference
from keras_mixup import models

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated"),
]
DEFENCES = {
    "MI-OL": inference.MixupInferenceOL,
    "MI-PL": inference.MixupInferencePL,
}
PAGE = pathlib.Path(__file__).parents[2] / "docs" / "serving.md"


def converted(root, name):
    """A signature of a SavedModel as a callable of LiteRT's interpreter."""
    signature = root.signatures[name]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [signature], root
    )
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    return interpreter.get_signature_runner()


@pytest.mark.parametrize("kind", DEFENCES.values(), ids=DEFENCES)
def test_answers_are_those_of_the_layers(kind, tmp_path):
    few = data.load_arrays("digits", "test", num_examples=40)
    classifier = models.SmallConvNet((8, 8, 1), 10, width=4)
    # As if it were trained.
    classifier.layers[-1].bias.assign([0.1] * 10)
    pool = inference.SamplePool(few.images, few.labels, dtype="float32")
    defence = kind(classifier, pool, num_draws=3)
    export.export_saved_model(defence, tmp_path / "m", warmup=False)
    (version,) = (tmp_path / "m").iterdir()
    root = tf.saved_model.load(str(version))
    for count in (1, 5):
        images = few.images[:count].astype("float32")
        undefended = converted(root, "undefended")(image=images)["logits"]
        expected = classifier(images, training=False)
        np.testing.assert_allclose(undefended, expected, atol=1e-5)
        rows = np.random.default_rng(0).integers(0, 40, (count, 3))
        given = {"image": images, "indices": rows.astype("int32")}
        found = converted(root, "indices")(**given)
        served = root.signatures["indices"](**map_to_tensors(given))
        assert found.keys() == served.keys()
        for name, answer in served.items():
            np.testing.assert_allclose(found[name], answer, atol=1e-5)
    with pytest.raises(Exception, match="StatelessRandom"):
        converted(root, "seeded")


def map_to_tensors(arrays):
    return {name: tf.constant(value) for name, value in arrays.items()}


def test_the_code_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    classifier = models.SmallConvNet((8, 8, 1), 10, width=4)
    classifier.layers[-1].bias.assign([0.1] * 10)
    few = data.load_arrays("digits", "test", num_examples=40)
    pool = inference.SamplePool(few.images, few.labels, dtype="float32")
    defence = inference.MixupInferenceOL(classifier, pool, num_draws=30)
    export.export_saved_model(defence, "saved_models/digits", warmup=False)
    blocks = re.findall(r"```py\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    (block,) = (b for b in blocks if "tf.lite" in b)
    found = {}
    exec(block, found)
    assert found["answer"]["probabilities"].shape == (1, 10)
    assert pathlib.Path("digits.tflite").stat().st_size > 10_000
