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


METRIC = keras.metrics
REFUSED = {
    **{name: {} for name in ("KLDivergence", "Poisson", "Accuracy")},
    **{name: {} for name in ("MeanSquaredLogarithmicError", "AUC")},
    **{name: {} for name in ("BinaryAccuracy", "Precision", "Recall")},
    **{name: {} for name in ("TruePositives", "TrueNegatives")},
    **{name: {} for name in ("FalsePositives", "FalseNegatives")},
    **{name: {} for name in ("BinaryCrossentropy", "CategoricalCrossentropy")},
    "SparseCategoricalCrossentropy": {},
    "F1Score": {"threshold": 0.5},
    "FBetaScore": {"threshold": 0.5},
    "BinaryIoU": {"target_class_ids": [1]},
    "IoU": {"num_classes": 3, "target_class_ids": [1]},
    "MeanIoU": {"num_classes": 3},
    "OneHotIoU": {
        "num_classes": 3,
        "target_class_ids": [1],
        "sparse_y_pred": True,
    },
    "OneHotMeanIoU": {"num_classes": 3, "sparse_y_pred": True},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
}
# They read the order of the outputs alone.
OF_ORDER = {
    "CategoricalAccuracy": {},
    "SparseCategoricalAccuracy": {},
    "TopKCategoricalAccuracy": {"k": 2},
    "SparseTopKCategoricalAccuracy": {"k": 2},
    "Precision": {"top_k": 1},
    "Recall": {"top_k": 2},
    "F1Score": {},
    "FBetaScore": {},
    "IoU": {
        "num_classes": 3,
        "target_class_ids": [1],
        "sparse_y_true": False,
        "sparse_y_pred": False,
    },
    "MeanIoU": {
        "num_classes": 3,
        "sparse_y_true": False,
        "sparse_y_pred": False,
    },
    "OneHotIoU": {"num_classes": 3, "target_class_ids": [1]},
    "OneHotMeanIoU": {"num_classes": 3},
}
# They take any number for an output.
OF_NUMBERS = {"CategoricalHinge", "Hinge", "SquaredHinge", "R2Score"}
OF_NUMBERS |= {"MeanAbsoluteError", "MeanSquaredError", "LogCoshError"}
OF_NUMBERS |= {"RootMeanSquaredError", "MeanAbsolutePercentageError"}
OF_NUMBERS |= {"ConcordanceCorrelation", "PearsonCorrelation"}
OF_NUMBERS |= {"CosineSimilarity"}


def test_every_metric_of_keras_is_judged():
    plain = {"Metric", "Mean", "Sum", "MeanMetricWrapper"}
    found = {
        name
        for name, kind in vars(METRIC).items()
        if isinstance(kind, type) and issubclass(kind, METRIC.Metric)
    }
    assert found - plain == {*REFUSED, *OF_ORDER, *OF_NUMBERS}


FUNCTIONS = [METRIC.kl_divergence, METRIC.poisson, METRIC.binary_accuracy]
FUNCTIONS += [METRIC.mean_squared_logarithmic_error, keras.losses.dice]
FUNCTIONS += [keras.losses.KLDivergence(), keras.losses.Tversky()]
FUNCTIONS += [keras.losses.CategoricalCrossentropy()]
WRAPPED = [METRIC.MeanMetricWrapper(f) for f in FUNCTIONS]
# A threshold beside `top_k` counts.
OTHERS = ["kl_divergence", "precision", METRIC.Recall(0.5, top_k=1)]


@pytest.mark.parametrize("given", [*REFUSED, *FUNCTIONS, *WRAPPED, *OTHERS])
def test_a_metric_of_probabilities_is_refused(given):
    if given in REFUSED:
        given = getattr(METRIC, given)(**REFUSED[given])
    for name in ("metrics", "weighted_metrics"):
        with pytest.raises(
            ValueError, match=f"`{name}` must be a metric of logits"
        ):
            training.ERM(toys.linear()).compile("sgd", **{name: [given]})


@pytest.mark.parametrize("name", OF_ORDER)
def test_a_metric_of_the_order_is_that_of_probabilities(name):
    metric = getattr(METRIC, name)(**OF_ORDER[name])
    model = training.ERM(toys.linear())
    model.compile("sgd", metrics=[metric])
    images, labels = toys.data()
    logs = model.evaluate(images, labels, verbose=0, return_dict=True)
    judge = type(metric).from_config(metric.get_config())
    sparse = name.startswith("Sparse")
    targets = labels if sparse else keras.ops.one_hot(labels, toys.CLASSES)
    judge.update_state(targets, keras.ops.softmax(model.classifier(images)))
    np.testing.assert_allclose(logs[metric.name], judge.result(), rtol=1e-6)


@pytest.mark.parametrize("name", sorted(OF_NUMBERS))
def test_a_metric_of_numbers_is_taken(name):
    metric = getattr(METRIC, name)()
    training.ERM(toys.linear()).compile("sgd", metrics=[metric])


def test_a_subclass_may_read_the_logits_itself():
    class OwnRecall(METRIC.Recall):
        def update_state(self, y_true, y_pred, sample_weight=None):
            y_pred = keras.ops.softmax(y_pred)
            return super().update_state(y_true, y_pred, sample_weight)

    own, same = OwnRecall(), type("SameRecall", (METRIC.Recall,), {})
    training.ERM(toys.linear()).compile("sgd", metrics=[own])
    with pytest.raises(ValueError, match="a metric of logits"):
        training.ERM(toys.linear()).compile("sgd", metrics=[same()])


def test_reconstructions_are_no_logits():
    images, _ = toys.data(8)
    model = training.MMDVAETraining(toys.vae())
    model.compile("sgd", metrics=["binary_crossentropy"])
    found = model.evaluate(images, images, verbose=0, return_dict=True)
    judge = METRIC.BinaryCrossentropy()
    judge.update_state(images, model(images))
    np.testing.assert_allclose(
        found["binary_crossentropy"], judge.result(), rtol=1e-5
    )
    of_logits = METRIC.BinaryCrossentropy(from_logits=True)
    with pytest.raises(ValueError, match="a metric of images"):
        model.compile("sgd", metrics=[of_logits])


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
