"""benchmarks.serving: what it counts, on a server that answers at once."""

import collections
import types

import pytest

grpc = pytest.importorskip("grpc")
pytest.importorskip(
    "tensorflow_serving", reason='pip install "keras_mixup[serving]"'
)
pytest.importorskip("psutil", reason='pip install "keras_mixup[bench]"')

from tensorflow_serving.apis import predict_pb2

from benchmarks import serving
from benchmarks import serving_server

CASE = ("undefended", 16)


class CountingModel:
    """Answers without a model; refuses the signature `broken`."""

    def __init__(self):
        self.calls = collections.Counter()

    def predict(self, request):
        name = request.model_spec.signature_name
        self.calls[name] += 1
        if name == "broken":
            code = grpc.StatusCode.INTERNAL
            raise serving_server.RequestError(code, "broken as asked")
        return predict_pb2.PredictResponse()


@pytest.fixture
def served():
    model = CountingModel()
    server, port = serving_server.start(model)
    yield model, f"127.0.0.1:{port}"
    server.stop(None)


def request_of(signature):
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    return request


def test_turn_ends_with_its_number_of_requests(served):
    model, address = served
    flags = types.SimpleNamespace(clients=3, max_requests=5)
    latencies, errors, _ = serving.run_turn(
        flags, address, request_of("good"), 60.0
    )
    assert len(latencies) == model.calls["good"] == 15
    assert errors == []


def test_turn_ends_with_its_time(served):
    _, address = served
    flags = types.SimpleNamespace(clients=2, max_requests=10**9)
    latencies, _, seconds = serving.run_turn(
        flags, address, request_of("good"), 0.3
    )
    assert len(latencies) > 2
    assert 0.3 <= seconds < 10.0


def test_failed_request_is_counted_and_ends_its_client(served):
    model, address = served
    flags = types.SimpleNamespace(clients=2, max_requests=10)
    latencies, errors, _ = serving.run_turn(
        flags, address, request_of("broken"), 60.0
    )
    assert latencies == []
    assert len(errors) == model.calls["broken"] == 2
    assert "broken as asked" in errors[0]


def test_summary_joins_the_turns():
    first = ([i / 1000 for i in range(1, 51)], [], 2.0)
    second = ([i / 1000 for i in range(51, 102)], ["late"], 3.0)
    row = serving.summary(CASE, [first, second])
    assert (row["signature"], row["batch"]) == CASE
    assert row["requests"] == 101
    assert row["requests_per_s"] == pytest.approx(101 / 5)
    assert row["p50_ms"] == pytest.approx(51.0)
    assert row["p99_ms"] == pytest.approx(100.0)
    assert (row["errors"], row["first_error"]) == (1, "late")


def test_summary_without_an_answer():
    row = serving.summary(CASE, [([], ["down"], 1.0)])
    assert (row["requests"], row["errors"]) == (0, 1)
