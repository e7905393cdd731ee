"""An export: a defended classifier as a SavedModel, with its card."""

import pathlib
from typing import NamedTuple

import numpy as np

from keras_mixup import _checks
from keras_mixup import _types
from keras_mixup import data
from keras_mixup import export as export_lib
from keras_mixup.runs import _arguments
from keras_mixup.runs import _card
from keras_mixup.runs import _data
from keras_mixup.runs import _defences
from keras_mixup.runs import autoencoder
from keras_mixup.runs import source
from keras_mixup.runs.export_settings import ExportSettings


class ExportResult(NamedTuple):
    """The result of an export.

    Attributes:
        path: path of the version's folder.
        info: `SavedModelInfo`.
        notices: tuple of str, what the card leaves out, and why.
    """

    path: pathlib.Path
    info: export_lib.SavedModelInfo
    notices: tuple

    @property
    def text(self) -> str:
        """str: folder, size and signatures for a terminal."""
        size = self.info.size_bytes / 1e6
        lines = [f"Exported {self.path} ({size:.2f} MB)"]
        for name, (inputs, outputs) in sorted(self.info.signatures.items()):
            lines.append(f"  {name}: {_tensors(inputs)} -> {_tensors(outputs)}")
        return "\n".join([*lines, *self.notices])


class Listing(NamedTuple):
    """The exports in a folder.

    Attributes:
        versions: dict path -> `SavedModelInfo`, or the error's text.
        text: str, a line per version.
    """

    versions: dict
    text: str


class Verification(NamedTuple):
    """The result of `verify_export`.

    Attributes:
        path: path of the version's folder.
        info: `SavedModelInfo`.
        checks: list of `SignatureCheck`.
    """

    path: pathlib.Path
    info: export_lib.SavedModelInfo
    checks: list

    @property
    def text(self):
        """str: a table of latency and size for a terminal."""
        width = max(len(check.name) for check in self.checks)
        lines = [
            f"{self.path}: {self.info.size_bytes / 1e6:.2f} MB, of it "
            f"variables {self.info.variable_bytes / 1e6:.2f} MB",
            f"{'signature':{width}}  graph kB  ms at batch 1  ms at batch 16",
        ]
        for check in self.checks:
            times = check.milliseconds
            lines.append(
                f"{check.name:{width}}  {check.graph_bytes / 1e3:8.1f}"
                f"  {times[1]:13.2f}  {times[16]:14.2f}"
            )
        lines.append("Every signature answers; images with NaN are refused.")
        return "\n".join(lines)


def export(
    settings: ExportSettings,
    progress: _types.Progress | None = None,
) -> ExportResult:
    """Exports a defended classifier for TensorFlow Serving.

    Args:
        settings: `ExportSettings`.
        progress: callable of a str, called at each step; None for silence.

    Returns:
        `ExportResult`.

    Raises:
        ValueError: for settings that cannot be met, a file that is no
            classifier, or an export that fails its own check.
        OSError: a file is missing, or the folder cannot be written.
    """
    _arguments.check_call(settings, ExportSettings, progress)
    say = progress or (lambda text: None)
    path = source.classifier_path(settings.classifier, settings.run_dir)
    trained = source.trained_settings(settings.run_dir)
    signature = settings.default_signature
    _checks.check_known(
        signature, "default_signature", tuple(export_lib.SIGNATURES)
    )
    base_path = pathlib.Path(settings.saved_models) / _name(settings, path)
    export_lib.check_version(base_path, settings.version)
    classifier = source.load_classifier(path)
    if not settings.allow_untrained and export_lib.looks_untrained(classifier):
        raise ValueError(
            f"{path} looks untrained: all its biases are zero. Train it, or "
            "set allow_untrained=True."
        )
    defence, pool_text = _build_defence(settings, classifier, trained, say)
    threshold, how = _threshold(settings, defence, trained)
    card = _card.model_card(settings, trained, path, defence, pool_text, how)
    say(f"Exporting {path} behind {settings.defence}")
    try:
        version = export_lib.export_saved_model(
            defence,
            base_path,
            settings.version,
            threshold=threshold,
            default_signature=signature,
            warmup=settings.warmup,
            card=card,
            allow_untrained=settings.allow_untrained,
        )
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    info = export_lib.describe_saved_model(version)
    return ExportResult(pathlib.Path(version), info, tuple(_card.notices(card)))


