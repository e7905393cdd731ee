"""Adversarial weight perturbation, around every algorithm that attacks."""

import keras
import numpy as np
import pytest
import references as ref
import tensorflow as tf
import test_family
import toys

from keras_mixup import training

GAMMA = 0.05
RATE = 0.3
ATTACKING = [name for name, row in test_family.FAMILY.items() if row[2]]


def make(name="at", classifier=None, gamma=GAMMA, eager=True, **options):
    model = test_family.make(name, classifier, **options)
    model.compile(
        keras.optimizers.SGD(RATE),
        weight_perturbation=gamma,
        run_eagerly=eager,
    )
    return model


def perturbed(weights, slopes):
    """w + gamma ||w|| g / ||g|| for kernels; vectors as they are."""
    found = []
    for weight, slope in zip(weights, slopes, strict=True):
        shift = 0.0
        if weight.ndim > 1:
            shift = GAMMA * np.linalg.norm(weight) / np.linalg.norm(slope)
            shift = shift * slope
        found.append(weight + shift)
    return found


def slopes_of(loss, variables):
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(loss())
    found = tape.gradient(value, [v.value for v in variables])
    return [np.asarray(g) for g in found], float(value)


def test_a_step_is_that_of_the_listing():
    """Algorithm 1 of Wu et al., one step of the weights' attack."""
    classifier = ref.staged_network()
    model = make(classifier=classifier)
    images, labels = toys.data(8)
    targets = ref.one_hot(labels)
    seed = ref.draws_of(model, 8)["attack_seed"]
    attacked = model.attack.perturb(classifier, images, targets, seed)

    def loss():
        return ref.cross_entropy(targets, classifier(attacked))

    variables = classifier.trainable_variables
    before = [v.numpy() for v in variables]
    first, _ = slopes_of(loss, variables)
    for variable, value in zip(
        variables, perturbed(before, first), strict=True
    ):
        variable.assign(value)
    second, value = slopes_of(loss, variables)
    for variable, old in zip(variables, before, strict=True):
        variable.assign(old)
    logs = model.train_on_batch(images, labels, return_dict=True)
    np.testing.assert_allclose(logs["loss"], value, rtol=1e-5)
    for variable, old, slope in zip(variables, before, second, strict=True):
        np.testing.assert_allclose(
            variable.numpy(), old - RATE * slope, atol=2e-6
        )
    plain = [o - RATE * g for o, g in zip(before, first, strict=True)]
    moved = (v.numpy() - p for v, p in zip(variables, plain, strict=True))
    assert max(np.abs(m).max() for m in moved) > 1e-3


def test_regularizers_count_in_both_passes():
    """Their gradient leads the ascent and the descent, eager or not."""
    images, labels = toys.data(8)
    for eager in (True, False):
        classifier = toys.linear()
        kernel = classifier.layers[-1].kernel
        kernel.regularizer = keras.regularizers.L2(0.3)
        model = training.ERM(classifier)
        model.compile(
            keras.optimizers.SGD(RATE),
            weight_perturbation=GAMMA,
            run_eagerly=eager,
        )

        def loss(classifier=classifier, kernel=kernel):
            targets = ref.one_hot(labels)
            losses = ref.cross_entropy(targets, classifier(images))
            return losses + 0.3 * tf.reduce_sum(kernel.value**2)

        variables = classifier.trainable_variables
        before = toys.weights(classifier)
        first, _ = slopes_of(loss, variables)
        classifier.set_weights(perturbed(before, first))
        second, _ = slopes_of(loss, variables)
        classifier.set_weights(before)
        model.fit(images, labels, batch_size=8, verbose=0)
        for found, old, slope in zip(
            toys.weights(classifier), before, second, strict=True
        ):
            np.testing.assert_allclose(found, old - RATE * slope, atol=2e-6)


def loss_of(model, batch):
    """The losses of a prepared batch, weights and all."""
    batch = dict(batch)
    losses, _ = model.batch_loss(batch)
    return losses


@pytest.mark.parametrize("name", ATTACKING)
def test_every_attack_is_found_once_and_seen_twice(name):
    """The batch of the second pass is that of the first, at other weights."""
    images, labels = toys.data(6)
    model, twin = make(name), test_family.make(name, eager=True)
    targets = tf.constant(ref.one_hot(labels))
    draws = ref.draws_of(twin, 6)
    batch = twin.prepare_batch(tf.constant(images), targets, draws)
    if hasattr(twin, "attack_targets"):
        # The attack of TRADES is made in the first pass.
        logits = twin.classifier(batch["images"], training=True)
        batch["around"] = twin._climb(batch, logits)
    variables = twin.classifier.trainable_variables
    before = [v.numpy() for v in variables]
    first, _ = slopes_of(lambda: loss_of(twin, batch), variables)
    for variable, value in zip(
        variables, perturbed(before, first), strict=True
    ):
        variable.assign(value)
    second, _ = slopes_of(lambda: loss_of(twin, batch), variables)
    model.train_on_batch(images, labels)
    for variable, old, slope in zip(
        model.classifier.trainable_variables, before, second, strict=True
    ):
        np.testing.assert_allclose(
            variable.numpy(), old - RATE * slope, atol=5e-6
        )


def test_averages_and_random_states_advance_once():
    images, labels = toys.data(8)
    found = []
    for gamma in (0.0, 1e-7):
        model = make(classifier=toys.noisy_network(), gamma=gamma, eager=False)
        model.train_on_batch(images, labels)
        found.append([v.numpy() for v in model.classifier.variables])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_penalty_is_that_of_the_perturbed_weights():
    classifier = ref.staged_network()
    model = make(classifier=classifier)
    model.compile(
        keras.optimizers.SGD(RATE),
        l2_penalty=0.5,
        weight_perturbation=GAMMA,
        run_eagerly=True,
    )
    images, labels = toys.data(8)
    twin = make()
    before = toys.weights(classifier)
    twin.train_on_batch(images, labels)
    model.train_on_batch(images, labels)
    for old, plain, own in zip(
        before, toys.weights(twin.classifier), toys.weights(classifier)
    ):
        extra = (plain - own) / (RATE * 0.5)
        # w + v, whose distance to w is gamma ||w|| for kernels.
        expected = GAMMA * np.linalg.norm(old) if old.ndim > 1 else 0.0
        np.testing.assert_allclose(
            np.linalg.norm(extra - old), expected, atol=1e-4
        )


def test_two_replicas_perturb_alike(strategy):
    """v comes from the gradient of the whole batch."""
    images, labels = toys.data(8)
    options = {"eps": 0.0, "eager": False}
    alone = make("at", **options)
    with strategy.scope():
        together = make("at", **options)
    for model in (alone, together):
        model.fit(images, labels, batch_size=8, epochs=2, verbose=0)
    for a, b in zip(
        toys.weights(alone.classifier),
        toys.weights(together.classifier),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_a_saved_model_keeps_gamma(tmp_path):
    model = make(eager=False)
    model.fit(*toys.data(8), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.weight_perturbation == GAMMA


def test_bad_values_are_named():
    model = training.AdversarialTraining(toys.linear(), toys.attack())
    with pytest.raises(ValueError, match="`weight_perturbation` must be a n"):
        model.compile("sgd", weight_perturbation=-1.0)
    trades = training.TRADES(toys.linear(), toys.attack(), attack_training=True)
    with pytest.raises(ValueError, match="`attack_training` must be False w"):
        trades.compile("sgd", weight_perturbation=0.1)
