"""From settings to defences, their pool and their names."""

import hashlib
from typing import NamedTuple

from keras_mixup import _checks
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import registry
from keras_mixup.runs import autoencoder

# Algorithm -> its name in the tables of the MI paper.
_PAPER_NAMES = {
    "mixup": "mixup",
    "interpolated_adversarial_training": "iat",
    "erm": "erm",
    "adversarial_training": "at",
}
_TABLES = {"cifar10": "Table 4", "cifar100": "Table 5"}
# Defences without a row in those tables.
_WITHOUT_ROW = {
    "mixup_inference_pl": (0.5, "Mixup Inference, Table 4, MI-Combined"),
    "var_mixup_inference": (0.5, "VarMixup, Table 1"),
}
_SAME_NAME = "Evaluate them into folders of their own, or rename a class."


class Defaults(NamedTuple):
    """Arguments of a defence where none are given.

    Attributes:
        arguments: dict name -> value.
        source: str, the paper's row that they are taken from.
    """

    arguments: dict
    source: str


def defaults(trained, image_size):
    """Returns dict registered name -> `Defaults`, one rule for all defences.

    They are the arguments of the MI paper for the run's data set and
    algorithm. Where its tables have no such row, another data set is preferred
    to another algorithm: first the run's algorithm on CIFAR-10, then mixup on
    the run's data set, then mixup on CIFAR-10.
    """
    dataset, algorithm = trained.get("dataset"), trained.get("algorithm")
    training = _PAPER_NAMES.get(algorithm)
    found = {
        name: Defaults({"mix_weight": weight}, source)
        for name, (weight, source) in _WITHOUT_ROW.items()
    }
    pairs = [("cifar10", "mixup"), (dataset, "mixup")]
    pairs += [("cifar10", training), (dataset, training)]
    for pair in pairs:
        if pair not in inference.PAPER_ROWS:
            continue
        source = f"Mixup Inference, {_TABLES[pair[0]]}, {pair[1]}"
        if pair != (dataset, training):
            lacking = algorithm or "its training", dataset or "its data set"
            source += ", for want of a row of {} on {}".format(*lacking)
        rows = inference.paper_settings(*pair, image_size)
        for name, arguments in rows.items():
            found[name] = Defaults(arguments, source)
    return found


def paper_settings(trained, image_size):
    """Returns dict registered name -> arguments of `defaults`."""
    rows = defaults(trained, image_size)
    return {name: row.arguments for name, row in rows.items()}


def build(name, classifier, pool=None, vae=None, **options):
    """Returns the defence `name` around `classifier`.

    `pool` and `vae` are passed to the defences that take them; **options are
    the other constructor arguments.

    Raises:
        ValueError: unknown name or option, or a pool is needed and missing.
    """
    if registry.accepts("defence", name, "pool"):
        expected = f"a SamplePool for {name}"
        _checks.check(pool is not None, "pool", expected, pool)
        options["pool"] = pool
    if registry.accepts("defence", name, "vae"):
        options["vae"] = vae
    found = registry.build("defence", name, classifier, **options)
    parts = ("draw", "apply", "predict_from_draws")
    okay = callable(found) and all(hasattr(found, n) for n in parts)
    expected = f"callable, with {', '.join(parts)}"
    _checks.check(okay, "defence", expected, f"{name}: {found!r}")
    return found


def build_all(settings, classifier, pool, trained):
    """Returns (defences, origins), in the order of the settings.

    Both are dicts with the defences' labels as keys. An origin is a dict from
    an argument that was not given to its value and the paper's row.
    """
    rows = defaults(trained, classifier.input_shape[1])
    defences, origins = {}, {}
    for name in settings.defences:
        vae = None
        if registry.accepts("defence", name, "vae"):
            vae = autoencoder.load(settings.vae)
        row = rows.get(name, Defaults({}, ""))
        flags = registry.entry("defence", name).flags
        for options, taken in _variants(settings, name, row.arguments):
            with _checks.called({"mix_weight": "mix_weights", **flags}):
                defence = build(name, classifier, pool, vae, **options)
            title = label(defence)
            expected = "without two of one name in tables"
            okay = title not in defences
            _checks.check(okay, "defences", expected, title, _SAME_NAME)
            defences[title] = defence
            origins[title] = {
                argument: {"value": value, "from": row.source}
                for argument, value in taken.items()
            }
    return defences, origins


def origin_texts(origins):
    """Yields a line for each defence: its defaults and where they are from."""
    for title, own in origins.items():
        if own:
            values = ", ".join(f"{n}={v['value']}" for n, v in own.items())
            source = next(iter(own.values()))["from"]
            yield f"{title}: {values} by default, from {source}"


def label(defence):
    """Returns the name of a defence in records and tables."""
    settings = evaluation.identity.settings_of_defence(defence, "")
    return inference.defence_label(settings)


def _variants(settings, name, paper):
    """Yields (arguments, those of them from the paper): a row per weight."""
    entry = registry.entry("defence", name)
    options, taken = {}, {}
    if "num_draws" in entry.arguments:
        options["num_draws"] = settings.num_draws
    for argument, flag in entry.flags.items():
        # Of a class of the user's own, there is no such flag.
        value = getattr(settings, flag, None)
        if value is None and argument in paper:
            value = taken[argument] = paper[argument]
        if value is not None:
            options[argument] = value
    if "mix_weight" not in entry.arguments:
        yield options, taken
    elif settings.mix_weights is not None:
        for weight in settings.mix_weights:
            yield {"mix_weight": weight, **options}, taken
    else:
        if "mix_weight" in paper:
            taken["mix_weight"] = paper["mix_weight"]
        yield {**taken, **options}, taken


def make_pool(image_set, num_classes):
    """Returns (`SamplePool`, str: its size, split and a hash of its ids)."""
    pool = inference.SamplePool(
        image_set.images,
        image_set.labels,
        dtype="uint8" if image_set.images.dtype.kind == "u" else "float32",
        num_classes=num_classes,
    )
    ids = image_set.example_ids.astype("int64")
    digest = hashlib.sha256(ids.tobytes()).hexdigest()[:16]
    text = f"{len(ids)} images of the train split, ids sha256 {digest}"
    return pool, text
