"""Robust validation accuracy and early stopping, resumed runs included."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
import toys

from keras_mixup import ThreatModel
from keras_mixup import data
from keras_mixup import ops
from keras_mixup import training
from keras_mixup.attacks import PGD

STEPS = 3


def separable(count=20, seed=3):
    """Images whose label is the brightest of three pixels."""
    images, _ = toys.data(count, seed)
    flat = images.reshape(count, -1)
    return images, flat[:, :3].argmax(axis=1).astype("int32")


def model_of(classifier=None, seed=4, rate=0.5):
    model = training.Mixup(classifier or toys.network(), seed=seed)
    model.compile(keras.optimizers.SGD(rate))
    return model


class Recorder(keras.callbacks.Callback):
    """Keeps the logs that the callbacks after the first see."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(dict(logs))


def fit(model, callbacks, epochs=3):
    images, labels = separable(24)
    options = {"batch_size": 8, "shuffle": False, "verbose": 0}
    validation = separable()
    return model.fit(
        images,
        labels,
        epochs=epochs,
        callbacks=callbacks,
        validation_data=validation,
        **options,
    ).history


def test_the_number_is_the_attacks_and_reaches_logs_and_history():
    images, labels = separable()
    attack = toys.attack()
    robust = training.RobustValidation(attack, images, labels, batch_size=7)
    recorder = Recorder()
    model = model_of()
    history = fit(model, [robust, recorder])
    found = [row["val_robust_accuracy"] for row in recorder.seen]
    assert history["val_robust_accuracy"] == found
    assert len(found) == 3
    # The last epoch's number, found again row by row from its definition.
    held = 0
    for number, start in enumerate((0, 7, 14)):
        rows = (start + np.arange(7)) % 20
        seed = ops.fold_in(ops.seed_pair(4), 2, number)
        moved = attack.perturb(
            model.classifier, images[rows], labels[rows], seed
        )
        predicted = np.argmax(model.classifier(moved), axis=-1)
        count = min(7, 20 - start)
        held += int((predicted == labels[rows])[:count].sum())
    assert found[-1] == held / 20
    assert found[-1] < history["val_accuracy"][-1]


def test_eps_zero_is_the_clean_accuracy():
    images, labels = separable()
    attack = PGD(ThreatModel("linf", 0.0), 0.1, 2)
    robust = training.RobustValidation(attack, images, labels, batch_size=8)
    history = fit(model_of(), [robust])
    np.testing.assert_allclose(
        history["val_robust_accuracy"], history["val_accuracy"]
    )


def test_every_measures_the_first_epoch_and_each_second_one():
    images, labels = separable()
    measured = []

    class Watched(training.RobustValidation):
        def measure(self, epoch):
            measured.append(epoch)
            return epoch / 10

    robust = Watched(toys.attack(), images, labels, every=2)
    history = fit(model_of(), [robust], epochs=5)
    assert measured == [0, 1, 3]
    assert history["val_robust_accuracy"] == [0.0, 0.1, 0.1, 0.3, 0.3]


def test_nothing_is_traced_twice():
    images, labels = separable()
    traces = []

    class Counting(PGD):
        def perturb(self, *arguments, **options):
            traces.append(1)
            return super().perturb(*arguments, **options)

    attack = Counting(ThreatModel("linf", 0.1), 0.05, 2)
    robust = training.RobustValidation(attack, images, labels, batch_size=8)
    model = model_of()
    fit(model, [robust, training.RetraceGuard()])
    assert len(traces) == 1
    assert model.traces == {"train": 1, "test": 1}


def test_two_replicas_measure_as_one_device(strategy):
    images, labels = separable()
    with strategy.scope():
        model = model_of()
    robust = training.RobustValidation(
        toys.attack(), images, labels, batch_size=8
    )
    history = fit(model, [robust])
    single = model_of()
    single.classifier.set_weights(model.classifier.get_weights())
    again = training.RobustValidation(toys.attack(), images, labels, 1, 8)
    again.set_model(single)
    assert again.measure(2) == history["val_robust_accuracy"][-1]


def test_the_best_classifier_can_follow_it(tmp_path):
    images, labels = separable()
    path = tmp_path / "best.keras"

    class Fixed(training.RobustValidation):
        def measure(self, epoch):
            return [0.2, 0.6, 0.4][epoch]

    kept = []

    class Weights(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kept.append(toys.weights(self.model.classifier))

    robust = Fixed(toys.attack(), images, labels)
    best = training.BestModel(str(path), "val_robust_accuracy")
    fit(model_of(), [robust, best, Weights()])
    saved = toys.weights(keras.saving.load_model(path))
    for a, b in zip(saved, kept[1], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attack": "pgd"}, "`attack` must be an attack"),
        ({"images": np.zeros((0, 4, 4, 1))}, "at least one image"),
        ({"labels": np.zeros(3)}, r"`labels` must be integers of shape \[20\]"),
        ({"every": 0}, "`every` must be an integer >= 1"),
        ({"batch_size": 0}, "`batch_size` must be"),
    ],
)
def test_bad_arguments_are_named(change, message):
    images, labels = separable()
    options = {"attack": toys.attack(), "images": images, "labels": labels}
    with pytest.raises(ValueError, match=message):
        training.RobustValidation(**{**options, **change})


