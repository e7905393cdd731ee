"""One output of logits: what else is refused, and the way to it."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup import export
from keras_mixup import inference
from keras_mixup import metrics
from keras_mixup import models
from keras_mixup import training

SHAPE, LABELS = (4, 4, 1), np.array([0, 1, 2, 1])
IMAGES = np.random.default_rng(0).uniform(size=(4, *SHAPE)).astype("float32")
ATTACK = attacks.PGD(ThreatModel("linf", 0.1), 0.05, 1)
layers = keras.layers


def net(*heads, units=3, activation=None):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Flatten(),
            layers.Dense(units, activation=activation),
            *heads,
        ]
    )


def records(model):
    specs = [("clean", None, "none")]
    return evaluation.evaluate(
        {"net": model}, specs, IMAGES, LABELS, verbose=False
    )


ENTRANCES = {
    "fit": lambda model: training.ERM(model),
    "attack": lambda model: ATTACK(model, IMAGES, LABELS, seed=0),
    "AutoAttack": lambda model: attacks.AutoAttack(
        ThreatModel("linf", 0.1), num_steps=1, num_queries=2
    ).evaluate(model, IMAGES, LABELS, verbose=False),
    "evaluate": records,
    "defence": lambda model: inference.GaussianNoiseInference(model, 0.1, 2),
}
every_entrance = pytest.mark.parametrize("entrance", ENTRANCES)


def functional(head):
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, head(net()(inputs)))


PROBABILITIES = {
    "bfloat16": lambda: net(layers.Activation("softmax", dtype="bfloat16")),
    "softmax layer": lambda: net(layers.Softmax()),
    "sigmoid": lambda: net(activation="sigmoid"),
    "nested": lambda: keras.Sequential(
        [keras.Input(SHAPE), net(activation="softmax")]
    ),
    "operation": lambda: functional(keras.ops.softmax),
    "one sigmoid": lambda: net(units=1, activation="sigmoid"),
}


@every_entrance
@pytest.mark.parametrize("kind", PROBABILITIES)
def test_probabilities_are_refused_by_their_structure(entrance, kind):
    with pytest.raises(ValueError, match=r"of logits.*models\.to_logits"):
        ENTRANCES[entrance](PROBABILITIES[kind]())


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_hidden_softmax_is_seen_in_its_values_at_any_precision(dtype):
    inner = net(units=10)

    def model(images):
        return tf.nn.softmax(tf.cast(5.0 * inner(images), dtype))

    with pytest.raises(ValueError, match="not of probabilities"):
        ATTACK(model, IMAGES, LABELS, seed=0)


def two_outputs():
    inputs = keras.Input(SHAPE)
    hidden = layers.Flatten()(inputs)
    first = layers.Dense(3, name="logits")(hidden)
    return keras.Model(inputs, [first, layers.Dense(2, name="aux")(hidden)])


def dict_outputs():
    model = two_outputs()
    names = dict(zip(("logits", "other"), model.outputs, strict=True))
    return keras.Model(model.inputs[0], names)


@every_entrance
@pytest.mark.parametrize("make", [two_outputs, dict_outputs])
def test_several_outputs_are_refused_with_the_remedy(entrance, make):
    match = r"with one output.*outputs .*logits.*keras.Model\(model.inputs"
    with pytest.raises(ValueError, match=match):
        ENTRANCES[entrance](make())
    model = make()
    ENTRANCES[entrance](keras.Model(model.inputs[0], model.outputs[0]))


@keras.saving.register_keras_serializable("keras_mixup_tests")
class GivesDict(keras.Model):
    """Has no symbolic outputs, and returns a dict."""

    def __init__(self):
        super().__init__()
        self.flatten, self.head = layers.Flatten(), layers.Dense(3)

    def call(self, images):
        return {"logits": self.head(self.flatten(images))}


@keras.saving.register_keras_serializable("keras_mixup_tests")
class GivesList(GivesDict):
    """Returns a list."""

    def call(self, images):
        return [super().call(images)["logits"]] * 2


def evaluate(model):
    specs = [("clean", None, "none")]
    evaluation.evaluate({"classifier": model}, specs, IMAGES, LABELS)


def linearity(model):
    metrics.local_linearity_error(model, IMAGES, LABELS, 0.1)


def fit(model):
    algorithm = training.ERM(model)
    algorithm.compile("sgd")
    algorithm.fit(IMAGES, LABELS, verbose=0)


@pytest.mark.parametrize(
    "use",
    [
        fit,
        evaluate,
        linearity,
        ENTRANCES["attack"],
        lambda m: ENTRANCES["defence"](m)(IMAGES),
    ],
)
def test_outputs_of_a_subclassed_model_are_refused_on_the_first_batch(use):
    with pytest.raises(ValueError, match="with one output.*dict of logits"):
        use(GivesDict())
    with pytest.raises(ValueError, match="with one output.*list of 0, 1"):
        use(GivesList())


@pytest.mark.parametrize("entrance", ["attack", "AutoAttack"])
def test_models_of_numpy_are_refused_with_the_remedy(entrance):
    inner = net()
    inner.compile()
    for model in (
        lambda x: inner.predict(x, verbose=0),
        inner.predict,
        lambda x: inner(x).numpy(),
    ):
        match = "`model_fn` must be a function of TensorFlow.*model.predict"
        with pytest.raises(ValueError, match=match):
            ENTRANCES[entrance](model)


def test_an_error_of_the_model_itself_stays_what_it_is():
    def model(images):
        raise AttributeError("of its own")

    with pytest.raises(AttributeError, match="of its own"):
        ATTACK(model, IMAGES, LABELS, seed=0)


def test_targets_that_are_the_label_are_refused():
    with pytest.raises(ValueError, match="`targets` must be other.*2 targets"):
        ATTACK(net(), IMAGES, LABELS, targets=[0, 0, 2, 0], seed=0)


@pytest.mark.parametrize(
    "kind", ["bfloat16", "softmax layer", "sigmoid", "nested"]
)
def test_to_logits_keeps_the_weights(kind, tmp_path):
    model = PROBABILITIES[kind]()
    logits = models.to_logits(model)
    inverse = keras.ops.sigmoid if kind == "sigmoid" else keras.ops.softmax
    found = np.asarray(inverse(logits(IMAGES)), "float32")
    np.testing.assert_allclose(
        found, np.asarray(model(IMAGES), "float32"), atol=4e-3, rtol=0
    )
    assert len(logits.weights) == len(model.weights)
    ENTRANCES["attack"](logits)
    logits.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(IMAGES), logits(IMAGES))


def test_one_sigmoid_becomes_two_logits():
    model = PROBABILITIES["one sigmoid"]()
    logits = models.to_logits(model)
    share = np.asarray(model(IMAGES))[:, 0]
    found = np.asarray(keras.ops.softmax(logits(IMAGES)))
    expected = np.stack([1.0 - share, share], axis=-1)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    training.ERM(logits)


def test_to_logits_shares_what_it_does_not_change():
    model = functional(layers.Softmax())
    logits = models.to_logits(model)
    model.weights[0].assign_add(np.ones((16, 3)))
    expected = np.asarray(model(IMAGES))
    found = keras.ops.softmax(logits(IMAGES))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("make", [net, GivesDict, two_outputs])
def test_to_logits_refuses_another_model(make):
    with pytest.raises(ValueError, match="`model` must be a"):
        models.to_logits(make())


def test_a_fresh_algorithm_counts_loads_and_exports(tmp_path):
    first = training.Mixup(net())
    first.compile("adam")
    first.fit(IMAGES, LABELS, verbose=0)
    first.save_weights(tmp_path / "model.weights.h5")
    fresh = training.Mixup(net())
    assert fresh.count_params() == first.count_params() == 16 * 3 + 3 + 1
    fresh.summary(print_fn=lambda *_, **__: None)
    fresh.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(fresh(IMAGES), first(IMAGES))
    fresh.classifier.export(tmp_path / "served", verbose=False)
    assert (tmp_path / "served" / "saved_model.pb").exists()


def test_a_trained_head_on_frozen_layers_is_trained():
    frozen = layers.Conv2D(2, 3, trainable=False)
    norm = layers.BatchNormalization(trainable=False)
    model = keras.Sequential([keras.Input(SHAPE), frozen, norm])
    model.add(layers.Flatten())
    model.add(layers.Dense(3, use_bias=False))
    assert not export.looks_untrained(model)
    norm.trainable = True
    assert export.looks_untrained(model)


def test_another_backend_is_refused_at_import():
    found = subprocess.run(
        [sys.executable, "-c", "import keras_mixup"],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    text = "ImportError: keras_mixup needs the TensorFlow backend"
    assert text in found.stderr
