"""Records are never taken for answers to something else."""

import functools
import json

import keras
import numpy as np
import pytest
from evaluation_toys import CLEAN
from evaluation_toys import EPS
from evaluation_toys import Linear
from evaluation_toys import Noisy
from evaluation_toys import data

from keras_mixup import ThreatModel
from keras_mixup import _fingerprint
from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup.evaluation import identity

THREAT = ThreatModel("linf", EPS)


def pgd(steps=2, **options):
    return attacks.PGD(THREAT, 0.05, steps, random_start=False, **options)


def network(seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((2, 2, 1)), keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(2)], name="net")


def run(path, models=None, specs=None, **options):
    images, labels, _ = data(8)
    given = {"images": images, "labels": labels, "verbose": False, **options}
    return evaluation.evaluate(
        models or {"m": Linear()},
        specs or [CLEAN, ("attack", pgd(), "oblivious")],
        given.pop("images"),
        given.pop("labels"),
        records_path=str(path),
        **given,
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "records.jsonl"


def refused(path, match, **changes):
    before = path.read_bytes()
    with pytest.raises(ValueError, match=match) as caught:
        run(path, **changes)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "attack",
    [
        pgd(40),
        pgd(2, loss="margin"),
        attacks.PGD(THREAT, 0.01, 2, random_start=False),
        attacks.FGSM(THREAT, 2),
    ],
)
def test_another_attack_under_the_same_name(path, attack):
    run(path)
    specs = [CLEAN, ("attack", attack, "oblivious")]
    refused(path, "another thing: columns, attack, oblivious", specs=specs)


def test_an_equal_attack_goes_on(path):
    before = run(path)
    lines = path.read_bytes()
    assert run(path) == before
    assert path.read_bytes() == lines


def test_the_same_attack_under_another_name_is_added(path):
    run(path)
    run(path, specs=[("other", pgd(), "oblivious")])
    found = evaluation.read_records(path)
    assert {r.attack for r in found} == {"clean", "attack", "other"}
    assert {c.attack for c in found.facts} == {"attack", "other"}


def test_another_keras_model(path):
    images = np.random.default_rng(0).uniform(size=(8, 2, 2, 1))
    options = {"images": images.astype("float32")}
    run(path, {"m": network()}, **options)
    run(path, {"m": network()}, **options)
    refused(path, "models, m", models={"m": network(1)}, **options)


class Shifted(Linear):
    def __call__(self, images):
        return super().__call__(images) + [[0.0, 0.5]]


def test_another_callable(path):
    """One of another class, and one of another answer."""
    run(path)
    refused(path, "models, m", models={"m": Shifted()})
    same = type("Linear", (Shifted,), {"__module__": Linear.__module__})
    same.__qualname__ = "Linear"
    refused(path, "models, m", models={"m": same()})


class Scaled(keras.Model):
    """Of no configuration: Keras cannot write down a function."""

    def __init__(self, function):
        super().__init__()
        self.head = keras.layers.Dense(2)
        self.function = function

    def call(self, images):
        return self.head(self.function(keras.ops.reshape(images, (-1, 4))))


def scaled(factor, seed=0):
    keras.utils.set_random_seed(seed)
    return Scaled(lambda pixels: factor * pixels)


def test_a_model_without_a_configuration(path):
    """It is known by its weights and by what it answers."""
    run(path, {"m": scaled(1.0)})
    run(path, {"m": scaled(1.0)})
    refused(path, "models, m", models={"m": scaled(2.0)})
    refused(path, "models, m", models={"m": scaled(1.0, seed=1)})


class Blurred(inference.RandomizedInference):
    """A defence whose `get_config` Keras cannot make."""

    def __init__(self, classifier, function, strength):
        super().__init__(classifier, num_draws=2)
        self.function, self.strength = function, strength

    def draw_rows(self, seed, rows):
        return {}

    def apply(self, images, draws):
        return self.function(images)


