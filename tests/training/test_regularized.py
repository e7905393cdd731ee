"""CURE and LLR against eager double backpropagation."""

import numpy as np
import pytest
import references as ref
import tensorflow as tf
import toys

from keras_mixup import ThreatModel
from keras_mixup import training
from keras_mixup.attacks import PGD

ATTACK = PGD(ThreatModel("linf", 0.1), 0.05, 3)


def cure(classifier, **options):
    return ref.compiled(training.CurvatureRegularization(classifier, **options))


def llr(classifier, attack=ATTACK, **options):
    return ref.compiled(
        training.LocalLinearityRegularization(
            classifier, attack, seed=5, **options
        )
    )


def norm(values):
    return np.sqrt((values**2).sum(axis=(1, 2, 3), keepdims=True))


@pytest.mark.parametrize("penalty", [4.0, 30.0])
def test_curvature_step_is_the_equation(penalty):
    images, labels = toys.data()
    targets = ref.one_hot(labels)
    classifier = toys.network()
    model = cure(classifier, penalty=penalty, distance=0.7)

    def cost(point):
        return ref.cross_entropy(targets, classifier(point))

    sign = np.sign(ref.slope(cost, images).numpy())
    shifted = images + 0.7 * sign / norm(sign)

    def loss():
        change = ref.slope(cost, shifted) - ref.slope(cost, images)
        return cost(images) + penalty * tf.reduce_sum(change**2, axis=(1, 2, 3))

    ref.check_step(model, images, labels, loss, atol=1e-5)


def test_curvature_of_a_net_without_curvature_in_logits():
    """grad l = W (softmax - y) for linear logits: a closed form."""
    images, labels = toys.data()
    classifier = toys.linear()
    model = cure(classifier, penalty=1.0, distance=1.0)
    kernel, bias = (w.astype("float64") for w in toys.weights(classifier))
    flat = images.reshape(len(images), -1).astype("float64")

    def errors(points):
        values = np.exp(points @ kernel + bias)
        return values / values.sum(1, keepdims=True) - ref.one_hot(labels)

    slopes = errors(flat) @ kernel.T
    sign = np.sign(slopes)
    shifted = flat + sign / np.sqrt((sign**2).sum(1, keepdims=True))
    change = ((errors(shifted) @ kernel.T - slopes) ** 2).sum(1)
    logits = flat @ kernel + bias
    clean = np.log(np.exp(logits).sum(1)) - logits[np.arange(24), labels]
    logs = model.train_on_batch(images, labels, return_dict=True)
    np.testing.assert_allclose(logs["loss"], (clean + change).mean(), rtol=1e-5)
    assert change.mean() > 0.01 * clean.mean()


def test_curvature_distance_grows_over_the_warm_up():
    images, labels = toys.data()
    first = cure(toys.network(), distance=0.8, warmup_steps=4)
    quarter = cure(toys.network(), distance=0.2)
    for model in (first, quarter):
        model.train_on_batch(images, labels)
    for a, b in zip(toys.weights(first), toys.weights(quarter), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)
    first.step.assign(9)
    assert float(first._distance_now()) == np.float32(0.8)


def test_curvature_at_a_flat_point_is_zero():
    images, labels = toys.data()
    classifier = toys.linear()
    classifier.set_weights([np.zeros((16, 3)), np.zeros(3)])
    model = cure(classifier)
    logs = model.train_on_batch(images, labels, return_dict=True)
    np.testing.assert_allclose(logs["loss"], np.log(3.0), rtol=1e-6)
    assert all(np.isfinite(w).all() for w in toys.weights(model))


