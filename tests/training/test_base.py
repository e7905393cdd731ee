"""Guards, metrics, saving and replicas of the base class."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import toys

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import training


def compiled(classifier, **options):
    model = training.ERM(classifier)
    model.compile(keras.optimizers.SGD(0.1), **options)
    return model


def fit(model, images, labels, **options):
    options = {"batch_size": 8, "verbose": 0, "shuffle": False, **options}
    return model.fit(images, labels, **options).history


def test_compile_refuses_a_loss():
    with pytest.raises(ValueError, match="`loss` is fixed by the algorithm"):
        training.ERM(toys.linear()).compile("sgd", loss="mse")


def test_compile_refuses_unknown_options():
    with pytest.raises(ValueError, match="does not take.*loss_weights"):
        training.ERM(toys.linear()).compile("sgd", loss_weights=[1.0])


@pytest.mark.parametrize("option", ["jit_compile", "run_eagerly"])
def test_compile_refuses_xla_and_eager_under_a_strategy(strategy, option):
    with strategy.scope():
        model = training.ERM(toys.linear())
        with pytest.raises(ValueError, match=f"`{option}` must be False"):
            model.compile("sgd", **{option: True})


def test_a_final_softmax_is_refused_with_the_remedy():
    classifier = keras.Sequential(
        [
            keras.Input(toys.SHAPE),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    with pytest.raises(ValueError, match="Remove the final softmax"):
        training.ERM(classifier)


def test_a_hidden_softmax_is_found_on_the_first_batch():
    @keras.saving.register_keras_serializable("keras_mixup_tests")
    class Hidden(keras.layers.Layer):
        def call(self, inputs):
            return keras.ops.softmax(inputs)

    inner = toys.linear()
    inputs = keras.Input(toys.SHAPE)
    model = compiled(keras.Model(inputs, Hidden()(inner(inputs))))
    with pytest.raises(ValueError, match="not of probabilities"):
        fit(model, *toys.data())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x * 255.0, y), r"float in \[0, 1\].*Divide"),
        (lambda x, y: (x - 0.5, y), r"float in \[0, 1\]"),
        (lambda x, y: (np.where(x > 0.9, np.nan, x), y), "NaN or infinity"),
        (lambda x, y: (np.ones((24, 1, 9, 9), "float32"), y), "channels f"),
        (lambda x, y: ((x * 255).astype("uint8"), y), "dtype uint8"),
        (lambda x, y: (x, y + 3), r"in 0\.\.2.*labels in"),
        (lambda x, y: (x, y - 1), r"in 0\.\.2"),
        (lambda x, y: (x, y + 0.5), "integers"),
        (lambda x, y: (x, np.ones((len(y), 3))), "rows of probabilities"),
        (lambda x, y: (x, np.ones((len(y), 7))), "`y` must be integers"),
    ],
)
def test_bad_data_is_named_before_any_step(change, message):
    model = compiled(toys.linear())
    before = toys.weights(model.classifier)
    with pytest.raises(ValueError, match=message):
        fit(model, *change(*toys.data()))
    after = toys.weights(model.classifier)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("options", [{}, {"jit_compile": True}])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda y: np.where(np.arange(24) == 17, toys.CLASSES, y),
        lambda y: np.where(np.arange(24) == 17, -1, y),
        lambda y: np.eye(3)[y] * np.where(np.arange(24) == 17, 3, 1)[:, None],
    ],
)
def test_labels_of_later_batches_are_checked_in_the_graph(spoil, options):
    images, labels = toys.data()
    labels, model = spoil(labels), compiled(toys.linear(), **options)
    match = "`y` must be in 0..2, or rows of .* in a train step after .*2"
    with pytest.raises(tf.errors.InvalidArgumentError, match=match) as caught:
        fit(model, images, labels)
    # What is wrong, and no trace of the graph.
    assert str(caught.value).startswith("`y` must be in 0..2")
    assert len(str(caught.value).splitlines()) == 1
    assert int(model.step) == 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="a test step"):
        model.evaluate(images, labels, batch_size=8, verbose=0)


def _at(value):
    """Puts a value into one pixel of the third batch of three."""
    return lambda x: np.where(
        np.arange(x.size).reshape(x.shape) == 17 * 16, value, x
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 1.1, 255.0])
@pytest.mark.parametrize("options", [{}, {"jit_compile": True}])
def test_images_of_later_batches_are_checked_in_the_graph(value, options):
    images, labels = toys.data()
    spoilt = _at(value)(images).astype("float32")
    model = compiled(toys.linear(), **options)
    match = r"`x` must be float in \[0, 1\].* rows .*1.* a train step after .*2"
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        fit(model, spoilt, labels)
    assert int(model.step) == 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="a test step"):
        model.evaluate(spoilt, labels, batch_size=8, verbose=0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="a test step"):
        fit(model, images, labels, validation_data=(spoilt, labels))


def test_rounding_in_later_batches_is_no_fault():
    images, labels = toys.data()
    fit(compiled(toys.linear()), _at(1.0000013)(images), labels)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_weights_of_later_batches_are_checked_in_the_graph(value):
    images, labels = toys.data()
    weights = np.where(np.arange(24) == 17, value, 1.0)
    match = "`sample_weight` must be finite.* in a train step after .*2"
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        fit(compiled(toys.linear()), images, labels, sample_weight=weights)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_refused_batch_leaves_no_trace(steps):
    """Neither in weights and counters nor in averages, which see no label."""
    images, labels = toys.data()
    labels = np.where(np.arange(24) == 17, toys.CLASSES, labels)
    net = toys.noisy_network()
    model, twin = training.ERM(net), training.ERM(toys.noisy_network())
    for each in (model, twin):
        each.compile("sgd", steps_per_execution=steps)
    fit(twin, images[:16], labels[:16])
    with pytest.raises(tf.errors.InvalidArgumentError, match="`y` must be in"):
        fit(model, images, labels)
    pairs = zip(model.variables, twin.variables, strict=True)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours, theirs)


def test_labels_are_checked_on_every_replica(strategy):
    images, labels = toys.data()
    labels[[16, 20]] = toys.CLASSES
    model = replicated(strategy, lambda: training.ERM(toys.linear()))
    with pytest.raises(tf.errors.InvalidArgumentError, match="^`y` must be in"):
        fit(model, images, labels)


@pytest.mark.parametrize("nested", [False, True])
def test_a_draw_without_rows_is_named_before_any_step(nested):
    class Boxed(training.ERM):
        def draw(self, batch_size, seed):
            del batch_size, seed
            box = {"box": np.zeros((3, 2), "float32")}
            return {"pair": box} if nested else box

    model = Boxed(toys.linear())
    model.compile("sgd")
    images, labels = toys.data()
    with pytest.raises(ValueError, match=r"`draw\(\)\['box'\]` must be a sc"):
        fit(model, images, labels)
    assert int(model.step.numpy()) == 0
    # As many rows as examples are no less than one each.
    fit(model, images[:3], labels[:3])
    assert int(model.step.numpy()) == 1


def test_evaluate_is_the_clean_test_step_over_every_example():
    images, labels = toys.data(21)
    model = training.Mixup(toys.linear())
    model.compile("sgd")
    found = model.evaluate(
        images, labels, batch_size=8, return_dict=True, verbose=0
    )
    logits = model.predict(images, verbose=0).astype("float64")
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    expected = -log_p[np.arange(21), labels].mean()
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-6)
    hits = (logits.argmax(axis=-1) == labels).mean()
    np.testing.assert_allclose(found["accuracy"], hits, rtol=1e-6)
    assert set(found) == {"loss", "accuracy"}


def test_user_metrics_see_targets_and_logits():
    images, labels = toys.data()
    metric = keras.metrics.CategoricalAccuracy(name="again")
    model = compiled(toys.linear(), metrics=[metric])
    history = fit(model, images, labels, validation_data=(images, labels))
    assert history["again"] == history["accuracy"]
    assert history["val_again"] == history["val_accuracy"]


def test_steps_are_traced_once_whatever_the_batches():
    images, labels = toys.data(21)
    model = compiled(toys.network())
    fit(model, images, labels, epochs=3, validation_data=(images, labels))
    fit(model, images, labels)
    assert model.traces == {"train": 1, "test": 1}


def replicated(strategy, make, optimizer=None):
    with strategy.scope():
        model = make()
        model.compile(optimizer or keras.optimizers.SGD(0.1, 0.9))
    return model


def test_two_replicas_train_as_one_device(strategy):
    images, labels = toys.data(32)
    single = compiled(toys.network())
    single.compile(keras.optimizers.SGD(0.1, 0.9), l2_penalty=0.01)
    double = replicated(strategy, lambda: training.ERM(toys.network()))
    with strategy.scope():
        double.compile(keras.optimizers.SGD(0.1, 0.9), l2_penalty=0.01)
    options = {"epochs": 3, "validation_data": (images[:21], labels[:21])}
    alone = fit(single, images, labels, **options)
    together = fit(double, images, labels, **options)
    for key, values in alone.items():
        np.testing.assert_allclose(together[key], values, rtol=2e-5)
    for a, b in zip(toys.weights(single), toys.weights(double), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert int(double.step.numpy()) == 12


def test_replicas_draw_differently_and_reproducibly(strategy):
    model = replicated(strategy, lambda: training.Mixup(toys.linear()))

    @tf.function
    def weights():
        def one():
            return model.draw(6, model.step_seed())["mix_weight"]

        return strategy.run(one)

    first, second = strategy.experimental_local_results(weights())
    assert not np.allclose(first, second)
    again = strategy.experimental_local_results(weights())
    np.testing.assert_array_equal(again[0], first)
    np.testing.assert_array_equal(again[1], second)


@pytest.mark.parametrize(
    "make",
    [
        lambda: training.Mixup(toys.network()),
        lambda: training.AdversarialTraining(toys.network(), toys.attack()),
        lambda: training.InterpolatedAdversarialTraining(
            toys.network(), toys.attack()
        ),
    ],
)
def test_algorithms_run_on_two_replicas_reproducibly(strategy, make):
    images, labels = toys.data(32)
    first = fit(replicated(strategy, make), images, labels, epochs=2)
    second = fit(replicated(strategy, make), images, labels, epochs=2)
    assert first == second
    assert np.isfinite(first["loss"]).all()


def test_an_empty_replica_is_refused_by_name(strategy):
    images, labels = toys.data(17)
    model = replicated(strategy, lambda: training.ERM(toys.network()))
    with pytest.raises(
        ValueError, match="`batch_size` must be such that the last"
    ):
        fit(model, images, labels, batch_size=16)
    assert int(model.step.numpy()) == 0
    own = tf.data.Dataset.from_tensor_slices((images, labels)).batch(16)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="A replica received an empty"
    ):
        model.fit(own, verbose=0)
    assert all(np.isfinite(w).all() for w in toys.weights(model))


def test_a_replica_without_images_adds_nothing_to_a_validation(strategy):
    images, labels = toys.data(17)
    alone = compiled(toys.network()).evaluate(images, labels, 16, verbose=0)
    model = replicated(strategy, lambda: training.ERM(toys.network()))
    found = model.evaluate(images, labels, 16, verbose=0)
    np.testing.assert_allclose(found, alone, rtol=1e-6)


ALGORITHMS = {
    "erm": lambda c: training.ERM(c, seed=3),
    "mixup": lambda c: training.Mixup(
        c, alpha=0.5, mix_weight=("beta", 2.0, 1.0), weight_per="batch"
    ),
    "at": lambda c: training.AdversarialTraining(
        c,
        attacks.PGD(ThreatModel("l2", 0.5), 0.1, 2),
        clean_weight=0.5,
        attack_training=True,
    ),
    "iat": lambda c: training.InterpolatedAdversarialTraining(
        c, toys.attack(), alpha=2.0, seed=9
    ),
}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_keras_file_keeps_weights_config_optimizer_and_step(name, tmp_path):
    images, labels = toys.data()
    model = ALGORITHMS[name](toys.network())
    model.compile(keras.optimizers.Adam(0.01), l2_penalty=0.1)
    fit(model, images, labels)
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = keras.saving.load_model(path)
    for name in set(model.argument_names()) - {"classifier"}:
        saved, kept = getattr(model, name), getattr(loaded, name)
        assert repr(kept) == repr(saved)
    assert loaded.l2_penalty == 0.1
    assert int(loaded.step.numpy()) == 3
    # The next epochs are the same: weights, optimizer and draws came along.
    assert fit(loaded, images, labels) == fit(model, images, labels)
    for a, b in zip(toys.weights(model), toys.weights(loaded), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: training.Mixup(toys.linear(), alpha=0.0), "`alpha` must be"),
        (
            lambda: training.Mixup(toys.linear(), mix_weight=1.5),
            r"`mix_weight` must be a number in \[0, 1\]",
        ),
        (
            lambda: training.Mixup(toys.linear(), weight_per="pixel"),
            "`weight_per` must be one of",
        ),
        (
            lambda: training.AdversarialTraining(toys.linear(), "pgd"),
            "`attack` must be an attack",
        ),
        (
            lambda: training.AdversarialTraining(
                toys.linear(), toys.attack(), clean_weight=-1.0
            ),
            "`clean_weight` must be",
        ),
        (lambda: training.ERM("model"), "`classifier` must be a keras.Model"),
        (lambda: training.ERM(toys.linear(), seed=-1), "`seed` must be"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@keras.saving.register_keras_serializable("keras_mixup_tests")
class Subclassed(keras.Model):
    """Has no symbolic output; its last attribute is a sigmoid gate."""

    def __init__(self):
        super().__init__()
        self.flatten = keras.layers.Flatten()
        self.head = keras.layers.Dense(toys.CLASSES)
        self.gate = keras.layers.Dense(16, activation="sigmoid")

    def call(self, images):
        flat = self.flatten(images)
        return self.head(flat * self.gate(flat))


def test_a_subclassed_unbuilt_classifier_trains():
    images, labels = toys.data()
    model = compiled(Subclassed())
    history = fit(
        model, images, labels, epochs=3, validation_data=(images, labels)
    )
    assert history["loss"][-1] < history["loss"][0]
    assert len(model.classifier.trainable_variables) == 4


@pytest.mark.parametrize(
    "convert",
    [
        lambda y: y.astype("uint8"),
        lambda y: y.astype("int64"),
        lambda y: y[:, None],
        lambda y: np.eye(3, dtype=bool)[y],
        lambda y: np.eye(3, dtype="int64")[y],
    ],
)
def test_labels_of_any_form_train_and_are_evaluated_alike(convert):
    images, labels = toys.data()
    expected, found = compiled(toys.linear()), compiled(toys.linear())
    options = {"validation_data": (images, labels)}
    first = fit(expected, images, labels, **options)
    labels = convert(labels)
    options = {"validation_data": (images.astype("float64"), labels)}
    assert fit(found, images.astype("float64"), labels, **options) == first
    for a, b in zip(toys.weights(expected), toys.weights(found), strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_nan_is_ever_saved(tmp_path):
    images, labels = toys.data()
    model = compiled(toys.linear())
    callbacks = [
        toys.BreakAt(2),  # the third of three batches
        training.StopOnNaN(),
        training.Checkpoint(str(tmp_path), every=1),
    ]
    with pytest.raises(FloatingPointError, match="at step 3"):
        fit(model, images, labels, callbacks=callbacks)
    assert training.latest_step(str(tmp_path)) == 2


@pytest.mark.parametrize("name", ["mixup", "iat"])
def test_a_step_compiles_under_xla(name):
    images, labels = toys.data()
    model = ALGORITHMS[name](toys.network())
    model.compile(keras.optimizers.SGD(0.1), jit_compile=True)
    history = fit(model, images, labels, epochs=2)
    assert np.isfinite(history["loss"]).all()
    assert history["loss"][1] != history["loss"][0]


def test_a_fresh_algorithm_exports_its_classifier(tmp_path):
    classifier, (images, _) = toys.network(), toys.data(5)
    training.Mixup(classifier).export(str(tmp_path / "saved"), verbose=False)
    saved = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(
        saved.serve(images), classifier.predict(images, verbose=0), atol=1e-6
    )


@pytest.mark.parametrize("gamma", [0.0, 0.05])
def test_a_weight_without_a_gradient_stays_as_it_is(gamma):
    """As in stock Keras; the penalty moves the others."""

    class Unused(keras.layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(2, 2), name="kernel")

        def call(self, inputs):
            return inputs

    inner, inputs = toys.linear(), keras.Input(toys.SHAPE)
    model = training.ERM(keras.Model(inputs, inner(Unused()(inputs))))
    optimizer = keras.optimizers.SGD(0.1, clipnorm=1.0)
    model.compile(optimizer, l2_penalty=0.1, weight_perturbation=gamma)
    before = toys.weights(model.classifier)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        model.fit(*toys.data(), verbose=0)
    after = toys.weights(model.classifier)
    np.testing.assert_array_equal(after[0], before[0])
    assert np.abs(after[1] - before[1]).max() > 0


def half(kind):
    """A classifier whose layers compute in float16."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        made = toys.linear()
    finally:
        keras.config.set_dtype_policy("float32")
    if kind == "made":
        return made
    if kind == "cloned":
        return keras.models.clone_model(made)
    config = keras.saving.serialize_keras_object(made)
    return keras.saving.deserialize_keras_object(config)


@pytest.mark.parametrize("kind", ["made", "cloned", "loaded"])
def test_layers_of_float16_have_their_loss_scaled(kind):
    scales = keras.optimizers.LossScaleOptimizer
    model = training.ERM(half(kind))
    model.compile("sgd")
    assert isinstance(model.optimizer, scales)
    model.compile("sgd", auto_scale_loss=False)
    assert not isinstance(model.optimizer, scales)
    plain = training.ERM(toys.linear())
    plain.compile("sgd")
    assert not isinstance(plain.optimizer, scales)


def test_a_loaded_algorithm_scales_as_it_was_told(tmp_path):
    scales = keras.optimizers.LossScaleOptimizer
    for told in (True, False):
        model = training.ERM(half("made"))
        model.compile("sgd", auto_scale_loss=told)
        model.fit(*toys.data(), verbose=0)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert isinstance(loaded.optimizer, scales) == told
        assert loaded.get_compile_config()["auto_scale_loss"] == told
