"""Metrics by name, sparse ones, and the directions that callbacks look for."""

import keras
import numpy as np
import pytest
import toys

from keras_mixup import training

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def histories(metrics, callbacks=lambda: [], **options):
    """What stock Keras and ERM report on the same batches."""
    images, labels = toys.data()
    options |= {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0}
    options["validation_data"] = images[:9], labels[:9]
    found = []
    for ours in (False, True):
        model = training.ERM(toys.linear()) if ours else toys.linear()
        model.compile("sgd", None if ours else LOSS, metrics=metrics())
        called = callbacks()
        history = model.fit(images, labels, callbacks=called, **options)
        found.append((history.history, called))
    return found


METRICS = {
    "accuracy": lambda: ["accuracy"],
    "acc": lambda: ["accuracy", "acc"],
    "sparse name": lambda: ["accuracy", "sparse_top_k_categorical_accuracy"],
    "sparse objects": lambda: [
        "accuracy",
        keras.metrics.SparseCategoricalAccuracy(),
        keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2"),
        keras.metrics.SparseCategoricalCrossentropy(from_logits=True),
    ],
    "function": lambda: ["accuracy", keras.metrics.sparse_categorical_accuracy],
}


@pytest.mark.parametrize("name", METRICS)
def test_metrics_report_what_stock_keras_reports(name):
    (stock, _), (ours, _) = histories(METRICS[name])
    assert set(ours) == set(stock)
    for key, values in stock.items():
        np.testing.assert_allclose(ours[key], values, rtol=1e-6)


def test_a_cross_entropy_by_name_is_that_of_logits():
    names = ["sparse_categorical_crossentropy", "ce"]
    model = training.ERM(toys.linear())
    model.compile("sgd", metrics=names)
    found = model.evaluate(*toys.data(), verbose=0, return_dict=True)
    for name in names:
        np.testing.assert_allclose(found[name], found["loss"], rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (["no such metric"], "`metrics` must be a list of keras.metrics"),
        ("accuracy", "`metrics` must be a list"),
        ({"head": "accuracy"}, "`metrics` must be a list"),
        (["auc"], "a metric of logits.*from_logits=True"),
        ([keras.metrics.CategoricalCrossentropy()], "from_logits=True"),
        ([keras.losses.sparse_categorical_crossentropy], "from_logits=True"),
    ],
)
def test_metrics_of_another_kind_are_refused_by_name(given, match):
    with pytest.raises(ValueError, match=match):
        training.ERM(toys.linear()).compile("sgd", metrics=given)


CALLBACKS = keras.callbacks


@pytest.mark.parametrize("monitor", ["val_accuracy", "accuracy", "val_loss"])
def test_stock_callbacks_find_the_direction(monitor, tmp_path):
    def callbacks():
        path = str(tmp_path / "best.keras")
        options = {"monitor": monitor}
        return [
            CALLBACKS.EarlyStopping(patience=1, min_delta=0.05, **options),
            CALLBACKS.ReduceLROnPlateau(patience=1, min_delta=1.0, **options),
            CALLBACKS.ModelCheckpoint(path, save_best_only=True, **options),
        ]

    (stock, _), (ours, called) = histories(METRICS["accuracy"], callbacks)
    assert set(ours) == set(stock)
    for key, values in stock.items():
        np.testing.assert_allclose(ours[key], values, rtol=1e-6)
    assert called[0].best in ours[monitor]
    assert keras.saving.load_model(tmp_path / "best.keras").l2_penalty == 0.0


def test_metrics_are_saved_with_the_model(tmp_path):
    model = training.ERM(toys.linear())
    options = {"metrics": METRICS["sparse name"]()}
    model.compile("sgd", weighted_metrics=["accuracy"], **options)
    weights = np.arange(24) / 8.0
    model.fit(*toys.data(), sample_weight=weights, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    arguments = {"sample_weight": weights, "return_dict": True, "verbose": 0}
    first, second = (
        m.evaluate(*toys.data(), **arguments) for m in (model, loaded)
    )
    assert first == second
    assert {"accuracy", "weighted_accuracy"} < set(first)


def test_an_autoencoders_metrics_have_directions():
    model = training.MMDVAETraining(toys.vae())
    model.compile("sgd")
    stop = CALLBACKS.EarlyStopping("val_psnr", patience=1)
    images, _ = toys.data(8)
    options = {"callbacks": [stop], "verbose": 0, "epochs": 2}
    history = model.fit(images, validation_data=(images, images), **options)
    assert stop.best == max(history.history["val_psnr"])
