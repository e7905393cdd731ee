"""Every flag file starts, and says what the papers say."""

import contextlib
import importlib
import json
import os
import pathlib
from unittest import mock

import pytest

from keras_mixup import data
from keras_mixup import inference
from keras_mixup import registry
from keras_mixup import runs
from keras_mixup.cli import flags as flags_lib
from keras_mixup.cli import main
from keras_mixup.runs import training

FLAGFILES = flags_lib.FLAGFILES
SETTINGS = {
    "evaluate": runs.EvaluateSettings,
    "export": runs.ExportSettings,
    "train": runs.TrainSettings,
}


def flag_files():
    found = sorted(FLAGFILES.rglob("*.flags"))
    return [str(path.relative_to(FLAGFILES)) for path in found]


def command_of(name):
    """The command that a flag file belongs to, by the file's name."""
    start = pathlib.Path(name).stem.partition("_")[0]
    return start if start in SETTINGS else "train"


def training_files():
    return [name for name in flag_files() if command_of(name) == "train"]


def resolve(name, *extra):
    """The settings that a flag file leads to."""
    command = command_of(name)
    module = importlib.import_module(f"keras_mixup.cli.{command}")
    argv = ["app", f"--flagfile={FLAGFILES / name}", *extra]
    return module.make_flags().parse(argv).settings(SETTINGS[command])


def test_files_are_found():
    names = flag_files()
    assert len(names) == len(training_files()) + 17
    assert "mixup_inference/mixup_cifar10.flags" in names


@pytest.mark.parametrize("name", flag_files())
def test_a_flag_file_is_read_and_explains_itself(name):
    resolve(name)
    lines = (FLAGFILES / name).read_text().splitlines()
    header = [line for line in lines if line.startswith("#")]
    command = f"#   keras-mixup {command_of(name)} --flagfile={name} "
    assert lines[: len(header)] == header
    assert any(line.startswith(command) for line in header)
    assert all(line.startswith("--") for line in lines[len(header) :])


# The paper's settings, typed from its section 4.1 and not from the files:
# (algorithm, learning rate, the flags that only this algorithm has).
ATTACK = {"eps": 8 / 255, "step_size": 2 / 255, "num_steps": 10}
MIXUP_INFERENCE = {
    "erm": ("erm", 0.01, {}),
    "mixup": ("mixup", 0.01, {"alpha": 1.0}),
    "adversarial_training": (
        "adversarial_training",
        0.01,
        {"clean_weight": 1.0, **ATTACK},
    ),
    "iat": (
        "interpolated_adversarial_training",
        0.1,
        {"alpha": 1.0, **ATTACK},
    ),
}
SPECIFIC = ("alpha", "clean_weight", "eps", "step_size", "num_steps")


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
@pytest.mark.parametrize("row", MIXUP_INFERENCE)
def test_mixup_inference_settings(row, dataset):
    values = resolve(f"mixup_inference/{row}_{dataset}.flags")
    algorithm, rate, specific = MIXUP_INFERENCE[row]
    assert (values.dataset, values.algorithm) == (dataset, algorithm)
    assert values.model == "resnet50"
    assert values.width is None
    assert (values.epochs, values.batch_size) == (200, 64)
    assert (values.optimizer, values.momentum) == ("sgd", 0.9)
    assert (values.weight_decay, values.decoupled_weight_decay) == (0, None)
    assert values.learning_rate == rate
    assert (values.schedule, values.drops) == ("piecewise", (100.0, 150.0))
    assert values.drop_factor == 0.1
    assert values.warmup_epochs == 0
    assert values.num_train is None
    assert values.augment == "default"
    assert {name: getattr(values, name) for name in SPECIFIC} == {
        **dict.fromkeys(SPECIFIC),
        **specific,
    }
    # train_resnet_mixup.py has one pass over both halves, train_resnet_adv.py
    # one for each.
    assert bool(values.joint_batch) == (row == "iat")


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
@pytest.mark.parametrize("row", MIXUP_INFERENCE)
def test_mixup_inference_algorithms_are_built_as_said(row, dataset):
    name = f"mixup_inference/{row}_{dataset}.flags"
    # A small network instead of ResNet-50, whose name was compared above.
    values = resolve(name, "--model=small_convnet", "--width=2")
    model = training.build(values, steps_per_epoch=10)
    found = registry.find("algorithm", MIXUP_INFERENCE[row][0])
    assert type(model) is found
    optimizer = model.optimizer
    rate = MIXUP_INFERENCE[row][1]
    assert float(optimizer.momentum) == 0.9
    schedule = optimizer._learning_rate
    # By the step: drops to a tenth after 100 and after 150 epochs of 10.
    for step, factor in ((0, 1), (999, 1), (1001, 0.1), (1501, 0.01)):
        assert float(schedule(step)) == pytest.approx(rate * factor)
    if row in ("adversarial_training", "iat"):
        attack = model.attack
        assert (attack.threat.norm, attack.threat.eps) == ("linf", 8 / 255)
        assert (attack.step_size, attack.num_steps) == (2 / 255, 10)
        assert attack.random_start
    if row in ("mixup", "iat"):
        assert model.alpha == 1.0


