"""Kill and resume: the same weights, bit for bit."""

import json
import math
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
import toys

from keras_mixup import _files
from keras_mixup import data
from keras_mixup import training

STEPS = 6
EPOCHS = 3


class Killed(Exception):
    """Stands for a kill at the end of a step."""


class KillAt(keras.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.at = step

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.step.numpy()) == self.at:
            raise Killed


def make_model():
    model = training.InterpolatedAdversarialTraining(
        toys.noisy_network(), toys.attack(), seed=4
    )
    rate = training.make_schedule(
        0.01, STEPS, EPOCHS, "cosine", warmup_epochs=1
    )
    model.compile(keras.optimizers.Adam(rate), l2_penalty=1e-3)
    return model


def run(folder, kill_at=None, every=2, last=()):
    """One process's part of a run; resumes what lies in the folder."""
    images, labels = toys.data(4 * STEPS + 1)
    examples = data.ImageSet(images, labels, np.arange(len(labels)))
    start = training.latest_step(str(folder / "checkpoints"))
    model = make_model()
    epoch, model.skip = training.resume_position(start, STEPS)
    best = training.BestModel(str(folder / "classifier.keras"))
    callbacks = [
        training.StopOnNaN(),
        training.Checkpoint(str(folder / "checkpoints"), every, [best.best]),
        training.RetraceGuard(),
        best,
        training.MetricsLog(str(folder / "metrics.jsonl")),
    ]
    if kill_at:
        callbacks.append(KillAt(kill_at))
    callbacks += last
    model.fit(
        data.training_dataset(examples, 4, seed=4, start_step=start),
        initial_epoch=epoch,
        epochs=EPOCHS,
        steps_per_epoch=STEPS,
        validation_data=data.evaluation_dataset(examples, 4),
        callbacks=callbacks,
        verbose=0,
    )
    return model, best


def run_killed(folder, kills, every=2):
    for kill in kills:
        with pytest.raises(Killed):
            run(folder, kill, every)
    return run(folder, every=every)


def metric_rows(folder):
    rows = training.read_metrics(str(folder / "metrics.jsonl"))
    return [{k: v for k, v in r.items() if k != "seconds"} for r in rows]


# After a checkpoint, between two, at an epoch's end (its validation never
# ran), one step after it, and several kills in one run.
KILLS = [(4,), (5,), (6,), (7,), (3, 6, 9, 12, 13), (1,)]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """(state, metrics, best value, {step: what a kill there leaves})."""
    folder = tmp_path_factory.mktemp("whole")
    copies = toys.CopiesAt(
        folder, tmp_path_factory.mktemp("cut"), [k[0] for k in KILLS]
    )
    model, best = run(folder, last=[copies])
    state = [np.asarray(v) for v in model.variables]
    state += [np.asarray(v) for v in model.optimizer.variables]
    return state, metric_rows(folder), float(best.best.numpy()), copies.left


@pytest.mark.parametrize("kills", KILLS)
def test_resumed_run_is_bit_identical(uninterrupted, tmp_path, kills):
    state, rows, best_value, left = uninterrupted
    shutil.copytree(left[kills[0]], tmp_path, dirs_exist_ok=True)
    model, best = run_killed(tmp_path, kills[1:])
    found = [np.asarray(v) for v in model.variables]
    found += [np.asarray(v) for v in model.optimizer.variables]
    assert len(found) == len(state)
    for a, b in zip(found, state, strict=True):
        np.testing.assert_array_equal(a, b)
    assert metric_rows(tmp_path) == rows
    assert float(best.best.numpy()) == best_value
    assert int(model.step.numpy()) == STEPS * EPOCHS


