"""Load on a served MI-OL, and its cost against the plain forward pass.

    python -m benchmarks.serving                    # five minutes of load
    python -m benchmarks.serving --seconds=20 --json=serving.json
    python -m benchmarks.serving --saved_model=saved_models/digits

First it times, in this process and alternately, the exported defence at batch b
and the exported bare classifier at batch (N + 1) b. Then concurrent gRPC
clients load a server in another process (benchmarks.serving_server): both
signatures, each batch size in turn, in several rounds. After a warm-up round
the server's memory is read every second: at the start, at most, at the end, and
its slope. Failed requests are counted; the exit code is 2 if there was one.
"""

import collections
import contextlib
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import grpc
import numpy as np
import psutil
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

from benchmarks import program
from benchmarks import serving_memory
from benchmarks import timing
from keras_mixup import export
from keras_mixup import inference
from keras_mixup import models

FLAGS = program.Flags(__doc__)
FLAGS.integer("seconds", 300, "Counted load, all together.", minimum=1)
FLAGS.integer("clients", 8, "Concurrent clients.", minimum=1)
FLAGS.integer_list("batch_sizes", [1, 16], "Images per request.")
FLAGS.integer("load_rounds", 5, "Turns of the load.", minimum=1)
FLAGS.integer("max_requests", 100_000, "Ends a client's turn early.", minimum=1)
FLAGS.integer("width", 16, "Width of PreActResNet-18.", minimum=1)
FLAGS.integer("num_draws", 30, "Draws of MI-OL.", minimum=1)
FLAGS.integer_list("ratio_batch_sizes", [1, 4], "Batches b of the ratio.")
FLAGS.integer("rounds", 15, "Counted rounds of the ratio.", minimum=1)
FLAGS.string(
    "saved_model", None, "Load this model's folder instead; no ratio then."
)
FLAGS.string("json", None, "Also write the figures to this file.")
FLAGS.runtime()

SIGNATURES = ("undefended", "serving_default")
REQUEST_TIMEOUT = 120
# A dead server refuses at once: without a pause a client would spin.
_PAUSE_AFTER_ERROR = 0.01


def main(flags):
    """Measures the ratio and the load, and prints both."""
    program.prepare(flags)
    figures = {}
    with contextlib.ExitStack() as stack:
        base_path = flags.saved_model
        if base_path is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            base_path = export_network(flags, folder)
            figures["ratio"] = ratios(flags, base_path)
        figures["load"] = load(flags, base_path)
    program.write_figures(FLAGS, flags, **figures)
    errors = sum(row["errors"] for row in figures["load"]["rows"])
    if errors:
        raise ValueError(f"{errors} requests failed")


def export_network(flags, folder):
    """Exports an untrained PreActResNet-18 under MI-OL: speed alone counts."""
    classifier = models.PreActResNet18((32, 32, 3), 10, width=flags.width)
    random = np.random.default_rng(flags.seed)
    # Biases that are all zero would look like a forgotten training.
    bias = classifier.layers[-1].bias
    bias.assign(random.normal(size=bias.shape))
    pool = inference.SamplePool(
        random.integers(0, 256, (500, 32, 32, 3), dtype="uint8"),
        np.arange(500) % 10,
    )
    defence = inference.MixupInferenceOL(classifier, pool, 0.5, flags.num_draws)
    base_path = pathlib.Path(folder) / "network"
    export.export_saved_model(defence, base_path)
    return base_path


def ratios(flags, base_path):
    """MI-OL at batch b against the bare network at batch (N + 1) b."""
    root = tf.saved_model.load(f"{base_path}/1")
    random = np.random.default_rng(flags.seed)
    rows = []
    for size in flags.ratio_batch_sizes:
        total = size * (flags.num_draws + 1)
        images = random.uniform(size=(total, 32, 32, 3)).astype("float32")
        images = tf.constant(images)
        seconds = timing.interleaved(
            {
                "plain": _caller(root, "undefended", images),
                "defended": _caller(root, "serving_default", images[:size]),
            },
            flags.rounds,
        )
        rows.append(
            {
                "batch": size,
                "plain_batch": total,
                "defended_s": float(np.median(seconds["defended"])),
                "plain_s": float(np.median(seconds["plain"])),
                "ratio": timing.median_ratio(
                    seconds["defended"], seconds["plain"]
                ),
            }
        )
        print(
            f"MI-OL, N={flags.num_draws}, batch {size}: "
            f"{rows[-1]['defended_s']:.3f} s, "
            f"{rows[-1]['ratio']:.2f} x the bare network at batch {total}"
        )
    return rows


def _caller(root, name, images):
    signature = root.signatures[name]

    def call():
        for value in signature(image=images).values():
            value.numpy()

    return call


