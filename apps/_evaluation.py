"""From the flags of apps.evaluate to the defences and their names.

A name tells every setting that a record does not hold, as with attacks.
"""

from apps import _common
from apps import _latent_figures
from apps import _registry
from apps import _vae_training

LABELS = {
    "mixup_inference_ol": "MI-OL",
    "mixup_inference_pl": "MI-PL",
    "mixup_inference_combined": "MI-Combined",
    "var_mixup_inference": "VarMI",
    "gaussian_noise": "noise",
    "random_rotation": "rotation",
    "random_resize_pad": "resize-pad",
    "random_crop_resize": "crop-resize",
}
# Known by name, so that --vae is looked for before TensorFlow is imported.
TAKE_VAE = ("var_mixup_inference",)
# Flags of theirs beside --mix_weights.
VAE_OPTIONS = ("average", "label_from")
# A label names these only where they are something else.
_USUAL = {
    "fallback": "input",
    "average": "probabilities",
    "label_from": "input",
}
# The flags that a defence takes beside --num_draws.
OPTIONS = {
    "mixup_inference_combined": (
        "pl_weight",
        "ol_weight",
        "threshold",
        "fallback",
    ),
    "gaussian_noise": ("stddev",),
    "random_rotation": ("degrees",),
    "random_resize_pad": ("resize_pad_range",),
    "random_crop_resize": ("crop_resize_range",),
}


def build_defences(flags, classifier, pool, paper):
    """Returns dict label -> defence, in the order of the flags.

    Args:
        flags: the parsed flag values.
        classifier: keras.Model.
        pool: `SamplePool`, or None if no defence takes one.
        paper: dict, the baselines' defaults (`_registry.paper_settings`).
    """
    defences = {}
    for name in flags.defences:
        defaults = paper.get(
            _registry.find(_registry.DEFENCES, "defence", name).__name__, {}
        )
        for options in _defence_options(flags, name, defaults):
            options["num_draws"] = flags.num_draws
            label = _defence_label(name, options)
            if name in TAKE_VAE:
                options["vae"] = _vae_training.load_vae(flags.vae)
            defences[label] = _registry.build_defence(
                name, classifier, pool, **options
            )
    return defences


def needs_pool(flags):
    """Whether a defence or a figure in the flags mixes with a pool."""
    pooled = taking("pool")
    mixing = set(flags.figures) - set(_latent_figures.FROM_RECORDS)
    return bool(mixing) or any(n in pooled for n in flags.defences)


def taking(argument):
    """Returns the names of the defences with this constructor argument."""
    return tuple(
        name
        for name in _registry.DEFENCES
        if _registry.accepts(_registry.DEFENCES, "defence", name, argument)
    )


def _defence_options(flags, name, defaults):
    """Yields the arguments of each variant of the defence `name`."""
    if name not in OPTIONS:
        own = VAE_OPTIONS if name in TAKE_VAE else ()
        given = {o: flags[o].value for o in own if flags[o].value is not None}
        for weight in flags.mix_weights:
            yield {"mix_weight": _common.parse_mix_weight(weight), **given}
        return
    options = {}
    for flag in OPTIONS.get(name, ()):
        argument = "size_range" if flag.endswith("_range") else flag
        value = flags[flag].value
        if value is None:
            value = defaults.get(argument)
        elif argument == "size_range":
            value = tuple(value)
        if value is not None:
            options[argument] = value
    yield options


def defence_label(name, defence):
    """Returns the label of a defence in records and tables.

    Args:
        name: str, its name in the registry.
        defence: a `keras_mixup.inference` layer.
    """
    own = VAE_OPTIONS if name in TAKE_VAE else ()
    flags = OPTIONS.get(name, ("mix_weight", *own))
    options = ["size_range" if f.endswith("_range") else f for f in flags]
    return _defence_label(
        name, {o: getattr(defence, o) for o in (*options, "num_draws")}
    )


def _defence_label(name, options):
    shown = [
        "-".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"
        for key, value in options.items()
        if key not in ("num_draws", *_USUAL)
    ]
    for key, usual in _USUAL.items():
        if options.get(key, usual) != usual:
            shown.append(options[key])
    label = LABELS.get(name, name)
    return f"{label} {' '.join(shown)} x{options['num_draws']}"
