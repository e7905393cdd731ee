"""Weights of examples: stock Keras' in ERM, mixed as the pairs elsewhere."""

import keras
import numpy as np
import pytest
import references as ref
import tensorflow as tf
import test_family
import toys

from keras_mixup import training

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
WEIGHTS = np.random.default_rng(1).uniform(0, 2, 24).astype("float32")


@pytest.mark.parametrize(
    "given",
    [{"sample_weight": WEIGHTS}, {"class_weight": {0: 0.5, 1: 2.0, 2: 1.0}}],
)
def test_erm_and_evaluate_weigh_as_stock_keras(given):
    images, labels = toys.data()
    options = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
    options["validation_data"] = images, labels, WEIGHTS
    found = []
    for model in (toys.network(), training.ERM(toys.network())):
        ours = isinstance(model, training.ERM)
        extra = ["sparse_categorical_accuracy"]
        model.compile(
            keras.optimizers.SGD(0.3),
            None if ours else LOSS,
            metrics=["accuracy"],
            weighted_metrics=extra,
        )
        history = model.fit(images, labels, **options, **given).history
        net = model.classifier if ours else model
        found.append((history, toys.weights(net)))
    (stock, first), (ours, second) = found
    assert set(ours) == set(stock)
    for key, values in stock.items():
        np.testing.assert_allclose(ours[key], values, rtol=2e-6)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-7)


@test_family.every
def test_equal_weights_scale_the_losses_of_every_algorithm(name):
    images, labels = toys.data(6)
    plain, halved = test_family.make(name), test_family.make(name)
    first = plain.train_on_batch(images, labels, return_dict=True)
    second = halved.train_on_batch(
        images, labels, np.full(6, 0.5), return_dict=True
    )
    np.testing.assert_allclose(second["loss"], first["loss"] / 2, rtol=1e-5)


def mixed(values, draws):
    weight = np.asarray(draws["mix_weight"]).reshape(-1)
    partner = values[np.asarray(draws["permutation"])]
    return weight * values + (1.0 - weight) * partner


def test_a_pair_has_the_mix_of_both_weights():
    images, labels = toys.data()
    model = ref.compiled(training.Mixup(toys.linear(), seed=3))
    draws = ref.draws_of(model, 24)
    hot = tf.constant(ref.one_hot(labels))
    batch = model.prepare_batch(tf.constant(images), hot, draws)
    losses = ref.cross_entropy(
        batch["targets"], model.classifier(batch["images"])
    )
    expected = np.mean(losses * mixed(WEIGHTS, draws))
    found = model.train_on_batch(images, labels, WEIGHTS, return_dict=True)
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)


def test_either_half_of_iat_has_the_weights_of_its_pairs():
    images, labels = toys.data()
    model = test_family.make("iat", toys.linear())
    draws = ref.draws_of(model, 24)
    hot = tf.constant(ref.one_hot(labels))
    batch = model.prepare_batch(tf.constant(images), hot, draws)
    expected = 0.0
    for half, pairs in (("", "adversarial"), ("clean_", "clean")):
        logits = model.classifier(batch[f"{half}images"])
        losses = ref.cross_entropy(batch[f"{half}targets"], logits)
        expected += np.mean(losses * mixed(WEIGHTS, draws[pairs])) / 2.0
    found = model.train_on_batch(images, labels, WEIGHTS, return_dict=True)
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)


def test_a_box_and_a_learned_lambda_mix_the_weights_too():
    for name in ("cutmix", "learned", "geometric"):
        model = test_family.make(name)
        images, labels = toys.data(6)
        draws = ref.draws_of(model, 6)
        hot = tf.constant(ref.one_hot(labels))
        batch = model.prepare_batch(tf.constant(images), hot, draws)
        found = model.mix_sample_weight(WEIGHTS[:6], draws, batch)
        assert not np.allclose(batch["mix_weight"], draws["mix_weight"])
        pairs = {**draws, "mix_weight": batch["mix_weight"]}
        expected = mixed(WEIGHTS[:6], pairs)
        np.testing.assert_allclose(found["sample_weight"], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "weights", [-WEIGHTS, np.full(24, np.nan), np.ones((24, 2))]
)
def test_unusable_weights_are_refused(weights):
    model = ref.compiled(training.ERM(toys.linear()))
    with pytest.raises(ValueError, match="`sample_weight` must be finite"):
        model.train_on_batch(*toys.data(), weights)


def test_the_mmd_knows_no_weights():
    model = training.MMDVAETraining(toys.vae())
    model.compile("sgd")
    images, _ = toys.data(8)
    with pytest.raises(ValueError, match="`sample_weight` must be None.*MMD"):
        model.train_on_batch(images, images, np.ones(8))
