"""benchmarks.serving: what it counts, on a server that answers at once."""

import collections
import threading
import time
import types

import numpy as np
import pytest

grpc = pytest.importorskip("grpc")
pytest.importorskip(
    "tensorflow_serving", reason='pip install "keras_mixup[serving]"'
)
pytest.importorskip("psutil", reason='pip install "keras_mixup[bench]"')

from tensorflow_serving.apis import predict_pb2

from benchmarks import serving
from benchmarks import serving_memory
from benchmarks import serving_server

CASE = ("undefended", 16)


class CountingModel:
    """Answers without a model; refuses `broken`, and `shaky` every third."""

    def __init__(self):
        self.calls = collections.Counter()
        self._lock = threading.Lock()

    def predict(self, request):
        name = request.model_spec.signature_name
        with self._lock:
            self.calls[name] += 1
            number = self.calls[name]
        if name == "broken" or (name == "shaky" and number % 3 == 0):
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
    assert errors.total() == 0


def test_turn_ends_with_its_time(served):
    # It would never end otherwise; how many answers come in the time is the
    # machine's business.
    model, address = served
    flags = types.SimpleNamespace(clients=2, max_requests=10**9)
    latencies, errors, seconds = serving.run_turn(
        flags, address, request_of("good"), 0.3
    )
    assert len(latencies) == model.calls["good"]
    assert errors.total() == 0
    assert seconds >= 0.3


@pytest.mark.parametrize(("name", "failed"), [("broken", 30), ("shaky", 10)])
def test_every_failed_request_is_counted(served, name, failed):
    model, address = served
    flags = types.SimpleNamespace(clients=3, max_requests=10)
    latencies, errors, _ = serving.run_turn(
        flags, address, request_of(name), 60.0
    )
    assert model.calls[name] == 30
    assert len(latencies) == 30 - failed
    assert list(errors.values()) == [failed]
    assert "broken as asked" in next(iter(errors))


def test_summary_joins_the_turns():
    count = collections.Counter
    first = ([i / 1000 for i in range(1, 51)], count(late=2), 2.0)
    second = (
        [i / 1000 for i in range(51, 102)],
        count(late=3, lost=1),
        3.0,
    )
    row = serving.summary(CASE, [first, second])
    assert (row["signature"], row["batch"]) == CASE
    assert row["requests"] == 101
    assert row["requests_per_s"] == pytest.approx(101 / 5)
    assert row["p50_ms"] == pytest.approx(51.0)
    assert row["p99_ms"] == pytest.approx(100.0)
    assert row["errors"] == 6
    assert row["error_texts"] == {"late": 5, "lost": 1}


def test_summary_without_an_answer():
    row = serving.summary(CASE, [([], collections.Counter(["down"]), 1.0)])
    assert (row["requests"], row["errors"]) == (0, 1)


def test_memory_slopes_tell_a_leak_from_settling():
    seconds = np.arange(0.0, 121.0)
    leak = serving_memory.memory_summary(
        [(t, 100.0 + 3.0 * t / 60.0) for t in seconds]
    )
    assert leak["after_warm_up_mb"] == 100.0
    assert leak["max_mb"] == leak["last_mb"] == pytest.approx(106.0)
    assert leak["slope_mb_per_min"] == pytest.approx(3.0)
    assert leak["slope_second_half_mb_per_min"] == pytest.approx(3.0)
    settled = serving_memory.memory_summary(
        [(t, 100.0 + min(t, 30.0)) for t in seconds] + [(121.0, 101.0)]
    )
    assert settled["max_mb"] == 130.0
    assert settled["last_mb"] == 101.0
    assert abs(settled["slope_second_half_mb_per_min"]) < 3.0
    text = serving_memory.memory_text(settled)
    assert text.startswith("server memory: 100 MB after warm-up, 130 at most")


def test_one_reading_has_no_slope():
    summary = serving_memory.memory_summary([(0.0, 5.0)])
    assert summary["slope_mb_per_min"] == 0.0
    assert summary["max_mb"] == 5.0


def test_memory_is_read_while_the_load_runs():
    readings = iter(range(1, 10**6))

    class Process:
        def memory_info(self):
            return types.SimpleNamespace(rss=1e6 * next(readings))

    with serving_memory.MemoryWatch(Process(), interval=0.01) as watch:
        deadline = time.monotonic() + 30.0
        while len(watch.samples) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
    held = [sample[1] for sample in watch.samples]
    assert len(held) >= 5
    assert held == sorted(held)
    count = len(watch.samples)
    time.sleep(0.05)
    # The thread has ended.
    assert len(watch.samples) == count
