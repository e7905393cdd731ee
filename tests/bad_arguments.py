"""A valid call of each public callable, and bad values for its arguments."""

import importlib
import inspect
import math
import types
import typing

import keras
import numpy as np

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import metrics
from keras_mixup import models
from keras_mixup import reporting
from keras_mixup import runs
from keras_mixup import training

PACKAGES = {
    package.__name__.rpartition(".")[2]: package
    for package in (
        attacks,
        data,
        evaluation,
        inference,
        metrics,
        models,
        reporting,
        runs,
        training,
        importlib.import_module("keras_mixup.export"),
        importlib.import_module("keras_mixup.reproduce"),
    )
}
# What the library itself makes: results, protocols and bases of one's own.
MADE_BY_US = {
    "attacks": ("Attack", "AttackPart", "AttackResult", "Facts", "describe"),
    "data": ("Batch", "DatasetSpec", "ImageSet"),
    "evaluation": (
        *(
            "AttackSpec",
            "Budget",
            "Column",
            "Estimate",
            "Record",
            "Records",
            "Row",
        ),
        *("Summary", "WorstCase", "append_records", "summarize"),
        "write_records",
    ),
    "export": ("SavedModelInfo", "SignatureCheck"),
    "inference": ("Certificates", "defence_label", "paper_settings"),
    "metrics": ("Estimate", "FeatureDistances"),
    "reproduce": (
        *("Claim", "Column", "Comparison", "Entry", "Published", "Row"),
        *("Figure", "Panel", "Scale"),
        "ReproduceResult",
    ),
    "reporting": ("Comparison", "Standing", "comparisons"),
    # Settings have a test of their own, which draws values.
    "runs": (
        *("CompareResult", "EvaluateResult", "ExportResult", "MergeResult"),
        *("ShardResult", "TrainResult", "Stopped", "list_datasets"),
        *("EvaluateSettings", "ExportSettings", "TrainSettings"),
    ),
    "training": ("RetraceGuard", "StopOnNaN"),
}

SIDE, CLASSES, COUNT = 8, 3, 6
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(size=(COUNT, SIDE, SIDE, 1)).astype("float32")
LABELS = np.arange(COUNT) % CLASSES
THREAT = ThreatModel("linf", 0.1)


class Thing:
    """No value of any argument."""

    def __repr__(self):
        return "<thing>"


