"""The classifier and the data set of an evaluation or an export."""

import pathlib

from keras_mixup import _checks
from keras_mixup import _classifiers
from keras_mixup import _files
from keras_mixup.runs import _model_file
from keras_mixup.runs import _own_models
from keras_mixup.runs import autoencoder
from keras_mixup.runs import folder
from keras_mixup.runs.settings import check_vae


def classifier_path(given, run_dir, weights="best"):
    """Returns the path of the classifier's file, before anything is loaded.

    `given` is a .keras file, the folder of a SavedModel, `package.module:Name`,
    or None for the classifier of the run folder, of the epoch that was
    `"best"` on validation images or of the `"last"` one.

    Raises:
        ValueError: both are None, or the file is no .keras file.
        FileNotFoundError: there is no such file.
    """
    if not run_dir and not given:
        raise ValueError(
            "A classifier is needed: `run_dir`, the folder of a training run, "
            "or `classifier`, a .keras file."
        )
    okay = not given or weights == "best"
    expected = "left out with `classifier`, which names the file"
    _checks.check(okay, "weights", expected, weights)
    if given and _own_models.is_own(given):
        return pathlib.Path(given)
    names = {"best": _files.BEST_CLASSIFIER, "last": _files.FINAL}
    path = pathlib.Path(given or pathlib.Path(run_dir, names[weights]))
    if not path.is_file():
        raise FileNotFoundError(
            f"No classifier at {path}. Train one, or name another .keras file "
            "as `classifier`."
        )
    expected = "a .keras file, a SavedModel's folder or package.module:Name"
    _checks.check(path.suffix == ".keras", "classifier", expected, str(path))
    return path


def load_classifier(path, spec=None):
    """Returns the classifier of `classifier_path`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or no classifier, or takes images of another
            shape than those of the `DatasetSpec`.
    """
    if _own_models.is_own(path):
        classifier = _own_models.load(path, spec)
    else:
        classifier = _model_file.load_model(path, "classifier")
    _classifiers.check_classifier(classifier)
    if spec is not None:
        shape = tuple(classifier.input_shape[1:])
        fits = shape == tuple(spec.image_shape)
        expected = f"a model of {spec.image_shape} images, as {spec.name} has"
        _checks.check(fits, "classifier", expected, shape)
    return classifier


def trained_settings(run_dir):
    """Returns the settings of the training run in a folder, {} without one."""
    if not run_dir or not pathlib.Path(run_dir, _files.CONFIG).is_file():
        return {}
    return folder.read_settings(run_dir)


def completed(settings, run_dir):
    """Returns (settings, trained): `EvaluateSettings` and a dict.

    Data set, its folder and autoencoder are taken from the training run if they
    are not given. `trained` has the run's own settings, {} for a run on another
    data set.

    Raises:
        ValueError: no data set, or no autoencoder, is given.
    """
    trained = trained_settings(run_dir)
    inherited = ["dataset", "data_dir", *(["vae"] * settings.needs_vae)]
    changes = {
        name: trained[name]
        for name in inherited
        if getattr(settings, name) is None and trained.get(name) is not None
    }
    settings = settings.replace(**changes)
    if settings.dataset is None:
        raise ValueError("Which data set? `dataset` must be given.")
    if settings.needs_vae:
        check_vae(settings.vae, "The evaluation")
        for path in filter(None, (settings.vae, settings.adv_vae)):
            autoencoder.file_of(path)
    same = trained.get("dataset") == settings.dataset
    return settings, trained if same else {}
