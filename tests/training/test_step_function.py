"""How many steps a call takes: unknown cardinality, steps_per_execution."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import toys

from keras_mixup import data
from keras_mixup import training


def make(steps=1, network=toys.linear, **options):
    model = training.Mixup(network(), seed=3)
    optimizer = keras.optimizers.Adam(0.05)
    model.compile(optimizer, steps_per_execution=steps, **options)
    return model


def fit(model, batches, epochs=2, **options):
    # Keras warns once of data whose end it did not know.
    options = {"shuffle": False, "verbose": 0, **options}
    return model.fit(batches, epochs=epochs, **options).history


def batches(count=20, size=4):
    return tf.data.Dataset.from_tensor_slices(toys.data(count)).batch(size)


def equal(first, second):
    for a, b in zip(toys.weights(first), toys.weights(second), strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.step.numpy() == second.step.numpy()


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("steps", [1, 3])
def test_no_step_is_counted_behind_the_end_of_the_data(steps):
    known, unknown = make(steps), make(steps)
    first = fit(known, batches())
    second = fit(unknown, batches().filter(lambda x, y: True))
    assert int(unknown.step) == int(unknown.optimizer.iterations) == 10
    equal(known, unknown)
    assert second == first


@pytest.mark.parametrize("steps", [2, 3, 50])
def test_several_steps_in_a_call_change_no_bit(steps):
    one, several = make(), make(steps)
    options = {"validation_data": batches(12)}
    first = fit(one, batches(18), **options)
    assert fit(several, batches(18), **options) == first
    assert several.traces == {"train": 1, "test": 1}
    equal(one, several)


def test_an_endless_stream_ends_with_its_epoch():
    images = data.image_set(*toys.data(20))
    one, several = make(), make(3)
    for model in (one, several):
        stream = data.training_dataset(images, 4, seed=0)
        fit(model, stream, steps_per_epoch=5)
    assert int(several.step) == 10
    equal(one, several)


def test_several_steps_in_eager_mode():
    one, several = make(run_eagerly=True), make(3, run_eagerly=True)
    assert fit(several, batches(), 1) == fit(one, batches(), 1)
    equal(one, several)


@pytest.mark.slow
@pytest.mark.parametrize("network", [toys.linear, toys.noisy_network])
def test_several_steps_on_two_replicas_change_no_bit(network, strategy):
    found = []
    for steps in (1, 3):
        with strategy.scope():
            model = make(steps, network)
        found.append((model, fit(model, batches())))
    (one, first), (several, second) = found
    assert first == second
    equal(one, several)


@pytest.mark.parametrize("killed", [1, 3])
def test_a_run_goes_on_with_another_number_of_steps(killed, tmp_path):
    images = data.image_set(*toys.data(20))

    def run(steps, folder, stop=None):
        class Kill(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if stop and int(self.model.step) >= stop:
                    raise KeyboardInterrupt

        model = make(steps)
        options = {"epochs": 3, "batch_size": 4, "checkpoint_every": 7}
        training.fit_resumable(
            model, images, folder, callbacks=[Kill()], verbose=0, **options
        )
        return model

    whole = run(1, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(killed, tmp_path / "killed", stop=7)
    equal(whole, run(4 - killed, tmp_path / "killed"))


def test_a_number_of_steps_below_one_is_refused():
    with pytest.raises(ValueError, match="`steps_per_execution` must be an in"):
        make(0)
