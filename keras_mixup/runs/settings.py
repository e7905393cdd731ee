"""The settings of a training run.

An algorithm, an attack or a model declares its own settings in its
constructor. `registry` reads them.
"""

import dataclasses
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

from keras_mixup import _checks
from keras_mixup import _setting
from keras_mixup import _settings
from keras_mixup import registry
from keras_mixup._setting import ANY
from keras_mixup._settings import field
from keras_mixup.runs import data_settings
from keras_mixup.runs import shared
from keras_mixup.runs._owned import GIVEN
from keras_mixup.runs._owned import owned

_VAE_CLASSES = (
    "keras_mixup.training.mmd_vae:MMDVAETraining",
    "keras_mixup.models.mmd_vae:MMDVAE",
)
_CLASSIFIER = (("task", ("classifier",)),)
_VAE = (("task", ("vae",)),)
_ROBUST_STEPS = 10
_ATTACKING = (("attack", ANY), ("robust_validation", ANY))
_SWA = (("weight_average", ("swa",)),)


def check_vae(path, owner):
    """Raises `ValueError` without the path of an autoencoder for `owner`."""
    if path is None:
        raise ValueError(
            f"{owner} needs `vae`, the file or run folder of an autoencoder "
            "that was trained with task=vae."
        )


def _of_attacks(taken):
    """Returns the settings of the attacks that can run inside a train step.

    A setting whose name is in `taken` is called `attack_<name>`.
    """
    found = {}
    settings = owned("attack", "attack", base="GradientAttack")
    for name, setting in settings.items():
        name = f"attack_{name}" if name in taken else name
        found[name] = dataclasses.replace(setting, name=name)
    if "step_size" in found:
        found["step_size"] = _setting.also_owned(
            found["step_size"], ("robust_validation", ANY)
        )
    return found


def _of_autoencoder():
    """Returns the settings of an autoencoder and of its training."""
    found = {}
    for path in _VAE_CLASSES:
        for setting in registry.entry("algorithm", path).settings:
            if setting.name not in GIVEN:
                text = "None"
                if setting.default is not None:
                    text = setting.text(setting.default)
                found[setting.name] = setting.but(None, _VAE, text)
    return found


