"""A setting is declared once, and its flag shows a default."""

import itertools

import pytest

from keras_mixup import _checks
from keras_mixup import _setting
from keras_mixup import _settings
from keras_mixup import registry
from keras_mixup import runs
from keras_mixup.cli import evaluate
from keras_mixup.cli import export
from keras_mixup.cli import train

COMMANDS = {
    "train": (runs.TrainSettings, train),
    "evaluate": (runs.EvaluateSettings, evaluate),
    "export": (runs.ExportSettings, export),
}
# What docstrings say of the arguments of everything registered.
OF_CONSTRUCTORS = {
    setting.help
    for kind in registry.PACKAGES
    for name in registry.names(kind)
    for setting in registry.entry(kind, name).settings
}


def flags_of(command):
    settings, module = COMMANDS[command]
    own = {s.name: s for s in module._OWN}
    return {**settings.declared, **own}


def differences(declared):
    """The names that two of several dicts name -> `Setting` declare apart.

    Two constructors, such as those of an algorithm and of a defence, may
    have an argument of the same name.
    """
    found = []
    for first, second in itertools.combinations(declared, 2):
        for name in first.keys() & second.keys():
            one, other = first[name], second[name]
            if one.meaning != other.meaning and not apart(one, other):
                found.append((name, one.meaning, other.meaning))
    return found


def apart(one, other):
    return {one.help, other.help} <= OF_CONSTRUCTORS


def test_each_setting_is_declared_once():
    declared = [flags_of(command) for command in COMMANDS]
    # "auto" needs a terminal, which only the command knows.
    assert [d[0] for d in differences(declared)] == ["verbose"]


def test_a_second_declaration_is_found():
    one = _setting.Setting("seed", "int", 0, "Seed.", minimum=0)
    assert differences([{"seed": one}, {"seed": one.but(3)}]) == []
    for change in ({"kind": "float"}, {"help": "Other."}, {"minimum": 1}):
        other = _setting.Setting(
            **{"name": "seed", "kind": "int", "help": "Seed.", **change}
        )
        assert differences([{"seed": one}, {"seed": other}])


def test_a_class_cannot_declare_what_a_constructor_declares():
    class Base(_settings.Settings):
        """Doc."""

        num_draws: "int" = _settings.field(30, "Draws.", 1)

    theirs = registry.setting("defence", "gaussian_noise", "num_draws")
    with pytest.raises(TypeError, match="Two declarations"):
        _settings.complete(Base, [theirs])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_shows_its_default(command):
    text = COMMANDS[command][1].make_flags().help_text()
    entries = text.split("\nFlags:\n")[1].split("\n  --")
    without = [e for e in entries if "Default: " not in e]
    assert [e.split("=")[0] for e in without] == ["flagfile"]


def test_a_default_of_a_constructor_is_shown():
    declared = runs.TrainSettings.declared
    assert declared["beta"].default_text == "6.0"
    assert declared["num_steps"].default_text == (
        "100 with apgd|targeted_apgd|malt|pma; 1 with fgsm; "
        "10 with pgd|varmixup_pgd"
    )
    stddev = runs.EvaluateSettings.declared["stddev"]
    assert stddev.default_text == "as in the paper"


def wrong_values():
    for command in COMMANDS:
        for name, setting in flags_of(command).items():
            if setting.kind != "str" or setting.choices:
                yield command, name, "nonsense"
            if setting.minimum is not None:
                yield command, name, f"{setting.minimum - 1}"


def test_every_flag_is_named_as_it_was_typed():
    made = {c: COMMANDS[c][1].make_flags() for c in COMMANDS}
    wrong = list(wrong_values())
    assert len(wrong) > 150
    for command, name, value in wrong:
        with pytest.raises(ValueError) as caught:
            made[command].parse(["app", f"--{name}={value}"])
        assert str(caught.value).startswith(f"`{name}` must be "), name
        assert f"Received: {name}=" in str(caught.value)


def test_an_error_from_inside_has_the_name_of_the_setting():
    with pytest.raises(ValueError) as caught:
        with _checks.called({"l2_penalty": "weight_decay"}):
            _checks.check_number(-1.0, "l2_penalty", 0.0)
    assert str(caught.value) == (
        "`weight_decay` must be a number in [0, inf). "
        "Received: weight_decay=-1.0"
    )
    with pytest.raises(ValueError, match="`eps` must be"):
        with _checks.called({"l2_penalty": "weight_decay"}):
            _checks.check_number(-1.0, "eps", 0.0)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"attacks": "fgsm", "fgsm_momentum": "inf"}, "fgsm_momentum"),
        ({"attacks": "square", "num_queries": 10**12}, "num_queries"),
        ({"attacks": "apgd", "apgd_loss": "none"}, "apgd_loss"),
        ({"attacks": "spsa", "spsa_samples": 3}, "spsa_samples"),
        ({"attacks": "pgd", "pgd_steps": [0]}, "pgd_steps"),
    ],
)
def test_an_attack_of_an_evaluation_names_the_flag(values, name):
    from keras_mixup.runs import _attacks

    settings = runs.EvaluateSettings(**values, adaptive=False)
    with pytest.raises(ValueError, match=f"^`{name}` must be"):
        _attacks.build_specs(settings)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"attack_loss": "none"}, "attack_loss"),
        ({"attack_momentum": "inf"}, "attack_momentum"),
        ({"step_size": -1}, "step_size"),
    ],
)
def test_an_attack_inside_training_names_the_flag(values, name):
    from keras_mixup.runs import training

    settings = runs.TrainSettings(algorithm="adversarial_training", **values)
    with pytest.raises(ValueError, match=f"^`{name}` must be"):
        training.build_attack(settings)


def test_the_minimum_of_a_docstring_is_kept_by_the_constructor():
    """`int >= 1` in the docstring is what the constructor refuses, too."""
    from keras_mixup import ThreatModel

    threat = ThreatModel("linf", 0.1)
    tried = 0
    for name in registry.names("attack"):
        entry = registry.entry("attack", name)
        for setting in entry.settings:
            if setting.minimum is None or entry.required != ("threat",):
                continue
            tried += 1
            with pytest.raises(ValueError):
                values = {setting.name: setting.minimum - 1}
                registry.build("attack", name, threat, **values)
    assert tried > 20
