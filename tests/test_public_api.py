"""The names that users rely on, and what importing them costs."""

import importlib
import inspect
import pathlib
import subprocess
import sys

import pytest

import keras_mixup

ROOT = pathlib.Path(__file__).parent.parent

# The contract: these names are extended, never renamed.
PUBLIC = {
    "attacks": (
        "APGD",
        "AutoAttack",
        "AveragedAttack",
        "FAB",
        "SPSA",
        "Square",
        "TargetedFAB",
        "TargetedAPGD",
        "PGD",
        "CleverHansPGD",
        "CleverHansSPSA",
        "ExpectationOverTransformation",
        "MixupInferenceAttack",
    ),
    "data": (
        "DATASETS",
        "corrupt",
        "load",
        "load_arrays",
        "load_corrupted",
        "published_name",
    ),
    "evaluation": (
        "Records",
        "evaluate",
        "fingerprint",
        "read_records",
        "red_flags",
        "worst_case",
    ),
    "export": ("export_saved_model",),
    "inference": (
        "GaussianNoiseInference",
        "MixupInferenceCombined",
        "MixupInferenceOL",
        "MixupInferencePL",
        "RandomCropPadInference",
        "RandomCropResizeInference",
        "RandomResizePadInference",
        "RandomRotationInference",
        "RandomizedSmoothing",
        "SamplePool",
        "VarMixupInference",
    ),
    "metrics": (
        "ExpectedCalibrationError",
        "corruption_accuracy",
        "detection_auc",
        "frechet_distance",
        "kernel_inception_distance",
        "local_linearity_error",
        "robust_accuracy",
        "roc_curve",
    ),
    "models": (
        "MMDVAE",
        "MixupInferenceResNet50",
        "PreActResNet18",
        "ResNet34",
        "ResNet50",
        "SmallConvNet",
        "WideResNet34",
    ),
    "ops": ("projected_ascent",),
    "reporting": ("card", "comparisons", "tables", "verdicts", "write_report"),
    "runs": (
        "EvaluateSettings",
        "ExportSettings",
        "Stop",
        "Stopped",
        "TrainSettings",
        "evaluate",
        "export",
        "train",
    ),
    "studies": (
        "adaptive_samples",
        "corruption_accuracies",
        "corruption_means",
        "lambda_sweep",
        "mixed_samples",
        "trade_off",
        "weight_sweep_rows",
    ),
    "training": (
        "AdversarialMixup",
        "AdversarialTraining",
        "Algorithm",
        "AttackThenMix",
        "BestModel",
        "Checkpoint",
        "CurvatureRegularization",
        "EarlyStopping",
        "ERM",
        "InterpolatedAdversarialTraining",
        "LatentAdversarialTraining",
        "latest_step",
        "latent_codes",
        "LocalLinearityRegularization",
        "make_schedule",
        "ManifoldMixup",
        "MMDVAETraining",
        "MetricsLog",
        "MixThenAttack",
        "Mixup",
        "read_metrics",
        "reconstruction_psnr",
        "read_best",
        "resume_position",
        "RetraceGuard",
        "RobustValidation",
        "save_atomically",
        "StopOnNaN",
        "TRADES",
        "VarERM",
        "VarInterpolatedAdversarialTraining",
        "VarMixup",
        "WarmUp",
        "Yogi",
    ),
}
# First arguments in their order; keyword names and defaults of the rest.
SIGNATURES = {
    "ThreatModel": (["norm", "eps", "bounds"], {"bounds": (0.0, 1.0)}),
    "attacks.PGD": (
        ["threat", "step_size", "num_steps", "num_restarts", "random_start"],
        {"step_size": 2 / 255, "num_steps": 10, "num_restarts": 1},
    ),
    "attacks.AveragedAttack": (["attack", "num_draws"], {"num_draws": 15}),
    "attacks.FAB": (
        ["threat", "num_steps", "num_restarts"],
        {"num_steps": 100, "num_restarts": 1},
    ),
    "attacks.TargetedFAB": (
        ["threat", "num_targets", "num_steps"],
        {"num_targets": 9, "num_steps": 100},
    ),
    "attacks.Square": (
        ["threat", "num_queries", "p_init"],
        {"num_queries": 5000, "p_init": 0.8},
    ),
    "attacks.SPSA": (
        ["threat", "num_steps", "num_samples"],
        {"num_samples": 128, "delta": 0.01},
    ),
    "attacks.APGD": (
        ["threat", "loss", "num_steps", "num_restarts"],
        {"loss": "cross_entropy", "num_steps": 100, "num_restarts": 1},
    ),
    "attacks.TargetedAPGD": (
        ["threat", "num_targets", "num_steps"],
        {"num_targets": 9, "num_steps": 100},
    ),
    "attacks.AutoAttack": (
        ["threat", "version", "seed"],
        {"version": "standard", "seed": 0},
    ),
    "attacks.ExpectationOverTransformation": (["model_fn", "num_draws"], {}),
    "attacks.MixupInferenceAttack": (
        ["threat", "recipe"],
        {"recipe": "tramer2020"},
    ),
    "inference.SamplePool": (["images", "labels", "dtype"], {}),
    "inference.MixupInferenceOL": (
        ["classifier", "pool", "mix_weight", "num_draws"],
        {"mix_weight": 0.5, "num_draws": 30},
    ),
    "inference.MixupInferencePL": (
        ["classifier", "pool", "mix_weight", "num_draws"],
        {"mix_weight": 0.5, "num_draws": 30},
    ),
    "inference.MixupInferenceCombined": (
        ["classifier", "pool", "pl_weight", "ol_weight", "threshold"],
        {"pl_weight": 0.5, "ol_weight": 0.4, "threshold": 0.2},
    ),
    "inference.VarMixupInference": (
        ["classifier", "vae", "pool", "mix_weight", "num_draws"],
        {"mix_weight": 0.5, "num_draws": 30, "average": "probabilities"},
    ),
    "inference.GaussianNoiseInference": (
        ["classifier", "stddev", "num_draws"],
        {"num_draws": 30},
    ),
    "inference.RandomizedSmoothing": (
        ["classifier", "stddev", "num_draws"],
        {"stddev": 0.25, "num_draws": 30},
    ),
    "training.GaussianAugmentation": (
        ["classifier", "noise_stddev"],
        {"noise_stddev": 0.25},
    ),
    "training.Mixup": (
        ["classifier", "alpha", "mix_weight", "weight_per"],
        {"alpha": 1.0, "mix_weight": None, "weight_per": "sample"},
    ),
    "training.AdversarialTraining": (
        ["classifier", "attack", "clean_weight", "attack_training"],
        {"clean_weight": 0.0, "attack_training": False},
    ),
    "training.InterpolatedAdversarialTraining": (
        ["classifier", "attack", "alpha"],
        {"alpha": 1.0},
    ),
    "training.ERM": (["classifier", "seed"], {"seed": 0}),
    "training.ManifoldMixup": (
        ["classifier", "alpha", "stages", "mix_weight", "weight_per"],
        {
            "alpha": 1.0,
            "stages": ("input", "stage_1", "stage_2"),
            "mix_weight": None,
            "weight_per": "sample",
        },
    ),
    "training.MixThenAttack": (
        ["classifier", "attack", "alpha", "mix_weight", "weight_per"],
        {"alpha": 0.5, "weight_per": "sample", "clean_weight": 0.0},
    ),
    "training.AttackThenMix": (
        ["classifier", "attack", "alpha", "mix_weight", "clean_weight"],
        {"alpha": 0.5, "mix_weight": None, "clean_weight": 0.0},
    ),
    "training.AdversarialMixup": (
        ["classifier", "attack", "alpha", "mix_weight", "mix_weight_step"],
        {
            "alpha": 0.5,
            "mix_weight": "learned",
            "mix_weight_step": None,
            "delta": "independent",
            "label_mixing": "linear",
            "kappa": 0.65,
            "loss": "kl",
            "clean_weight": 0.0,
            "stage": None,
        },
    ),
    "training.TRADES": (
        ["classifier", "attack", "beta", "start", "attack_targets"],
        {"beta": 6.0, "start": "normal", "attack_targets": "shared"},
    ),
    "training.LatentAdversarialTraining": (
        ["classifier", "attack", "stage", "latent_eps", "latent_step_size"],
        {
            "stage": "stage_2",
            "latent_eps": 8 / 255,
            "latent_step_size": 1 / 255,
            "latent_steps": 20,
            "latent_weight": 0.2,
        },
    ),
    "training.LocalLinearityRegularization": (
        ["classifier", "attack", "nonlinearity", "slope"],
        {"nonlinearity": 4.0, "slope": 3.0},
    ),
    "training.CurvatureRegularization": (
        ["classifier", "penalty", "distance", "warmup_steps"],
        {"penalty": 4.0, "distance": 1.5, "warmup_steps": 0},
    ),
    "models.MMDVAE": (
        ["input_shape", "latent_size", "width", "linear_path"],
        {"latent_size": None, "width": 32, "linear_path": True},
    ),
    "training.MMDVAETraining": (
        ["vae", "gamma", "attack", "kernel"],
        {"gamma": 1.0, "attack": None, "kernel": "imq"},
    ),
    "training.VarERM": (
        ["classifier", "vae", "attack", "from_codes"],
        {"attack": None, "from_codes": False},
    ),
    "training.VarMixup": (
        ["classifier", "vae", "alpha", "attack"],
        {"alpha": 1.0, "attack": None, "from_codes": False},
    ),
    "training.VarInterpolatedAdversarialTraining": (
        ["classifier", "vae", "attack", "alpha"],
        {"alpha": 1.0},
    ),
    "training.Yogi": (
        ["learning_rate", "beta_1", "beta_2", "epsilon"],
        {
            "learning_rate": 0.01,
            "beta_1": 0.9,
            "beta_2": 0.999,
            "epsilon": 1e-3,
            "initial_accumulator": 1e-6,
            "bias_correction": True,
        },
    ),
    "training.make_schedule": (
        ["learning_rate", "steps_per_epoch", "epochs", "kind"],
        {"kind": "constant", "drops": (), "drop_factor": 0.1},
    ),
    "training.WarmUp": (["schedule", "warmup_steps"], {}),
    "training.RobustValidation": (
        ["attack", "images", "labels", "every", "batch_size"],
        {"every": 1, "batch_size": 256},
    ),
    "training.EarlyStopping": (
        ["monitor", "patience", "mode"],
        {"monitor": "val_robust_accuracy", "patience": 10, "mode": "max"},
    ),
    "training.BestModel": (
        ["path", "monitor", "mode"],
        {"monitor": "val_accuracy", "mode": "max"},
    ),
    "training.Checkpoint": (
        ["directory", "every", "state", "max_to_keep"],
        {"every": 500, "state": (), "max_to_keep": 2},
    ),
    "evaluation.worst_case": (["model", "candidates", "labels"], {}),
    "evaluation.evaluate": (
        ["models", "attacks", "images", "labels"],
        {"eval_seeds": (0,), "selection_seeds": (), "attack_seed": 0},
    ),
    "studies.corruption_accuracies": (
        ["models", "make_set"],
        {"eval_seeds": (0,), "kinds": None, "known": None},
    ),
    "studies.corruption_means": (["rows"], {}),
    "export.export_saved_model": (
        ["defence", "base_path", "version"],
        {"version": None},
    ),
}


