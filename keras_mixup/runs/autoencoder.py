"""The autoencoder of VarMixup in a run: found, built, started, described."""

import pathlib

import numpy as np

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import data
from keras_mixup import models
from keras_mixup import studies
from keras_mixup import training
from keras_mixup.runs import _data
from keras_mixup.runs import _model_file

# More images hardly change the components, but need memory.
_PCA_IMAGES = 20_000


def file_of(path):
    """Returns the path of an autoencoder: of a .keras file or in a run folder.

    Raises:
        FileNotFoundError: there is none; the text says how to train one.
    """
    file = pathlib.Path(path)
    file = file / _files.BEST_VAE if file.is_dir() else file
    if not file.is_file():
        raise FileNotFoundError(
            f"There is no autoencoder at {file}. A training run with task=vae "
            f"writes {_files.BEST_VAE} into its folder."
        )
    return file


def load(path):
    """Returns the `models.MMDVAE` in `path`; see `file_of`.

    Raises:
        FileNotFoundError: there is none.
        ValueError: the file is damaged, or holds another model.
    """
    file = file_of(path)
    model = _model_file.load_model(file, "autoencoder")
    okay = isinstance(model, models.MMDVAE)
    _checks.check(okay, "vae", "a file with an MMDVAE", str(file))
    return model


def build(settings, attack):
    """Returns the training of a new autoencoder, not compiled."""
    spec = _data.of_training(settings).spec
    names = ("latent_size", "width", "linear_path")
    vae = models.MMDVAE(spec.image_shape, **_given(settings, names))
    return training.MMDVAETraining(
        vae,
        attack=attack,
        seed=settings.seed or 0,
        **_given(settings, ("gamma", "kernel")),
    )


def _given(settings, names):
    values = {name: getattr(settings, name) for name in names}
    return {name: v for name, v in values.items() if v is not None}


def start(settings, model, images):
    """Fills the linear path of a new model with the PCA of training images."""
    if not (settings.pca_start and model.vae.linear_path):
        return
    random = np.random.default_rng(settings.seed)
    count = min(len(images), _PCA_IMAGES)
    rows = np.sort(random.permutation(len(images))[:count])
    model.vae.start_from_pca(data.as_float(images[rows]), seed=settings.seed)


def describe(vae, path, split, image_set):
    """Returns a sentence: how well an autoencoder reconstructs a split."""
    images = data.as_float(image_set.images)
    value = training.reconstruction_psnr(vae, images)
    size = tuple(images.shape[1:])
    note = "" if size == tuple(vae.input_shape) else ", images are resized"
    return (
        f"Autoencoder {path}: latent size {vae.latent_size}, PSNR "
        f"{value:.2f} dB on the {len(images)} {split} images{note}."
    )


def write_report(run_dir, validation, settings, say):
    """Writes pictures and report.md of the folder's vae.keras."""
    value = studies.autoencoder.write_report(
        run_dir, load(run_dir), validation, settings.seed
    )
    say(
        f"PSNR of {run_dir / _files.BEST_VAE} on {len(validation.labels)} "
        f"validation images: {value:.2f} dB. Pictures and numbers: "
        f"{run_dir / _files.VAE_REPORT}"
    )
