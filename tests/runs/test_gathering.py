"""Workers that never start end the others in time, and are named."""

import contextlib
import json
import socket
import time

import pytest
import workers
from calls import call

from keras_mixup import runs
from keras_mixup.runs import _gathering


class Resolver:
    """As much of a `ClusterResolver` as is asked for."""

    task_type, task_id = "worker", 0

    def __init__(self, *addresses):
        import tensorflow as tf

        self._jobs = {"worker": list(addresses)}
        self._spec = tf.train.ClusterSpec(self._jobs)

    def cluster_spec(self):
        return self._spec


@contextlib.contextmanager
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def free():
    return f"127.0.0.1:{workers.free_port()}"


def test_workers_that_are_there_are_found():
    with listening() as other:
        assert _gathering.gather(Resolver(free(), other), 60) is None


def test_a_port_is_free_again_afterwards():
    own = free()
    with listening() as other:
        for _ in range(3):
            _gathering.gather(Resolver(own, other), 60)


def test_the_missing_ones_are_named():
    own, gone, late = free(), free(), free()
    began = time.monotonic()
    with listening() as other, pytest.raises(runs.Stopped) as caught:
        _gathering.gather(Resolver(own, other, gone, late), 1)
    assert time.monotonic() - began < 30
    text = str(caught.value)
    assert f"worker 2 ({gone}), worker 3 ({late})." in text
    assert other not in text and own not in text and "1 seconds" in text


def test_a_signal_is_heard_meanwhile():
    asked = []

    def stop():
        asked.append(1)
        return "SIGTERM" if len(asked) == 3 else None

    with pytest.raises(runs.Stopped, match=r"before the start \(SIGTERM\)"):
        _gathering.gather(Resolver(free(), free()), 60, stop)


def test_a_port_that_is_taken_is_said():
    with listening() as own, pytest.raises(ValueError, match="TF_CONFIG or"):
        _gathering.gather(Resolver(own, free()), 60)


def test_an_address_without_a_port_is_said():
    with pytest.raises(ValueError, match="host:port. Received: 'there'"):
        _gathering.gather(Resolver(free(), "there"), 60)


def test_a_run_waits_no_longer_than_it_was_told(tmp_path, monkeypatch, capsys):
    """From the command line and from Python, before any file is written."""
    hosts = [free(), free()]
    told = {"strategy": "multi_worker", "seed": 0, "worker_timeout": 1}
    for index in range(2):
        task = {"type": "worker", "index": index}
        cluster = {"cluster": {"worker": hosts}, "task": task}
        monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
        assert call("train", **told, run_dir=tmp_path / "run") == 75
        line = capsys.readouterr().err.splitlines()[-1]
        other = f"worker {1 - index} ({hosts[1 - index]})"
        assert line.startswith("Not started") and other in line
    with pytest.raises(runs.Stopped, match="worker 0"):
        runs.train(runs.TrainSettings(**told), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_limit_is_that_of_several_workers():
    with pytest.raises(ValueError, match="`worker_timeout`|worker_timeout="):
        runs.TrainSettings(worker_timeout=5)
    with pytest.raises(ValueError, match="`worker_timeout`"):
        runs.TrainSettings(strategy="multi_worker", seed=0, worker_timeout=0)