def lookup(path):
    value = keras_mixup
    for name in path.split("."):
        value = getattr(value, name)
    return value


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names_are_there(package):
    module = lookup(package)
    missing = [name for name in PUBLIC[package] if name not in module.__all__]
    assert missing == []
    for name in module.__all__:
        getattr(module, name)


@pytest.mark.parametrize("path", SIGNATURES)
def test_constructor_forms(path):
    first, defaults = SIGNATURES[path]
    found = lookup(path)
    # With older Keras the class itself shows `__new__`'s *args, **kwargs.
    made_by = found.__init__ if inspect.isclass(found) else found
    parameters = dict(inspect.signature(made_by).parameters)
    parameters.pop("self", None)
    assert list(parameters)[: len(first)] == first
    assert {name: parameters[name].default for name in defaults} == defaults


def test_the_root_gives_its_names_on_first_use():
    assert set(keras_mixup.__all__) <= set(dir(keras_mixup))
    assert keras_mixup.ThreatModel("linf", 0.1).eps == 0.1
    for name in keras_mixup.__all__:
        assert getattr(keras_mixup, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = keras_mixup.Nothing


def public_classes():
    found = []
    for package in PUBLIC:
        module = importlib.import_module(f"keras_mixup.{package}")
        for name in module.__all__:
            if inspect.isclass(getattr(module, name)):
                found.append(f"{package}.{name}")
    return found


@pytest.mark.parametrize("path", public_classes())
def test_every_public_method_is_described(path):
    """Its own text, or that of the method it overrides, Keras' included."""
    found = lookup(path)
    ours = [c for c in found.__mro__ if c.__module__.startswith("keras_mixup")]
    theirs = [c for c in found.__mro__ if c not in ours]
    for name, value in vars(found).items():
        function = getattr(value, "__func__", getattr(value, "fget", value))
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        if not any(hasattr(base, name) for base in theirs):
            assert inspect.getdoc(getattr(found, name)), f"{path}.{name}"


def run(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT
    )


def apps():
    """The applications: what `python -m apps.<name>` runs."""
    found = sorted((ROOT / "apps").glob("[a-z]*.py"))
    return [path.stem for path in found]


HEAVY = "{'keras', 'tensorflow', 'numpy', 'sklearn'}"


def test_importing_the_package_loads_nothing_heavy():
    done = run(
        "-c", f"import sys, keras_mixup; print({HEAVY} & set(sys.modules))"
    )
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize("app", apps())
def test_an_application_helps_and_refuses_before_anything_heavy(app):
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['apps.{app}', sys.argv[1]]\n"
        "try:\n"
        f"    runpy.run_module('apps.{app}', run_name='__main__')\n"
        "finally:\n"
        f"    print({HEAVY} & set(sys.modules))\n"
    )
    helped = run("-c", code, "--help")
    assert helped.returncode == 0
    assert "--flagfile" in helped.stdout
    assert helped.stdout.endswith("set()\n")
    refused = run("-c", code, "--no_such_flag=1")
    assert refused.returncode == 2
    assert refused.stdout == "set()\n"
    assert refused.stderr.startswith("error: Unknown command line flag")
    assert refused.stderr.count("\n") == 1


def test_version_is_that_of_the_project_file():
    text = (ROOT / "pyproject.toml").read_text()
    assert f'\nversion = "{keras_mixup.__version__}"\n' in text


EXTRAS = ("plots", "serving", "tensorboard", "corruptions", "dev", "bench")


def test_extras_are_declared():
    text = (ROOT / "pyproject.toml").read_text()
    declared = text.split("[project.optional-dependencies]")[1].split("\n\n")
    for name in EXTRAS:
        assert f"\n{name} = [" in declared[0]


@pytest.mark.parametrize("name", ["keras_mixup", "runs", "reproduce"])
def test_no_module_stands_where_a_lazy_name_does(name):
    """An imported module would take the place of the function."""
    package = keras_mixup if name == "keras_mixup" else None
    package = package or importlib.import_module(f"keras_mixup.{name}")
    folder = pathlib.Path(package.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")}
    public = set(package.__all__)
    if name == "keras_mixup":  # Its modules are its names.
        public -= set(package._SUBPACKAGES)
    assert not modules & public
