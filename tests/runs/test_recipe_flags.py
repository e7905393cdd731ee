"""Every recipe of the adaptive attack is a name on the command line."""

import calls
import pytest

from keras_mixup.attacks import adaptive
from keras_mixup.runs import _attacks
from keras_mixup.runs import _evaluated
from keras_mixup.runs import evaluate_settings


def specs(*arguments):
    settings = calls.parse("evaluate", "--run_dir=run", *arguments)
    return _attacks.build_specs(settings)


def test_the_names_are_those_of_the_attack():
    assert set(_evaluated.RECIPES) == set(adaptive.RECIPES)
    searches = [k for k, v in adaptive.RECIPES.items() if "inner" in v]
    declared = evaluate_settings.EvaluateSettings.declared
    ((_, owners),) = declared["adaptive_inner"].owners
    assert set(owners) == set(searches)


@pytest.mark.parametrize("recipe", _evaluated.RECIPES)
def test_a_recipe_is_an_attack_with_its_knowledge(recipe):
    (spec,) = specs(f"--attacks={recipe}", "--adaptive_steps=7")
    assert spec.attack.recipe == recipe and spec.attack.num_steps == 7
    assert spec.knowledge == spec.attack.knowledge
    assert (spec.knowledge == "transfer") == (recipe == "transfer")
    assert spec.name == spec.attack.name


def test_settings_reach_the_recipes_that_use_them():
    found = specs(
        "--attacks=eot,fixed_draws,transfer,bpda",
        "--adaptive_draws=3",
        "--adaptive_inner=apgd",
    )
    eot, fixed, transfer, bpda = [spec.attack for spec in found]
    assert (eot.num_draws, bpda.num_draws) == (3, 3)
    assert (eot.inner, fixed.inner) == ("apgd", "apgd")
    assert (fixed.num_draws, transfer.num_draws) == (None, None)


def test_the_default_joins_unless_another_one_goes_through_the_defence():
    names = [spec.name.split("-")[0] for spec in specs("--attacks=pgd,eot")]
    assert names == ["pgd", "eot"]
    names = [
        spec.name.split("-")[0] for spec in specs("--attacks=pgd,transfer")
    ]
    assert names == ["pgd", "transfer", "eot"]


def test_the_steps_of_autoattack_are_those_through_the_defence():
    (spec,) = specs("--attacks=autoattack", "--adaptive_steps=7")
    assert spec.name == "autoattack-standard, rand-7 on draws"
    assert (spec.attack.version, spec.attack.num_steps) == ("rand", 7)
    steps = {stage.attack.num_steps for stage in spec.attack._stages[1:]}
    assert steps == {4}  # A half for each of both losses.
    plain = spec.undefended
    assert (plain.version, plain.num_steps) == ("standard", 100)
    (spec,) = specs("--attacks=autoattack")
    assert spec.name == "autoattack-standard, rand on draws"
    assert spec.attack.num_steps == 100


@pytest.mark.parametrize("others", ["", ",apgd"])
def test_steps_that_no_attack_would_take_are_refused(others):
    flags = [f"--attacks=autoattack{others}", "--adaptive_steps=7"]
    with pytest.raises(ValueError, match="has no effect.*AutoAttack takes it"):
        specs(*flags, "--defences=")
    assert specs(flags[0] + ",eot", flags[1], "--defences=")
