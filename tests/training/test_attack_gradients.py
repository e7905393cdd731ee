"""Adversarial training whose attack has no gradient to follow."""

import functools
import warnings

import keras
import pytest
import tensorflow as tf
import toys

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import training

THREAT = ThreatModel("linf", 0.1)
IMAGES, LABELS = toys.data(24)


class Cut(keras.layers.Layer):
    """Passes images on; of their gradients a share, or none at all."""

    def __init__(self, share):
        super().__init__()
        self.share = share

    def call(self, images):
        if self.share is None:
            return tf.stop_gradient(images)
        kept = tf.random.uniform(tf.shape(images)[:1]) < self.share
        cut = tf.stop_gradient(images)
        return tf.where(kept[:, None, None, None], images, cut)


def network(share):
    return keras.Sequential(
        [
            keras.Input(IMAGES.shape[1:]),
            Cut(share),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ],
        name="mine",
    )


def algorithm(share, attack=None, kind=training.AdversarialTraining):
    attack = attack or attacks.PGD(THREAT, 0.05, 1)
    model = kind(network(share), attack)
    model.compile(keras.optimizers.SGD(0.1))
    return model


def fit(model, epochs=1):
    data = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(8)
    return model.fit(data, epochs=epochs, shuffle=False, verbose=0)


@pytest.mark.parametrize(
    "kind",
    [
        training.AdversarialTraining,
        training.LocalLinearityRegularization,
        functools.partial(training.AdversarialMixup, mix_weight="frozen"),
    ],
)
def test_without_a_gradient_training_is_refused_by_name(kind):
    expected = "`model` must be a model whose loss has a gradient.*'mine'"
    with pytest.raises(ValueError, match=expected):
        fit(algorithm(None, kind=kind))


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_gradients_that_are_zero_are_warned_of_once(share):
    model = algorithm(share)
    with pytest.warns(UserWarning, match="gradient of mine") as caught:
        fit(model, epochs=8)
        fit(model)
    assert len(caught) == 1
    health = model._watch.health
    assert health.rows == 9 * 24
    assert health.nonfinite == 0
    assert health.zero == pytest.approx((1 - share) * 9 * 24, abs=40)


@pytest.mark.parametrize("epochs", [1, 8])
def test_the_warning_comes_at_the_end_or_after_twenty_steps(epochs):
    model, seen = algorithm(0.0), []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(model._watch._warned)

    data = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(8)
    options = {"shuffle": False, "verbose": 0}
    with pytest.warns(UserWarning, match="exactly zero"):
        model.fit(data, epochs=epochs, callbacks=[Look()], **options)
    assert model._watch._warned
    assert seen == [step >= 20 for step in range(1, 3 * epochs + 1)]


def test_healthy_training_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = algorithm(1.0, attacks.APGD(THREAT, num_steps=2))
        fit(model, epochs=8)
    assert model._watch.health == (8 * 24, 0, 0)


def test_replicas_count_together(strategy):
    with strategy.scope():
        model = algorithm(0.0, attacks.TargetedAPGD(THREAT, 2, 1))
    with pytest.warns(UserWarning, match="exactly zero"):
        fit(model)
    # Towards two classes each.
    assert model._watch.health == (48, 48, 0)


def test_a_step_by_xla_counts_too():
    model = algorithm(0.0)
    model.compile(keras.optimizers.SGD(0.1), jit_compile=True)
    model.train_on_batch(IMAGES, LABELS)
    assert model._watch.health.zero == 24


def test_the_watch_is_no_part_of_the_model():
    model = algorithm(1.0)
    counts = model._watch._counts
    assert all(counts is not w.value for w in model.variables)
    assert "_watch" not in dict(model._trackable_children())