# Adversarially optimized mixup, typed from its section 4.1 and Tables 1 to 3:
# (algorithm, epochs, the flags that only this row has).
MIXED = {"alpha": 0.5}
LEARNED = {**MIXED, "mix_weight": "learned", "kappa": 0.65}
OPTIMIZED = "adversarial_mixup"
ABLATIONS = {
    "attack": ("adversarial_training", 80, {}),
    "mix_then_attack": ("mix_then_attack", 100, MIXED),
    "attack_then_mix": ("attack_then_mix", 100, MIXED),
    "frozen_shared": (
        OPTIMIZED,
        100,
        {**MIXED, "mix_weight": "frozen", "delta": "shared"},
    ),
    "frozen": (
        OPTIMIZED,
        100,
        {**MIXED, "mix_weight": "frozen", "delta": "independent"},
    ),
    "shared": (OPTIMIZED, 100, {**LEARNED, "delta": "shared"}),
    "ours": (OPTIMIZED, 100, {**LEARNED, "delta": "independent"}),
}
WIDE = {
    "attack": ("adversarial_training", None),
    "learned": (OPTIMIZED, "linear"),
    "geometric": (OPTIMIZED, "geometric"),
}
ROW_FLAGS = ("alpha", "mix_weight", "kappa", "delta", "clean_weight")


def check_row(values, expected, **fixed):
    found = {name: getattr(values, name) for name in fixed}
    assert found == fixed
    assert {name: getattr(values, name) for name in ROW_FLAGS} == {
        **dict.fromkeys(ROW_FLAGS),
        **expected,
    }


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
@pytest.mark.parametrize("row", ABLATIONS)
def test_adversarial_mixup_settings(row, dataset):
    algorithm, epochs, expected = ABLATIONS[row]
    values = resolve(f"adversarial_mixup/{row}_{dataset}.flags")
    check_row(
        values,
        expected,
        dataset=dataset,
        model="preact_resnet18",
        width=None,
        algorithm=algorithm,
        eps=8 / 255,
        step_size=4 / 255,
        num_steps=5,
        epochs=epochs,
        batch_size=128,
        optimizer="yogi",
        learning_rate=0.003,
        weight_decay=5e-4,
        decoupled_weight_decay=None,
        schedule="piecewise",
        drops=(0.7, 0.9),
        drop_factor=0.1,
        augment="default",
    )
    assert values.label_mixing in (None, "linear")