def test_a_defence_without_a_configuration(path):
    base = network()
    told, other = (
        identity.settings_of_defence(Blurred(base, Linear(), strength))
        for strength in (0.5, 0.6)
    )
    assert told["strength"] == 0.5
    assert {**told, "strength": 0.6} == other


@pytest.mark.parametrize(
    "changed",
    [lambda base: Noisy(base, 0.3), lambda base: Noisy(base, 0.2, "a pool")],
)
def test_another_defence(path, changed):
    base = Linear()
    run(path, {"m": base, "d": Noisy(base, 0.2)})
    run(path, {"m": base, "d": Noisy(base, 0.2)})
    refused(path, "defences, d", models={"m": base, "d": changed(base)})


def test_another_pool(path):
    base = network()

    def defence(seed):
        images = np.random.default_rng(seed).uniform(size=(6, 2, 2, 1))
        labels = np.arange(6) % 2
        pool = inference.SamplePool(images, labels, dtype="float32")
        return inference.MixupInferenceOL(base, pool, 0.6, num_draws=2)

    images = np.random.default_rng(0).uniform(size=(8, 2, 2, 1))
    options = {"images": images.astype("float32"), "specs": [CLEAN]}
    run(path, {"m": base, "d": defence(0)}, **options)
    run(path, {"m": base, "d": defence(0)}, **options)
    models = {"m": base, "d": defence(1)}
    refused(path, "defences, d", models=models, **options)
    # A name for it stands in the place of its content.
    named = path.with_name("named.jsonl")
    run(named, models, pool_id="mine", **options)
    refused(named, "defences, d", models=models, pool_id="other", **options)


def test_the_classifier_inside_a_defence_counts(path):
    run(path, {"d": Noisy(Linear())})
    refused(path, "models, classifier", models={"d": Noisy(Shifted())})


def test_other_images_of_the_same_ids(path):
    run(path)
    images, _, _ = data(8)
    refused(path, "another thing: examples", images=images * 0.5)


def test_each_image_counts(path):
    images, labels = data(200)[:2]
    run(path, images=images, labels=labels)
    other = images.copy()
    other[137] *= 0.5
    refused(path, "examples, 137", images=other, labels=labels)
    # One of them alone as well.
    alone = {"labels": labels[137:138], "example_ids": [137]}
    run(path, images=images[137:138], **alone)
    refused(path, "examples, 137", images=other[137:138], **alone)


def test_fewer_and_more_examples_are_no_other_ones(path):
    images, labels, _ = data(8)
    ids = np.arange(8)
    run(path, images=images[:5], labels=labels[:5], example_ids=ids[:5])
    found = run(path, example_ids=ids)
    assert len(found) == 16


def test_other_words_about_them(path):
    run(path, about={"dataset": "digits"})
    refused(path, "about, dataset", about={"dataset": "svhn"})


def test_another_worst_case(path):
    seeds = {"selection_seeds": (0, 1), "eval_seeds": tuple(range(10))}
    run(path, **seeds)
    refused(path, "columns, worst-case", **{**seeds, "selection_seeds": (0, 2)})
    more = [CLEAN, ("attack", pgd(), "oblivious"), ("b", pgd(3), "oblivious")]
    refused(path, "columns, worst-case", specs=more, **seeds)


def test_what_changes_no_answer_is_free(path):
    before = sorted(run(path))
    assert sorted(run(path, batch_size=3)) == before


def test_records_without_their_identity(path):
    run(path)
    identity.path_of(path).unlink()
    refused(path, "has no evaluation.json beside it")


def test_nothing_is_written_where_nothing_was_computed(path):
    with pytest.raises(ValueError, match="8 or more classes wide"):
        run(path, labels=np.full(8, 7))
    assert not path.exists() and not identity.path_of(path).exists()


def test_the_file_beside_the_records(tmp_path):
    assert identity.path_of(tmp_path / "records.jsonl").name == (
        "evaluation.json"
    )
    assert identity.path_of(tmp_path / "fig4_records.jsonl").name == (
        "fig4_records.evaluation.json"
    )


