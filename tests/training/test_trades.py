"""TRADES against its equation, written out eagerly."""

import keras
import numpy as np
import pytest
import references as ref
import tensorflow as tf
import toys

from keras_mixup import ThreatModel
from keras_mixup import training
from keras_mixup.attacks import PGD


def make(classifier, beta=6.0, attack=None, **options):
    attack = attack or toys.attack()
    return ref.compiled(
        training.TRADES(classifier, attack, beta, seed=5, **options)
    )


def adversarial(model, images, start, clean_logits):
    classifier = model.classifier
    p = tf.nn.softmax(clean_logits)

    def objective(point):
        log_q = tf.nn.log_softmax(classifier(point, training=False))
        return tf.reduce_sum(p * (tf.math.log(p) - log_q), axis=-1)

    return ref.climb(objective, start, 0.05, images, 0.1, 3)


@pytest.mark.parametrize("beta", [1.0, 6.0])
def test_step_is_the_equation_from_the_released_start(beta):
    images, labels = toys.data()
    classifier = toys.network()
    model = make(classifier, beta)
    seed = ref.draws_of(model, len(images))["attack_seed"]
    noise = tf.random.stateless_normal(images.shape, seed).numpy()
    assert 0.9 < noise.std() < 1.1
    found = adversarial(
        model, images, images + 1e-3 * noise, classifier(images)
    )
    # Most pixels reach the edge of the ball: the ascent did something.
    assert np.abs(found - images).mean() > 0.06

    def loss():
        logits = classifier(images)
        clean = ref.cross_entropy(ref.one_hot(labels), logits)
        return clean + beta * ref.kl(logits, classifier(found))

    ref.check_step(model, images, labels, loss)


def test_step_from_the_attacks_own_start():
    images, labels = toys.data()
    classifier = toys.network()
    model = make(classifier, start="attack")
    seed = ref.draws_of(model, len(images))["attack_seed"]
    found = model.attack.perturb(
        classifier, images, tf.nn.softmax(classifier(images)), seed
    )

    def loss():
        logits = classifier(images)
        clean = ref.cross_entropy(ref.one_hot(labels), logits)
        return clean + 6.0 * ref.kl(logits, classifier(found))

    ref.check_step(model, images, labels, loss)


def test_soft_labels_enter_the_clean_loss_alone():
    images, _ = toys.data()
    soft = np.random.default_rng(1).dirichlet(np.ones(3), len(images))
    soft = soft.astype("float32")
    classifier = toys.network()
    model = make(classifier)
    seed = ref.draws_of(model, len(images))["attack_seed"]
    noise = tf.random.stateless_normal(images.shape, seed).numpy()
    found = adversarial(
        model, images, images + 1e-3 * noise, classifier(images)
    )

    def loss():
        logits = classifier(images)
        clean = ref.cross_entropy(soft, logits)
        return clean + 6.0 * ref.kl(logits, classifier(found))

    ref.check_step(model, images, soft, loss)


def test_beta_zero_is_erm():
    images, labels = toys.data()
    model = make(toys.noisy_network(), beta=0.0)
    plain = ref.compiled(training.ERM(toys.noisy_network(), seed=5))
    for _ in range(2):
        model.train_on_batch(images, labels)
        plain.train_on_batch(images, labels)
    for a, b in zip(toys.weights(model), toys.weights(plain), strict=True):
        np.testing.assert_array_equal(a, b)


