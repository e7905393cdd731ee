"""apps.train --task=vae, and --vae=PATH of the algorithms that need one."""

import pathlib

from apps import _common
from apps import _training
from keras_mixup import _checks

_VAE_FLAGS = ("latent_size", "gamma", "kernel", "linear_path", "pca_start")
_CLASSIFIER_FLAGS = (
    "model",
    "algorithm",
    "mix_weight",
    "vae",
    "cache_latents",
    "robust_validation",
    *(name for name in _training.ALGORITHM_FLAGS if name != "seed"),
)
# Known by name, so that a mistake is found before TensorFlow is imported.
_NEEDS_VAE = ("var_erm", "var_mixup", "var_interpolated_adversarial_training")
_TAKES_CODES = ("var_erm", "var_mixup")
# More images than these hardly move the components, but need the memory.
_PCA_IMAGES = 20_000


def check_flags(flags):
    """Refuses flags of the other task, and a missing autoencoder.

    Raises:
        UsageError: names the flag and where it belongs.
        FileNotFoundError: `--vae` names no file.
    """
    is_vae = flags.task == "vae"
    foreign = _CLASSIFIER_FLAGS if is_vae else _VAE_FLAGS
    other = "classifier" if is_vae else "vae"
    for name in foreign:
        if flags[name].present:
            raise _common.UsageError(
                f"--{name} belongs to --task={other}. Received: --{name}="
                f"{flags[name].value} with --task={flags.task}"
            )
    if is_vae:
        hint = "The MMD of codes and prior needs two images at least"
        size = flags.batch_size
        _checks.check(size >= 2, "batch_size", "2 or more", size, hint)
        return
    needed = flags.algorithm in _NEEDS_VAE
    if needed and flags.vae is None:
        raise _common.UsageError(
            f"--algorithm={flags.algorithm} needs --vae=PATH, an autoencoder "
            "trained by python -m apps.train --task=vae."
        )
    if flags.vae is not None and not needed:
        raise _common.UsageError(
            f"--algorithm={flags.algorithm} uses no autoencoder; --vae belongs "
            f"to {', '.join(_NEEDS_VAE)}."
        )
    if flags.cache_latents and flags.algorithm not in _TAKES_CODES:
        raise _common.UsageError(
            f"--cache_latents belongs to {' and '.join(_TAKES_CODES)}. "
            f"Received: --algorithm={flags.algorithm}"
        )
    if needed:
        vae_file(flags.vae)


def augmentation(flags):
    """Returns the augmentation's name, or None."""
    from keras_mixup import data

    own = data.DATASETS[flags.dataset].augment
    return {"default": own, "none": None}.get(flags.augment, flags.augment)


def vae_file(path):
    """Returns the file of an autoencoder.

    Args:
        path: str, a .keras file or a run folder with a vae.keras in it.

    Raises:
        FileNotFoundError: there is none; the text says how to make one.
    """
    file = pathlib.Path(path)
    file = file / "vae.keras" if file.is_dir() else file
    if not file.is_file():
        raise FileNotFoundError(
            f"There is no autoencoder at {file}. Train one: python -m "
            "apps.train --task=vae --run_dir=DIR writes DIR/vae.keras."
        )
    return file


def algorithm_options(flags):
    """Returns the arguments that only the Var algorithms take.

    Raises:
        UsageError: codes are to be cached, but images augmented.
        ValueError: as `load_vae`.
    """
    if flags.vae is None:
        return {}
    if flags.cache_latents and augmentation(flags) is not None:
        raise _common.UsageError(
            "--cache_latents encodes each image once and needs --augment=none."
        )
    return {
        "vae": load_vae(flags.vae),
        "from_codes": flags.cache_latents or None,
    }


def load_vae(path):
    """Returns the autoencoder in `path`; see `vae_file`.

    Raises:
        FileNotFoundError: there is none.
        ValueError: the file holds another model.
    """
    import keras

    from keras_mixup import models

    file = vae_file(path)
    model = keras.saving.load_model(str(file), compile=False)
    okay = isinstance(model, models.MMDVAE)
    _checks.check(okay, "vae", "a file with an MMDVAE", str(file))
    return model


def build(flags, steps_per_epoch):
    """Returns the compiled training of a fresh autoencoder.

    Args:
        flags: the parsed flag values.
        steps_per_epoch: int, for the schedule.
    """
    from keras_mixup import data
    from keras_mixup import models
    from keras_mixup import training

    spec = data.DATASETS[flags.dataset]
    names = ("latent_size", "width", "linear_path")
    vae = models.MMDVAE(spec.image_shape, **_given(flags, names))
    attack = None
    if flags.num_steps is not None:
        attack = _training.build_attack(flags, flags.num_steps)
    model = training.MMDVAETraining(
        vae,
        attack=attack,
        seed=flags.seed,
        **_given(flags, ("gamma", "kernel")),
    )
    model.compile(
        optimizer=_training.build_optimizer(flags, steps_per_epoch),
        coupled_weight_decay=flags.weight_decay,
        jit_compile=False,
    )
    return model


def _given(flags, names):
    values = {name: flags[name].value for name in names}
    return {name: v for name, v in values.items() if v is not None}


def start(flags, model, images):
    """Fills the linear path with the PCA of the training images.

    Args:
        flags: the parsed flag values.
        model: `MMDVAETraining`, at step 0.
        images: uint8 or float [N, H, W, C].
    """
    import numpy as np

    from keras_mixup import data

    if not (flags.pca_start and model.vae.linear_path):
        return
    random = np.random.default_rng(flags.seed)
    count = min(len(images), _PCA_IMAGES)
    rows = np.sort(random.permutation(len(images))[:count])
    model.vae.start_from_pca(data.as_float(images[rows]), seed=flags.seed)


def describe(vae, path, validation):
    """Prints how well the frozen autoencoder reconstructs validation images.

    Args:
        vae: `models.MMDVAE`.
        path: str, where it came from.
        validation: `ImageSet`.
    """
    from keras_mixup import data
    from keras_mixup import training

    images = data.as_float(validation.images)
    value = training.reconstruction_psnr(vae, images)
    size = tuple(images.shape[1:])
    note = "" if size == tuple(vae.input_shape) else ", images are resized"
    print(
        f"Autoencoder {path}: latent size {vae.latent_size}, PSNR "
        f"{value:.2f} dB on the {len(images)} validation images{note}.",
        flush=True,
    )
