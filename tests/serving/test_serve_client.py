"""examples/serve_client.py against the protocols of TensorFlow Serving."""

import http.client
import http.server
import importlib.util
import io
import json
import pathlib
import sys
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

pytest.importorskip("grpc")
pytest.importorskip(
    "tensorflow_serving", reason='pip install "keras_mixup[serving]"'
)

from sklearn import datasets
from sklearn import linear_model
from tensorflow_serving.apis import predict_pb2

from benchmarks import serving_server
from keras_mixup import export
from keras_mixup import inference

ROOT = pathlib.Path(__file__).parent.parent.parent


def _load_example():
    path = ROOT / "examples" / "serve_client.py"
    spec = importlib.util.spec_from_file_location("serve_client", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


serve_client = _load_example()


class RestHandler(http.server.BaseHTTPRequestHandler):
    """The row format as TensorFlow Serving documents it, and no more.

    POST /v1/models/NAME:predict with {"signature_name", "instances"}; each
    instance an object of the signature's inputs; answered by {"predictions"},
    a list of objects, or of bare values where there is a single output;
    {"error"} with status 400 or 404 otherwise.
    """

    model = None
    seen = []

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(length))
        self.seen.append((self.path, body))
        status, answer = self.answer(body)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def answer(self, body):
        if self.path != f"/v1/models/{self.model.name}:predict":
            return 404, {"error": f"Servable not found: {self.path}"}
        signature = self.model.signatures.get(
            body.get("signature_name", "serving_default")
        )
        if signature is None:
            return 400, {"error": "Serving signature not found"}
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self.model.name
        request.model_spec.signature_name = body["signature_name"]
        for key, spec in signature.inputs.items():
            dtype = tf.as_dtype(spec.dtype).as_numpy_dtype
            rows = [instance.pop(key) for instance in body["instances"]]
            value = tf.make_tensor_proto(np.array(rows, dtype))
            request.inputs[key].CopyFrom(value)
        if any(body["instances"]):
            return 400, {"error": "an input that the signature lacks"}
        outputs = self.model.predict(request).outputs
        columns = {k: tf.make_ndarray(v).tolist() for k, v in outputs.items()}
        if len(columns) == 1:
            return 200, {"predictions": next(iter(columns.values()))}
        rows = zip(*columns.values())
        return 200, {"predictions": [dict(zip(columns, r)) for r in rows]}

    def log_message(self, *arguments):
        del arguments


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Logistic regression on digits under MI-OL, exported and served."""
    images, labels = datasets.load_digits(return_X_y=True)
    images = (images / 16.0).astype("float32")
    fitted = linear_model.LogisticRegression(max_iter=200)
    fitted.fit(images, labels)
    classifier = keras.Sequential(
        [
            keras.layers.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    classifier.layers[-1].set_weights([fitted.coef_.T, fitted.intercept_])
    pool = inference.SamplePool(
        images[:300].reshape(-1, 8, 8, 1), labels[:300], dtype="float32"
    )
    defence = inference.MixupInferenceOL(classifier, pool, 0.6, 5)
    base = tmp_path_factory.mktemp("saved_models") / "digits"
    export.export_saved_model(defence, base)
    return serving_server.ServedModel(base)


@pytest.fixture(scope="module")
def grpc_address(model):
    server, port = serving_server.start(model)
    yield f"127.0.0.1:{port}"
    server.stop(None)


@pytest.fixture(scope="module")
def rest_address(model):
    RestHandler.model = model
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def run_client(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["serve_client.py", *arguments])
    serve_client.main()
    return capsys.readouterr().out.splitlines()


def check_printed(lines):
    assert "at most 0.1, with 1280 queries" in lines[-1]
    rows = [line.split() for line in lines[1:-1]]
    assert [row[:2] for row in rows] == [
        [f"{label},", kind]
        for label in serve_client.DIGITS
        for kind in ("clean", "adversarial")
    ]
    undefended = {(row[0], row[1]): row[2] for row in rows}
    for label in serve_client.DIGITS:
        assert undefended[f"{label},", "clean"] == str(label)
    # Of logistic regression, two of the three cross the border.
    fooled = [
        undefended[f"{label},", "adversarial"] != str(label)
        for label in serve_client.DIGITS
    ]
    assert sum(fooled) == 2
    for row in rows:
        counts = [int(w.strip("x,")) for w in row[3:] if w[0] == "x"]
        assert sum(counts) == serve_client.ROWS


def test_grpc(monkeypatch, capsys, grpc_address):
    check_printed(run_client(monkeypatch, capsys, grpc_address))


def test_rest(monkeypatch, capsys, rest_address):
    RestHandler.seen.clear()
    check_printed(run_client(monkeypatch, capsys, rest_address, "--rest"))
    path, body = RestHandler.seen[0]
    assert path == "/v1/models/digits:predict"
    assert set(body) == {"signature_name", "instances"}
    # For each digit ten steps, then two images to two signatures.
    assert len(RestHandler.seen) == 3 * (2 * 10 + 2 * 2)


def test_both_protocols_give_the_same_answer(rest_address, grpc_address):
    image = np.linspace(0, 1, 192, dtype="float32").reshape(3, 8, 8, 1)
    answers = [
        serve_client.RestClient(rest_address, "digits"),
        serve_client.GrpcClient(grpc_address, "digits"),
    ]
    rest, grpc = (c.predict("undefended", image)["logits"] for c in answers)
    np.testing.assert_allclose(rest, grpc, rtol=1e-5, atol=1e-5)
    rest, grpc = (c.predict("serving_default", image) for c in answers)
    assert set(rest) == set(grpc)
    for key in grpc:
        assert rest[key].shape == grpc[key].shape


@pytest.mark.parametrize("kind", ["rest", "grpc"])
def test_refusal_is_one_line(request, kind):
    address = request.getfixturevalue(f"{kind}_address")
    clients = {
        "rest": serve_client.RestClient,
        "grpc": serve_client.GrpcClient,
    }
    client = clients[kind](address, "typo")
    with pytest.raises(SystemExit, match="error: .*Servable not found"):
        client.predict("undefended", np.zeros((1, 8, 8, 1), "float32"))


def test_nobody_listens():
    client = serve_client.RestClient("127.0.0.1:9", "digits")
    with pytest.raises(SystemExit, match="error: .*refused"):
        client.predict("undefended", np.zeros((1, 8, 8, 1), "float32"))


@pytest.mark.parametrize(
    "content", [b"<html>", b"[]", b"{}", b"1"], ids=bytes.decode
)
def test_another_server_is_one_line(monkeypatch, content):
    monkeypatch.setattr(
        "urllib.request.urlopen", lambda *_, **__: io.BytesIO(content)
    )
    client = serve_client.RestClient("127.0.0.1:9", "digits")
    with pytest.raises(SystemExit, match="error: .*not TensorFlow Serving's"):
        client.predict("undefended", np.zeros((1, 8, 8, 1), "float32"))


@pytest.mark.parametrize(
    "error",
    [TimeoutError("timed out"), http.client.BadStatusLine("HTTP/2")],
    ids=str,
)
def test_no_answer_is_one_line(monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr("urllib.request.urlopen", fail)
    client = serve_client.RestClient("127.0.0.1:9", "digits")
    with pytest.raises(SystemExit, match=f"error: .*{error}"):
        client.predict("undefended", np.zeros((1, 8, 8, 1), "float32"))


class LinearClient:
    """Plays the server: logits [x . w, 0], asked for images in [0, 1]."""

    def __init__(self, weights):
        self.weights = weights
        self.requests = 0

    def predict(self, signature, image):
        assert signature == "undefended"
        assert image.min() >= 0.0 and image.max() <= 1.0
        self.requests += 1
        first = (image * self.weights).sum(axis=(1, 2, 3))
        return {"logits": np.stack([first, 0 * first], axis=1)}


def test_attack_finds_the_linear_optimum_within_its_budget():
    random = np.random.default_rng(0)
    weights = random.choice([-1.0, 1.0], size=(8, 8, 1))
    image = random.uniform(size=(8, 8, 1)).astype("float32")
    client = LinearClient(weights)
    moved, asked = serve_client.make_adversarial(client, image, 0, 0.1)
    # Against a linear function the corner of the ball is the answer.
    best = np.clip(image - 0.1 * np.sign(weights), 0.0, 1.0)
    np.testing.assert_allclose(moved, best, atol=1e-6)
    assert client.requests == 2 * 10
    assert asked == 10 * 128