def list_exports(saved_models: _types.Path = "saved_models") -> Listing:
    """Returns the `Listing` of the folder of all exports.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    folder = pathlib.Path(_checks.check_path(saved_models, "saved_models"))
    if not folder.is_dir():
        raise FileNotFoundError(f"No folder {folder}: nothing was exported.")
    found = {}
    for base in sorted(path for path in folder.iterdir() if path.is_dir()):
        for version in export_lib.list_versions(base):
            path = base / str(version)
            found[path] = _described(path)
    lines = [_line(path, info) for path, info in found.items()]
    return Listing(found, "\n".join(lines) or f"{folder} holds no export.")


def _described(path):
    if not (path / "saved_model.pb").is_file():
        return "no SavedModel"
    try:
        return export_lib.describe_saved_model(path)
    except ValueError as error:
        # The other versions are listed all the same.
        return str(error)


def _line(path, info):
    if isinstance(info, str):
        return f"{path}: {info}"
    names = ", ".join(sorted(info.signatures))
    return f"{path} ({info.size_bytes / 1e6:.2f} MB): {names}"


def verify_export(path: _types.Path) -> Verification:
    """Runs every signature of a version, or of a model's newest version.

    Returns:
        `Verification`.

    Raises:
        FileNotFoundError: no SavedModel is there.
        ValueError: its graph cannot be read, or a signature fails; the text
            says which and how.
    """
    path = _newest(pathlib.Path(_checks.check_path(path, "path")))
    info = export_lib.describe_saved_model(path)
    try:
        checks = export_lib.verify_saved_model(str(path))
    except RuntimeError as error:
        raise ValueError(f"{path}: {error}") from error
    return Verification(path, info, checks)


def _newest(path: pathlib.Path) -> pathlib.Path:
    if (path / "saved_model.pb").is_file():
        return path
    versions = export_lib.list_versions(path)
    if not versions:
        raise FileNotFoundError(f"{path} holds no exported version.")
    return path / str(versions[-1])


def _tensors(specs):
    return ", ".join(
        f"{spec.name} {spec.dtype.name} {spec.shape}" for spec in specs.values()
    )


def _name(settings, path):
    """Returns `name`, or `<run>_<defence>`."""
    if settings.name is not None:
        return settings.name
    found = path.stem
    if settings.run_dir:
        found = pathlib.Path(settings.run_dir).resolve().name
    if settings.defence == "none":
        return found
    return f"{found}_{settings.defence}"


def _build_defence(settings, classifier, trained, say):
    """Returns (the defence, or without one the classifier; the pool's text)."""
    entry = settings.entry
    if entry is None:
        return classifier, ""
    rows = _defences.defaults(trained, classifier.input_shape[1])
    row = rows.get(settings.defence, _defences.Defaults({}, ""))
    options = dict(row.arguments)
    taken = {
        name: {"value": value, "from": row.source}
        for name, value in options.items()
        if getattr(settings, name, None) is None
    }
    for text in _defences.origin_texts({settings.defence: taken}):
        say(text)
    for setting in entry.settings:
        value = getattr(settings, setting.name, None)
        if value is not None:
            options[setting.name] = value
    vae = None
    if "vae" in entry.arguments:
        vae = autoencoder.load(settings.vae)
    pool, text = None, ""
    if "pool" in entry.arguments:
        pool, text = _make_pool(settings, trained)
    defence = _defences.build(
        settings.defence, classifier, pool, vae, **options
    )
    return defence, text


def _threshold(settings, defence, trained):
    """Returns the export's `threshold` and, for the card, its origin."""
    own = hasattr(defence, "threshold")
    if settings.threshold_fpr is None:
        given = settings.threshold is not None
        return None if own else settings.threshold, "given" if given else None
    rows = _load_split(settings, trained, "validation")
    if len(rows.labels) > settings.threshold_images:
        rows = data.class_balanced_subset(
            rows, settings.threshold_images, settings.seed
        )
    images = data.as_float(rows.images)
    threshold = export_lib.choose_threshold(
        defence, images, settings.threshold_fpr, settings.seed
    )
    how = (
        f"false positive rate {settings.threshold_fpr:g} on {len(images)} "
        "validation images"
    )
    if own:
        # MI-Combined's answer depends on it, too.
        defence.threshold = threshold
    return None if own else threshold, how


def _make_pool(settings, trained):
    rows = _load_split(settings, trained, "train")
    if settings.pool_per_class:
        rows = _per_class(rows, settings.pool_per_class, settings.seed)
    spec = _data.of_run(settings, trained).spec
    return _defences.make_pool(rows, spec.num_classes)


def _load_split(settings, trained, split):
    """Returns the `ImageSet` for the pool or for the threshold."""
    dataset = settings.dataset or trained.get("dataset")
    if dataset is None:
        raise ValueError(
            f"`dataset` is needed, the data set of {settings.defence}'s pool."
        )
    return _data.of_run(settings, trained).load(split)


def _per_class(rows, count, seed):
    """Returns `count` examples of each class of the `ImageSet`."""
    least = int(np.bincount(rows.labels).min())
    expected = f"at most {least}, the size of the smallest class"
    _checks.check(count <= least, "pool_per_class", expected, count)
    parts = []
    for label in np.unique(rows.labels):
        of_class = data.ImageSet(*(v[rows.labels == label] for v in rows))
        parts.append(data.class_balanced_subset(of_class, count, seed))
    return data.ImageSet(*(np.concatenate(v) for v in zip(*parts, strict=True)))
