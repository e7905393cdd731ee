"""From the flags of apps.export to the defence, its pool and threshold."""

from apps import _common
from apps import _evaluation_settings
from apps import _registry
from keras_mixup import _checks

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
    "vae",
    "average",
    "label_from",
)


def defence_options(flags):
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
    if _accepts(flags.defence, "vae") and flags.vae is None:
        raise _common.UsageError(
            f"--defence={flags.defence} needs --vae=PATH, an autoencoder "
            "trained by python -m apps.train --task=vae."
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
    if defence == "none":
        return False
    return _registry.accepts(_registry.DEFENCES, "defence", defence, option)


def build_defence(flags, classifier, options, config):
    """Returns (the defence, or without one the classifier; pool's text)."""
    if flags.defence == "none":
        return classifier, ""
    # Where no flag says otherwise, the settings that apps.evaluate takes.
    size = classifier.input_shape[1]
    paper = _registry.paper_settings(config, size)
    kind = _registry.find(_registry.DEFENCES, "defence", flags.defence)
    options = {**paper.get(kind.__name__, {}), **options}
    if "vae" in options:
        from apps import _vae_training

        options["vae"] = _vae_training.load_vae(options["vae"])
    pool, text = None, ""
    if _accepts(flags.defence, "pool"):
        pool, text = make_pool(flags, config)
    defence = _registry.build_defence(
        flags.defence, classifier, pool, **options
    )
    return defence, text


def choose_threshold(flags, defence, config):
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


def make_pool(flags, config):
    """Returns (pool, text that tells it)."""
    from keras_mixup import data
    from keras_mixup import inference

    rows = _load_split(flags, config, "train")
    if flags.pool_per_class:
        rows = _per_class(rows, flags.pool_per_class, flags.seed)
    dataset = flags.dataset or config.get("dataset")
    pool = inference.SamplePool(
        rows.images,
        rows.labels,
        dtype="uint8" if rows.images.dtype.kind == "u" else "float32",
        num_classes=data.DATASETS[dataset].num_classes,
    )
    return pool, _evaluation_settings.pool_text(rows.example_ids)


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
