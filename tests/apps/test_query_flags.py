"""FAB, Square and SPSA by their names and flags on the command line."""

import pytest

from apps import _common
from apps import _evaluation
from apps import _evaluation_checks
from apps import evaluate
from keras_mixup import attacks


def parse(*arguments):
    return evaluate.FLAGS.parse(["evaluate", "--run_dir=run", *arguments])


def specs(*arguments):
    flags = parse("--defences=", *arguments)
    return _evaluation.build_specs(flags, _evaluation.check_names(flags))


def test_settings_reach_the_attacks():
    found = specs(
        "--attacks=fab,targeted_fab,square,spsa",
        "--norm=l2",
        "--eps=0.5",
        "--fab_steps=7",
        "--num_targets=3",
        "--num_queries=70",
        "--spsa_steps=4",
        "--spsa_samples=6",
    )
    fab, targeted, square, spsa = [spec.attack for spec in found]
    assert isinstance(fab, attacks.FAB) and fab.num_steps == 7
    assert isinstance(targeted, attacks.TargetedFAB)
    assert (targeted.num_steps, targeted.num_targets) == (7, 3)
    assert isinstance(square, attacks.Square) and square.num_queries == 70
    assert isinstance(spsa, attacks.SPSA)
    assert (spsa.num_steps, spsa.num_samples) == (4, 6)
    for spec in found:
        assert spec.knowledge == "oblivious"
        assert spec.attack.threat.norm == "l2"
    names = [spec.name for spec in found]
    assert names == ["fab-7", "fab-t-3x7", "square-70", "spsa-4x6"]


def test_defaults_are_those_of_the_classes():
    fab, targeted, square, spsa = [
        spec.attack for spec in specs("--attacks=fab,targeted_fab,square,spsa")
    ]
    for made in (fab, targeted, square, spsa):
        assert made.get_config() == type(made)(made.threat).get_config()


def test_both_forms_of_spsa_see_few_examples():
    flags = parse("--attacks=spsa,cleverhans_spsa,square", "--spsa_examples=3")
    found = _evaluation.build_specs(
        flags, ["spsa", "cleverhans_spsa", "square"]
    )
    limits = [_evaluation.limit(flags, spec) for spec in found]
    assert limits == [3, 3, None]


@pytest.mark.parametrize(
    ("attack", "flag"),
    [
        ("square", "--fab_steps=3"),
        ("fab", "--num_targets=3"),
        ("fab", "--num_queries=3"),
        ("square", "--spsa_steps=3"),
        ("fab", "--spsa_examples=3"),
    ],
)
def test_settings_of_other_attacks_are_refused(attack, flag):
    flags = parse(f"--attacks={attack}", flag, "--defences=")
    name = flag.partition("=")[0]
    with pytest.raises(_common.UsageError, match=f"{name} has no effect"):
        _evaluation_checks.check(
            evaluate.FLAGS, flags, _evaluation.check_names(flags)
        )


@pytest.mark.parametrize(
    ("attack", "flag"),
    [
        ("targeted_fab", "--fab_steps=3"),
        ("targeted_fab", "--num_targets=3"),
        ("square", "--num_queries=3"),
        ("spsa", "--spsa_examples=3"),
    ],
)
def test_settings_of_the_chosen_attack_are_taken(attack, flag):
    flags = parse(f"--attacks={attack}", flag, "--defences=")
    names = _evaluation.check_names(flags)
    _evaluation_checks.check(evaluate.FLAGS, flags, names)
