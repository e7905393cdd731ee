"""From the flags of apps.train to what trains, and a run that stops early."""

import json

import calls
import keras
import numpy as np
import pytest
from calls import built as build

from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import registry
from keras_mixup import runs
from keras_mixup import training
from keras_mixup.cli import main
from keras_mixup.runs import source
from keras_mixup.runs import training as run


def parse(*arguments):
    return calls.parse("train", *arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["--algorithm=trades", "--beta=3", "--eps=0.1", "--num_steps=4"],
            {"beta": 3.0},
        ),
        (
            ["--algorithm=manifold_mixup", "--stages=stage_1,input"],
            {"stages": ("stage_1", "input"), "alpha": 1.0},
        ),
        (
            [
                "--algorithm=latent_adversarial_training",
                "--stage=stage_1",
                "--latent_eps=8/255",
                "--latent_steps=3",
                "--latent_step_size=1/255",
                "--latent_weight=0.5",
            ],
            {
                "stage": "stage_1",
                "latent_eps": 8 / 255,
                "latent_steps": 3,
                "latent_step_size": 1 / 255,
                "latent_weight": 0.5,
            },
        ),
        (
            [
                "--algorithm=local_linearity_regularization",
                "--nonlinearity=2",
                "--slope=1",
            ],
            {"nonlinearity": 2.0, "slope": 1.0},
        ),
        (
            [
                "--algorithm=curvature_regularization",
                "--penalty=2",
                "--distance=0.5",
                "--warmup_steps=7",
            ],
            {"penalty": 2.0, "distance": 0.5, "warmup_steps": 7},
        ),
    ],
)
def test_flags_reach_the_algorithm(arguments, expected):
    model = build(*arguments, "--seed=3")
    assert {name: getattr(model, name) for name in expected} == expected
    assert model.seed == 3
    if "--num_steps=4" in arguments:
        assert model.attack.num_steps == 4
        assert model.attack.threat.eps == 0.1


def test_every_option_of_every_algorithm_is_a_setting():
    """All but those that are set otherwise, or for Python alone."""
    # vae and cache_latents.
    loaded = {"vae", "from_codes"}
    set_otherwise = {"classifier", "attack", "name", *loaded}
    python_only = {"start", "attack_targets"}
    for name in registry.names("algorithm"):
        kind = registry.find("algorithm", name)
        options = set(kind.argument_names()) - set_otherwise - python_only
        assert options <= set(runs.TrainSettings.declared), name


@pytest.mark.parametrize(
    ("arguments", "kind", "settings"),
    [
        ([], attacks.PGD, {"num_steps": 10, "step_size": 2 / 255}),
        (["--num_steps=3"], attacks.PGD, {"num_steps": 3}),
        (["--attack=fgsm"], attacks.FGSM, {"num_steps": 1}),
        (
            ["--attack=fgsm", "--step_size=10/255", "--random_start"],
            attacks.FGSM,
            {"step_size": 10 / 255, "random_start": True},
        ),
        (
            ["--attack=apgd", "--num_steps=4", "--attack_loss=dlr"],
            attacks.APGD,
            {"num_steps": 4, "loss": "dlr"},
        ),
        (["--attack_momentum=1"], attacks.PGD, {"momentum": 1.0}),
    ],
)
def test_the_attack_inside_training_is_a_choice(arguments, kind, settings):
    model = build("--algorithm=adversarial_training", *arguments)
    assert type(model.attack) is kind
    assert model.attack.threat.eps == 8 / 255
    assert {n: getattr(model.attack, n) for n in settings} == settings


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--algorithm=mixup", "--beta=1"], "`beta` has no effect"),
        (["--algorithm=trades", "--beta=-1"], "`beta` must be"),
        (["--algorithm=trades", "--alpha=1"], "`alpha` has no effect"),
        (["--algorithm=mixup", "--eps=0.1"], "`eps` has no effect"),
        (
            ["--algorithm=mixup", "--robust_validation=3", "--num_steps=2"],
            "`num_steps` has no effect",
        ),
        (["--optimizer=yogi", "--momentum=0.9"], "belongs to optimizer=sgd"),
        (
            ["--attack=square", "--algorithm=adversarial_training"],
            "must be an attacks.GradientAttack",
        ),
        (
            ["--attack=apgd", "--algorithm=trades", "--step_size=0.1"],
            "`step_size` has no effect with attack=apgd",
        ),
        (
            ["--algorithm=manifold_mixup", "--stages=stage_8"],
            "stage='stage_8'",
        ),
        (["--weight_perturbation=0.1"], "`weight_perturbation` has no effect"),
        (["--ema_decay=0.9"], "`ema_decay` has no effect with weight_average"),
        (["--weight_average=ema", "--swa_every=2"], "`swa_every` has no eff"),
        (["--weight_average=ema", "--ema_decay=1"], "`decay` must be below 1"),
        (["--weight_average=swa", "--swa_start=120"], "`swa_start` must be b"),
        (["--extra_share=0.5"], "`extra_share` has no effect with extra_data"),
    ],
)
def test_a_wrong_combination_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(*arguments)


