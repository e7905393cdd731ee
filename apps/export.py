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
from apps import _export_defence
from apps import _model_card
from apps import _registry
from apps import _run_folder

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
FLAGS.string(
    "vae", None, "VarMI: autoencoder, .keras file or folder of --task=vae."
)
FLAGS.choice(
    "average",
    None,
    ["probabilities", "logits"],
    "VarMI: what is averaged over the draws; Eq. 14 to the letter: logits.",
)
FLAGS.choice(
    "label_from",
    None,
    ["input", "reconstruction"],
    "VarMI: whose label partners must not have, F(x)'s or F(Dec(Enc(x)))'s.",
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
    options = _export_defence.defence_options(flags)
    base_path = pathlib.Path(flags.saved_models) / _model_name(flags, path)
    from keras_mixup import export

    _registry.check_name(
        export.SIGNATURES, "default_signature", flags.default_signature
    )
    export.check_version(base_path, flags.version)
    classifier = _load_classifier(path)
    _check_trained(flags, classifier, path)
    defence, pool_text = _export_defence.build_defence(
        flags, classifier, options, config
    )
    threshold, how = _export_defence.choose_threshold(flags, defence, config)
    card = _model_card.model_card(flags, config, path, defence, pool_text, how)
    try:
        version = export.export_saved_model(
            defence,
            base_path,
            flags.version,
            threshold=threshold,
            default_signature=flags.default_signature,
            warmup=flags.warmup,
            card=card,
            allow_untrained=flags.allow_untrained,
        )
    except (OSError, RuntimeError) as error:
        raise _common.UsageError(str(error)) from error
    print("\n".join([_describe(version), *_model_card.notices(card)]))


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
