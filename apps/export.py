"""Exports a defended classifier: python -m apps.export --run_dir=....

Reads classifier.keras and config.json from the folder of apps.train (or
--classifier and --dataset) and writes saved_models/<name>/<version>/, a
SavedModel for TensorFlow Serving that needs neither Keras nor this package.
Images of the training split become the pool of the Mixup Inference defences.
"""

import pathlib
import zipfile

from apps import _common
from apps import _registry
from apps import _run_folder
from apps import train
from keras_mixup import _checks

FLAGS = _common.Flags(__doc__)

# --- what is exported
FLAGS.string("run_dir", None, "Folder of apps.train.")
FLAGS.string(
    "classifier", None, "A .keras file; default: --run_dir's classifier.keras."
)
FLAGS.string("dataset", None, "Pool: data set; default: that of the run.")
FLAGS.string("data_dir", None, "Folder of tfds data sets; default: as the run.")
FLAGS.integer(
    "pool_per_class",
    None,
    "Pool: training images of each class, chosen by --seed; default: all.",
    minimum=1,
)
FLAGS.integer("seed", 0, "Seed of the choice of pool images.", minimum=0)
# --- defence
FLAGS.string(
    "defence",
    "mixup_inference_ol",
    f"none, or one of {', '.join(_registry.DEFENCES)}.",
)
FLAGS.integer("num_draws", None, "Draws per answer; default: 30.", minimum=1)
FLAGS.string(
    "mix_weight",
    None,
    "MI-OL, MI-PL: weight of the input: 0.6, uniform:0.4:0.6 or beta:2:1.",
)
FLAGS.number("pl_weight", None, "MI-Combined: weight of the input in MI-PL.")
FLAGS.number("ol_weight", None, "MI-Combined: weight of the input in MI-OL.")
FLAGS.number("threshold", None, "MI-Combined: score that counts as an attack.")
FLAGS.choice(
    "fallback",
    None,
    ["input", "mixup_pl"],
    "MI-Combined: answer for what is not detected.",
)
FLAGS.number("stddev", None, "Gaussian noise, in [0, 1] units.")
FLAGS.number("degrees", None, "Random rotation: largest angle.")
FLAGS.integer_list(
    "size_range", None, "Resizing defences: low,high; default: paper's, scaled."
)
# --- where to
FLAGS.string(
    "name", None, "Model name; default: that of the run, and the defence."
)
FLAGS.string("saved_models", "saved_models", "Folder of all exports.")
FLAGS.integer(
    "version", None, "Version; default: above the largest there.", minimum=1
)

_DEFENCE_FLAGS = (
    "num_draws",
    "mix_weight",
    "pl_weight",
    "ol_weight",
    "threshold",
    "fallback",
    "stddev",
    "degrees",
    "size_range",
)


def main(flags):
    """Checks everything, exports, and says what lies where."""
    path = _classifier_path(flags)
    config = _run_config(flags)
    # From here on TensorFlow is needed.
    _common.import_tensorflow()
    options = _defence_options(flags)
    base_path = pathlib.Path(flags.saved_models) / _model_name(flags, path)
    from keras_mixup import export

    export.check_version(base_path, flags.version)
    classifier = _load_classifier(path)
    defence = _build_defence(flags, classifier, options, config)
    try:
        version = export.export_saved_model(defence, base_path, flags.version)
    except (OSError, RuntimeError) as error:
        raise _common.UsageError(str(error)) from error
    print(_describe(version))


def _classifier_path(flags):
    if not flags.run_dir and not flags.classifier:
        raise _common.UsageError(
            "A classifier is needed: --run_dir=PATH or --classifier=FILE.keras"
        )
    path = flags.classifier or f"{flags.run_dir}/classifier.keras"
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"No classifier at {path}. Train one with apps.train, or give "
            "--classifier=FILE.keras."
        )
    if path.suffix != ".keras":
        raise _common.UsageError(f"A .keras file is needed. Received: {path}")
    return path


def _run_config(flags):
    if not flags.run_dir:
        return {}
    return _run_folder.read_config(flags.run_dir).get("flags", {})


