"""One call resumes; stock `fit` resumes rightly or refuses."""

import json
import shutil

import keras
import numpy as np
import pytest

from keras_mixup import _files
from keras_mixup import data
from keras_mixup import runs
from keras_mixup import training


@pytest.fixture(scope="module")
def examples():
    random = np.random.default_rng(0)
    images = random.uniform(size=(22, 4, 4, 1)).astype("float32")
    return data.image_set(images, random.integers(0, 3, 22))


def make(seed=4, alpha=1.0, side=4):
    keras.utils.set_random_seed(1)
    layers = [
        keras.Input((side, side, 1)),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.2, seed=3),
        keras.layers.Dense(3),
    ]
    model = training.Mixup(keras.Sequential(layers), alpha, seed=seed)
    model.compile(keras.optimizers.Adam(0.05))
    return model


KILLS = (1, 4, 5, 9, 14)


class CopyAtKills(keras.callbacks.Callback):
    """Copies a folder as a kill leaves it that the run is not told of."""

    def __init__(self, folder, copies):
        super().__init__()
        self.folder, self.copies = folder, copies

    def on_train_batch_begin(self, batch, logs=None):
        step = int(self.model.step.numpy())
        if step in KILLS:
            shutil.copytree(self.folder, self.copies / str(step))


class Killed(Exception):
    """Stands for a kill."""


