"""From the flags of apps.evaluate to classifier, examples and pool."""

import pathlib

from apps import _common
from apps import _evaluation
from apps import _evaluation_attacks
from apps import _evaluation_settings
from apps import _latent_figures
from apps import _registry
from apps import _run_folder
from keras_mixup import _checks


def classifier_path(flags):
    """Returns the path of the classifier's file, before anything is loaded.

    Raises:
        UsageError: no --run_dir, or no .keras file.
        FileNotFoundError: there is no such file.
        OSError: the run folder cannot be written.
    """
    if not flags.run_dir:
        raise _common.UsageError("A folder is needed: --run_dir=PATH")
    run_dir = pathlib.Path(flags.run_dir)
    path = pathlib.Path(flags.classifier or run_dir / "classifier.keras")
    if not path.is_file():
        raise FileNotFoundError(
            f"No classifier at {path}. Train one with apps.train, or give "
            "--classifier=FILE.keras."
        )
    if path.suffix != ".keras":
        raise _common.UsageError(f"A .keras file is needed. Received: {path}")
    # Only looks whether the folder can be written; it may well be there.
    _run_folder.check(run_dir / ".evaluation")
    return path


def complete(flags):
    """Fills data set and folder from the training run; returns its config."""
    config = {}
    if (pathlib.Path(flags.run_dir) / _run_folder.CONFIG).is_file():
        config = _run_folder.read_config(flags.run_dir).get("flags", {})
    inherited = ["dataset", "data_dir"]
    takers = (*_evaluation.TAKE_VAE, *_latent_figures.TAKE_VAE)
    if any(name in takers for name in (*flags.defences, *flags.figures)):
        inherited.append("vae")
    for name in inherited:
        if flags[name].value is None:
            flags[name].value = config.get(name)
    if flags.dataset is None:
        raise _common.UsageError("Which data set? --dataset=NAME")
    if flags.split == "train" and _evaluation.needs_pool(flags):
        raise _common.UsageError(
            "--split=train: the defences' pool is drawn from the train split, "
            "so that an image would be mixed with itself. Choose another "
            "--split, or --defences without a pool."
        )
    # Another data set was not split by the run.
    return config if config.get("dataset") == flags.dataset else {}


def load(flags, path, config):
    """Returns (examples, classifier, `DatasetSpec`), checked to fit.

    Args:
        flags: the parsed flag values.
        path: path of the .keras file.
        config: dict, from `complete`.

    Raises:
        ValueError: the classifier does not take such images or classes.
    """
    import keras

    from keras_mixup import _classifiers
    from keras_mixup import data

    _registry.check_name(data.DATASETS, "dataset", flags.dataset)
    spec = data.DATASETS[flags.dataset]
    image_set = data.load_arrays(
        flags.dataset,
        flags.split,
        flags.data_dir,
        num_examples=flags.num_examples,
        num_validation=config.get("num_validation"),
        seed=flags.seed,
    )
    classifier = keras.models.load_model(path, compile=False)
    _classifiers.check_classifier(classifier)
    shape = tuple(classifier.input_shape[1:])
    fits = shape == tuple(spec.image_shape)
    expected = f"a model of {spec.image_shape} images, as {flags.dataset} has"
    _checks.check(fits, "classifier", expected, shape)
    few = image_set.images[:16]
    scale = 255.0 if few.dtype.kind == "u" else 1.0
    logits = classifier((few / scale).astype("float32"), training=False)
    _classifiers.check_logits(logits, spec.num_classes)
    return image_set, classifier, spec


def pool(flags, spec, config):
    """Returns (pool, text that tells it), (None, "") if none is needed.

    The run's own validation images stay out, whatever number it held back.
    """
    if not _evaluation.needs_pool(flags):
        return None, ""
    from keras_mixup import data
    from keras_mixup import inference

    train = data.load_arrays(
        flags.dataset,
        "train",
        flags.data_dir,
        num_examples=flags.pool_size,
        num_validation=config.get("num_validation"),
        seed=flags.seed,
    )
    pool = inference.SamplePool(
        train.images,
        train.labels,
        dtype="uint8" if train.images.dtype.kind == "u" else "float32",
        num_classes=spec.num_classes,
    )
    return pool, _evaluation_settings.pool_text(train.example_ids)


def parts(flags, specs, image_set):
    """Returns [(specs, examples)]: slow attacks may see fewer examples."""
    from keras_mixup import data

    limits = [_evaluation_attacks.limit(flags, spec) for spec in specs]
    parts = []
    for limit in dict.fromkeys(limits):
        examples, count = image_set, len(image_set.labels)
        if limit is not None and limit < count:
            examples = data.class_balanced_subset(image_set, limit, flags.seed)
        chosen = zip(specs, limits, strict=True)
        parts.append(([s for s, own in chosen if own == limit], examples))
    return parts


def model_name(flags, config):
    """Returns the classifier's name in records and tables."""
    if flags.model_name:
        return flags.model_name
    parts = [config.get(name) for name in ("algorithm", "model")]
    return " ".join(part for part in parts if part) or "classifier"