def _defence_options(flags):
    """Returns the defence's arguments; refuses those of another defence."""
    known = {"none": None, **_registry.DEFENCES}
    _registry.check_name(known, "defence", flags.defence)
    given = {
        name: flags[name].value
        for name in _DEFENCE_FLAGS
        if flags[name].value is not None
    }
    for name in given:
        if flags.defence == "none" or not _accepts(flags.defence, name):
            raise _common.UsageError(
                f"--{name} does not belong to --defence={flags.defence}."
            )
    if "mix_weight" in given:
        given["mix_weight"] = train.parse_mix_weight(given["mix_weight"])
    return given


def _accepts(defence, option):
    return _registry.accepts(_registry.DEFENCES, "defence", defence, option)


def _model_name(flags, path):
    """Returns --name, or `<run>_<defence>`: the name of one folder."""
    if flags.name is None:
        source = path.stem
        if flags.run_dir:
            source = pathlib.Path(flags.run_dir).resolve().name
        return (
            source if flags.defence == "none" else f"{source}_{flags.defence}"
        )
    plain = flags.name == pathlib.Path(flags.name).name
    if not plain or flags.name in ("", ".."):
        raise _common.UsageError(
            f"--name must be one folder's name. Received: {flags.name!r}"
        )
    return flags.name


def _load_classifier(path):
    import keras

    try:
        return keras.models.load_model(path, compile=False)
    except (OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise _common.UsageError(
            f"{path} is no classifier that can be loaded: {error}"
        ) from error


def _build_defence(flags, classifier, options, config):
    """Returns the defence, or the classifier itself for --defence=none."""
    if flags.defence == "none":
        return classifier
    from keras_mixup import inference

    # Where no flag says otherwise, the settings that apps.evaluate takes.
    size = classifier.input_shape[1]
    paper = inference.paper_settings("cifar10", "mixup", size)
    kind = _registry.find(_registry.DEFENCES, "defence", flags.defence)
    options = {**paper.get(kind.__name__, {}), **options}
    pool = None
    if _accepts(flags.defence, "pool"):
        pool = _pool(flags, config)
    return _registry.build_defence(flags.defence, classifier, pool, **options)


def _pool(flags, config):
    from keras_mixup import data
    from keras_mixup import inference

    dataset = flags.dataset or config.get("dataset")
    if dataset is None:
        raise _common.UsageError(
            f"Which data set is {flags.defence}'s pool from? --dataset=NAME"
        )
    _registry.check_name(data.DATASETS, "dataset", dataset)
    options = {}
    if dataset == config.get("dataset"):
        # The run's own train split, free of its validation images.
        options["num_validation"] = config.get("num_validation")
    rows = data.load_arrays(
        dataset,
        "train",
        flags.data_dir or config.get("data_dir"),
        **options,
    )
    if flags.pool_per_class:
        rows = _per_class(rows, flags.pool_per_class, flags.seed)
    return inference.SamplePool(
        rows.images,
        rows.labels,
        dtype="uint8" if rows.images.dtype.kind == "u" else "float32",
        num_classes=data.DATASETS[dataset].num_classes,
    )


def _per_class(rows, count, seed):
    """Returns `count` examples of each class of the `ImageSet`."""
    import numpy as np

    from keras_mixup import data

    least = int(np.bincount(rows.labels).min())
    expected = f"at most {least}, the size of the smallest class"
    _checks.check(count <= least, "pool_per_class", expected, count)
    parts = []
    for label in np.unique(rows.labels):
        of_class = data.ImageSet(*(v[rows.labels == label] for v in rows))
        parts.append(data.class_balanced_subset(of_class, count, seed))
    return data.ImageSet(*(np.concatenate(v) for v in zip(*parts, strict=True)))


def _describe(version):
    from keras_mixup import export

    info = export.describe_saved_model(version)
    lines = [f"Exported {version} ({info.size_bytes / 1e6:.2f} MB)"]
    for name, (inputs, outputs) in sorted(info.signatures.items()):
        lines.append(f"  {name}: {_tensors(inputs)} -> {_tensors(outputs)}")
    return "\n".join(lines)


def _tensors(specs):
    return ", ".join(
        f"{spec.name} {spec.dtype.name} {spec.shape}" for spec in specs.values()
    )


if __name__ == "__main__":
    _common.run(main, FLAGS)