def test_resume_under_two_replicas_is_bit_identical(strategy, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    with strategy.scope():
        # Unsynchronised BatchNormalization keeps averages per replica, of
        # which a file has one; ours is left out here on purpose.
        original, toys.noisy_network = toys.noisy_network, toys.network
        try:
            expected, _ = run(whole)
            found, _ = run_killed(cut, (5, 12))
        finally:
            toys.noisy_network = original
    for a, b in zip(toys.weights(expected), toys.weights(found), strict=True):
        np.testing.assert_array_equal(a, b)
    # A checkpoint holds the sum of the replicas' metrics, so that the order
    # of additions in the epoch that was cut is another one.
    for expected_row, row in zip(
        metric_rows(whole), metric_rows(cut), strict=True
    ):
        assert row == pytest.approx(expected_row, rel=1e-6)


def test_resume_position_stays_inside_the_finished_epoch():
    assert training.resume_position(0, 6) == (0, 0)
    assert training.resume_position(5, 6) == (0, 5)
    assert training.resume_position(6, 6) == (0, 6)
    assert training.resume_position(7, 6) == (1, 1)


def test_a_checkpoint_of_another_model_is_refused(uninterrupted, tmp_path):
    *_, left = uninterrupted
    shutil.copytree(left[7], tmp_path, dirs_exist_ok=True)
    images, labels = toys.data()
    model = training.ERM(toys.linear())
    model.compile("sgd")
    callback = training.Checkpoint(str(tmp_path / "checkpoints"))
    with pytest.raises(ValueError, match="belongs to another classifier"):
        model.fit(images, labels, callbacks=[callback], verbose=0)


def test_old_checkpoints_are_deleted(tmp_path):
    run(tmp_path, every=3)
    files = list((tmp_path / "checkpoints").glob("*.index"))
    assert sorted(f.stem for f in files) == ["step-15", "step-18"]


def _train(folder, *extra):
    command = [sys.executable, "-m", "apps.train", "--model=small_convnet"]
    command += ["--width=4", "--epochs=3", "--checkpoint_every=5", "--seed=0"]
    command += [f"--run_dir={folder}", "--verbose=2", *extra]
    root = pathlib.Path(__file__).parents[2]
    return subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.mark.slow
def test_a_killed_process_resumes_to_the_same_file(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    output, _ = _train(whole).communicate(timeout=180)
    assert b"Trained 3 epochs (51 steps)" in output, output
    for _ in range(2):
        process = _train(cut, "--resume")
        before = training.latest_step(str(cut / "checkpoints"))
        deadline = time.monotonic() + 120
        while training.latest_step(str(cut / "checkpoints")) <= before:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert not (cut / "final.keras").exists()
    output, _ = _train(cut, "--resume").communicate(timeout=180)
    assert b"Resumed and trained 3 epochs (51 steps)" in output, output
    first, second = (
        keras.saving.load_model(folder / "final.keras")
        for folder in (whole, cut)
    )
    for a, b in zip(toys.weights(first), toys.weights(second), strict=True):
        np.testing.assert_array_equal(a, b)
    lines = (cut / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]


def test_the_pointer_is_switched_last(uninterrupted, tmp_path, monkeypatch):
    """A kill while a checkpoint is written leaves the one before valid."""
    *_, left = uninterrupted
    shutil.copytree(left[5], tmp_path, dirs_exist_ok=True)
    save = tf.train.Checkpoint.write

    def torn(self, file_prefix, options=None):
        pathlib.Path(f"{file_prefix}.data-00000-of-00001").write_bytes(b"x")
        raise Killed

    monkeypatch.setattr(tf.train.Checkpoint, "write", torn)
    monkeypatch.setattr(tf.train.Checkpoint, "_write", torn)
    with pytest.raises(Killed):
        run(tmp_path)
    monkeypatch.setattr(tf.train.Checkpoint, "write", save)
    monkeypatch.undo()
    assert training.latest_step(str(tmp_path / "checkpoints")) == 4
    model, _ = run(tmp_path)
    assert int(model.step.numpy()) == STEPS * EPOCHS


def _copy(left, step, folder):
    shutil.copytree(left[step], folder, dirs_exist_ok=True)
    return folder / "checkpoints"


def _cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x55
    file.write_bytes(content)


DAMAGES = {
    "data cut": ("data-00000-of-00001", _cut),
    "data flipped": ("data-00000-of-00001", _flip),
    "data gone": ("data-00000-of-00001", pathlib.Path.unlink),
    "index cut": ("index", _cut),
    "index empty": ("index", lambda file: file.write_bytes(b"")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_gives_way_to_an_older_one(
    uninterrupted, tmp_path, damage
):
    suffix, act = DAMAGES[damage]
    folder = _copy(uninterrupted[-1], 7, tmp_path)
    act(folder / f"step-6.{suffix}")
    with pytest.warns(UserWarning, match="step 6 is damaged.*of step 4"):
        assert training.latest_step(folder) == 4


def test_a_run_with_a_damaged_checkpoint_ends_as_if_it_were_whole(
    uninterrupted, tmp_path
):
    state, rows, *_, left = uninterrupted
    folder = _copy(left, 7, tmp_path)
    _flip(folder / "step-6.data-00000-of-00001")
    with pytest.warns(UserWarning, match="damaged"):
        model, _ = run(tmp_path)
    found = [np.asarray(v) for v in model.variables]
    for a, b in zip(found, state, strict=False):
        np.testing.assert_array_equal(a, b)
    assert metric_rows(tmp_path) == rows
    assert training.latest_step(folder) == STEPS * EPOCHS


def test_where_all_checkpoints_are_damaged_nothing_starts(
    uninterrupted, tmp_path
):
    folder = _copy(uninterrupted[-1], 7, tmp_path)
    for file in folder.glob("*.index"):
        _cut(file)
    with pytest.raises(ValueError, match=r"every .* damaged \(step 6, 4\)"):
        run(tmp_path)


def test_a_checkpoint_is_found_without_the_pointer(uninterrupted, tmp_path):
    folder = _copy(uninterrupted[-1], 7, tmp_path)
    (folder / "checkpoint").unlink(missing_ok=True)
    assert training.latest_step(folder) == 6


def test_a_checkpoint_of_release_0_1_is_restored(tmp_path):
    """It was written by TensorFlow's own manager."""
    whole = run(tmp_path)[0]
    checkpoint = tf.train.Checkpoint(
        model=[v.value for v in whole.variables + whole.optimizer.variables],
        metrics=[v.value for v in whole.metrics_variables],
        state=[tf.Variable(-math.inf, dtype=tf.float64)],
    )
    folder = tmp_path / "checkpoints"
    shutil.rmtree(folder)
    manager = tf.train.CheckpointManager(
        checkpoint, folder, max_to_keep=2, checkpoint_name="step"
    )
    manager.save(checkpoint_number=STEPS * EPOCHS)
    (tmp_path / "metrics.jsonl").unlink()
    with pytest.warns(UserWarning, match="no line of epoch 1, 2"):
        model, _ = run(tmp_path)
    for a, b in zip(toys.weights(whole), toys.weights(model), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(
    tmp_path, monkeypatch
):
    done = []
    monkeypatch.setattr(
        _files, "sync", lambda path: done.append(pathlib.Path(path).name)
    )
    replace = pathlib.Path.replace

    def replaced(self, target):
        if self.name.startswith(".saving"):
            done.append(pathlib.Path(target).name)
        return replace(self, target)

    monkeypatch.setattr(pathlib.Path, "replace", replaced)
    model = make_model()
    images, labels = toys.data(4)
    callback = training.Checkpoint(tmp_path / "c")
    model.fit(images, labels, callbacks=[callback], verbose=0)
    data_name, index = "data-00000-of-00001", "index"
    assert done == [
        f".saving.{data_name}",
        f"step-1.{data_name}",
        f".saving.{index}",
        f"step-1.{index}",
        "c",
    ]


def test_what_a_kill_left_of_a_checkpoint_is_removed(tmp_path):
    for name in (".saving_temp", "step-4_temp"):
        (tmp_path / name).mkdir()
    (tmp_path / ".saving.index").write_bytes(b"half")
    images, labels = toys.data(4)
    callback = training.Checkpoint(tmp_path)
    make_model().fit(images, labels, callbacks=[callback], verbose=0)
    names = {path.suffix for path in tmp_path.iterdir()}
    assert names == {".index", ".data-00000-of-00001"}
