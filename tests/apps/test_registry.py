"""Names on the command line, against what the library has."""

import inspect

import pytest

import keras_mixup
from apps import _registry
from keras_mixup import attacks
from keras_mixup import inference
from keras_mixup import training

TABLES = [
    _registry.MODELS,
    _registry.ALGORITHMS,
    _registry.ATTACKS,
    _registry.DEFENCES,
]


@pytest.mark.parametrize("table", TABLES, ids=["model", "algo", "attack", "de"])
def test_every_name_leads_to_a_public_name(table):
    for name, path in table.items():
        found = _registry.find(table, "thing", name)
        module, attribute = path.split(":")
        package = getattr(keras_mixup, module.split(".")[1])
        assert attribute in package.__all__
        assert found is getattr(package, attribute)


@pytest.mark.parametrize(
    ("package", "base", "table"),
    [
        (training, training.Algorithm, _registry.ALGORITHMS),
        (attacks, attacks.Attack, _registry.ATTACKS),
        (inference, inference.RandomizedInference, _registry.DEFENCES),
    ],
    ids=["training", "attacks", "inference"],
)
def test_every_public_class_has_a_name(package, base, table):
    listed = {path.split(":")[1] for path in table.values()}
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.isclass(value) and issubclass(value, base):
            assert value is base or name in listed, name


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError) as caught:
        _registry.check_name(_registry.MODELS, "model", "preactresnet18")
    text = str(caught.value)
    assert all(name in text for name in _registry.MODELS)
    assert "Received: model='preactresnet18'" in text
    assert text.endswith('Did you mean "preact_resnet18"?')


def test_no_suggestion_where_nothing_is_near():
    with pytest.raises(ValueError) as caught:
        _registry.check_name(_registry.ATTACKS, "attack", "zzz")
    assert "Did you mean" not in str(caught.value)


class _Defence:
    def __init__(self, classifier, pool, mix_weight=0.5, num_draws=30):
        self.arguments = (classifier, pool, mix_weight, num_draws)


class _Noise:
    def __init__(self, classifier, stddev):
        self.arguments = (classifier, stddev)


@pytest.fixture
def defences(monkeypatch):
    found = {"mixing": _Defence, "noise": _Noise}
    monkeypatch.setattr(_registry, "find", lambda t, kind, name: found[name])


def test_a_defence_gets_its_pool_and_only_given_options(defences):
    built = _registry.build_defence("mixing", "f", "p", num_draws=None)
    assert built.arguments == ("f", "p", 0.5, 30)
    built = _registry.build_defence("mixing", "f", "p", mix_weight=0.6)
    assert built.arguments == ("f", "p", 0.6, 30)
    built = _registry.build_defence("noise", "f", "p", stddev=0.1)
    assert built.arguments == ("f", 0.1)


def test_a_missing_pool_is_named(defences):
    with pytest.raises(ValueError, match="`pool` must be a SamplePool"):
        _registry.build_defence("mixing", "f")


def test_an_option_that_is_not_taken_is_named(defences):
    expected = "`option` must be one of mix_weight, num_draws for mixing"
    with pytest.raises(ValueError, match=expected):
        _registry.build_defence("mixing", "f", "p", degrees=20)


def test_builders_pass_on_what_they_are_given():
    model = _registry.build_model("small_convnet", (8, 8, 1), 10)
    assert model.output_shape == (None, 10)
    threat = keras_mixup.ThreatModel("linf", 0.1)
    attack = _registry.build_attack("pgd", threat, num_steps=3)
    assert (attack.threat, attack.num_steps) == (threat, 3)
    mixup = _registry.build_algorithm("mixup", model, alpha=0.5)
    assert (mixup.classifier, mixup.alpha) == (model, 0.5)
    assert _registry.accepts(_registry.ATTACKS, "attack", "pgd", "num_steps")
    assert not _registry.accepts(_registry.ATTACKS, "attack", "pgd", "pool")
