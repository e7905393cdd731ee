"""The flags of the mixing and attacking algorithms reach their classes."""

import calls
import pytest

from keras_mixup import training


def built(algorithm, *flags):
    return calls.built("--dataset=digits", f"--algorithm={algorithm}", *flags)


def test_every_flag_of_adversarial_mixup_is_passed_on():
    model = built(
        "adversarial_mixup",
        "--alpha=0.4",
        "--mix_weight=learned",
        "--mix_weight_step=1/4",
        "--kappa=0.6",
        "--delta=shared",
        "--label_mixing=geometric",
        "--loss=cross_entropy",
        "--clean_weight=0.5",
        "--stage=stage_2",
        "--eps=4/255",
        "--num_steps=5",
    )
    assert isinstance(model, training.AdversarialMixup)
    assert (model.attack.threat.eps, model.attack.num_steps) == (4 / 255, 5)
    shown = {
        "alpha": 0.4,
        "mix_weight": "learned",
        "mix_weight_step": 0.25,
        "kappa": 0.6,
        "delta": "shared",
        "label_mixing": "geometric",
        "loss": "cross_entropy",
        "clean_weight": 0.5,
        "stage": "stage_2",
    }
    assert {name: getattr(model, name) for name in shown} == shown


def test_without_flags_the_papers_defaults_hold():
    model = built("adversarial_mixup")
    assert (model.mix_weight, model.kappa, model.alpha) == (
        "learned",
        0.65,
        0.5,
    )
    assert built("adversarial_mixup", "--mix_weight=0.9").mix_weight == 0.9
    assert built("adversarial_mixup", "--mix_weight=frozen").learned is False


@pytest.mark.parametrize("name", ["mix_then_attack", "attack_then_mix"])
def test_the_baselines_take_alpha_and_a_clean_loss(name):
    model = built(name, "--alpha=0.3", "--clean_weight=1", "--num_steps=2")
    assert (model.alpha, model.clean_weight) == (0.3, 1.0)
    assert model.attack.num_steps == 2


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (
            ["mixup", "--kappa=0.6"],
            "`kappa` has no effect with algorithm=mixup",
        ),
        (["mixup", "--mix_weight=learned"], "`mix_weight` must be"),
        (["mix_then_attack", "--delta=shared"], "`delta` has no effect"),
        (["adversarial_mixup", "--weight_per=batch"], "`weight_per` has no"),
        (["adversarial_mixup", "--stage=stage_9"], "Its stages: stage_1"),
        (["adversarial_mixup", "--kappa=1"], "`kappa` must be"),
    ],
)
def test_flags_that_do_not_fit_are_named(flags, text):
    with pytest.raises(ValueError, match=text):
        built(*flags)