def test_an_interrupted_evaluation_goes_on(path):
    whole = run(path)
    lines = path.read_bytes()
    path.write_bytes(lines[:-100])
    with pytest.warns(UserWarning, match="incomplete last line"):
        again = run(path)
    assert sorted(again) == sorted(whole)


def test_a_fingerprint_is_of_configuration_and_weights(tmp_path):
    model = network()
    model.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    before = evaluation.fingerprint(model)
    assert evaluation.fingerprint(loaded) == before
    # The same network, whose layers Keras numbers on.
    again = network()
    assert again.layers[-1].name != model.layers[-1].name
    assert evaluation.fingerprint(again) == before
    loaded.layers[-1].bias.assign([1.0, 0.0])
    assert evaluation.fingerprint(loaded) != before


def test_facts_come_back_from_the_disk(path):
    made = run(path)
    read = evaluation.read_records(path)
    assert read.facts == made.facts
    assert read == made
    found = json.loads(identity.path_of(path).read_text())
    assert found["models"]["m"]["class"].endswith("Linear")


def hidden(classifier):
    return {"d": Noisy(classifier)}


def test_a_classifier_inside_a_defence_has_one_name(path):
    """However many models stand beside the defence."""
    run(path, {"other": Shifted(), **hidden(Linear())})
    refused(path, "models, classifier", models=hidden(Shifted()))
    run(path, hidden(Linear()))
    found = json.loads(identity.path_of(path).read_text())
    assert set(found["models"]) == {"other", "classifier"}
    assert len(found["defences"]["d"]["classifier"]) == 64


def test_a_classifier_that_was_known_by_its_number(path):
    run(path, {"other": Shifted(), **hidden(Linear())})
    file = identity.path_of(path)
    found = json.loads(file.read_text())
    found["models"]["classifier of 1"] = found["models"].pop("classifier")
    del found["defences"]["d"]["classifier"]
    file.write_text(json.dumps(found))
    refused(path, "models, classifier", models=hidden(Shifted()))
    run(path, hidden(Linear()))


def test_a_name_that_reads_like_a_number_is_free(path):
    name = "classifier of 1"
    run(path, {name: Linear()})
    run(path, {"other": Linear()})
    refused(path, f"models, {name}", models={name: Shifted()})
    run(path, {"third": Shifted()})


@pytest.mark.parametrize("bare", ["classifier", None])
def test_two_classifiers_of_one_name_are_refused(path, bare):
    models = {"d": Noisy(Linear()), (bare or "e"): Noisy(Shifted())}
    if bare:
        models[bare] = Shifted()
    with pytest.raises(ValueError, match="each defence's classifier among"):
        run(path, models)
    assert not path.exists()


def activated(name, activation):
    layers = [keras.Input((2, 2, 1)), keras.layers.Flatten()]
    layer = keras.layers.Activation(activation, name=name)
    return keras.Sequential([*layers, layer], name="net")


def test_a_setting_that_equals_a_layers_name_counts():
    named = evaluation.fingerprint(activated("relu", "relu"))
    assert evaluation.fingerprint(activated("tanh", "tanh")) != named
    assert evaluation.fingerprint(activated("other", "relu")) == named


def branched(first, second):
    inputs = keras.Input((4,), name=first)
    layer = keras.layers.Dense(4, name=second, kernel_initializer="ones")
    outputs = keras.layers.Add()([layer(inputs), inputs])
    return keras.Model(inputs, outputs)


def test_names_of_layers_in_a_graph_do_not_count():
    before = evaluation.fingerprint(branched("a", "b"))
    assert evaluation.fingerprint(branched("ones", "c")) == before


def test_an_identity_without_records_is_ignored(path):
    run(path)
    path.unlink()
    found = run(path, {"m": Shifted()})
    assert evaluation.read_records(path) == found
    refused(path, "models, m", models={"m": Linear()})


class Foreign:
    """An attack of another package, around one of ours."""

    def __init__(self, steps, loss=None):
        self.steps, self.loss, self.threat = steps, loss, THREAT
        self.state = []

    def __call__(self, *args, **options):
        self.state.append(1)
        return pgd(self.steps)(*args, **options)


