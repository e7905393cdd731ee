"""Training on several workers: one folder, one result, one end."""

import json
import signal
import time
import types

import pytest
import workers
from calls import call
from calls import check_error

from keras_mixup import _workers
from keras_mixup import runs
from keras_mixup import training
from keras_mixup.runs import _devices

ASKED = types.SimpleNamespace(strategy="multi_worker")
CLUSTER = {
    "cluster": {"worker": ["one:1", "two:2"]},
    "task": {"type": "worker", "index": 1},
}


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    for name in ("TF_CONFIG", "SLURM_STEP_NODELIST"):
        monkeypatch.delenv(name, raising=False)


def test_the_first_worker_leads(monkeypatch):
    assert _devices.resolver_of(types.SimpleNamespace(strategy="none")) is None
    monkeypatch.setenv("TF_CONFIG", json.dumps(CLUSTER))
    assert not _workers.leads(_devices.resolver_of(ASKED))
    first = {**CLUSTER, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(first))
    assert _workers.leads(_devices.resolver_of(ASKED))
    first["cluster"]["chief"] = ["three:3"]
    monkeypatch.setenv("TF_CONFIG", json.dumps(first))
    assert not _workers.leads(_devices.resolver_of(ASKED))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        json.dumps({"cluster": {"worker": ["a:1"]}}),
        json.dumps({**CLUSTER, "task": {"type": "worker", "index": 2}}),
        json.dumps({**CLUSTER, "task": {"type": "chief", "index": 0}}),
    ],
)
def test_another_cluster_is_refused(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="TF_CONFIG must"):
        _devices.resolver_of(ASKED)


def test_slurm_names_the_workers(monkeypatch):
    for name, value in {
        "SLURM_STEP_NODELIST": "node[1-2]",
        "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_PROCID": "1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(_devices.glob, "glob", lambda pattern: [])
    found = _devices.resolver_of(ASKED)
    hosts = ["node1:8888", "node2:8888"]
    assert found.cluster_spec().as_dict() == {"worker": hosts}
    assert (found.task_type, found.task_id) == ("worker", 1)
    monkeypatch.delenv("SLURM_PROCID")
    with pytest.raises(ValueError, match="Slurm does not say"):
        _devices.resolver_of(ASKED)


def test_what_workers_need_is_asked_for(tmp_path, capsys):
    told = {"strategy": "multi_worker", "run_dir": tmp_path / "run"}
    check_error(capsys, call("train", **told), "`seed` must be given with")
    code = call("train", **told, seed=0)
    check_error(capsys, code, "`strategy` must be", "without TF_CONFIG")
    assert not (tmp_path / "run").exists()


def test_one_worker_agrees_with_itself(strategy):
    assert _workers.count(strategy) == 1 and _workers.is_chief(strategy)
    assert _workers.from_chief(strategy, 3.5) == 3.5
    assert _workers.any_of(strategy, True)
    assert not _workers.any_of(strategy, False)
    assert issubclass(_workers.WorkerLost, runs.Stopped)


def test_a_signal_that_another_library_took_is_taken_back():
    with runs.Stop() as stop:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop.listen()
        signal.raise_signal(signal.SIGTERM)
        assert stop() == "SIGTERM"
        stop.listen()
        # The second signal is left to the system.
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


FEW = ["--width=2", "--num_train=48", "--batch_size=12", "--epochs=2"]
FEW += ["--seed=0", "--verbose=0", "--checkpoint_every=3"]
ATTACK = ["--eps=0.1", "--num_steps=1", "--step_size=0.1"]
KINDS = {
    "mixup": ["--algorithm=mixup"],
    "iat": ["--algorithm=interpolated_adversarial_training", *ATTACK],
    "aom": ["--algorithm=adversarial_mixup", *ATTACK],
    # Elsewhere TensorFlow moves a factor of its loss: 1e-9 of one weight.
    "vae": ["--task=vae", "--latent_size=4", "--deterministic"],
    "varmixup": ["--algorithm=var_mixup"],
}
ATTACKED = ("iat", "aom")


def told_of(kind, folder, count):
    told = [*KINDS[kind], *FEW]
    if kind in ATTACKED:
        told.append("--robust_validation=1")
    if kind == "varmixup":
        told.append(f"--vae={folder / f'vae-{count}'}")
    return told


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("workers")


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_workers_end_with_the_weights_of_one(root, kind, count):
    told = told_of(kind, root, count)
    many, one = root / f"{kind}-{count}", root / f"{kind}-{count}-alone"
    found = workers.end(workers.start(count, *told, f"--run_dir={many}"))
    assert [code for code, _ in found] == [0] * count, found
    rehearsed = ["--strategy=mirrored", f"--logical_devices={count}"]
    alone = workers.start(1, *told, *rehearsed, f"--run_dir={one}")
    ((code, output),) = workers.end(alone)
    assert code == 0, output
    expected = workers.weights_of(output)
    assert expected
    for _, shown in found:
        assert workers.weights_of(shown) == expected
    for rows in zip(*(log_of(path) for path in (many, one))):
        first, second = ({**row, "seconds": 0} for row in rows)
        assert first == pytest.approx(second, rel=1e-5)


def log_of(folder):
    return training.read_metrics(str(folder / "metrics.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_worker_ends_all_and_they_resume_exactly(root, victim):
    cut, whole = (root / f"{name}-{victim}" for name in ("cut", "whole"))
    told = [*KINDS["mixup"], *FEW, "--epochs=12"]
    started = workers.start(2, *told, f"--run_dir={cut}")
    kept = cut / "checkpoints" / "step-6.index"
    workers.wait_for(kept.exists, started)
    began = time.monotonic()
    started[victim].kill()
    found = workers.end(started)
    assert time.monotonic() - began < 120
    assert found[victim][0] == -signal.SIGKILL
    code, output = found[1 - victim]
    assert code == 75 and "Another worker is gone" in output, output
    last = set()
    for path in (cut, whole):
        flags = [*told, f"--run_dir={path}", "--resume"]
        found = workers.end(workers.start(2, *flags))
        assert [code for code, _ in found] == [0, 0], found
        last |= {workers.weights_of(output)[-1] for _, output in found}
        resumed = "Resuming at step" in found[0][1]
        assert resumed == (path == cut)
    lines = [
        [{**row, "seconds": 0} for row in log_of(path)] for path in (cut, whole)
    ]
    # The log of the epoch that was cut may differ in its last digit.
    for first, second in zip(*lines, strict=True):
        assert first == pytest.approx(second, rel=1e-5)
    assert len(last) == 1


@pytest.mark.slow
def test_one_worker_that_is_told_to_stop_stops_all(root):
    folder = root / "stopped"
    told = [*KINDS["mixup"], *FEW, "--epochs=999", f"--run_dir={folder}"]
    started = workers.start(2, *told)
    kept = folder / "checkpoints" / "step-3.index"
    workers.wait_for(kept.exists, started)
    started[1].send_signal(signal.SIGTERM)
    found = workers.end(started)
    assert [code for code, _ in found] == [75, 75], found
    step = training.latest_step(folder / "checkpoints")
    for _, output in found:
        assert f"Stopped at step {step}" in output
