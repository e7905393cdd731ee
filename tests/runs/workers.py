"""Several workers on this host, over loopback, for the tests of this folder."""

import hashlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[2]
# Each worker says what its own model ends with.
CODE = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import workers
from keras_mixup.cli import main
workers.tell_weights()
sys.exit(main.exit_code("train", sys.argv))
"""


def tell_weights():
    """Makes a run print a digest of what it saves."""
    from keras_mixup import training

    save = training.save_atomically

    def told(model, path, note=None):
        weights = b"".join(w.tobytes() for w in model.get_weights())
        print("weights", hashlib.sha256(weights).hexdigest(), flush=True)
        save(model, path, note)

    training.save_atomically = told


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(count, *flags):
    """Starts so many workers; one starts without a cluster."""
    hosts = [f"127.0.0.1:{free_port()}" for _ in range(count)]
    found = []
    for index in range(count):
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        told = flags
        if count > 1:
            task = {"type": "worker", "index": index}
            cluster = {"cluster": {"worker": hosts}, "task": task}
            environment["TF_CONFIG"] = json.dumps(cluster)
            told = ("--strategy=multi_worker", *flags)
        found.append(
            subprocess.Popen(
                [sys.executable, "-c", CODE, pathlib.Path(__file__).parent]
                + list(told),
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    return found


def end(processes, timeout=900):
    """Returns [(exit code, output)] of all workers."""
    found = []
    for process in processes:
        output, _ = process.communicate(timeout=timeout)
        found.append((process.returncode, output))
    return found


def wait_for(happened, processes, timeout=300):
    deadline = time.monotonic() + timeout
    while not happened():
        assert all(p.poll() is None for p in processes), end(processes)
        assert time.monotonic() < deadline
        time.sleep(0.02)


def weights_of(output):
    """The digests of what a worker saved."""
    lines = output.splitlines()
    return [line.split()[1] for line in lines if line.startswith("weights ")]