def test_the_settings_of_a_foreign_attack_count(path):
    specs = [[("a", Foreign(steps), "oblivious")] for steps in (2, 3)]
    run(path, specs=specs[0])
    run(path, specs=specs[0])
    refused(path, "columns, a, oblivious", specs=specs[1])


class Opaque(Foreign):
    def __init__(self, steps, loss=None):
        super().__init__(steps)
        del self.loss


@pytest.mark.parametrize(
    "attack",
    [Foreign(2, lambda x: x), Opaque(2)],
    ids=["lambda", "unknown argument"],
)
def test_what_cannot_be_told_is_never_taken_for_the_same(path, attack):
    specs = [("a", attack, "oblivious")]
    run(path, specs=specs)
    refused(path, "cannot be told from another of its name", specs=specs)


class Bare(keras.Model):
    """Subclassed, without arguments: its configuration says nothing."""

    factor = 1.0

    def __init__(self):
        super().__init__()
        self.head = keras.layers.Dense(2)

    def call(self, images):
        return self.head(self.factor * keras.ops.reshape(images, (-1, 4)))


def bare(factor):
    keras.utils.set_random_seed(0)
    made = Bare()
    made.factor = factor
    return made


def test_a_subclassed_model_without_arguments(path):
    run(path, {"m": bare(1.0)})
    run(path, {"m": bare(1.0)})
    refused(path, "models, m", models={"m": bare(2.0)})
    inside = keras.Sequential([keras.Input((2, 2, 1)), bare(1.0)])
    other = keras.Sequential([keras.Input((2, 2, 1)), bare(2.0)])
    assert evaluation.fingerprint(inside) == evaluation.fingerprint(other)
    run(path, {"inside": inside})
    refused(path, "models, inside", models={"inside": other})


class Drawing(Bare):
    def call(self, images):
        noise = keras.random.normal((keras.ops.shape(images)[0], 2))
        return super().call(images) + noise


def test_a_drawing_model_without_settings_is_not_taken_for_the_same(path):
    options = {"eval_seeds": (0, 1), "specs": [CLEAN]}
    run(path, {"m": Drawing()}, **options)
    refused(path, "models, m", models={"m": Drawing()}, **options)


def test_the_function_of_a_defence_counts(path):
    """Of a defence without a configuration, by its answers."""
    base = network()
    images = np.random.default_rng(0).uniform(size=(8, 2, 2, 1))
    options = {"images": images.astype("float32"), "specs": [CLEAN]}

    models = [{"m": base, "d": Shifting(base, s)} for s in (0.0, 0.3)]
    run(path, models[0], **options)
    run(path, models[0], **options)
    refused(path, "defences, d", models=models[1], **options)


class Shifting(Blurred):
    def __init__(self, classifier, shift):
        super().__init__(classifier, lambda x: x + shift, 0.5)

    def draw_rows(self, seeds, labels, image_shape):
        return {"none": keras.ops.zeros_like(seeds)}

    def apply(self, images, draws):
        return keras.ops.stack([images, self.function(images)])


def test_descriptions():
    assert _fingerprint.describe(len) == "builtins.len"
    told = _fingerprint.describe(Foreign(2))
    assert told["steps"] == 2 and told["threat"]["class"] == "ThreatModel"
    assert _fingerprint.unidentified([{"a": [told]}]) is None
    lost = _fingerprint.describe({"a": [lambda x: x]})
    assert "<lambda>" in _fingerprint.unidentified(lost)
    arrays = [_fingerprint.describe(np.full(3, v)) for v in (0.0, 1.0, 1.0)]
    assert arrays[0] != arrays[1] == arrays[2]
    method = _fingerprint.describe(Foreign(3).__call__)
    assert method["of"]["steps"] == 3
    partial = functools.partial(pow, 2)
    assert _fingerprint.describe(partial)["args"] == [2]
    assert _fingerprint.describe(np.float32(0.5)) == 0.5
    itself = {}
    itself["me"] = itself
    assert _fingerprint.describe(itself) == {"me": "itself"}
