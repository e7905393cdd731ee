"""The requests of docs/serving.md, against the signatures they name."""

import base64
import json
import pathlib
import re

import export_toys as toys
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import data
from keras_mixup import export
from keras_mixup import inference
from keras_mixup import models

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "serving.md"
TEXT = PAGE.read_text("utf-8")
SHELL = re.findall(r"```bash\n(.*?)```", TEXT, re.S)
PYTHON = re.findall(r"```py\n(.*?)```", TEXT, re.S)
FILE_AS_BASE64 = "'\"$(base64 -w0 digit.png)\"'"


def rest_bodies():
    content = tf.io.encode_png(np.zeros((3, 5, 1), "uint8")).numpy()
    text = base64.b64encode(content).decode()
    for block in SHELL:
        body = re.search(
            r"-d '(.*)'\n", block.replace(FILE_AS_BASE64, text), re.S
        )
        if body:
            yield json.loads(body[1])


def read_value(value):
    """A value of a request; TensorFlow Serving reads {"b64": ...} as bytes."""
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return value


def read_columns(body):
    """dict input name -> values, as the server makes them of either form."""
    if "inputs" in body:
        return body["inputs"]
    return {
        name: [read_value(row[name]) for row in body["instances"]]
        for name in body["instances"][0]
    }


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    """An export for the 2 x 2 pixels of the page's examples."""
    classifier = toys.keras.Sequential(
        [
            toys.keras.layers.Input((2, 2, 1)),
            toys.keras.layers.Flatten(),
            toys.keras.layers.Dense(3, bias_initializer="ones"),
        ]
    )
    images = np.zeros((3, 2, 2, 1), "uint8")
    defence = inference.MixupInferenceOL(
        classifier, inference.SamplePool(images, [0, 1, 2]), 0.6, 2
    )
    return export.export_saved_model(
        defence,
        tmp_path_factory.mktemp("toy"),
        signatures=("serving_default", "seeded", "encoded_images"),
        warmup=False,
    )


def test_rest_requests_fit_the_signatures_they_name(version):
    root = tf.saved_model.load(version)
    specs = export.describe_saved_model(version).signatures
    asked = []
    for body in rest_bodies():
        name = body.get("signature_name", "serving_default")
        inputs = {
            key: tf.constant(values, specs[name][0][key].dtype)
            for key, values in read_columns(body).items()
        }
        answer = root.signatures[name](**inputs)
        assert answer["probabilities"].shape == (1, 3)
        asked.append(name)
    assert asked == ["serving_default", "seeded", "seeded", "encoded_images"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The folder in which the page's Python runs."""
    folder = tmp_path_factory.mktemp("work")
    classifier = models.SmallConvNet((8, 8, 1), 10, width=2)
    classifier.layers[-1].bias.assign(np.arange(10) / 10.0)
    rows = data.load_arrays("digits", "train", num_examples=20)
    pool = inference.SamplePool(rows.images, rows.labels, dtype="float32")
    defence = inference.MixupInferenceOL(classifier, pool)
    export.export_saved_model(
        defence,
        folder / "saved_models" / "digits",
        signatures=("serving_default", "indices"),
        warmup=False,
    )
    return folder


def test_rows_chosen_by_the_client_are_taken(digits, monkeypatch):
    monkeypatch.chdir(digits)
    found = {}
    exec(PYTHON[1], found)
    rows = np.array(found["rows"], "int32")
    assert rows.shape == (30,)
    assert 3 not in found["labels"][rows]
    root = tf.saved_model.load("saved_models/digits/1")
    answer = root.signatures["indices"](
        image=tf.zeros((1, 8, 8, 1)), indices=tf.constant(rows[None])
    )
    assert answer["probabilities"].shape == (1, 10)


def test_grpc_client_gets_an_answer(digits):
    pytest.importorskip("grpc")
    pytest.importorskip("tensorflow_serving")
    from benchmarks import serving_server

    model = serving_server.ServedModel(digits / "saved_models" / "digits")
    server, port = serving_server.start(model)
    found = {}
    try:
        exec(PYTHON[0].replace("localhost:8500", f"127.0.0.1:{port}"), found)
        received = tf.make_ndarray(found["answer"].outputs["probabilities"])
        found["channel"].close()
    finally:
        server.stop(None)
    assert received.shape == (1, 10)
    np.testing.assert_allclose(received.sum(), 1.0, rtol=1e-5)


def test_the_page_names_what_an_export_holds():
    for name in ("pool_labels.txt", "tf_serving_warmup_requests"):
        assert name in TEXT
    for name in re.findall(r'signature_name(?:": | = )"(\w+)"', TEXT):
        assert name in export.SIGNATURES