def load(flags, base_path):
    """Serves the model, loads it, and returns rows and the memory."""
    cases = [(n, b) for n in SIGNATURES for b in flags.batch_sizes]
    turn = flags.seconds / (flags.load_rounds * len(cases))
    counted = {case: [] for case in cases}
    with serve(base_path) as (address, process):
        requests = {c: make_request(base_path, *c, flags.seed) for c in cases}

        def one_round(turn):
            for case, request in requests.items():
                yield case, run_turn(flags, address, request, turn)

        for _ in one_round(min(turn, 10.0)):
            pass
        with serving_memory.MemoryWatch(process) as watch:
            for number in range(flags.load_rounds):
                for case, result in one_round(turn):
                    counted[case].append(result)
                held = watch.read()
                print(
                    f"round {number + 1}: server holds {held:.0f} MB",
                    flush=True,
                )
    rows = [summary(case, turns) for case, turns in counted.items()]
    memory = serving_memory.memory_summary(watch.samples)
    print_rows(flags, rows)
    print(serving_memory.memory_text(memory))
    return {"rows": rows, "memory": memory}


@contextlib.contextmanager
def serve(base_path):
    """Yields (address, psutil.Process) of a server in another process."""
    command = [sys.executable, "-m", "benchmarks.serving_server"]
    with tempfile.TemporaryFile() as notices:
        process = subprocess.Popen(
            [*command, str(base_path)],
            stdout=subprocess.PIPE,
            stderr=notices,
            text=True,
        )
        try:
            line = process.stdout.readline()
            if not line:
                notices.seek(0)
                text = notices.read().decode(errors="replace")
                raise ValueError(f"The server did not start: {text}")
            yield line.split()[-1], psutil.Process(process.pid)
        finally:
            process.kill()
            process.communicate()


def make_request(base_path, signature, batch, seed):
    """Returns a PredictRequest of random images in the model's shape."""
    base_path = pathlib.Path(base_path).resolve()
    newest = max(int(p.name) for p in base_path.iterdir() if p.name.isdecimal())
    described = export.describe_saved_model(base_path / str(newest))
    shape = described.signatures[signature][0]["image"].shape[1:]
    images = np.random.default_rng(seed).uniform(size=(batch, *shape))
    request = predict_pb2.PredictRequest()
    request.model_spec.name = base_path.name
    request.model_spec.signature_name = signature
    tensor = tf.make_tensor_proto(images.astype("float32"))
    request.inputs["image"].CopyFrom(tensor)
    return request


def run_turn(flags, address, request, seconds):
    """Lets all clients send requests until the time is over.

    Returns:
        (latencies in s, Counter of the errors' texts, s that it took).
    """
    latencies, errors = [], collections.Counter()
    lock = threading.Lock()
    start = time.perf_counter()

    def ask():
        with grpc.insecure_channel(
            address, [("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            for _ in range(flags.max_requests):
                before = time.perf_counter()
                if before - start >= seconds:
                    return
                try:
                    stub.Predict(request, timeout=REQUEST_TIMEOUT)
                    latencies.append(time.perf_counter() - before)
                except grpc.RpcError as error:
                    with lock:
                        errors[f"{error.code()}: {error.details()}"] += 1
                    time.sleep(_PAUSE_AFTER_ERROR)

    threads = [threading.Thread(target=ask) for _ in range(flags.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies, errors, time.perf_counter() - start


def summary(case, turns):
    """Returns the figures of one signature at one batch size."""
    latencies = np.concatenate([turn[0] for turn in turns])
    errors = sum((turn[1] for turn in turns), collections.Counter())
    seconds = sum(turn[2] for turn in turns)
    p50, p99 = (
        np.percentile(latencies, (50, 99)) if latencies.size else (0.0, 0.0)
    )
    return {
        "signature": case[0],
        "batch": case[1],
        "requests": int(latencies.size),
        "seconds": seconds,
        "requests_per_s": latencies.size / seconds,
        "p50_ms": 1e3 * float(p50),
        "p99_ms": 1e3 * float(p99),
        "errors": errors.total(),
        "error_texts": dict(errors.most_common(5)),
    }


def print_rows(flags, rows):
    """Prints the table of the load."""
    print(f"{flags.clients} clients, gRPC on loopback")
    print(
        f"{'signature':16} {'batch':>5} {'requests':>8} {'per s':>8} "
        f"{'p50 ms':>8} {'p99 ms':>8} {'errors':>6}"
    )
    for row in rows:
        print(
            f"{row['signature']:16} {row['batch']:5d} {row['requests']:8d} "
            f"{row['requests_per_s']:8.1f} {row['p50_ms']:8.1f} "
            f"{row['p99_ms']:8.1f} {row['errors']:6d}"
        )
        for text, count in row["error_texts"].items():
            print(f"    {count} x {text}")


if __name__ == "__main__":
    program.run(main, FLAGS)
