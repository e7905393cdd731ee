"""FAB, Square and SPSA by their names and flags on the command line."""

import calls
import pytest

from keras_mixup import attacks
from keras_mixup.runs import _attacks


def parse(*arguments):
    return calls.parse("evaluate", "--run_dir=run", *arguments)


def specs(*arguments):
    return _attacks.build_specs(parse("--defences=", *arguments))


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
    found = _attacks.build_specs(flags)
    limits = [_attacks._limit(flags, spec) for spec in found]
    assert limits == [3, 3, None, None]


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
    name = flag.lstrip("-").partition("=")[0]
    with pytest.raises(ValueError, match=f"`{name}` has no effect"):
        parse(f"--attacks={attack}", flag, "--defences=")


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
    settings = parse(f"--attacks={attack}", flag, "--defences=")
    assert getattr(settings, flag.lstrip("-").partition("=")[0]) == 3


def test_averaged_queries_go_through_the_defence():
    flags = parse(
        "--attacks=averaged_square,averaged_spsa",
        "--num_queries=30",
        "--spsa_samples=8",
        "--adaptive_draws=4",
        "--spsa_examples=3",
    )
    # Queries alone are a weak verdict: the default joins them.
    names = ("averaged_square", "averaged_spsa", "eot")
    assert flags.all_attacks == names
    found = _attacks.build_specs(flags)
    square, spsa = [spec.attack for spec in found[:2]]
    assert (square.num_draws, spsa.num_draws) == (4, 4)
    assert square.attack.num_queries == 30 and spsa.attack.num_samples == 8
    assert [spec.knowledge for spec in found] == ["adaptive"] * 3
    names = [spec.name for spec in found[:2]]
    assert names == ["square-30 of 4 draws", "spsa-20x8 of 4 draws"]
    limits = [_attacks._limit(flags, spec) for spec in found]
    assert limits == [None, 3, None]


def test_auto_pgd_by_its_flags():
    found = specs(
        "--attacks=apgd,targeted_apgd",
        "--apgd_steps=8",
        "--apgd_loss=dlr",
        "--num_targets=3",
    )
    apgd, targeted = [spec.attack for spec in found]
    assert isinstance(apgd, attacks.APGD) and apgd.loss == "dlr"
    assert isinstance(targeted, attacks.TargetedAPGD)
    assert (apgd.num_steps, targeted.num_steps) == (8, 8)
    assert targeted.num_targets == 3
    assert [spec.knowledge for spec in found] == ["oblivious"] * 2


def test_autoattack_takes_rand_on_what_draws():
    flags = parse("--attacks=autoattack", "--autoattack_version=cheap")
    assert flags.all_attacks == ("autoattack",)
    (spec,) = _attacks.build_specs(flags)
    assert spec.knowledge == "adaptive"
    assert (spec.attack.version, spec.undefended.version) == ("rand", "cheap")
    (alone,) = specs("--attacks=autoattack", "--autoattack_version=plus")
    assert alone.attack.version == "plus" and alone.undefended is None
    assert alone.name == "autoattack-plus"


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--attacks=autoattack", "--noadaptive"], "lists autoattack, which"),
        (["--attacks=averaged_spsa", "--noadaptive"], "lists averaged_spsa"),
        (["--attacks=detection_score", "--noadaptive"], "detection_score, wh"),
        (["--attacks=autoattack", "--targeted=random"], "no targeted form"),
        (["--attacks=pgd,targeted_fab"], "targeted_fab: such an attack stops"),
        (["--attacks=fab,pma"], "fab, pma: such an attack stops"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        parse(*arguments)
