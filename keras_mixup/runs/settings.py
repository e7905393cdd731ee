"""The settings of a training run.

An algorithm, an attack or a model declares its own settings in its
constructor. `registry` reads them.
"""

import dataclasses
from typing import Literal

from keras_mixup import _checks
from keras_mixup import _settings
from keras_mixup import registry
from keras_mixup._settings import ANY
from keras_mixup._settings import field
from keras_mixup.runs import data_settings

# Arguments that a run sets by itself.
_GIVEN = ("seed", "name", "width", "width_factor", "from_codes", "verbose")
_VAE_CLASSES = (
    "keras_mixup.training.mmd_vae:MMDVAETraining",
    "keras_mixup.models.mmd_vae:MMDVAE",
)
_CLASSIFIER = (("task", ("classifier",)),)
_VAE = (("task", ("vae",)),)
_ATTACKING = (("attack", ANY), ("robust_validation", ANY))


def owned(chooser, kind, flags=False, base=None):
    """Returns dict name -> `Setting` of everything registered under a kind.

    Arguments of the same name share a setting.

    Args:
        chooser: str, the setting that chooses among the registered names.
        kind: str, of the registry.
        flags: bool, whether several names are chosen at once. Then only the
            arguments under `flags` of a registration are settings, under the
            names given there.
        base: str, the class that they descend from; None takes all.
    """
    found = {}
    for name in registry.names(kind):
        if base is not None and base not in registry.entry(kind, name).bases:
            continue
        for entry in parts_of(kind, name):
            for setting in entry.settings:
                key = entry.flags.get(setting.name) if flags else setting.name
                if key is None or setting.name in _GIVEN:
                    continue
                mine = dataclasses.replace(
                    setting,
                    name=key,
                    default=None,
                    owners=((chooser, (name,)),),
                )
                found[key] = merged(found.get(key), mine)
    return found


def parts_of(kind, name):
    """Returns a tuple: the `Entry` of a name and that of its inner attack."""
    entry = registry.entry(kind, name)
    inner = entry.fixed.get("attack")
    if not isinstance(inner, str):
        return (entry,)
    return (entry, *parts_of(kind, inner))


def merged(first, second):
    """Returns one `Setting` for two owners; `TypeError` for different kinds."""
    if first is None:
        return second
    if (first.kind, first.many) != (second.kind, second.many):
        raise TypeError(
            f"Two things take {first.name!r} as {first.kind} and as "
            f"{second.kind}: {first.owners}, {second.owners}."
        )
    owners = {}
    for owner, values in (*first.owners, *second.owners):
        owners[owner] = (*owners.get(owner, ()), *values)
    choices = ()
    if first.choices and second.choices:
        choices = tuple(dict.fromkeys((*first.choices, *second.choices)))
    return dataclasses.replace(
        first, choices=choices, owners=tuple(owners.items())
    )


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
        found["step_size"] = _settings.also_owned(
            found["step_size"], ("robust_validation", ANY)
        )
    return found


def _of_autoencoder():
    """Returns the settings of an autoencoder and of its training."""
    found = {}
    for path in _VAE_CLASSES:
        for setting in registry.entry("algorithm", path).settings:
            if setting.name not in _GIVEN:
                found[setting.name] = dataclasses.replace(
                    setting, default=None, owners=_VAE
                )
    return found


