"""What every algorithm promises, for those with a reference of their own."""

import keras
import numpy as np
import pytest
import references as ref
import toys

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import training

L2 = attacks.PGD(ThreatModel("l2", 0.5), 0.2, 2)
MAKERS = {
    "trades": lambda c: training.TRADES(
        c, toys.attack(2), 2.0, attack_targets="separate", seed=3
    ),
    "trades l2": lambda c: training.TRADES(
        c, L2, start="attack", attack_training=True
    ),
    "manifold": lambda c: training.ManifoldMixup(
        c, 0.7, ("stage_2", "input"), weight_per="batch", seed=3
    ),
    "latent": lambda c: training.LatentAdversarialTraining(
        c, toys.attack(2), "stage_1", "8/255", 0.01, 2, 0.3, seed=3
    ),
    "llr": lambda c: training.LocalLinearityRegularization(
        c, L2, 2.0, 1.0, seed=3
    ),
    "cure": lambda c: training.CurvatureRegularization(
        c, 2.0, 0.5, warmup_steps=5, seed=3
    ),
}
every = pytest.mark.parametrize("name", MAKERS)


def make(name, optimizer=None, **options):
    model = MAKERS[name](ref.staged_network())
    model.compile(optimizer or keras.optimizers.SGD(0.3), **options)
    return model


def fit(model, count=24, epochs=1):
    images, labels = toys.data(count)
    options = {"batch_size": 8, "shuffle": False, "verbose": 0}
    history = model.fit(images, labels, epochs=epochs, **options).history
    return history


def step(model, images, labels):
    model.train_on_batch(images, labels)
    return toys.weights(model.classifier)


@every
def test_keras_file_keeps_weights_config_optimizer_and_step(name, tmp_path):
    model = make(name, training.Yogi(0.01), l2_penalty=0.1)
    fit(model)
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert type(loaded) is type(model)
    for argument in set(model.argument_names()) - {"classifier"}:
        kept, saved = getattr(loaded, argument), getattr(model, argument)
        assert repr(kept) == repr(saved), argument
    assert int(loaded.step.numpy()) == 3
    assert fit(loaded) == fit(model)
    for a, b in zip(toys.weights(model), toys.weights(loaded), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


@every
def test_one_hot_and_integer_labels_train_alike(name):
    images, labels = toys.data()
    first = step(make(name), images, labels)
    second = step(make(name), images, ref.one_hot(labels))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@every
def test_eager_mode_equals_the_graph(name):
    images, labels = toys.data()
    first = step(make(name), images, labels)
    second = step(make(name, run_eagerly=True), images, labels)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


@every
def test_a_short_last_batch_and_a_batch_of_one_trace_nothing_new(name):
    model = make(name)
    history = fit(model, count=25, epochs=2)
    assert model.traces["train"] == 1
    assert np.isfinite(history["loss"]).all()


@pytest.mark.slow
@every
def test_two_replicas_are_reproducible(name, strategy):
    def run():
        with strategy.scope():
            model = make(name)
        return fit(model, count=16), toys.weights(model)

    (first, weights), (second, again) = run(), run()
    assert first == second
    assert np.isfinite(first["loss"]).all()
    for a, b in zip(weights, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_two_replicas_share_a_gradient_without_draws(strategy):
    """CURE draws nothing: two halves of a batch are one batch."""
    alone = make("cure")
    with strategy.scope():
        together = make("cure")
    first, second = fit(alone, 16), fit(together, 16)
    np.testing.assert_allclose(first["loss"], second["loss"], rtol=2e-5)
    for a, b in zip(toys.weights(alone), toys.weights(together), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@every
def test_bfloat16_step_stays_close_to_float32(name):
    images, labels = toys.data()
    before = toys.weights(make(name).classifier)
    exact = step(make(name), images, labels)
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        after = step(make(name), images, labels)
    finally:
        keras.config.set_dtype_policy(policy)

    def moved(weights):
        pairs = zip(before, weights, strict=True)
        return np.concatenate([(b - a).ravel() for a, b in pairs])

    found, true = moved(after), moved(exact)
    cosine = found @ true / np.linalg.norm(found) / np.linalg.norm(true)
    assert cosine > 0.97


@pytest.mark.slow
@every
def test_xla_can_compile_the_step(name):
    images, labels = toys.data()
    model = make(name, jit_compile=True)
    logs = model.train_on_batch(images, labels, return_dict=True)
    plain = make(name).train_on_batch(images, labels, return_dict=True)
    # XLA draws other numbers from the same seed.
    np.testing.assert_allclose(logs["loss"], plain["loss"], rtol=0.1)