class Series(keras.callbacks.Callback):
    """Puts made-up values of a metric into the logs."""

    def __init__(self, values, name="metric"):
        super().__init__()
        self.values, self.key = values, name

    def on_epoch_end(self, epoch, logs=None):
        logs[self.key] = self.values[epoch]


@pytest.mark.parametrize(
    ("values", "mode", "patience", "epochs"),
    [
        ([0.1, 0.2, 0.2, 0.1, 0.3, 0.3], "max", 2, 4),
        ([0.1, 0.2, 0.2, 0.1, 0.3, 0.3], "max", 3, 6),
        ([0.1, 0.2, 0.0, 0.1, 0.3, 0.3], "min", 1, 2),
        ([0.5, 0.4, 0.3, 0.2, 0.1, 0.0], "min", 1, 6),
    ],
)
def test_stops_after_so_many_epochs_without_a_better_value(
    values, mode, patience, epochs
):
    stop = training.EarlyStopping("metric", patience, mode)
    history = fit(model_of(), [Series(values), stop], epochs=6)
    assert len(history["loss"]) == epochs


def test_early_stopping_names_what_it_needs():
    with pytest.raises(ValueError, match="`patience` must be"):
        training.EarlyStopping(patience=0)
    with pytest.raises(ValueError, match="`mode` must be one of"):
        training.EarlyStopping(mode="auto")
    with pytest.raises(ValueError, match="`monitor` must be one of.*val_acc"):
        fit(model_of(), [training.EarlyStopping()], epochs=1)


class Killed(Exception):
    """Stands for a kill at the end of a step."""


class KillAt(keras.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.at = step

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.step.numpy()) == self.at:
            raise Killed


def resumable_run(folder, kill_at=None, last=()):
    """One process's part of a run that stops early; at most 8 epochs."""
    images, labels = separable(4 * STEPS)
    examples = data.ImageSet(images, labels, np.arange(len(labels)))
    directory = str(folder / "checkpoints")
    start = training.latest_step(directory)
    # A rate of 0 makes every epoch equal but for the attack's seed.
    model = model_of(rate=1e-3)
    epoch, model.skip = training.resume_position(start, STEPS)
    robust = training.RobustValidation(
        toys.attack(1, 0.3), *separable(), every=2, batch_size=8
    )
    values = [0.1, 0.5, 0.4, 0.3, 0.5, 0.2, 0.1, 0.0]
    stop = training.EarlyStopping("metric", patience=4)
    callbacks = [
        training.Checkpoint(directory, 2, [stop.state, robust.value]),
        robust,
        Series(values),
        stop,
        training.MetricsLog(str(folder / "metrics.jsonl")),
    ]
    callbacks += [KillAt(kill_at)] if kill_at else []
    callbacks += last
    model.fit(
        data.training_dataset(examples, 4, seed=4, start_step=start),
        initial_epoch=epoch,
        epochs=8,
        steps_per_epoch=STEPS,
        callbacks=callbacks,
        verbose=0,
    )
    rows = training.read_metrics(str(folder / "metrics.jsonl"))
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


KILLS = [(7,), (6, 12), (11, 14)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(metrics, the folder, {step: what a kill there leaves})."""
    folder = tmp_path_factory.mktemp("whole")
    copies = toys.CopiesAt(
        folder, tmp_path_factory.mktemp("cut"), [k[0] for k in KILLS]
    )
    return resumable_run(folder, last=[copies]), folder, copies.left


@pytest.mark.parametrize("kills", KILLS)
def test_patience_and_numbers_survive_a_resume(whole, tmp_path, kills):
    expected, _, left = whole
    assert len(expected) == 6  # best in epoch 2, four epochs without
    cut = shutil.copytree(left[kills[0]], tmp_path / "cut")
    for kill in kills[1:]:
        with pytest.raises(Killed):
            resumable_run(cut, kill)
    assert resumable_run(cut) == expected


def test_resuming_a_stopped_run_counts_no_epoch_twice(whole, tmp_path):
    expected, folder, _ = whole
    again = shutil.copytree(folder, tmp_path / "again")
    assert resumable_run(again) == expected


def test_the_state_is_three_numbers_that_a_checkpoint_keeps(tmp_path):
    stop = training.EarlyStopping("metric", 5)
    fit(model_of(), [Series([0.3, 0.2, 0.1]), stop])
    np.testing.assert_array_equal(stop.state, [0.3, 2.0, 2.0])
    path = tf.train.Checkpoint(state=stop.state).write(str(tmp_path / "c"))
    other = training.EarlyStopping("metric", 5)
    tf.train.Checkpoint(state=other.state).read(path).assert_consumed()
    np.testing.assert_array_equal(other.state, [0.3, 2.0, 2.0])