@pytest.mark.parametrize(
    ("arguments", "average"),
    [
        ([], None),
        (["--weight_average=ema", "--ema_decay=0.9"], training.EMA(0.9)),
        # 4 steps an epoch, 120 epochs.
        (["--weight_average=swa"], training.SWA(360, 4)),
        (
            ["--weight_average=swa", "--swa_start=7", "--swa_every=2"],
            training.SWA(28, 8),
        ),
    ],
)
def test_averages_and_perturbation_are_settings(arguments, average):
    attacked = ["--algorithm=adversarial_training", *arguments]
    model = build(*attacked, "--weight_perturbation=0.01")
    assert model.weight_perturbation == 0.01
    assert repr(model.weight_average) == repr(average)


def test_yogi_gets_schedule_and_both_kinds_of_decay():
    model = build(
        "--optimizer=yogi",
        "--learning_rate=0.003",
        "--epochs=100",
        "--schedule=piecewise",
        "--drops=0.7,0.9",
        "--weight_decay=0.0005",
        "--decoupled_weight_decay=0.01",
    )
    assert type(model.optimizer) is training.Yogi
    assert model.l2_penalty == 0.0005
    assert model.optimizer.weight_decay == 0.01
    schedule = model.optimizer._learning_rate
    # 4 steps an epoch: the drops lie behind step 279 and step 359.
    for step, rate in ((279, 3e-3), (280, 3e-4), (359, 3e-4), (360, 3e-5)):
        assert float(schedule(step)) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ("val_accuracy", "max")),
        (["--robust_validation=0"], ("val_accuracy", "max")),
        (["--robust_validation=2"], ("val_robust_accuracy", "max")),
        (["--monitor=val_loss"], ("val_loss", "min")),
        (
            ["--monitor=val_accuracy", "--robust_validation=2"],
            ("val_accuracy", "max"),
        ),
    ],
)
def test_the_monitored_metric(arguments, expected):
    assert parse(*arguments).monitored == expected


ATTACKING = "--algorithm=adversarial_training"


@pytest.mark.parametrize(
    ("arguments", "monitored", "steps"),
    [
        ([ATTACKING], ("val_robust_accuracy", "max"), 10),
        (["--algorithm=trades"], ("val_robust_accuracy", "max"), 10),
        (
            ["--algorithm=adversarial_mixup", "--robust_validation=3"],
            ("val_robust_accuracy", "max"),
            3,
        ),
        ([ATTACKING, "--monitor=val_accuracy"], ("val_accuracy", "max"), 0),
        ([ATTACKING, "--robust_validation=0"], ("val_accuracy", "max"), 0),
        (["--algorithm=mixup"], ("val_accuracy", "max"), 0),
        (["--task=vae", "--attack=pgd"], ("val_loss", "min"), 0),
        (["--num_validation=0"], (None, None), 0),
        ([ATTACKING, "--num_validation=0"], (None, None), 0),
    ],
)
def test_an_algorithm_that_attacks_is_judged_under_attack(
    arguments, monitored, steps
):
    settings = parse(*arguments)
    assert settings.monitored == monitored
    assert settings.robust_steps == steps


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--monitor=val_accuracy"], "`monitor` must be left out with"),
        (["--early_stopping=3"], "`early_stopping` must be left out with"),
        (["--robust_validation=3"], "`robust_validation` must be left out"),
        (["--task=vae"], "`num_validation` must be 1 or more for task=vae"),
    ],
)
def test_nothing_is_monitored_without_validation_images(arguments, text):
    with pytest.raises(ValueError, match=text):
        parse("--num_validation=0", *arguments)


def test_a_run_on_all_images_keeps_the_last_weights(tmp_path):
    settings = runs.TrainSettings(
        width=2,
        algorithm="erm",
        num_validation=0,
        epochs=2,
        batch_size=256,
        learning_rate=0.01,
    )
    said = []
    folder = tmp_path / "run"
    result = runs.train(settings, folder, progress=said.append)
    assert any("on 1297 images" in text for text in said)
    assert result.best_epoch == 2
    assert result.monitor is result.best_value is None
    assert "the last weights" in result.text
    row = training.read_metrics(str(folder / "metrics.jsonl"))[-1]
    assert not [name for name in row if name.startswith("val_")]
    last, best = (
        keras.models.load_model(folder / f"{name}.keras", compile=False)
        for name in ("final", "classifier")
    )
    images = data.load_arrays("digits", "test").images[:8]
    np.testing.assert_array_equal(last(images), best(images))


def test_the_last_weights_are_scored_on_demand(tmp_path):
    for name in ("final", "classifier"):
        (tmp_path / f"{name}.keras").touch()
    assert source.classifier_path(None, tmp_path).stem == "classifier"
    assert source.classifier_path(None, tmp_path, "last").stem == "final"
    with pytest.raises(ValueError, match="`weights` must be left out with"):
        source.classifier_path(str(tmp_path / "final.keras"), "", "last")