class KillAt(keras.callbacks.Callback):
    """Kills the run before it is told of a step."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_begin(self, batch, logs=None):
        if int(self.model.step.numpy()) >= self.step:
            raise Killed


def fit(examples, folder, callbacks=(), epochs=3, stop=None):
    model = make()
    training.fit_resumable(
        model,
        examples,
        folder,
        epochs=epochs,
        batch_size=4,
        validation_data=(examples.images[:7], examples.labels[:7]),
        checkpoint_every=2,
        callbacks=callbacks,
        early_stopping=9,
        stop=stop,
        verbose=0,
    )
    return model


def log_of(folder):
    rows = _files.read_lines(folder / _files.METRICS)
    return [{k: v for k, v in r.items() if k != "seconds"} for r in rows]


@pytest.fixture(scope="module")
def undisturbed(examples, tmp_path_factory):
    """(weights, log, folder, the folder of the copies)."""
    folder = tmp_path_factory.mktemp("undisturbed")
    copies = tmp_path_factory.mktemp("killed")
    model = fit(examples, folder, [CopyAtKills(folder, copies)])
    return model.classifier.get_weights(), log_of(folder), folder, copies


@pytest.fixture(scope="module")
def short(examples, tmp_path_factory):
    """The folder of a run of 2 epochs."""
    folder = tmp_path_factory.mktemp("short")
    fit(examples, folder, epochs=2)
    return folder


def check_equal(model, folder, undisturbed):
    weights, log, *_ = undisturbed
    for ours, theirs in zip(
        model.classifier.get_weights(), weights, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert log_of(folder) == log


@pytest.mark.parametrize("step", KILLS)
def test_a_killed_run_ends_as_an_undisturbed_one(
    examples, undisturbed, tmp_path, step
):
    shutil.copytree(undisturbed[3] / str(step), tmp_path, dirs_exist_ok=True)
    model = fit(examples, tmp_path)
    assert int(model.step.numpy()) == 15
    check_equal(model, tmp_path, undisturbed)


def test_a_finished_run_stays_as_it_is(examples, undisturbed, tmp_path):
    shutil.copytree(undisturbed[2], tmp_path, dirs_exist_ok=True)
    model = fit(examples, tmp_path)
    assert int(model.step.numpy()) == 15
    check_equal(model, tmp_path, undisturbed)


def test_a_longer_run_goes_on(examples, undisturbed, short, tmp_path):
    """The last line of the log holds what training measured."""
    shutil.copytree(short, tmp_path, dirs_exist_ok=True)
    model = fit(examples, tmp_path, epochs=3)
    check_equal(model, tmp_path, undisturbed)


def test_a_shorter_run_is_refused(examples, short, tmp_path):
    shutil.copytree(short, tmp_path, dirs_exist_ok=True)
    with pytest.raises(ValueError, match="checkpoint of step 10"):
        fit(examples, tmp_path, epochs=1)


def run_changed(examples, folder, step, count=22, order=1, **options):
    """Trains until a kill, with arguments that a test changes."""
    images, labels = (
        part[:count][::order] for part in (examples.images, examples.labels)
    )
    if options.pop("mirrored", False):
        images = images[:, :, ::-1]
    if options.pop("tiled", False):
        images = np.tile(images, (1, 2, 2, 1))
    options = {"epochs": 1, "batch_size": 4, "seed": 0, **options}
    training.fit_resumable(
        make(
            options.pop("model_seed", 4),
            options.pop("alpha", 1.0),
            side=images.shape[1],
        ),
        (images, labels),
        folder,
        validation_data=(images[:7], labels[:7]),
        checkpoint_every=2,
        callbacks=[KillAt(step)],
        verbose=0,
        **options,
    )


@pytest.fixture(scope="module")
def killed(examples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    with pytest.raises(Killed):
        run_changed(examples, folder, 4)
    return folder


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"seed": 1}, "`seed` must be 0, as before. Received: seed=1"),
        ({"batch_size": 5}, "`batch_size` must be 4, as before"),
        ({"augment": "crop"}, "`augment` must be None, as before"),
        ({"monitor": "val_loss"}, "`monitor` must be 'val_accuracy'"),
        ({"best_file": "b.keras"}, "`best_file` must be 'classifier.keras'"),
        ({"count": 21}, "`number of images` must be 22"),
        ({"order": -1}, "`checksum of labels` must be"),
        ({"mirrored": True}, "`checksum of images` must be"),
        ({"model_seed": 5}, "`model.seed` must be 4"),
        ({"alpha": 0.5}, "`settings of the algorithm` must be {'alpha': 1.0,"),
    ],
)
def test_other_arguments_are_refused(examples, killed, changed, match):
    with pytest.raises(ValueError, match=match):
        run_changed(examples, killed, 99, **changed)


def test_another_border_is_refused_also_after_runs_without_a_choice(
    examples, tmp_path
):
    with pytest.raises(Killed):
        run_changed(examples, tmp_path, 4, tiled=True, augment="crop")
    file = tmp_path / "checkpoints" / "arguments.json"
    kept = json.loads(file.read_text())
    assert kept.pop("crop_padding") == "reflect"
    file.write_text(json.dumps(kept))
    zeros = {"tiled": True, "augment": "crop", "crop_padding": "zeros"}
    with pytest.raises(ValueError, match="`crop_padding` must be 'reflect'"):
        run_changed(examples, tmp_path, 99, **zeros)
    with pytest.raises(ValueError, match="`crop_padding` must be left out"):
        run_changed(examples, tmp_path / "new", 99, crop_padding="zeros")
    run_changed(examples, tmp_path, 99, tiled=True, augment="crop")


def test_a_finished_run_is_not_that_of_another_seed(examples, tmp_path):
    run_changed(examples, tmp_path, 99)
    with pytest.raises(ValueError, match="`seed` must be 0"):
        run_changed(examples, tmp_path, 99, seed=1)


def test_a_run_that_kept_nothing_takes_other_arguments(examples, tmp_path):
    for seed in (0, 1):
        with pytest.raises(Killed):
            run_changed(examples, tmp_path, 1, seed=seed)


def stock_fit(examples, folder, **options):
    model = make()
    model.fit(
        examples.images,
        examples.labels,
        batch_size=4,
        verbose=0,
        callbacks=[training.Checkpoint(str(folder))],
        **options,
    )
    return int(model.step.numpy())


def test_stock_fit_does_not_train_the_same_epochs_again(examples, tmp_path):
    assert stock_fit(examples, tmp_path, epochs=1) == 6
    with pytest.raises(ValueError) as caught:
        stock_fit(examples, tmp_path, epochs=1)
    text = str(caught.value)
    assert "holds a checkpoint of step 6" in text
    assert "training.fit_resumable" in text
    assert training.latest_step(str(tmp_path)) == 6


def test_stock_fit_goes_on_at_the_next_epoch(examples, tmp_path):
    stock_fit(examples, tmp_path, epochs=1)
    assert stock_fit(examples, tmp_path, epochs=3, initial_epoch=1) == 18


def test_fit_twice_on_one_model_trains_twice(examples, tmp_path):
    """As stock Keras: the model knows the steps behind it."""
    model = make()
    for expected in (6, 12):
        model.fit(
            examples.images,
            examples.labels,
            batch_size=4,
            verbose=0,
            callbacks=[training.Checkpoint(str(tmp_path))],
        )
        assert int(model.step.numpy()) == expected


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"epochs": 0}, "`epochs` must be an integer >= 1"),
        ({"batch_size": 23}, "`batch_size` must be at most the 22 images"),
        ({"images": np.zeros(3)}, "must be a data.ImageSet, a pair"),
    ],
)
def test_bad_arguments_are_named(examples, tmp_path, options, match):
    given = {"epochs": 1, "batch_size": 4, "images": examples, **options}
    with pytest.raises(ValueError, match=match):
        training.fit_resumable(make(), given.pop("images"), tmp_path, **given)


def test_a_lost_best_model_is_said(examples, short, tmp_path):
    shutil.copytree(short, tmp_path, dirs_exist_ok=True)
    (tmp_path / _files.BEST_CLASSIFIER).unlink()
    with pytest.warns(UserWarning, match="classifier.keras is gone"):
        fit(examples, tmp_path, epochs=3)


def test_another_best_model_is_not_taken_for_the_best(
    examples, short, tmp_path
):
    shutil.copytree(short, tmp_path, dirs_exist_ok=True)
    best = tmp_path / _files.BEST_CLASSIFIER
    before = training.read_best(best)
    training.save_atomically(make().classifier, best)
    assert training.read_best(best) is None
    with pytest.warns(UserWarning, match="is another model than"):
        fit(examples, tmp_path, epochs=3)
    row = log_of(tmp_path)[-1]
    found = training.read_best(best)
    assert found == {
        "epoch": 3,
        "step": 15,
        "monitor": "val_accuracy",
        "value": row["val_accuracy"],
    }
    assert before["epoch"] < 3


def test_the_best_model_says_which_it_is(undisturbed):
    _, log, folder, _ = undisturbed
    found = training.read_best(folder / _files.BEST_CLASSIFIER)
    best = max(log, key=lambda row: row["val_accuracy"])
    assert found["value"] == best["val_accuracy"]
    assert (found["epoch"], found["step"]) == (best["epoch"], best["step"])
    keras.saving.load_model(folder / _files.BEST_CLASSIFIER)


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (("checkpoints", "metrics.jsonl"), "Resuming at step 10."),
        (("metrics.jsonl",), "Starting at step 0: there is no checkpoint."),
        ((), "Starting at step 0."),
    ],
)
def test_where_a_run_begins_is_said(examples, short, tmp_path, kept, expected):
    for name in kept:
        copy = shutil.copytree if name == "checkpoints" else shutil.copy
        copy(short / name, tmp_path / name)
    said = []
    with pytest.raises(Killed):
        training.fit_resumable(
            make(),
            examples,
            tmp_path,
            epochs=3,
            batch_size=4,
            validation_data=(examples.images[:7], examples.labels[:7]),
            checkpoint_every=2,
            early_stopping=9,
            callbacks=[KillAt(0)],
            progress=said.append,
        )
    assert said == [expected]


class StopAfter:
    """Asks a run to stop when it was asked so many times."""

    def __init__(self, count):
        self.count = count

    def __call__(self):
        self.count -= 1
        return "enough" if self.count < 0 else None


# Within the first epoch, in its validation of two batches, at its end.
@pytest.mark.parametrize(("count", "step"), [(0, 1), (2, 3), (5, 5), (6, 5)])
def test_a_stopped_run_ends_as_an_undisturbed_one(
    examples, undisturbed, tmp_path, count, step
):
    with pytest.raises(runs.Stopped, match=rf"at step {step} \(enough\)"):
        fit(examples, tmp_path, stop=StopAfter(count))
    assert training.latest_step(tmp_path / "checkpoints") == step
    check_equal(fit(examples, tmp_path), tmp_path, undisturbed)
