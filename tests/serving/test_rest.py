"""The REST stand-in, with the page's requests, and the files to deploy."""

import base64
import json
import pathlib
import re
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import data
from keras_mixup import export
from keras_mixup import inference
from keras_mixup import models

pytest.importorskip("grpc")
pytest.importorskip("tensorflow_serving")
from benchmarks import serving_rest
from benchmarks import serving_server

DOCS = pathlib.Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "serving.md").read_text("utf-8")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(address, root): the REST server of a digits export, and the export."""
    folder = tmp_path_factory.mktemp("models") / "digits"
    classifier = models.SmallConvNet((8, 8, 1), 10, width=2)
    classifier.layers[-1].bias.assign(np.arange(10) / 10.0)
    rows = data.load_arrays("digits", "train", num_examples=20)
    pool = inference.SamplePool(rows.images, rows.labels, dtype="float32")
    defence = inference.MixupInferenceOL(classifier, pool, num_draws=3)
    export.export_saved_model(defence, folder, warmup=False)
    model = serving_server.ServedModel(folder)
    server = serving_rest.start(model)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder / "1"
    server.shutdown()
    server.server_close()
    thread.join()


def ask(url, body=None):
    """(status, answer) of a request."""
    content = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(url, content, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def bodies():
    """The page's requests, with an image of the digits' own shape."""
    image = json.dumps(np.full((8, 8, 1), 0.5).tolist())
    png = tf.io.encode_png(np.zeros((8, 8, 1), "uint8")).numpy()
    small = "[[[0.0], [0.5]], [[1.0], [0.25]]]"
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.S):
        block = block.replace(small, image).replace(
            "'\"$(base64 -w0 digit.png)\"'", base64.b64encode(png).decode()
        )
        found = re.search(r"localhost:8501(\S+) -d '(.*)'\n", block, re.S)
        if found:
            yield found[1], json.loads(found[2])


def test_every_request_of_the_page_is_answered(served):
    address, folder = served
    root = tf.saved_model.load(str(folder))
    asked = []
    for path, body in bodies():
        status, told = ask(address + path, body)
        assert status == 200, told
        name = body.get("signature_name", "serving_default")
        if "inputs" in body:
            given = {
                "image": tf.constant(body["inputs"]["image"], tf.float32),
                "seed": tf.constant(body["inputs"]["seed"]),
            }
            expected = root.signatures[name](**given)["probabilities"]
            found = told["outputs"]["probabilities"]
            np.testing.assert_allclose(found, expected, atol=1e-5)
        else:
            (row,) = told["predictions"]
            assert len(row["probabilities"]) == 10 and "label" in row
        asked.append(name)
    assert asked == ["serving_default", "seeded", "seeded", "encoded_images"]


def test_a_single_output_loses_its_name_and_the_status_is_told(served):
    address, _ = served
    model = f"{address}/v1/models/digits"
    rows = [{"image": np.zeros((8, 8, 1)).tolist()}] * 2
    body = {"signature_name": "undefended", "instances": rows}
    _, told = ask(f"{model}:predict", body)
    assert np.shape(told["predictions"]) == (2, 10)
    _, told = ask(model)
    assert told["model_version_status"][0]["state"] == "AVAILABLE"
    _, told = ask(f"{model}/metadata")
    assert "seeded" in json.dumps(told)


def test_bad_requests_are_refused_with_a_status(served):
    address, _ = served
    model = f"{address}/v1/models/digits"
    image = np.full((8, 8, 1), 2.0).tolist()
    for url, body, status, text in [
        (f"{model}:predict", {"instances": [{"image": image}]}, 400, "0, 1"),
        (f"{model}:predict", {"instances": [{"picture": 1}]}, 400, "picture"),
        (f"{model}:predict", {}, 400, "instances"),
        (f"{address}/v1/models/cats", None, 404, "cats"),
        (f"{model}/versions/7", None, 404, "7"),
    ]:
        found, told = ask(url, body)
        assert found == status and text in told["error"], told


def test_the_files_to_deploy_are_read_by_the_server_and_agree():
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    yaml = pytest.importorskip("yaml")
    folder = DOCS / "deploy"
    models_config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse((folder / "models.config").read_text(), models_config)
    (config,) = models_config.model_config_list.config
    assert dict(config.version_labels) == {"stable": 1, "canary": 2}
    monitoring = (folder / "monitoring.config").read_text()
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    parts = list(yaml.safe_load_all((folder / "kubernetes.yaml").read_text()))
    (container,) = parts[0]["spec"]["template"]["spec"]["containers"]
    service = compose["services"]["digits"]
    assert container["image"] == service["image"]
    assert re.fullmatch(r"tensorflow/serving:\d+\.\d+\.\d+", service["image"])
    assert container["args"] == service["command"]
    (path,) = re.findall(r'path: "(.*?)"', monitoring)
    notes = parts[0]["spec"]["template"]["metadata"]["annotations"]
    assert notes["prometheus.io/path"] == path and path in PAGE
