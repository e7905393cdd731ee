"""Latent adversarial training against its equation, written eagerly."""

import numpy as np
import pytest
import references as ref
import tensorflow as tf
import toys

from keras_mixup import ThreatModel
from keras_mixup import training
from keras_mixup.attacks import PGD


def make(classifier, attack=None, **options):
    options = {"stage": "stage_1", "latent_steps": 2, **options}
    return ref.compiled(
        training.LatentAdversarialTraining(
            classifier, attack or toys.attack(), seed=5, **options
        )
    )


def halves(classifier, stage="stage_1"):
    """The layers up to a stage, and those behind it."""
    names = [layer.name for layer in classifier.layers]
    cut = names.index(stage) + 1

    def run(layers, values):
        for layer in layers:
            values = layer(values)
        return values

    return (
        lambda values: run(classifier.layers[:cut], values),
        lambda values: run(classifier.layers[cut:], values),
    )


@pytest.mark.parametrize("weight", [0.0, 0.2, 1.0])
def test_step_is_the_equation(weight):
    images, labels = toys.data()
    targets = ref.one_hot(labels)
    classifier = ref.staged_network()
    encode, decode = halves(classifier)
    options = {"latent_eps": 0.1, "latent_step_size": 0.07}
    model = make(classifier, latent_weight=weight, **options)
    draws = ref.draws_of(model, len(images))
    found = model.attack.perturb(
        classifier, images, labels, draws["attack_seed"]
    )
    clean = encode(images).numpy()
    low, high = clean.min(axis=(0, 1, 2)), clean.max(axis=(0, 1, 2))
    noise = tf.random.stateless_uniform(
        clean.shape, draws["latent_seed"], -1.0, 1.0
    ).numpy()
    radius = 0.1 * (high - low)
    features = ref.climb(
        lambda point: ref.cross_entropy(targets, decode(point)),
        clean + radius * noise,
        0.07 * (high - low),
        clean,
        radius,
        2,
        low,
        high,
    )
    assert 0.05 < (np.abs(features - clean) / (high - low)).max() <= 0.1001

    def loss():
        outer = ref.cross_entropy(targets, classifier(found))
        inner = ref.cross_entropy(targets, decode(features))
        return (1.0 - weight) * outer + weight * inner

    ref.check_step(model, images, labels, loss)


def test_the_latent_loss_leaves_the_lower_half_alone():
    images, labels = toys.data()
    classifier = ref.staged_network()
    model = make(classifier, latent_weight=1.0)
    before = toys.weights(classifier)
    model.train_on_batch(images, labels)
    after = toys.weights(classifier)
    moved = [not np.array_equal(a, b) for a, b in zip(before, after)]
    assert moved == [False, False, True, True, True, True]


def test_weight_zero_is_adversarial_training():
    images, labels = toys.data()
    model = make(ref.staged_network(), latent_weight=0.0)
    plain = training.AdversarialTraining(
        ref.staged_network(), toys.attack(), seed=5
    )
    ref.compiled(plain)
    model.train_on_batch(images, labels)
    plain.train_on_batch(images, labels)
    for a, b in zip(toys.weights(model), toys.weights(plain), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_both_radii_zero_are_erm():
    images, labels = toys.data()
    attack = PGD(ThreatModel("linf", 0.0), 0.05, 2)
    model = make(ref.staged_network(), attack, latent_eps=0.0)
    encode, decode = halves(model.classifier)
    features = encode(images).numpy()

    def loss():
        targets = ref.one_hot(labels)
        upper = ref.cross_entropy(targets, decode(features))
        whole = ref.cross_entropy(targets, model.classifier(images))
        return 0.8 * whole + 0.2 * upper

    ref.check_step(model, images, labels, loss)


def test_passes_of_a_step():
    layer, calls = ref.counting_layer()
    model = make(ref.staged_network(first=[layer]))
    images, labels = toys.data()
    model.train_on_batch(images, labels)
    calls.assign(0)
    toys.one_train_step(model, images, labels)
    # k = 3 attack steps, the clean features, the training pass.
    assert int(calls) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stage": "stage_9"}, "`stage` must be .*stage_1, stage_2"),
        ({"latent_eps": -0.1}, "`latent_eps` must be"),
        ({"latent_step_size": 0.0}, "`latent_step_size` must be"),
        ({"latent_steps": 0}, "`latent_steps` must be an integer >= 1"),
        ({"latent_weight": 1.5}, r"`latent_weight` must be .*\[0, 1\]"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make(ref.staged_network(), **options)