def test_eps_zero_is_erm():
    images, labels = toys.data()
    attack = PGD(ThreatModel("linf", 0.0), 0.05, 3)
    model = make(toys.network(), attack=attack)
    plain = ref.compiled(training.ERM(toys.network(), seed=5))
    model.train_on_batch(images, labels)
    plain.train_on_batch(images, labels)
    for a, b in zip(
        toys.weights(model.classifier),
        toys.weights(plain.classifier),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("loss", ["kl", "cross_entropy"])
def test_both_losses_of_the_attack_climb_alike(loss):
    images, labels = toys.data()
    attack = PGD(ThreatModel("linf", 0.1), 0.05, 3, loss=loss)
    model, reference = make(toys.network(), attack=attack), make(toys.network())
    model.train_on_batch(images, labels)
    reference.train_on_batch(images, labels)
    for a, b in zip(toys.weights(model), toys.weights(reference), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_separate_targets_climb_before_the_training_pass():
    """As the authors' code: the averages are still those of the last step."""
    images, labels = toys.data()
    classifier = ref.staged_network(batch_norm={"momentum": 0.0})
    classifier(images + 0.3, training=True)
    model = make(classifier, attack_targets="separate")
    seed = ref.draws_of(model, len(images))["attack_seed"]
    noise = tf.random.stateless_normal(images.shape, seed).numpy()
    found = adversarial(
        model,
        images,
        images + 1e-3 * noise,
        classifier(images, training=False),
    )
    state = [v.numpy() for v in classifier.non_trainable_variables]

    def loss():
        logits = classifier(images, training=True)
        around = classifier(found, training=True)
        for variable, value in zip(
            classifier.non_trainable_variables, state, strict=True
        ):
            variable.assign(value)  # The step starts from the same state.
        clean = ref.cross_entropy(ref.one_hot(labels), logits)
        return clean + 6.0 * ref.kl(logits, around)

    ref.check_step(model, images, labels, loss)


def test_separate_targets_come_from_the_attacks_mode():
    images, labels = toys.data()
    seen = []

    class Watched(PGD):
        def perturb(self, model_fn, images, labels, seed, **options):
            seen.append(np.asarray(labels))
            return super().perturb(model_fn, images, labels, seed, **options)

    for targets in ("shared", "separate"):
        classifier = toys.noisy_network()
        clean = tf.nn.softmax(classifier(images, training=False)).numpy()
        attack = Watched(ThreatModel("linf", 0.1), 0.05, 1)
        model = make(classifier, attack=attack, attack_targets=targets)
        model.compile("sgd", run_eagerly=True)
        # A rate of zero keeps the averages of BatchNormalization alone.
        model.classifier.layers[1].momentum = 1.0
        model.train_on_batch(images, labels)
        close = np.allclose(seen[-1], clean, atol=1e-6)
        assert close == (targets == "separate")


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        ({}, 5),
        ({"start": "attack"}, 5),
        ({"attack_targets": "separate"}, 6),
        ({"beta": 0.0}, 1),
    ],
)
def test_classifier_passes_of_a_step(options, passes):
    classifier, calls = toys.counting_network()
    model = make(classifier, **options)
    images, labels = toys.data()
    model.train_on_batch(images, labels)
    calls.assign(0)
    toys.one_train_step(model, images, labels)
    assert int(calls) == passes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": -1.0}, r"`beta` must be a number in \[0, inf\)"),
        ({"start": "uniform"}, "`start` must be one of 'normal', 'attack'"),
        ({"attack_targets": "true"}, "`attack_targets` must be one of"),
        ({"attack": "pgd"}, "`attack` must be an attack"),
        (
            {"attack": PGD(ThreatModel("linf", 0.1), loss="margin")},
            '`attack` must be an attack with loss="kl"',
        ),
        (
            {"attack": PGD(ThreatModel("linf", 0.1), label_source="predicted")},
            "`attack` must be an attack on the labels it is given",
        ),
        (
            {"attack": PGD(ThreatModel("linf", 0.1), num_restarts=2)},
            "without restarts",
        ),
        (
            {
                "attack": PGD(ThreatModel("linf", 0.1), random_start=False),
                "start": "attack",
            },
            "an attack with a random start",
        ),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make(toys.linear(), **options)


def test_large_logits_stay_finite():
    images, labels = toys.data()
    classifier = toys.linear()
    kernel = classifier.layers[-1].kernel
    kernel.assign(keras.ops.sign(kernel) * 1e4)
    model = make(classifier)
    model.train_on_batch(images, labels)
    assert all(np.isfinite(w).all() for w in toys.weights(model))
