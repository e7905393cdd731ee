"""What holds for every algorithm: bad input, a batch of 1, eps 0, replicas."""

import pathlib

import keras
import numpy as np
import pytest
import references as ref
import tensorflow as tf
import toys

from benchmarks import family
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup import training
from keras_mixup.training import gaussian_augmentation

ROOT = pathlib.Path(__file__).parent.parent.parent
DOCS = (ROOT / "docs" / "training.md").read_text("utf-8")
# name -> (class, options, whether it attacks)
FAMILY = {
    "erm": (training.ERM, {}, False),
    "mixup": (training.Mixup, {}, False),
    "cutmix": (training.CutMix, {}, False),
    "noise": (training.GaussianAugmentation, {}, False),
    "regmixup": (training.RegMixup, {"alpha": 1.0}, False),
    "dat": (training.DirectionalAdversarialTraining, {}, False),
    "manifold": (training.ManifoldMixup, {}, False),
    "at": (training.AdversarialTraining, {}, True),
    "at 1:1": (training.AdversarialTraining, {"clean_weight": 1.0}, True),
    "iat": (training.InterpolatedAdversarialTraining, {}, True),
    "mix then attack": (training.MixThenAttack, {}, True),
    "attack then mix": (training.AttackThenMix, {}, True),
    "attack then mix 1:1": (training.AttackThenMix, {"clean_weight": 1}, True),
    "avmixup": (training.AdversarialVertexMixup, {}, True),
    "cutmix at": (training.CutMixAdversarialTraining, {}, True),
    "cutmix at 1:1": (
        training.CutMixAdversarialTraining,
        {"clean_weight": 1.0},
        True,
    ),
    "cutmix trades": (training.CutMixTRADES, {"start": "attack"}, True),
    "trades": (training.TRADES, {"start": "attack"}, True),
    "learned": (training.AdversarialMixup, {}, True),
    "learned shared": (training.AdversarialMixup, {"delta": "shared"}, True),
    "frozen": (training.AdversarialMixup, {"mix_weight": "frozen"}, True),
    "geometric": (
        training.AdversarialMixup,
        {"label_mixing": "geometric", "clean_weight": 0.5},
        True,
    ),
    "hidden": (training.AdversarialMixup, {"stage": "stage_1"}, True),
    "latent": (
        training.LatentAdversarialTraining,
        {"latent_eps": 0.0, "latent_steps": 2},
        True,
    ),
    "llr": (training.LocalLinearityRegularization, {}, True),
    "cure": (training.CurvatureRegularization, {"distance": 0.5}, False),
}
every = pytest.mark.parametrize("name", FAMILY)


def make(name, classifier=None, eps=0.1, eager=False, **options):
    algorithm, own, attacked = FAMILY[name]
    if attacked:
        options.setdefault("attack", toys.attack(2, eps, 0.05))
    classifier = classifier or ref.staged_network()
    model = algorithm(classifier, seed=3, **{**own, **options})
    # A trace costs more than the one step of many a test.
    model.compile(keras.optimizers.SGD(0.3), run_eagerly=eager)
    return model


def step(model, images, labels):
    logs = model.train_on_batch(images, labels, return_dict=True)
    return logs, toys.weights(model.classifier)


def takes(name, argument):
    return argument in FAMILY[name][0].argument_names()


@pytest.mark.parametrize("name", registry.names("algorithm"))
def test_an_algorithm_is_where_it_is_looked_for(name):
    """What BUILD.md asks of a new algorithm; the message says what lacks."""
    kind = registry.find("algorithm", name)
    asked = {
        "a line in keras_mixup/training/__init__.py": (
            kind.__name__ in training.__all__
        ),
        "a row in docs/training.md": f"`{name}`" in DOCS,
    }
    # Those with an autoencoder have a test of their own, and rows of papers.
    if not registry.accepts("algorithm", name, "vae"):
        members = family.MEMBERS.values()
        asked["a row in FAMILY, tests/training/test_family.py"] = any(
            kind is row[0] for row in FAMILY.values()
        )
        asked["a row in MEMBERS, benchmarks/family.py"] = any(
            kind is member.algorithm for member in members
        )
    lacking = [where for where, there in asked.items() if not there]
    assert not lacking, f"{kind.__name__} needs {' and '.join(lacking)}"


def test_every_algorithm_is_registered():
    known = {registry.find("algorithm", n) for n in registry.names("algorithm")}
    public = (getattr(training, name) for name in training.__all__)
    found = {
        value
        for value in public
        if isinstance(value, type) and issubclass(value, training.Algorithm)
    }
    lacking = [k.__name__ for k in found - known - {training.Algorithm}]
    assert not lacking, f"{lacking} need @registry.register above the class"


@every
def test_a_classifier_of_probabilities_is_refused(name):
    classifier = ref.staged_network()
    outputs = keras.layers.Softmax()(classifier.outputs[0])
    with pytest.raises(ValueError, match="Remove the final softmax"):
        make(name, keras.Model(classifier.inputs, outputs))


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
@pytest.mark.parametrize("name", [n for n in FAMILY if takes(n, "alpha")])
def test_alpha_must_be_positive(name, alpha):
    with pytest.raises(ValueError, match="`alpha` must be"):
        make(name, alpha=alpha)