@pytest.mark.parametrize("row", WIDE)
def test_wide_network_settings(row):
    algorithm, label_mixing = WIDE[row]
    values = resolve(f"adversarial_mixup/{row}_wrn34_cifar10.flags")
    expected = {} if label_mixing is None else {"delta": "independent"}
    check_row(
        values,
        {**expected, **LEARNED} if label_mixing else {},
        dataset="cifar10",
        model="wide_resnet34",
        width=10,
        algorithm=algorithm,
        label_mixing=label_mixing,
        step_size=2 / 255,
        num_steps=10,
        epochs=200,
        batch_size=128,
        optimizer="sgd",
        momentum=0.9,
        learning_rate=0.1,
        weight_decay=5e-4,
        schedule="piecewise",
        drops=(100.0,),
    )


# The VarMixup paper, section 4: (algorithm, epochs, attacked, alpha).
VARMIXUP = {
    "erm": ("erm", 100, False, None),
    "mixup": ("mixup", 150, False, 1.0),
    "manifold_mixup": ("manifold_mixup", 150, False, 1.0),
    "adversarial_training": ("adversarial_training", 250, True, None),
    "trades": ("trades", 250, True, None),
    "iat": ("interpolated_adversarial_training", 350, True, 1.0),
}


DATASETS = ("cifar10", "cifar100", "svhn", "tiny_imagenet")
# Its Table 2 has no number for TRADES on SVHN.
VARMIXUP_ROWS = [
    (row, dataset)
    for row in VARMIXUP
    for dataset in DATASETS
    if (row, dataset) != ("trades", "svhn")
]


@pytest.mark.parametrize(("row", "dataset"), VARMIXUP_ROWS)
def test_varmixup_settings(row, dataset):
    algorithm, epochs, attacked, alpha = VARMIXUP[row]
    values = resolve(f"varmixup/{row}_{dataset}.flags")
    check_row(
        values,
        {} if alpha is None else {"alpha": alpha},
        dataset=dataset,
        model="resnet34",
        algorithm=algorithm,
        eps=8 / 255 if attacked else None,
        step_size=2 / 255 if attacked else None,
        num_steps=10 if attacked else None,
        beta=6.0 if row == "trades" else None,
        epochs=epochs,
        optimizer="adam",
        learning_rate=1e-3,
        weight_decay=0.0,
        schedule="constant",
    )


# Rows that its Table 2 quotes, with what their own papers say.
QUOTED = {
    "lat": (
        "latent_adversarial_training",
        {
            "stage": "stage_2",
            "latent_eps": 8 / 255,
            "latent_step_size": 1 / 255,
            "latent_steps": 20,
            "latent_weight": 0.2,
        },
        ("cifar10", "cifar100", "svhn"),
    ),
    "llr": ("local_linearity_regularization", {}, ("cifar10",)),
    "cure": ("curvature_regularization", {"distance": 1.5}, DATASETS[::2]),
}


@pytest.mark.parametrize(
    ("row", "dataset"),
    [(row, dataset) for row in QUOTED for dataset in QUOTED[row][2]],
)
def test_varmixup_quoted_rows(row, dataset):
    algorithm, own, _ = QUOTED[row]
    values = resolve(f"varmixup/{row}_{dataset}.flags")
    attacked = row != "cure"
    assert {name: getattr(values, name) for name in own} == own
    check_row(
        values,
        {},
        dataset=dataset,
        model="resnet34",
        algorithm=algorithm,
        eps=8 / 255 if attacked else None,
        step_size=2 / 255 if attacked else None,
        num_steps=10 if attacked else None,
        epochs=250,
        optimizer="adam",
        learning_rate=1e-3,
        weight_decay=0.0,
        schedule="constant",
    )