class _TrainSettings(_settings.Settings):
    """The settings of `train`.

    These, and those of every registered algorithm, attack and model, under
    their own names. `keras-mixup train --help` lists all of them.
    """

    task: "Literal['classifier', 'vae']" = field(
        "classifier", "What to train: a classifier, or VarMixup's autoencoder."
    )
    dataset: "str" = field("digits", f"Data set: {data_settings.HELP}.")
    data_dir: "str | None" = field(None, "Folder of prepared tfds data sets.")
    download: "bool" = field(False, "Let tfds download what is missing.")
    num_train: "int | None" = field(
        None, "Class-balanced seeded subset of so many images.", 1
    )
    num_validation: "int | None" = field(
        None, "Images cut from the training split for validation.", 1
    )
    augment: "Literal['default', 'none', 'crop_flip', 'crop']" = field(
        "default", "Augmentation; default: what the papers use on the data set."
    )
    model: "str" = field(
        "small_convnet",
        "Architecture; `keras-mixup list` names them.",
        owners=_CLASSIFIER,
    )
    width: "int | None" = field(None, "Width of the architecture.", 1)
    start_from: "str | None" = field(
        None,
        "Start from this trained classifier, a .keras file or run folder, "
        "instead of a new `model`.",
        owners=_CLASSIFIER,
    )
    algorithm: "str" = field(
        "mixup", "Algorithm; `keras-mixup list` names them.", owners=_CLASSIFIER
    )
    vae: "str | None" = field(
        None,
        "File or run folder of the autoencoder.",
        owners=(("algorithm", registry.taking("algorithm", "vae")),),
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
        "Attack inside training; default: pgd where the algorithm attacks.",
        owners=(("algorithm", registry.taking("algorithm", "attack")), *_VAE),
    )
    norm: "Literal['linf', 'l2']" = field(
        "linf", "Norm of the attack's ball.", owners=_ATTACKING
    )
    eps: "float | None" = field(
        None,
        "Radius in [0, 1] units, as 8/255, which is the default.",
        owners=_ATTACKING,
    )
    epochs: "int" = field(120, "Epochs.", 1)
    batch_size: "int" = field(64, "Images per step, over all replicas.", 1)
    optimizer: "Literal['sgd', 'adam', 'yogi']" = field("adam", "Optimizer.")
    learning_rate: "float" = field(0.001, "Learning rate before any drop.")
    momentum: "float | None" = field(
        None, "Momentum; default: 0.9.", owners=(("optimizer", ("sgd",)),)
    )
    weight_decay: "float" = field(
        0.0,
        "L2 penalty: multiple of the weights added to the gradient, as in "
        "PyTorch.",
    )
    decoupled_weight_decay: "float | None" = field(
        None, "Keras' own weight decay, subtracted from the weights."
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
    robust_validation: "int | None" = field(
        None,
        "Steps of PGD on the validation images after each epoch; 0: none.",
        0,
        _CLASSIFIER,
    )
    monitor: (
        "Literal['val_accuracy', 'val_robust_accuracy', 'val_loss', 'val_psnr']"
        " | None"
    ) = field(
        None, "Chooses the best epoch; default: robust accuracy if measured."
    )
    early_stopping: "int | None" = field(
        None,
        "Stop after so many epochs without a better --monitor; 0: never.",
        0,
    )
    checkpoint_every: "int" = field(500, "Steps between two checkpoints.", 1)
    tensorboard: "bool" = field(False, "Also write TensorBoard logs.")
    seed: "int" = field(0, "Seed of everything random.", 0)
    threads: "int" = field(
        0, "CPU threads in and between ops; 0: as many as cores.", 0
    )
    precision: "Literal['float32', 'mixed_bfloat16']" = field(
        "float32", "Keras precision policy."
    )
    strategy: "Literal['none', 'mirrored']" = field(
        "none", "One device, or one replica for each local device."
    )

    def check(self):
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
        self.monitored  # noqa: B018 - raises

    @classmethod
    def choosers(cls):
        """Returns the names of the settings that own others, a set."""
        return super().choosers() | {"start_from"}

    def in_effect(self, name):
        """Whether the setting changes anything beside the others."""
        replaced = self.start_from is not None and name in ("model", "width")
        return not replaced and super().in_effect(name)

    def value(self, name):
        """Returns the setting; "attack" as named, "dataset" by its kind."""
        if name == "dataset":
            return data_settings.kind_of(self.dataset)
        return self.attack_name if name == "attack" else getattr(self, name)

    @property
    def attack_name(self):
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
    def monitored(self):
        """(name, mode) of the metric by which the best epoch is chosen.

        Raises:
            ValueError: the run does not measure `monitor`.
        """
        robust = "val_robust_accuracy"
        if self.task == "vae":
            allowed = ("val_loss", "val_psnr")
        else:
            allowed = ("val_accuracy", "val_loss")
            if self.robust_validation:
                allowed = (robust, *allowed)
        name = self.monitor or allowed[0]
        hint = ""
        if name == robust and not self.robust_validation:
            hint = "Robust accuracy needs robust_validation=STEPS."
        expected = f"one of {', '.join(allowed)}"
        _checks.check(name in allowed, "monitor", expected, name, hint)
        return name, "min" if name == "val_loss" else "max"

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
_TAKEN = (*_ALGORITHMS, *_TrainSettings.__annotations__)
_MODELS = owned("model", "model")
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