THING, NAN, HUGE = Thing(), math.nan, 2**70
INTEGER = (THING, NAN, -1, HUGE, 1.5, "a", [], None, True)
NUMBER = (THING, NAN, math.inf, "a", [], None, True)
FLAG = (THING, NAN, 2, "a", [], None)
CHOICE = (THING, NAN, -1, "no such", [], None)
SEED = (THING, NAN, -1, 1.5, "a", [])
ARRAY = (THING, None, "a", [], NAN, [[[1]], [2]], -1, HUGE)
MODEL = (THING, None, "a", 3, [])
PATH = (THING, NAN, -1, None, [], "")
CALLABLE = (THING, NAN, "a", [])
NAMES = {
    "attack": MODEL,
    "base_path": PATH,
    "batch_size": INTEGER,
    "classifier": MODEL,
    "defence": MODEL,
    "directory": PATH,
    "download": FLAG,
    "early_stopping": INTEGER,
    "epochs": INTEGER,
    "every": INTEGER,
    "features_a": ARRAY,
    "features_b": ARRAY,
    "image_set": MODEL,
    "images": ARRAY,
    "images_a": ARRAY,
    "images_b": ARRAY,
    "input_shape": (THING, NAN, -1, None, [], "a", (8, 8), (8, 8, HUGE)),
    "kind": CHOICE,
    "labels": ARRAY,
    "max_inputs": INTEGER,
    "max_to_keep": INTEGER,
    "mode": CHOICE,
    "model": MODEL,
    "model_fn": MODEL,
    "num_classes": INTEGER,
    "num_draws": INTEGER,
    "num_examples": INTEGER,
    "num_starts": INTEGER,
    "num_steps": INTEGER,
    "num_validation": INTEGER,
    "path": PATH,
    "patience": INTEGER,
    "keep": CALLABLE,
    "on_start": CALLABLE,
    "progress": CALLABLE,
    "results_dir": PATH,
    "run_dir": PATH,
    "settings": MODEL,
    "stop": CALLABLE,
    "pool": MODEL,
    "seed": SEED,
    "severity": CHOICE,
    "split": CHOICE,
    "start_step": INTEGER,
    "step": INTEGER,
    "steps_per_epoch": INTEGER,
    "synchronized": FLAG,
    "threat": MODEL,
    "vae": MODEL,
    "version": INTEGER,
    "warmup_steps": INTEGER,
}
# By name and argument, where a name alone does not say it.
OWN = {
    "CleverHansSPSA.verbose": CHOICE,
    "ExpectedCalibrationError.num_bins": INTEGER,
    "ForeignClassifier.function": MODEL,
    "ForeignClassifier.image_shape": (THING, NAN, None, [], "a", (8, 8)),
    "TRADES.start": CHOICE,
    "Yogi.beta_1": NUMBER,
    "Yogi.beta_2": NUMBER,
    "Yogi.bias_correction": FLAG,
    "Yogi.epsilon": NUMBER,
    "Yogi.initial_accumulator": NUMBER,
    "choose_threshold.false_positive_rate": NUMBER,
    "corruption_accuracy.accuracies": MODEL,
    "facts_of.attack": (),  # of anything: what is not stated is unknown
    "detection_auc.adversarial_scores": ARRAY,
    "detection_auc.clean_scores": ARRAY,
    "estimate.predictions": ARRAY,
    "kernel_inception_distance.num_subsets": INTEGER,
    "kernel_inception_distance.subset_size": INTEGER,
    "local_linearity_error.eps": NUMBER,
    "local_linearity_error.norm": CHOICE,
    "make_schedule.drop_factor": NUMBER,
    "make_schedule.learning_rate": NUMBER,
    "make_schedule.warmup_epochs": NUMBER,
    "random_targets.num_classes": INTEGER,
    "robust_accuracy.predictions": ARRAY,
    "roc_curve.adversarial_scores": ARRAY,
    "roc_curve.clean_scores": ARRAY,
    "training_dataset.augment": (THING, NAN, -1, "no such", []),
    "training_dataset.crop_padding": CHOICE,
    "mixed_training_dataset.crop_padding": CHOICE,
    "training_dataset.num_pipelines": INTEGER,
    "training_dataset.pipeline_index": INTEGER,
    "training_dataset.replicas": INTEGER,
    "check_extra.extra_share": NUMBER,
    "mixed_training_dataset.extra_share": NUMBER,
    "find.name": CHOICE,
    "listing.scale": CHOICE,
    "reproduce.data_dir": PATH,
    "reproduce.entry": (*CHOICE, ["no such"], ""),
    "reproduce.output": PATH,
    "reproduce.scale": CHOICE,
    "reproduce.corruption_dir": PATH,
    "write_pages.data_dir": PATH,
    "write_pages.output": PATH,
    "write_pages.scale": CHOICE,
    "evaluate.attack_seed": INTEGER[:3],
    "evaluate.attacks": MODEL[:4],
    "evaluate.eval_seeds": MODEL,
    "evaluate.models": MODEL,
    "evaluate.shard": (THING, NAN, -1, "a", [], "0/2", "3/2"),
    "train.verbose": (THING, NAN, -1, 3, "a", [], None),
    "train.resume": FLAG,
    "compare.run_dirs": (THING, NAN, None, [], "a", [THING], [""]),
    "compare.output": PATH,
    "compare.leaderboard": PATH,
    "list_exports.saved_models": PATH,
    "Stop.max_minutes": (THING, NAN, math.inf, "a", [], -1, 0),
    "Results.settings": (THING, NAN, "a", []),
    "Results.key": (THING, NAN, "a", None, [THING]),
    "worst_case.candidates": MODEL,
    "worst_case.eval_seeds": MODEL,
    "worst_case.selection_seeds": MODEL,
}
# None, True or a huge number means something here.
ALLOWED = {
    "early_stopping": (None,),
    "max_inputs": (None,),
    "num_examples": (None,),
    "num_validation": (None,),
    "version": (None,),
    "every": (HUGE,),
    "seed": (HUGE,),
    "step": (HUGE,),
    "checkpoint_every": (HUGE,),
}


def classifier():
    """A small classifier with two stages."""
    layers = [
        keras.Input((SIDE, SIDE, 1)),
        keras.layers.Conv2D(2, 3, name="stage_1"),
        keras.layers.ReLU(name="stage_2"),
        keras.layers.Flatten(),
        keras.layers.Dense(CLASSES, bias_initializer="ones"),
    ]
    return keras.Sequential(layers)