@pytest.mark.parametrize("name", [n for n in FAMILY if takes(n, "attack")])
def test_an_attack_is_needed(name):
    with pytest.raises(ValueError, match="`attack` must be"):
        make(name, attack="pgd")


@every
def test_a_batch_of_one_has_a_defined_result(name):
    images, labels = toys.data(1)
    model = make(name, eager=True)
    before = toys.weights(model.classifier)
    logs, after = step(model, images, labels)
    assert all(np.isfinite(value) for value in logs.values())
    assert all(np.isfinite(values).all() for values in after)
    moved = max(np.abs(a - b).max() for a, b in zip(before, after, strict=True))
    assert moved > 1e-5


@pytest.mark.parametrize("name", [n for n in FAMILY if FAMILY[n][2]])
def test_eps_zero_is_legal_and_attacks_nothing(name):
    images, labels = toys.data(6)
    model = make(name, eps=0.0, eager=True)
    for _ in range(2):
        logs, weights = step(model, images, labels)
        assert all(np.isfinite(value) for value in logs.values())
        assert all(np.isfinite(values).all() for values in weights)
    hot = tf.constant(ref.one_hot(labels))
    draws = ref.draws_of(model, 6)
    batch = model.prepare_batch(tf.constant(images), hot, draws)
    for key, values in {"left": images, "adversarial_images": images}.items():
        if key in batch:
            np.testing.assert_array_equal(batch[key], values)


@pytest.mark.parametrize("name", ["at", "at 1:1", "trades"])
def test_eps_zero_is_erm(name):
    images, labels = toys.data()
    _, first = step(make(name, eps=0.0), images, labels)
    _, second = step(make("erm"), images, labels)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


ORDER, WEIGHT = [2, 0, 3, 1], [0.7, 0.9, 0.66, 0.99]


def pinned(draws, copies):
    """The draws with one permutation of 4 rows per copy, and its weights."""
    order, weight = np.array(ORDER, "int32"), np.array(WEIGHT, "float32")
    found = {}
    for key, value in draws.items():
        if isinstance(value, dict):
            found[key] = pinned(value, copies)
        elif key == "permutation":
            blocks = [order + 4 * number for number in range(copies)]
            found[key] = tf.constant(np.concatenate(blocks))
        elif key == "mix_weight":
            found[key] = tf.constant(np.tile(weight, copies))
        elif len(value.shape) and value.shape[0] == 2 * len(order):
            rows = np.asarray(value)[: len(order)]
            found[key] = tf.constant(np.concatenate([rows] * copies))
        else:
            found[key] = tf.constant(np.asarray(value))
    return found


def start_of_each_image(threat, images, seed):
    """A start in the ball that the batch around an image cannot change."""
    del seed
    noise = tf.sin(1000.0 * images) * threat.eps
    return tf.clip_by_value(images + noise, *threat.bounds)


@pytest.mark.slow
@every
def test_two_replicas_equal_one_device_on_the_same_draws(
    name, strategy, monkeypatch
):
    monkeypatch.setattr(ops, "random_start", start_of_each_image)
    monkeypatch.setattr(
        gaussian_augmentation,
        "noise_like",
        lambda images, seed: tf.sin(1000.0 * images),
    )
    images, labels = toys.data(8)
    alone = make(name, eager=True)
    draws = ref.draws_of(alone, 8)
    alone.draw = lambda *_: pinned(draws, 2)
    with strategy.scope():
        together = make(name)
    together.draw = lambda *_: pinned(draws, 1)
    before = toys.weights(alone.classifier)
    logs, first = step(alone, images, labels)
    options = {"batch_size": 8, "verbose": 0, "shuffle": False}
    history = together.fit(images, labels, **options).history
    second = toys.weights(together.classifier)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)
    for key, value in logs.items():
        np.testing.assert_allclose(history[key][0], value, rtol=2e-5)
    moved = max(np.abs(a - b).max() for a, b in zip(before, first, strict=True))
    assert moved > 1e-3  # else the comparison above says little


@pytest.mark.parametrize("name", ["at", "learned", "trades"])
def test_synchronised_batch_norm_cannot_train_inside_an_attack(name, strategy):
    # TensorFlow has no all-reduce in a loop; it would fail while tracing.
    def classifier(synchronized):
        return ref.staged_network(batch_norm={"synchronized": synchronized})

    with strategy.scope():
        with pytest.raises(ValueError, match="`attack_training` must be Fal"):
            make(name, classifier(True), attack_training=True)
        make(name, classifier(True))
        local = make(name, classifier(False), attack_training=True)
    images, labels = toys.data(8)
    options = {"batch_size": 8, "verbose": 0}
    assert np.isfinite(local.fit(images, labels, **options).history["loss"])