def test_robust_accuracy_must_be_measured_to_be_monitored():
    with pytest.raises(ValueError, match="needs robust_validation=STEPS"):
        parse("--monitor=val_robust_accuracy")


def test_callbacks_act_in_order_and_share_their_state(monkeypatch, tmp_path):
    seen = {}
    model = build("--algorithm=erm")
    monkeypatch.setattr(
        type(model), "fit", lambda self, data, **options: seen.update(options)
    )
    told = ("--robust_validation=3", "--early_stopping=2", "--eps=0.2")
    settings = parse(*told, "--seed=0")
    validation = data.load_arrays("digits", "validation")
    sets = (validation, None, validation)
    run._fit(settings, model, sets, tmp_path, 0)
    kinds = [type(callback) for callback in seen["callbacks"]]
    assert kinds == [
        training.StopOnNaN,
        training.Checkpoint,
        training.RetraceGuard,
        training.RobustValidation,
        training.BestModel,
        training.EarlyStopping,
        training.MetricsLog,
    ]
    _, checkpoint, _, robust, best, stop, _ = seen["callbacks"]
    assert checkpoint.state == [best.best, stop.state]
    assert best.monitor == stop.monitor == "val_robust_accuracy"
    assert stop.patience == 2
    assert (robust.attack.num_steps, robust.attack.threat.eps) == (3, 0.2)
    assert len(robust.images) == len(validation.labels)
    assert robust.images.max() == 1.0
    run._fit(parse("--seed=0"), model, sets, tmp_path, 0)
    plain = seen["callbacks"]
    assert [type(c) for c in plain] == kinds[:3] + [kinds[4], kinds[6]]
    assert len(plain[1].state) == 1


def test_a_run_with_robust_validation_stops_early(tmp_path, capsys):
    folder = tmp_path / "run"
    arguments = [
        "train",
        "--model=small_convnet",
        "--width=2",
        "--algorithm=trades",
        "--optimizer=yogi",
        "--num_steps=1",
        "--eps=0.9",
        "--num_train=32",
        "--batch_size=16",
        # So small that the clean accuracy cannot improve.
        "--learning_rate=1e-9",
        "--monitor=val_accuracy",
        "--epochs=9",
        "--robust_validation=3",
        "--step_size=0.3",
        "--early_stopping=2",
        "--verbose=0",
        f"--run_dir={folder}",
    ]
    assert main.exit_code("train", arguments) == 0
    rows = training.read_metrics(str(folder / "metrics.jsonl"))
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert len({row["val_accuracy"] for row in rows}) == 1
    for row in rows:
        assert 0.0 <= row["val_robust_accuracy"] <= row["val_accuracy"] + 0.02
    assert "(6 steps). Best validation accuracy" in capsys.readouterr().out
    config = json.loads((folder / "config.json").read_text())
    assert config["settings"]["robust_validation"] == 3


OWN_NET = '''
"""A network."""

import keras


def Net(input_shape, num_classes, width: int = 4):
    """A network.

    Args:
        input_shape: (H, W, C).
        num_classes: int.
        width: int >= 1, the units.
    """
    layers = [keras.layers.Flatten(), keras.layers.Dense(width)]
    return keras.Sequential(
        [keras.Input(input_shape), *layers, keras.layers.Dense(num_classes)]
    )
'''


def test_a_model_that_takes_no_mean_of_the_data(tmp_path, monkeypatch):
    (tmp_path / "net_of_mine.py").write_text(OWN_NET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    settings = runs.TrainSettings(model="net_of_mine:Net", width=3)
    classifier = run.build(settings, 5).classifier
    assert [w.shape for w in classifier.weights[::2]] == [(64, 3), (3, 10)]


def test_a_run_keeps_the_averages_and_takes_a_second_source(tmp_path):
    """final.keras holds the average: its loss is that of the log."""
    own = {"algorithm": "adversarial_training", "weight_average": "swa"}
    own |= {"swa_start": 1, "extra_dataset": "digits", "extra_share": 0.25}
    own |= {"num_steps": 1, "weight_perturbation": 0.01, "eps": 0.1}
    folder = tmp_path / "run"
    assert calls.train(folder, **own) == 0
    last = training.read_metrics(str(folder / "metrics.jsonl"))[-1]
    judge = training.ERM(keras.saving.load_model(folder / "final.keras"))
    judge.compile("sgd")
    images = data.load_arrays("digits", "validation")
    loss = judge.evaluate(images.images, images.labels, verbose=0)[0]
    assert loss == pytest.approx(last["val_loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("numbers", "`extra_dataset` must be one of 'digits'"),
        ("svhn", "`extra_dataset` must be a data set of .8, 8, 1. images and"),
    ],
)
def test_another_kind_of_images_is_no_second_source(
    name, match, tmp_path, capsys
):
    folder = tmp_path / "run"
    code = calls.train(folder, algorithm="erm", extra_dataset=name)
    calls.check_error(capsys, code, match.split(" must")[0])
    with pytest.raises(ValueError, match=match):
        runs.train(runs.TrainSettings(extra_dataset=name), folder)
    assert not folder.exists()
