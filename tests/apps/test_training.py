"""From the flags of apps.train to what trains, and a run that stops early."""

import json
import pathlib

import keras
import pytest

from apps import _common
from apps import _registry
from apps import _training
from apps import train
from keras_mixup import data
from keras_mixup import training

SMALL = ["--model=small_convnet", "--width=2"]


def parse(*arguments):
    return train.FLAGS.parse(["train", *SMALL, *arguments])


def build(*arguments):
    return train.build(parse(*arguments), steps_per_epoch=4)


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


def test_every_option_of_every_algorithm_has_a_flag():
    """All but those that are set otherwise, or for Python alone."""
    # --vae and --cache_latents.
    loaded = {"vae", "from_codes"}
    set_otherwise = {"classifier", "attack", "mix_weight", "name", *loaded}
    python_only = {"start", "attack_targets", "penalty_training"}
    for name in _registry.ALGORITHMS:
        kind = _registry.find(_registry.ALGORITHMS, "algorithm", name)
        options = set(kind.argument_names()) - set_otherwise - python_only
        assert options <= set(_training.ALGORITHM_FLAGS), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--algorithm=mixup", "--beta=1"], "`option` must be .*'beta'"),
        (["--algorithm=trades", "--beta=-1"], "`beta` must be"),
        (["--algorithm=trades", "--alpha=1"], "`option` must be .*'alpha'"),
        (["--algorithm=mixup", "--eps=0.1"], "mixup attacks nothing"),
        (
            ["--algorithm=mixup", "--robust_validation=3", "--num_steps=2"],
            "mixup attacks nothing",
        ),
        (["--optimizer=yogi", "--momentum=0.9"], "--momentum belongs to"),
        (
            ["--algorithm=manifold_mixup", "--stages=stage_8"],
            "stage='stage_8'",
        ),
    ],
)
def test_a_wrong_combination_is_refused(arguments, message):
    with pytest.raises((ValueError, _common.UsageError), match=message):
        build(*arguments)


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
    assert model.coupled_weight_decay == 0.0005
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
    assert _training.monitored(parse(*arguments)) == expected


def test_robust_accuracy_must_be_measured_to_be_monitored():
    with pytest.raises(_common.UsageError, match="needs --robust_validation"):
        _training.monitored(parse("--monitor=val_robust_accuracy"))


def test_callbacks_act_in_order_and_share_their_state():
    validation = data.load_arrays("digits", "validation")
    flags = parse("--robust_validation=3", "--early_stopping=2", "--eps=0.2")
    found = _training.build_callbacks(
        flags, validation, pathlib.Path("folder"), "folder/checkpoints"
    )
    kinds = [type(callback) for callback in found]
    assert kinds == [
        training.StopOnNaN,
        training.Checkpoint,
        training.RetraceGuard,
        training.RobustValidation,
        training.BestClassifier,
        training.EarlyStopping,
        training.MetricsLog,
    ]
    _, checkpoint, _, robust, best, stop, _ = found
    assert checkpoint.state == [best.best, stop.state]
    assert best.monitor == stop.monitor == "val_robust_accuracy"
    assert stop.patience == 2
    assert (robust.attack.num_steps, robust.attack.threat.eps) == (3, 0.2)
    assert len(robust.images) == len(validation.labels)
    assert robust.images.max() == 1.0
    plain = _training.build_callbacks(
        parse(), validation, pathlib.Path("folder"), "folder/checkpoints"
    )
    assert [type(c) for c in plain] == kinds[:3] + [kinds[4], kinds[6]]
    assert len(plain[1].state) == 1


@pytest.fixture
def _float32():
    yield
    keras.config.set_dtype_policy("float32")


def test_a_run_with_robust_validation_stops_early(tmp_path, capsys, _float32):
    folder = tmp_path / "run"
    arguments = [
        "train",
        *SMALL,
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
    assert _common.exit_code(train.main, train.FLAGS, arguments) == 0
    rows = training.read_metrics(str(folder / "metrics.jsonl"))
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert len({row["val_accuracy"] for row in rows}) == 1
    for row in rows:
        assert 0.0 <= row["val_robust_accuracy"] <= row["val_accuracy"] + 0.02
    assert "(6 steps). Best validation accuracy" in capsys.readouterr().out
    config = json.loads((folder / "config.json").read_text())
    assert config["flags"]["robust_validation"] == 3