@pytest.mark.parametrize(
    ("dataset", "images"), [("cifar10", 45000), ("svhn", 68257)]
)
def test_the_curvature_distance_grows_over_five_epochs(dataset, images):
    values = resolve(f"varmixup/cure_{dataset}.flags")
    held_out = data.DATASETS[dataset].num_validation
    assert {"cifar10": 50000, "svhn": 73257}[dataset] == images + held_out
    assert values.warmup_steps == 5 * (images // values.batch_size)


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "tiny_imagenet"])
def test_trades_attacks_before_the_training_pass(dataset):
    values = resolve(f"varmixup/trades_{dataset}.flags")
    assert values.attack_targets == "separate"


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_adversarial_training_on_varmixup_samples(dataset):
    values = resolve(f"varmixup/attacked_varmixup_{dataset}.flags")
    plain = resolve(f"varmixup/varmixup_{dataset}.flags")
    attack = resolve(f"varmixup/adversarial_training_{dataset}.flags")
    names = ("eps", "step_size", "num_steps", "epochs")
    shared = {name: getattr(attack, name) for name in names}
    changed = plain.replace(**shared, attack="pgd")
    assert values.as_dict() == changed.as_dict()


# What section 4.1 of the AOM paper tells in its text: (the row of Table 1 that
# is changed, the changes).
TOLD = {
    "hidden": ("ours", {"stage": "stage_1"}),
    "uniform_start": ("ours", {"alpha": 1.0}),
    "one_step": ("attack", {"num_steps": 1, "step_size": 10 / 255}),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_adversarial_mixup_tells_in_its_text(name):
    row, changes = TOLD[name]
    values = resolve(f"adversarial_mixup/{name}_cifar10.flags")
    base = resolve(f"adversarial_mixup/{row}_cifar10.flags")
    assert values.as_dict() == base.replace(**changes).as_dict()


@pytest.mark.parametrize(
    ("name", "steps", "version"),
    [("evaluate", (20, 100), "cheap"), ("evaluate_wrn34", (10,), "standard")],
)
def test_adversarial_mixup_evaluations(name, steps, version):
    values = resolve(f"adversarial_mixup/{name}.flags")
    assert values.attacks == ("clean", "pgd", "autoattack")
    assert (values.pgd_steps, values.autoattack_version) == (steps, version)
    assert (values.eps, values.step_size) == (8 / 255, 2 / 255)
    assert (values.defences, values.weights) == ((), "last")
    assert values.num_examples is None


def test_mixup_inference_evaluation():
    values = resolve("mixup_inference/evaluate.flags")
    assert values.pgd_steps == (10, 50, 200)
    assert (values.eps, values.step_size) == (8 / 255, 2 / 255)
    assert (values.num_examples, values.num_draws) == (1000, 30)
    assert values.mix_weights is None  # those of Tables 4 and 5
    rows = inference.paper_settings("cifar10", "mixup")
    assert set(values.defences) == set(rows) - {"random_resize_pad"}


# Its Table 1: (algorithm, epochs, the autoencoder is adversarial, alpha).
VARIANTS = {
    "varerm": ("var_erm", 100, False, None),
    "adv_varerm": ("var_erm", 100, True, None),
    "varmixup": ("var_mixup", 150, False, 1.0),
    "adv_varmixup": ("var_mixup", 150, True, 1.0),
    "variat": ("var_interpolated_adversarial_training", 350, False, 1.0),
}
# Its Table 3 takes the autoencoder from Tiny ImageNet to the CIFARs.
VARIANT_FILES = [(row, data, data) for row in VARIANTS for data in DATASETS] + [
    (row, data, "tiny_imagenet")
    for row in VARIANTS
    for data in ("cifar10", "cifar100")
    if row != "variat"
]


@pytest.mark.parametrize(("row", "dataset", "source"), VARIANT_FILES)
def test_varmixup_variants(row, dataset, source):
    algorithm, epochs, adversarial, alpha = VARIANTS[row]
    transfer = "" if source == dataset else "transfer_"
    values = resolve(f"varmixup/{transfer}{row}_{dataset}.flags")
    vae = "vae_adversarial" if adversarial else "vae"
    attacked = row == "variat"
    check_row(
        values,
        {} if alpha is None else {"alpha": alpha},
        task="classifier",
        dataset=dataset,
        model="resnet34",
        algorithm=algorithm,
        vae=f"runs/varmixup-{vae}_{source}",
        cache_latents=False,
        # In the other rows the autoencoder alone is adversarial.
        eps=8 / 255 if attacked else None,
        step_size=2 / 255 if attacked else None,
        num_steps=10 if attacked else None,
        epochs=epochs,
        optimizer="adam",
        learning_rate=1e-3,
        weight_decay=0.0,
        schedule="constant",
    )


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("adversarial", [False, True])
def test_varmixup_autoencoders(adversarial, dataset):
    name = "vae_adversarial" if adversarial else "vae"
    values = resolve(f"varmixup/{name}_{dataset}.flags")
    assert (values.task, values.dataset) == ("vae", dataset)
    assert (values.optimizer, values.learning_rate) == ("adam", 1e-3)
    assert (values.linear_path, values.gamma) == (False, 0.01)
    assert values.width is None and values.latent_size is None
    expected = (8 / 255, 2 / 255, 10) if adversarial else (None, None, None)
    found = (values.eps, values.step_size, values.num_steps)
    assert found == expected
    small = resolve(f"varmixup/{name}_{dataset}.flags", "--width=1")
    model = training.build(small, steps_per_epoch=10)
    assert (model.attack is not None) == adversarial
    assert model.vae.latent_size == (512 if dataset[0] == "t" else 256)
    assert not model.vae.linear_path and model.gamma == 0.01


OTHER_VAES = [
    ("vae", "cifar10", ["varmixup", "variat"]),
    ("vae_adversarial", "cifar10", ["adv_varmixup"]),
    ("vae", "tiny_imagenet", ["transfer_varmixup"]),
    ("vae_adversarial", "tiny_imagenet", ["transfer_adv_varmixup"]),
]


@pytest.mark.parametrize(("vae", "source", "trainings"), OTHER_VAES)
def test_varmixup_by_another_autoencoder(vae, source, trainings):
    linear = resolve(f"varmixup/linear_{vae}_{source}.flags")
    plain = resolve(f"varmixup/{vae}_{source}.flags")
    changed = plain.replace(linear_path=None, gamma=1.0)
    assert linear.as_dict() == changed.as_dict()
    small = resolve(f"varmixup/linear_{vae}_{source}.flags", "--width=1")
    assert training.build(small, steps_per_epoch=10).vae.linear_path
    for name in trainings:
        _, transfer, row = name.rpartition("transfer_")
        other = f"{transfer}linear_{row}"
        values = resolve(f"varmixup/{other}_cifar10.flags")
        base = resolve(f"varmixup/{name}_cifar10.flags")
        changed = base.replace(vae=f"runs/varmixup-linear_{vae}_{source}")
        assert values.as_dict() == changed.as_dict()


@pytest.mark.parametrize(
    "name",
    [
        "adversarial_mixup/ours_cifar100.flags",
        "adversarial_mixup/geometric_wrn34_cifar10.flags",
        "adversarial_mixup/attack_then_mix_cifar10.flags",
        "varmixup/trades_cifar10.flags",
    ],
)
def test_the_other_papers_algorithms_are_built_as_said(name):
    values = resolve(name, "--model=small_convnet", "--width=2")
    model = training.build(values, steps_per_epoch=10)
    found = registry.find("algorithm", values.algorithm)
    assert type(model) is found
    assert model.l2_penalty == values.weight_decay
    assert model.attack.step_size == values.step_size
    schedule = model.optimizer._learning_rate
    if "cifar100" in name:
        assert type(model.optimizer).__name__ == "Yogi"
        # 70 and 90 of 100 epochs of 10 steps.
        for step, rate in ((699, 3e-3), (700, 3e-4), (900, 3e-5)):
            assert float(schedule(step)) == pytest.approx(rate)
        assert (model.mix_weight, model.kappa) == ("learned", 0.65)
        assert (model.delta, model.label_mixing) == ("independent", "linear")


@pytest.mark.parametrize("name", ["digits/mixup.flags", "digits/erm.flags"])
def test_digits_settings(name):
    """What the issue's digits numbers are stated for."""
    values = resolve(name)
    assert (values.dataset, values.model) == ("digits", "small_convnet")
    assert (values.epochs, values.optimizer) == (120, "adam")
    evaluation = resolve("digits/evaluate.flags")
    assert (evaluation.eps, evaluation.step_size) == (0.1, 0.025)
    assert (evaluation.pgd_steps, evaluation.num_examples) == ((10,), None)
    assert [float(w) for w in evaluation.mix_weights] == [0.6]
    assert evaluation.num_draws == 30
    assert evaluation.adaptive


@pytest.mark.parametrize("name", ["evaluate", "evaluate_varmixup"])
def test_the_first_numbers_of_a_reader_are_no_flattering_ones(name):
    """Those of the demos: tramer2020 leaves up to 30 points more than rand."""
    values = resolve(f"digits/{name}.flags")
    assert "autoattack" in values.all_attacks and values.defences
    assert "tramer2020" not in values.all_attacks
    # As many as leave no more than 100 steps, on digits.
    assert values.adaptive_steps == 40


def noise(count):
    """Made-up images with the shape and the classes of Tiny ImageNet."""
    import numpy as np

    from keras_mixup.data import specs

    random, rows = np.random.default_rng(0), np.arange(count)
    images = random.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    return specs.ImageSet(images, (rows % 200).astype(np.int32), rows)


def small_vae(dataset, folder):
    """The file of an autoencoder for the data set's images."""
    from keras_mixup import models

    shape = data.DATASETS[dataset].image_shape
    path = folder / "vae.keras"
    models.MMDVAE(shape, 4, width=2).save(str(path))
    return path


@contextlib.contextmanager
def data_available(dataset):
    """Gives the data folder, or made-up images where there is none."""
    folder = pathlib.Path(os.environ.get("KERAS_MIXUP_DATA_DIR", "no-data"))
    if dataset == "digits" or (folder / dataset).is_dir():
        yield [f"--data_dir={folder}"]
        return
    if dataset == "tiny_imagenet":  # which tfds does not know by itself
        with mock.patch(
            "keras_mixup.data.tfds_source.read_tfds", return_value=noise(800)
        ):
            yield []
        return
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=400):
        yield []