@pytest.mark.parametrize(
    ("nonlinearity", "slope"), [(4.0, 3.0), (2.0, 0.0), (0.0, 1.0)]
)
def test_local_linearity_step_is_the_equation(nonlinearity, slope):
    images, labels = toys.data()
    targets = ref.one_hot(labels)
    classifier = toys.network()
    # A larger ball: the bend of a tiny smooth net is small.
    attack = PGD(ThreatModel("linf", 0.4), 0.2, 3)
    model = llr(classifier, attack, nonlinearity=nonlinearity, slope=slope)
    seed = ref.draws_of(model, len(images))["attack_seed"]
    start = np.clip(
        images
        + tf.random.stateless_uniform(images.shape, seed, -0.4, 0.4).numpy(),
        0.0,
        1.0,
    )

    def cost(point):
        return ref.cross_entropy(targets, classifier(point))

    fixed_cost, fixed_slope = cost(images), ref.slope(cost, images)

    def bend(point, here, gradient):
        moved = tf.reduce_sum((point - images) * gradient, axis=(1, 2, 3))
        return tf.abs(cost(point) - here - moved), tf.abs(moved)

    found = ref.climb(
        lambda point: bend(point, fixed_cost, fixed_slope)[0],
        start,
        0.2,
        images,
        0.4,
        3,
    )
    begin = bend(start, fixed_cost, fixed_slope)[0]
    end = bend(found, fixed_cost, fixed_slope)[0]
    assert np.mean(end) > 1.5 * np.mean(begin)

    def loss():
        curved, linear = bend(found, cost(images), ref.slope(cost, images))
        return cost(images) + nonlinearity * curved + slope * linear

    ref.check_step(model, images, labels, loss, atol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: cure(toys.noisy_network(), penalty=0.0),
        lambda: llr(toys.network(), nonlinearity=0.0, slope=0.0),
        lambda: llr(toys.network(), PGD(ThreatModel("linf", 0.0), 0.05, 2)),
    ],
    ids=["cure", "llr", "llr eps 0"],
)
def test_without_penalty_it_is_erm(make):
    images, labels = toys.data()
    model = make()
    noisy = any("dropout" in layer.name for layer in model.classifier.layers)
    twin = toys.noisy_network() if noisy else toys.network()
    plain = ref.compiled(training.ERM(twin, seed=5))
    model.train_on_batch(images, labels)
    plain.train_on_batch(images, labels)
    for a, b in zip(
        toys.weights(model.classifier), toys.weights(twin), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "passes"), [(cure, 3), (llr, 6)], ids=["cure", "llr"]
)
def test_classifier_passes_of_a_step(make, passes):
    classifier, calls = toys.counting_network()
    model = make(classifier)
    images, labels = toys.data()
    model.train_on_batch(images, labels)
    calls.assign(0)
    toys.one_train_step(model, images, labels)
    assert int(calls) == passes


def test_the_penaltys_passes_leave_batch_norm_alone():
    images, labels = toys.data()
    model = cure(toys.noisy_network())
    plain = ref.compiled(training.ERM(toys.noisy_network()))
    model.train_on_batch(images, labels)
    plain.train_on_batch(images, labels)
    for a, b in zip(
        model.classifier.non_trainable_variables,
        plain.classifier.non_trainable_variables,
        strict=True,
    ):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (cure, {"penalty": -1.0}, "`penalty` must be"),
        (cure, {"distance": 0.0}, "`distance` must be"),
        (cure, {"warmup_steps": -1}, "`warmup_steps` must be"),
        (cure, {"penalty_training": 1}, "`penalty_training` must be True or"),
        (llr, {"nonlinearity": -1.0}, "`nonlinearity` must be"),
        (llr, {"slope": -1.0}, "`slope` must be"),
        (
            llr,
            {"attack": PGD(ThreatModel("linf", 0.1), random_start=False)},
            "`attack` must be PGD with a random start",
        ),
        (
            llr,
            {"attack": PGD(ThreatModel("linf", 0.1), num_restarts=2)},
            "without restarts",
        ),
        (
            llr,
            {"attack": PGD(ThreatModel("linf", 0.1), momentum=0.5)},
            "and momentum",
        ),
        (
            llr,
            {"attack": PGD(ThreatModel("linf", 0.1), label_source="predicted")},
            "predicted labels",
        ),
    ],
)
def test_bad_arguments_are_named(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(toys.linear(), **options)
