"""From settings to defences, their pool and their names."""

import hashlib

from keras_mixup import _checks
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import registry
from keras_mixup.runs import autoencoder

# Algorithm -> its name in the tables of the MI paper.
_PAPER_NAMES = {
    "mixup": "mixup",
    "interpolated_adversarial_training": "iat",
}


def paper_settings(trained, image_size):
    """Returns dict registered name -> the MI paper's arguments for a run.

    If the paper's tables have no row for the run's data set or algorithm, the
    row of mixup on CIFAR-10 is used.
    """
    dataset = trained.get("dataset")
    dataset = dataset if dataset == "cifar100" else "cifar10"
    training = _PAPER_NAMES.get(trained.get("algorithm"), "mixup")
    fallback = inference.paper_settings("cifar10", "mixup", image_size)
    own = inference.paper_settings(dataset, training, image_size)
    return {**fallback, **own}


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
    return registry.build("defence", name, classifier, **options)


def build_all(settings, classifier, pool, trained):
    """Returns dict label -> defence, in the order of the settings."""
    paper = paper_settings(trained, classifier.input_shape[1])
    defences = {}
    for name in settings.defences:
        vae = None
        if registry.accepts("defence", name, "vae"):
            vae = autoencoder.load(settings.vae)
        for options in _variants(settings, name, paper.get(name, {})):
            defence = build(name, classifier, pool, vae, **options)
            defences[label(defence)] = defence
    return defences


def label(defence):
    """Returns the name of a defence in records and tables."""
    settings = evaluation.identity.settings_of_defence(defence, "")
    return inference.defence_label(settings)


def _variants(settings, name, paper):
    """Yields the arguments of each row: one row per mixing weight."""
    entry = registry.entry("defence", name)
    options = {"num_draws": settings.num_draws}
    for argument, flag in entry.flags.items():
        # Of a class of the user's own, there is no such flag.
        value = getattr(settings, flag, None)
        if value is None and "mix_weight" not in entry.arguments:
            value = paper.get(argument)
        if value is not None:
            options[argument] = value
    if "mix_weight" not in entry.arguments:
        yield options
        return
    for weight in settings.mix_weights:
        yield {"mix_weight": weight, **options}


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