@pytest.mark.slow
# The autoencoder is made for the test.
@pytest.mark.filterwarnings("ignore:The autoencoder seems untrained")
@pytest.mark.parametrize("name", training_files())
def test_a_training_flag_file_runs_two_steps(name, tmp_path):
    run_dir = tmp_path / "run"
    values = resolve(name)
    # Narrower than 16 on 64x64 images, TensorFlow 2.21's oneDNN kernel of a
    # convolution's gradient by its weights corrupts memory on some CPUs.
    width = 16 if values.dataset == "tiny_imagenet" else 2
    extra = ["--drops=0.5"] if values.schedule == "piecewise" else []
    if values.dataset != "digits":
        extra.append("--num_validation=100")
    if values.num_steps:
        extra.append("--num_steps=1")
    if values.vae:
        source = "tiny_imagenet" if "transfer" in name else values.dataset
        extra.append(f"--vae={small_vae(source, tmp_path)}")
    with data_available(values.dataset) as arguments:
        code = main.exit_code(
            "train",
            [
                "train",
                f"--flagfile={FLAGFILES / name}",
                *arguments,
                *extra,
                f"--run_dir={run_dir}",
                f"--width={width}",
                "--epochs=1",
                # Two steps.
                "--batch_size=100",
                "--num_train=200",
                "--warmup_epochs=0",
                "--verbose=0",
            ],
        )
    assert code == 0
    rows = (run_dir / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [2]
    best = "vae.keras" if values.task == "vae" else "classifier.keras"
    assert (run_dir / best).is_file()
    assert (run_dir / "final.keras").is_file()
