"""What layers add to the loss: as in stock Keras, once in a step."""

import keras
import numpy as np
import pytest
import references as ref
import test_family
import toys

from keras_mixup import training


@keras.saving.register_keras_serializable("keras_mixup_tests")
class AddsLoss(keras.layers.Layer):
    """Adds the mean square of its input to the loss."""

    def call(self, inputs):
        self.add_loss(0.5 * keras.ops.mean(inputs**2))
        return inputs


def dense(layers=(), **options):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input(toys.SHAPE),
            keras.layers.Flatten(),
            keras.layers.Dense(8, activation="tanh", **options),
            *layers,
            keras.layers.Dense(toys.CLASSES),
        ]
    )


L2 = keras.regularizers.L2(0.5)
KINDS = {
    "activity_regularizer": lambda: dense(activity_regularizer=L2),
    "ActivityRegularization": lambda: dense(
        [keras.layers.ActivityRegularization(l2=0.5)]
    ),
    "add_loss": lambda: dense([AddsLoss()]),
    "kernel_regularizer": lambda: dense(kernel_regularizer=L2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_stock_keras_ends_with_the_same_weights_and_losses(kind):
    images, labels = toys.data()
    stock, ours = KINDS[kind](), training.ERM(KINDS[kind]())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    stock.compile(keras.optimizers.SGD(0.1), loss)
    ours.compile(keras.optimizers.SGD(0.1))
    options = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
    options["validation_data"] = (images, labels)
    expected = stock.fit(images, labels, **options).history
    found = ours.fit(images, labels, **options).history
    for key, values in expected.items():
        np.testing.assert_allclose(found[key], values, rtol=1e-6)
    for a, b in zip(toys.weights(stock), toys.weights(ours.classifier)):
        np.testing.assert_allclose(a, b, atol=1e-7)


SEVERAL_PASSES = (
    "manifold",
    "iat",
    "trades",
    "geometric",
    "hidden",
    "latent",
    "llr",
    "cure",
)


@keras.saving.register_keras_serializable("keras_mixup_tests")
class AddsOne(keras.layers.Layer):
    """Adds a weight that starts at one, whose slope counts the passes."""

    def build(self, shape):
        self.one = self.add_weight(shape=(), initializer="ones", name="one")

    def call(self, inputs):
        self.add_loss(self.one * keras.ops.mean(0.0 * inputs + 1.0))
        return inputs


@pytest.mark.parametrize("name", SEVERAL_PASSES)
def test_one_pass_of_a_step_counts(name):
    adds = AddsOne()
    model = test_family.make(name, ref.staged_network(first=[adds]))
    model.train_on_batch(*toys.data(6))
    # The learning rate is 0.3 and the slope of one pass is 1.
    np.testing.assert_allclose(adds.one.numpy(), 0.7, atol=1e-6)


def test_of_several_passes_the_one_with_the_returned_logits_counts():
    images, labels = toys.data(6)
    attack = toys.attack(2, 0.2, 0.1)
    model = training.AdversarialTraining(dense([AddsLoss()]), attack, 1.0)
    model.compile(keras.optimizers.SGD(0.0))
    seed = model.draw(6, model.step_seed())["attack_seed"]
    worst = attack.perturb(model.classifier, images, labels, seed)
    losses = 0.0
    for values in (worst, images):
        logits = model.classifier(values, training=True)
        losses += ref.cross_entropy(ref.one_hot(labels), logits) / 2.0
        if values is worst:
            added = model.classifier.losses[0]
    found = model.train_on_batch(images, labels, return_dict=True)["loss"]
    np.testing.assert_allclose(found, np.mean(losses + added), rtol=1e-5)


def test_the_autoencoders_layers_count_too():
    adds, vae, inputs = AddsOne(), toys.vae(), keras.Input(toys.SHAPE)
    vae.encoder = keras.Model(inputs, vae.encoder(adds(inputs)))
    model = training.MMDVAETraining(vae, attack=toys.attack(2))
    model.compile(keras.optimizers.SGD(0.3))
    model.train_on_batch(toys.data(6)[0])
    np.testing.assert_allclose(adds.one.numpy(), 0.7, atol=1e-6)
