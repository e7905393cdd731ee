"""Every attack states what an evaluation must know of it."""

import inspect

import pytest

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import registry

THREAT = ThreatModel("linf", 0.1)


def build(name):
    fixed = registry.entry("attack", name).fixed
    if "Averaged" in registry.find("attack", name).__name__:
        inner = fixed.get("attack", "pgd")
        return attacks.AveragedAttack(registry.build("attack", inner, THREAT))
    return registry.build("attack", name, THREAT)


# name: uses gradients, averages draws, knows draws, transferable, knowledge.
STATED = {
    "pgd": (True, False, False, True, "oblivious"),
    "varmixup_pgd": (True, False, False, True, "oblivious"),
    "fgsm": (True, False, False, True, "oblivious"),
    "apgd": (True, False, False, True, "oblivious"),
    "targeted_apgd": (True, False, False, True, "oblivious"),
    "malt": (True, False, False, True, "oblivious"),
    "pma": (True, False, False, False, "oblivious"),
    "cleverhans_pgd": (True, False, False, True, "oblivious"),
    "cleverhans_spsa": (False, False, False, True, "oblivious"),
    "spsa": (False, False, False, True, "oblivious"),
    "square": (False, False, False, True, "oblivious"),
    "fab": (True, False, False, False, "oblivious"),
    "targeted_fab": (True, False, False, False, "oblivious"),
    "autoattack": (True, False, False, False, "oblivious"),
    "averaged_attack": (True, True, False, True, "adaptive"),
    "averaged_square": (False, True, False, True, "adaptive"),
    "averaged_spsa": (False, True, False, True, "adaptive"),
    "mixup_inference_attack": (True, True, False, True, "adaptive"),
    "tramer2020": (True, True, False, True, "adaptive"),
    "eot": (True, True, False, True, "adaptive"),
    "fixed_draws": (True, True, True, True, "adaptive"),
    "bpda": (True, True, False, True, "adaptive"),
    "pang2020_paper": (True, True, False, True, "adaptive"),
    "pang2020_released": (True, True, False, True, "adaptive"),
    "transfer": (True, False, False, True, "transfer"),
    "detection_score": (True, True, False, True, "adaptive"),
}


def test_the_table_holds_every_registered_attack():
    """A new attack needs a row here."""
    lacking = set(registry.names("attack")) - set(STATED)
    text = f"{lacking} need a row in STATED, tests/attacks/test_facts.py"
    assert not lacking, text
    assert set(STATED) == set(registry.names("attack"))


def test_every_public_attack_is_registered():
    """A new attack needs `@registry.register`."""
    paths = {
        registry.entry("attack", name).path.partition(":")[2]
        for name in registry.names("attack")
    }
    for name in attacks.__all__:
        found = getattr(attacks, name)
        if inspect.isclass(found) and issubclass(found, attacks.Attack):
            base = found in (attacks.Attack, attacks.GradientAttack)
            assert base or name in paths, name


@pytest.mark.parametrize("name", STATED)
def test_the_facts_of(name):
    attack = build(name)
    found = attacks.facts_of(attack)
    assert (*found[:4], attack.knowledge) == STATED[name]


@pytest.mark.parametrize("name", STATED)
def test_steps_draws_and_settings(name):
    attack = build(name)
    found = attacks.facts_of(attack)
    inner = getattr(attack, "attack", attack)
    assert found.num_steps == inner.num_steps
    averages = found.averages_draws and not found.knows_draws
    assert (found.num_draws is not None) == averages
    assert found.settings["class"] == type(attack).__name__
    assert set(found.settings) == {"class", *attack.argument_names()}


def test_two_names_of_one_loss_are_one_attack():
    short, full = (attacks.APGD(THREAT, n) for n in ("ce", "cross_entropy"))
    assert short.name == full.name == "apgd-ce-100"
    assert attacks.facts_of(short) == attacks.facts_of(full)


def test_what_an_option_changes():
    assert not attacks.APGD(THREAT, early_stop=True).transferable
    assert not attacks.Square(THREAT, early_stop=True).transferable
    assert attacks.AutoAttack(THREAT, "rand").averages_draws
    assert attacks.AutoAttack(THREAT, "rand").num_draws == 15
    assert attacks.AutoAttack(THREAT, "rand-apgd").num_draws == 20


def test_the_old_name_of_a_fact_warns():
    with pytest.warns(DeprecationWarning, match="not transferable"):
        assert attacks.FAB(THREAT).drops_broken


@pytest.mark.parametrize("drops", [True, False])
def test_the_old_name_stated_by_a_subclass_counts(drops):
    class Mine(attacks.Attack):
        drops_broken = drops

    assert attacks.facts_of(Mine(THREAT)).transferable is not drops


def my_loss(labels, logits):
    return logits[:, 0]


def test_a_function_is_told_by_its_place():
    settings = attacks.facts_of(attacks.PGD(THREAT, loss=my_loss)).settings
    assert settings["loss"] == f"{__name__}.my_loss"
    assert settings["threat"] == {
        "class": "ThreatModel",
        "norm": "linf",
        "eps": 0.1,
        "bounds": [0.0, 1.0],
        "unbounded": False,
    }


def test_nothing_is_known_of_a_foreign_attack():
    class Foreign:
        threat = THREAT
        num_steps = 7

    found = attacks.facts_of(Foreign())
    assert found[:6] == (None, None, None, None, 7, None)
    # A class made inside a function is known by its name alone.
    assert found.settings == {
        "class": f"{__name__}.{Foreign.__qualname__}",
        "unidentified": True,
    }