class _TrainSettings(_settings.Settings):
    """The settings of `train`.

    These, and those of every registered algorithm, attack and model, under
    their own names. `keras-mixup train --help` lists all of them.
    """

    task: "Literal['classifier', 'vae']" = field(
        "classifier", "What to train: a classifier, or VarMixup's autoencoder."
    )
    dataset = shared.DATASET.but("digits")
    data_dir = shared.DATA_DIR
    download: "bool" = field(False, "Let tfds download what is missing.")
    num_train: "int | None" = field(
        None,
        "Class-balanced seeded subset of so many images.",
        1,
        unset="all",
    )
    num_validation: "int | None" = field(
        None,
        "Images cut from the training split for validation; 0: none, and the "
        "last epoch's weights count.",
        0,
        unset="as `keras-mixup list` says of the data set",
    )
    extra_dataset: "str | None" = field(
        None,
        "Data set with more training images of the same shape and classes.",
        owners=_CLASSIFIER,
    )
    extra_share: "float" = field(
        0.5,
        "Part of the extra data set in each batch, in (0, 1).",
        owners=(("extra_dataset", ANY),),
    )
    augment: "Literal['default', 'none', 'crop_flip', 'crop']" = field(
        "default",
        "Augmentation; default is what the papers use on the data set.",
    )
    crop_padding: "Literal['reflect', 'zeros'] | None" = field(
        None,
        "Border of 4 pixels around an image that is cropped at random: the "
        "image mirrored, or black.",
        unset="reflect",
    )
    model: "str" = field(
        "small_convnet",
        "Architecture; `keras-mixup list` names them.",
        owners=_CLASSIFIER,
    )
    width: "int | None" = field(
        None, "Width of the architecture.", 1, unset="that of its paper"
    )
    start_from: "str | None" = field(
        None,
        "Start from this trained classifier, a .keras file or run folder, "
        "instead of a new model.",
        owners=_CLASSIFIER,
        unset="a new model",
    )
    algorithm: "str" = field(
        "mixup", "Algorithm; `keras-mixup list` names them.", owners=_CLASSIFIER
    )
    vae = shared.VAE.but(
        owners=(("algorithm", registry.taking("algorithm", "vae")),),
        unset="none, so it must be given",
    )
    cache_latents: "bool" = field(
        False,
        "Encode each image only once.",
        owners=(("algorithm", registry.taking("algorithm", "from_codes")),),
    )
    pca_start: "bool" = field(
        True, "Start from the PCA of the images.", owners=_VAE
    )
    attack: "str | None" = field(
        None,
        "Attack inside training.",
        owners=(("algorithm", registry.taking("algorithm", "attack")), *_VAE),
        unset="pgd where the algorithm needs one",
    )
    norm = shared.NORM.but("linf", _ATTACKING)
    eps = shared.EPS.but(None, _ATTACKING, "8/255")
    epochs: "int" = field(120, "Epochs.", 1)
    batch_size = shared.BATCH_SIZE
    optimizer: "Literal['sgd', 'adam', 'yogi']" = field("adam", "Optimizer.")
    learning_rate: "float" = field(0.001, "Learning rate before any drop.")
    momentum: "float | None" = field(
        None, "Momentum.", owners=(("optimizer", ("sgd",)),), unset="0.9"
    )
    weight_decay: "float" = field(
        0.0,
        "L2 penalty: multiple of the weights added to the gradient, as in "
        "PyTorch.",
        0,
    )
    decoupled_weight_decay: "float | None" = field(
        None,
        "Keras' own weight decay, subtracted from the weights.",
        0,
        unset="none",
    )
    schedule: "Literal['constant', 'piecewise', 'cosine']" = field(
        "constant", "Learning-rate schedule."
    )
    drops: "tuple[float, ...]" = field(
        (),
        "Epochs (>= 1) or fractions (< 1) of the drops.",
        owners=(("schedule", ("piecewise",)),),
    )
    drop_factor: "float" = field(
        0.1, "Factor at each drop.", owners=(("schedule", ("piecewise",)),)
    )
    warmup_epochs: "float" = field(0.0, "Epochs of linear warm-up.")
    weight_perturbation: "float" = field(
        0.0,
        "AWP: largest relative change of a kernel; 0: none.",
        owners=(("attack", ANY),),
    )
    weight_average: "Literal['none', 'ema', 'swa']" = field(
        "none",
        "Average of the weights that is evaluated and saved.",
        owners=_CLASSIFIER,
    )
    ema_decay: "float" = field(
        0.995,
        "Decay of the exponential average, at each step.",
        owners=(("weight_average", ("ema",)),),
    )
    swa_start: "float" = field(
        0.75, "Epoch (>= 1) or fraction (< 1) of the first average.", 0, _SWA
    )
    swa_every: "int" = field(1, "Epochs between averaged networks.", 1, _SWA)
    robust_validation: "int | None" = field(
        None,
        "Steps of PGD on the validation images after each epoch; 0: none.",
        0,
        _CLASSIFIER,
        "10 where the algorithm attacks, unless `monitor` is another; else 0",
    )
    monitor: (
        "Literal['val_accuracy', 'val_robust_accuracy', 'val_loss', 'val_psnr']"
        " | None"
    ) = field(
        None,
        "The metric that chooses the best epoch.",
        unset="robust accuracy if measured, or accuracy; loss with task=vae",
    )
    early_stopping: "int | None" = field(
        None,
        "Stop after so many epochs without a better --monitor; 0: never.",
        0,
        unset="0",
    )
    checkpoint_every: "int" = field(500, "Steps between two checkpoints.", 1)
    tensorboard: "bool" = field(False, "Also write TensorBoard logs.")
    seed = shared.SEED.but(None, unset="drawn, and kept in config.json")
    threads = shared.THREADS
    deterministic: "bool" = field(
        False, "Equal weights at any `threads`: one in an op; slower."
    )
    precision: "Literal['float32', 'mixed_bfloat16']" = field(
        "float32", "Keras precision policy."
    )
    strategy: "Literal['none', 'mirrored', 'multi_worker']" = field(
        "none",
        "One device; a replica for each device of this host; or one for each "
        "device of several hosts, which TF_CONFIG or Slurm names.",
    )
    logical_devices: "int | None" = field(
        None,
        "Rehearse: split the CPU into so many devices, each with a replica.",
        1,
        (("strategy", ("mirrored",)),),
        "the GPUs, or the CPU",
    )
    worker_timeout: "int" = field(
        600,
        "Seconds to wait at the start for workers that have not come.",
        1,
        (("strategy", ("multi_worker",)),),
    )

    def check(self) -> None:
        """Raises `ValueError` for settings that do not go together."""
        registry.check_name("model", self.model)
        registry.check_name("algorithm", self.algorithm)
        if self.attack is not None:
            registry.check_name("attack", self.attack)
        for name in ("model", "width"):
            given = self.start_from is not None and name in self.given
            expected = "left out with start_from, which has its own"
            _checks.check(not given, name, expected, getattr(self, name))
        super().check()
        self._check_needed()
        okay = self.strategy != "multi_worker" or self.seed is not None
        expected = "given with strategy=multi_worker, the same to each worker"
        _checks.check(okay, "seed", expected, None)
        self.monitored  # noqa: B018 - raises

    @classmethod
    def choosers(cls) -> set[str]:
        """Returns the names of the settings that own others, a set."""
        return super().choosers() | {"start_from"}

    def in_effect(self, name: str) -> bool:
        """Whether the setting changes anything beside the others."""
        replaced = self.start_from is not None and name in ("model", "width")
        return not replaced and super().in_effect(name)

    def value(self, name: str) -> Any:
        """Returns the setting; "attack" as named, "dataset" by its kind."""
        if name == "dataset":
            return data_settings.kind_of(self.dataset)
        return self.attack_name if name == "attack" else getattr(self, name)

    @property
    def attack_name(self) -> str | None:
        """The name of the attack inside training, or None."""
        if self.task == "vae":
            needed = False
        else:
            entry = registry.entry("algorithm", self.algorithm)
            needed = "attack" in entry.required
            if "attack" not in entry.arguments:
                return None
        if needed or self.attack or "num_steps" in self.given:
            return self.attack or "pgd"
        return None

    @property
    def monitored(self) -> tuple[str | None, str | None]:
        """(name, mode) of the metric by which the best epoch is chosen.

        Both are None without validation images.

        Raises:
            ValueError: the run does not measure `monitor`.
        """
        if self.num_validation == 0:
            return self._unmonitored()
        robust = "val_robust_accuracy"
        allowed: tuple[str, ...] = ("val_accuracy", "val_loss")
        if self.task == "vae":
            allowed = ("val_loss", "val_psnr")
        elif self.robust_steps:
            allowed = (robust, *allowed)
        name = self.monitor or allowed[0]
        hint = ""
        if name == robust and not self.robust_steps:
            hint = "Robust accuracy needs robust_validation=STEPS."
        expected = f"one of {', '.join(allowed)}"
        _checks.check(name in allowed, "monitor", expected, name, hint)
        return name, "min" if name == "val_loss" else "max"

    @property
    def robust_steps(self) -> int:
        """int: the steps of PGD on the validation images, 0 for none."""
        if self.task == "vae":  # It has no classes to be right about.
            return 0
        if self.robust_validation is not None or self.num_validation == 0:
            return self.robust_validation or 0
        robust = self.monitor in (None, "val_robust_accuracy")
        return _ROBUST_STEPS if robust and self.attack_name else 0

    def _unmonitored(self):
        okay = self.task != "vae"
        _checks.check(okay, "num_validation", "1 or more for task=vae", 0)
        for name in ("monitor", "early_stopping", "robust_validation"):
            value = getattr(self, name)
            expected = "left out with num_validation=0"
            _checks.check(not value, name, expected, value)
        return None, None

    def _check_needed(self):
        if self.task == "vae":
            hint = "The MMD of codes and prior needs two images at least."
            size = self.batch_size
            _checks.check(size >= 2, "batch_size", "2 or more", size, hint)
            return
        required = registry.entry("algorithm", self.algorithm).required
        if "vae" in required:
            check_vae(self.vae, f"algorithm={self.algorithm}")


_ALGORITHMS = owned("algorithm", "algorithm")
_TAKEN = (*_ALGORITHMS, *_settings.own_settings(_TrainSettings))
_MODELS = owned("model", "model")
if TYPE_CHECKING:  # What a checker and the site see of it.

    class TrainSettings(_TrainSettings):
        """The settings of `train`, given by name.

        `keras-mixup train --help` lists all of them, with what they mean.
        """

else:
    TrainSettings = _settings.complete(
        _TrainSettings,
        [
            *_ALGORITHMS.values(),
            *_MODELS.values(),
            *_of_attacks(_TAKEN).values(),
            *_of_autoencoder().values(),
            *data_settings.SETTINGS,
        ],
    )
