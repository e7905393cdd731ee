"""The callbacks of a run, one by one."""

import json

import keras
import numpy as np
import pytest
import toys

from keras_mixup import training


def model_with(rate=0.1):
    model = training.ERM(toys.linear())
    model.compile(keras.optimizers.SGD(rate))
    return model


def fit(model, callbacks, **options):
    images, labels = toys.data()
    options = {"epochs": 1, "batch_size": 8, "verbose": 0, **options}
    return model.fit(images, labels, callbacks=callbacks, **options)


def test_nan_stops_the_run_and_names_the_step():
    model = model_with()
    images, labels = toys.data()
    with pytest.raises(FloatingPointError, match="nan at step 3"):
        model.fit(
            images,
            labels,
            batch_size=8,
            shuffle=False,
            verbose=0,
            callbacks=[toys.BreakAt(2), training.StopOnNaN()],
        )


class Scripted(keras.callbacks.Callback):
    """Gives the epochs fixed validation accuracies and weights."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs["val_accuracy"] = self.values[epoch]
        bias = self.model.classifier.layers[-1].bias
        bias.assign(np.full(toys.CLASSES, float(epoch)))


@pytest.mark.parametrize(("mode", "expected"), [("max", 1.0), ("min", 2.0)])
def test_best_classifier_is_that_of_the_best_epoch(tmp_path, mode, expected):
    path = str(tmp_path / "best.keras")
    best = training.BestModel(path, mode=mode)
    values = [0.5, 0.9, 0.2, 0.9]
    fit(model_with(), [Scripted(values), best], epochs=4)
    loaded = keras.saving.load_model(path)
    np.testing.assert_array_equal(loaded.layers[-1].bias, expected)
    assert [p.name for p in tmp_path.iterdir()] == ["best.keras"]


def test_best_classifier_names_a_missing_metric(tmp_path):
    best = training.BestModel(str(tmp_path / "b.keras"), "val_robust")
    with pytest.raises(ValueError, match="`monitor` must be one of"):
        fit(model_with(), [best])


def test_a_failed_save_leaves_the_file_before(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    training.save_atomically(toys.linear(), str(path))
    before = path.read_bytes()

    def fail(self, filepath, *args, **kwargs):
        with open(filepath, "wb") as file:
            file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(keras.Model, "save", fail)
    with pytest.raises(OSError, match="No space"):
        training.save_atomically(toys.linear(1), str(path))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.keras"]


@pytest.mark.parametrize("scaled", [False, True])
def test_metrics_log_has_a_line_per_epoch_and_the_rate_used(tmp_path, scaled):
    path = str(tmp_path / "metrics.jsonl")
    rate = training.make_schedule(0.1, 3, 4, "piecewise", drops=[2])
    model = model_with(rate)
    if scaled:
        model.compile(keras.optimizers.LossScaleOptimizer(model.optimizer))
    history = fit(model, [training.MetricsLog(path)], epochs=4).history
    rows = training.read_metrics(path)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert [row["step"] for row in rows] == [3, 6, 9, 12]
    np.testing.assert_allclose([r["loss"] for r in rows], history["loss"])
    used = [row["learning_rate"] for row in rows]
    np.testing.assert_allclose(used, [0.1, 0.1, 0.01, 0.01], rtol=1e-6)


def test_metrics_log_drops_repeated_epochs_and_a_torn_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"epoch": n, "loss": -1.0}) for n in (1, 2, 3)]
    path.write_text("\n".join(lines) + '\n{"epoch": 4, "lo')
    log = training.MetricsLog(str(path))
    with pytest.warns(UserWarning, match="dropped an incomplete last line"):
        fit(model_with(), [log], epochs=4, initial_epoch=2)
    rows = training.read_metrics(str(path))
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert [row["loss"] < 0 for row in rows] == [True, True, False, False]


def test_retrace_guard_stops_a_changing_dtype():
    model = model_with()

    class Retrace(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.traces["train"] += 1

    with pytest.raises(RuntimeError, match="traced again in epoch 2"):
        fit(model, [Retrace(), training.RetraceGuard()], epochs=3)
