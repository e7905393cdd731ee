"""Exports a defended classifier: python -m apps.export --run_dir=....

Reads classifier.keras and config.json from the folder of apps.train (or
--classifier and --dataset) and writes saved_models/<name>/<version>/, a
SavedModel for TensorFlow Serving that needs neither Keras nor this package.
Images of the training split become the pool of the Mixup Inference defences.

--list shows what lies there; --verify=PATH loads an export, runs each of its
signatures and prints latency and size.
"""

import pathlib
import zipfile

from apps import _common
from apps import _export
from apps import _registry
from apps import _run_folder
from keras_mixup import _checks

FLAGS = _common.Flags(__doc__)

# --- instead of an export
FLAGS.boolean("list", False, "List the versions in --saved_models, and stop.")
FLAGS.string(
    "verify", None, "Check this version (or model, its newest), and stop."
)
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
FLAGS.number(
    "threshold",
    None,
    "MI-PL, MI-Combined: score that counts as an attack; default: 0.2.",
)
FLAGS.number(
    "threshold_fpr",
    None,
    "The same, chosen on validation images for this false positive rate.",
)
FLAGS.integer(
    "threshold_images",
    1000,
    "Validation images for --threshold_fpr, at most.",
    minimum=1,
)
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
FLAGS.string(
    "default_signature",
    "serving_default",
    "Signature that clients get who name none.",
)
FLAGS.boolean(
    "warmup", True, "Write warm-up requests (needs tensorflow-serving-api)."
)
FLAGS.boolean(
    "allow_untrained", False, "Export a classifier that looks untrained."
)

_DEFENCE_FLAGS = (
    "num_draws",
    "mix_weight",
    "pl_weight",
    "ol_weight",
    "threshold",
    "threshold_fpr",
    "fallback",
    "stddev",
    "degrees",
    "size_range",
)


def main(flags):
    """Checks everything, exports, and says what lies where."""
    if flags.list or flags.verify is not None:
        _common.import_tensorflow()
        shown = _export.verify(flags.verify) if flags.verify else None
        print(shown or _export.list_exports(flags.saved_models))
        return
    path = _classifier_path(flags)
    config = _run_config(flags)
    # From here on TensorFlow is needed.
    _common.import_tensorflow()
    options = _defence_options(flags)
    base_path = pathlib.Path(flags.saved_models) / _model_name(flags, path)
    from keras_mixup import export

    _registry.check_name(
        export.SIGNATURES, "default_signature", flags.default_signature
    )
    export.check_version(base_path, flags.version)
    classifier = _load_classifier(path)
    _check_trained(flags, classifier, path)
    defence = _build_defence(flags, classifier, options, config)
    threshold, how = _choose_threshold(flags, defence, config)
    try:
        version = export.export_saved_model(
            defence,
            base_path,
            flags.version,
            threshold=threshold,
            default_signature=flags.default_signature,
            warmup=flags.warmup,
            card=_export.model_card(flags, config, how),
        )
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
    if flags.threshold_fpr is not None and flags.threshold is not None:
        raise _common.UsageError(
            "--threshold and --threshold_fpr exclude each other."
        )
    for name in given:
        if not _belongs(flags.defence, name):
            raise _common.UsageError(
                f"--{name} does not belong to --defence={flags.defence}."
            )
    if "mix_weight" in given:
        given["mix_weight"] = _common.parse_mix_weight(given["mix_weight"])
    # MI-PL's threshold is the export's: its answer does not turn on it.
    return {k: v for k, v in given.items() if _accepts(flags.defence, k)}


def _belongs(defence, flag):
    if defence == "none":
        return False
    if flag.startswith("threshold"):
        kind = _registry.find(_registry.DEFENCES, "defence", defence)
        return hasattr(kind, "predict_with_score")
    return _accepts(defence, flag)


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


def _check_trained(flags, classifier, path):
    from keras_mixup import export

    if not flags.allow_untrained and export.looks_untrained(classifier):
        raise _common.UsageError(
            f"{path} looks untrained: all its biases are zero. Train it with "
            "apps.train, or export it as it is with --allow_untrained."
        )


def _build_defence(flags, classifier, options, config):
    """Returns the defence, or the classifier itself for --defence=none."""
    if flags.defence == "none":
        return classifier
    # Where no flag says otherwise, the settings that apps.evaluate takes.
    size = classifier.input_shape[1]
    paper = _registry.paper_settings(config, size)
    kind = _registry.find(_registry.DEFENCES, "defence", flags.defence)
    options = {**paper.get(kind.__name__, {}), **options}
    pool = None
    if _accepts(flags.defence, "pool"):
        pool = _pool(flags, config)
    return _registry.build_defence(flags.defence, classifier, pool, **options)


def _choose_threshold(flags, defence, config):
    """Returns the export's `threshold` and, for the card, where it is from."""
    own = hasattr(defence, "threshold")
    if flags.threshold_fpr is None:
        given = flags.threshold is not None
        return None if own else flags.threshold, "given" if given else None
    from keras_mixup import data
    from keras_mixup import export

    rows = _load_split(flags, config, "validation")
    if len(rows.labels) > flags.threshold_images:
        count = flags.threshold_images
        rows = data.class_balanced_subset(rows, count, flags.seed)
    images = rows.images.astype("float32")
    if rows.images.dtype.kind == "u":
        images = images / 255.0
    threshold = export.choose_threshold(
        defence, images, flags.threshold_fpr, flags.seed
    )
    how = (
        f"false positive rate {flags.threshold_fpr:g} on {len(images)} "
        "validation images"
    )
    if own:
        # MI-Combined's answer turns on it as well.
        defence.threshold = threshold
    return None if own else threshold, how


def _pool(flags, config):
    from keras_mixup import data
    from keras_mixup import inference

    rows = _load_split(flags, config, "train")
    if flags.pool_per_class:
        rows = _per_class(rows, flags.pool_per_class, flags.seed)
    dataset = flags.dataset or config.get("dataset")
    return inference.SamplePool(
        rows.images,
        rows.labels,
        dtype="uint8" if rows.images.dtype.kind == "u" else "float32",
        num_classes=data.DATASETS[dataset].num_classes,
    )


def _load_split(flags, config, split):
    """Returns the `ImageSet` that the pool, or the threshold, is from."""
    from keras_mixup import data

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
    return data.load_arrays(
        dataset,
        split,
        flags.data_dir or config.get("data_dir"),
        **options,
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