class Parts:
    """What valid calls are made of."""

    def __init__(self, folder):
        self.folder = folder
        self.classifier = classifier()
        self.vae = models.MMDVAE((SIDE, SIDE, 1), 2, width=2)
        self.pool = inference.SamplePool(IMAGES, LABELS, dtype="float32")
        self.set = data.image_set(IMAGES, LABELS)
        self.attack = attacks.PGD(THREAT, 0.1, num_steps=1)
        self.algorithm = training.ERM(self.classifier)
        self.algorithm.compile("sgd")
        self.defence = inference.MixupInferencePL(
            self.classifier, self.pool, 0.5, 2
        )

    def of(self, package, name, target):
        """Returns the arguments of a valid call, a dict."""
        given = {
            "attack": self.attack,
            "base_path": str(self.folder),
            "batch_size": 2,
            "classifier": self.classifier,
            "defence": self.defence,
            "degrees": 3.0,
            "directory": str(self.folder),
            "epochs": 2,
            "features_a": IMAGES.reshape(COUNT, -1),
            "features_b": IMAGES.reshape(COUNT, -1),
            "feature_model": self.classifier,
            "function": self.classifier,
            "image_shape": (SIDE, SIDE, 1),
            "image_set": self.set,
            "images": IMAGES,
            "images_a": IMAGES,
            "images_b": IMAGES,
            "input_shape": (SIDE, SIDE, 1),
            "labels": LABELS,
            "model": self.classifier,
            "model_fn": self.classifier,
            "models": {"a": self.classifier},
            "num_classes": CLASSES,
            "num_draws": 2,
            "num_examples": 3,
            "path": str(self.folder / "file.keras"),
            "pool": self.pool,
            "seed": 0,
            "size_range": (6, 8),
            "stddev": 0.1,
            "step": 2,
            "steps_per_epoch": 2,
            "threat": THREAT,
            "vae": self.vae,
            "learning_rate": 0.1,
            "schedule": 0.1,
            "warmup_steps": 2,
            "false_positive_rate": 0.1,
            "clean_scores": [0.1],
            "adversarial_scores": [0.2],
            "predictions": [LABELS, LABELS],
            "attacks": [("pgd", self.attack, "oblivious")],
            "candidates": [IMAGES],
            "eps": 0.1,
            "kind": "snow",
            "severity": 1,
            "name": "digits",
            "entry": "mixup_inference/table2",
            "scale": "digits",
            "results_dir": str(self.folder / "results"),
            "accuracies": {
                (kind, severity): 0.5
                for kind in metrics.STANDARD_CORRUPTIONS
                for severity in range(1, 6)
            },
            "dataset": "cifar10",
            "examples": self.set,
            "extra": self.set,
            "run_dir": str(self.folder / "run"),
            "source_dir": str(self.folder),
            "data_dir": str(self.folder),
            "start": 1,
            "weights": str(self.folder / "weights.h5"),
            "extra_share": 0.5,
            "share": 0.5,
            "logits": IMAGES.reshape(COUNT, -1)[:, :CLASSES],
        }
        given["settings"] = {
            "train": runs.TrainSettings(seed=0),
            "evaluate": runs.EvaluateSettings(dataset="digits"),
            "export": runs.ExportSettings(run_dir=str(self.folder)),
            "prepare": runs.TrainSettings(),
        }.get(name, {})
        given["run_dirs"] = [str(self.folder)]
        if name == "fit_resumable":
            given |= {"images": self.set, "model": self.algorithm}
            return {
                **{n: given[n] for n in ("model", "images", "run_dir")},
                **{"epochs": 1, "batch_size": 2, "verbose": 0},
            }
        if name == "load_corrupted":
            given["name"] = "cifar10_c"
        if name == "find":
            given["name"] = given["entry"]
        if name == "make_schedule":
            given["kind"] = "constant"
        needed = inspect.signature(target).parameters.values()
        return {
            p.name: given[p.name]
            for p in needed
            if (p.default is p.empty or p.name == "labels")
            and p.kind not in _VARIADIC
        }


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def bad_values(name, parameter):
    """Returns the values that an argument must refuse, () if none is known."""
    found = OWN.get(f"{name}.{parameter.name}")
    if found is None:
        found = _of_annotation(parameter.annotation)
    if found is None:
        found = NAMES.get(parameter.name, ())
    allowed = ALLOWED.get(parameter.name, ())
    if parameter.default is None:
        allowed = (*allowed, None)
    return [v for v in found if not any(v is a for a in allowed)]


def _of_annotation(annotation):
    if typing.get_origin(annotation) is typing.Annotated:  # PythonOnly
        annotation = annotation.__origin__
    options = (annotation,)
    if isinstance(annotation, types.UnionType) or (
        typing.get_origin(annotation) is typing.Union
    ):
        options = typing.get_args(annotation)
    if float in options:  # A text may hold a number or a fraction.
        options = tuple(o for o in options if o is not str)
    kinds = {int: INTEGER, float: NUMBER, bool: FLAG}
    found = [kinds[o] for o in options if o in kinds]
    if any(typing.get_origin(o) is typing.Literal for o in options):
        found.append(CHOICE)
    if len(found) != 1 or any(o is str or o is tuple for o in options):
        return None
    values = found[0]
    return [v for v in values if v is not None or type(None) not in options]


def callables():
    """Yields (package, name, object) of everything public that is called."""
    for package, module in PACKAGES.items():
        for name in module.__all__:
            target = getattr(module, name)
            if callable(target) and name not in MADE_BY_US.get(package, ()):
                yield package, name, target


def judge(target, arguments, name, value):
    """Returns None if a bad value is refused by name, else what happened."""
    try:
        answer = target(**{**arguments, name: value})
        if inspect.isgenerator(answer):
            next(answer)
    except Exception as error:
        text = str(error)
        if isinstance(error, (ValueError, OSError)) and f"`{name}" in text:
            return None
        return f"{type(error).__name__}: {text[:100]}"
    return "accepted"
