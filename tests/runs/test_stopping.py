"""A run that is asked to stop keeps what it has, and goes on from there."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import calls
import keras
import numpy as np
import pytest

from keras_mixup import _files
from keras_mixup import runs
from keras_mixup import training
from keras_mixup.evaluation import records


def signal_at(monkeypatch, step, number):
    """Sends this process a signal at the end of a step."""
    watch = training.StopOnNaN.on_train_batch_end

    def sending(self, batch, logs=None):
        watch(self, batch, logs)
        if int(self.model.step.numpy()) == step:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(training.StopOnNaN, "on_train_batch_end", sending)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_a_checkpoint_and_asks_to_be_resumed(
    tmp_path, monkeypatch, capfd, number
):
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    with monkeypatch.context() as patch:
        signal_at(patch, 2, number)
        assert calls.train(tmp_path / "run", checkpoint_every=100) == 75
    name = signal.Signals(number).name
    error = capfd.readouterr().err
    assert f"Stopped at step 2 ({name})." in error
    assert f"{name}: stopping soon; once more ends it at once" in error
    assert training.latest_step(tmp_path / "run" / "checkpoints") == 2
    after = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    assert after == before


def test_stop_says_when():
    stop = runs.Stop()
    assert stop() is None
    late = runs.Stop(max_minutes=1e-9)
    time.sleep(0.001)
    assert late() == "after 1e-09 minutes"
    with stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop() == "SIGTERM"
        # The system itself ends the process at the next one.
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), "a"])
def test_a_bad_time_is_refused(minutes):
    with pytest.raises(ValueError, match="`max_minutes` must be"):
        runs.Stop(minutes)


ROOT = pathlib.Path(__file__).parents[2]
TRAIN = ["train", "--width=2", "--num_train=64", "--batch_size=16"]
TRAIN += ["--verbose=0", "--checkpoint_every=1000", "--seed=0"]


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "keras_mixup", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process, happened):
    deadline = time.monotonic() + 300
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classifier", "vae"])
def test_a_process_that_is_told_to_end_goes_on_later(tmp_path, task):
    options = [*TRAIN, f"--task={task}", "--epochs=30"]
    folder = tmp_path / "run"
    process = start(*options, f"--run_dir={folder}")
    wait_for(process, (folder / _files.METRICS).exists)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 75, error
    step = training.latest_step(folder / "checkpoints")
    assert f"Stopped at step {step} (SIGTERM)." in error
    for path in (folder, tmp_path / "whole"):
        process = start(*options, f"--run_dir={path}", "--resume")
        output, error = process.communicate(timeout=300)
        assert process.returncode == 0, error
        resumed = f"Resuming at step {step}." in output
        assert resumed == (path == folder)
    ours, theirs = (
        keras.saving.load_model(path / _files.FINAL).get_weights()
        for path in (folder, tmp_path / "whole")
    )
    for a, b in zip(ours, theirs):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_second_signal_ends_a_process_at_once(tmp_path):
    process = start(*TRAIN, "--epochs=9999", f"--run_dir={tmp_path / 'run'}")
    wait_for(process, (tmp_path / "run" / _files.METRICS).exists)
    process.send_signal(signal.SIGTERM)
    assert "stopping soon" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    # It may have come to the end of the step in between.
    assert process.returncode in (75, -signal.SIGINT)


def evaluated(folder):
    return [
        "evaluate",
        f"--run_dir={folder}",
        *("--attacks=clean,pgd", "--eps=0.1", "--pgd_steps=20"),
        *("--num_examples=400", "--batch_size=10", "--noprobe"),
        *("--defences=", "--noverbose"),
    ]


@pytest.mark.slow
def test_an_evaluation_that_is_told_to_end_keeps_its_records(tmp_path):
    folder = tmp_path / "run"
    assert calls.train(folder) == 0
    file = folder / _files.RECORDS
    process = start(*evaluated(folder))
    wait_for(process, file.exists)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 75, error
    kept = records.read_lines(file)
    assert 0 < len(kept) < 800
    assert f"Stopped with {len(kept)} records (SIGINT)." in error
    process = start(*evaluated(folder))
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    found = records.read_lines(file)
    assert found[: len(kept)] == kept
    assert len({record.key for record in found}) == len(found) == 800
