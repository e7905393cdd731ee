"""From the flags of apps.evaluate to attacks, defences and their names.

A name tells every setting that a record does not hold, since records of
several calls lie in one file and tables are made from records alone.
"""

from apps import _common
from apps import _registry
from apps import _vae_training
from keras_mixup import _checks

_SPSA = {"num_steps": "spsa_steps", "num_samples": "spsa_samples"}
# Attacks without a step size, and the flags of their arguments.
SETTINGS = {
    "cleverhans_spsa": _SPSA,
    "spsa": _SPSA,
    "square": {"num_queries": "num_queries"},
    "fab": {"num_steps": "fab_steps"},
    "targeted_fab": {"num_steps": "fab_steps", "num_targets": "num_targets"},
}
# Flag value -> registry name of the oblivious attacks.
OBLIVIOUS = ("pgd", "cleverhans_pgd", "varmixup_pgd", *SETTINGS)
# Recipes of MixupInferenceAttack that go through each defence, the default
# first, and the one that goes around it.
ADAPTIVE = (
    "tramer2020",
    "eot",
    "fixed_draws",
    "bpda",
    "pang2020_paper",
    "pang2020_released",
)
RECIPES = (*ADAPTIVE, "transfer")
SEARCHES = ("eot", "fixed_draws")
ATTACKS = ("clean", *OBLIVIOUS, *RECIPES)
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


def check_names(flags):
    """Returns the attack names with the adaptive one that is on by default.

    Raises:
        ValueError: for an unknown attack or defence, an empty list, or a
            value given twice in one.
        UsageError: for an adaptive attack listed beside --noadaptive.
    """
    known = dict.fromkeys(ATTACKS)
    for name in flags.attacks:
        _registry.check_name(known, "attack", name)
    for name in flags.defences:
        _registry.check_name(_registry.DEFENCES, "defence", name)
    _check_lists(flags)
    listed = [name for name in flags.attacks if name in ADAPTIVE]
    if listed and not flags.adaptive:
        raise _common.UsageError(
            f"--attacks lists {listed[0]}, which --noadaptive switches off."
        )
    attacked = any(name in OBLIVIOUS for name in flags.attacks)
    if flags.adaptive and flags.defences and attacked and not listed:
        return [*flags.attacks, ADAPTIVE[0]]
    return list(flags.attacks)


def _check_lists(flags):
    needed = ("attacks", "mix_weights", "pgd_steps", "eval_seeds")
    for flag in (*needed, "defences"):
        values = flags[flag].value
        once = len(set(values)) == len(values)
        _checks.check(once, flag, "free of repetitions", values)
        given = values or flag not in needed
        _checks.check(given, flag, "a list of at least one", values)
    for seed in flags.eval_seeds:
        _checks.check_integer(seed, "eval_seeds", 0)


def build_specs(flags, names):
    """Returns a list of `AttackSpec`.

    Args:
        flags: the parsed flag values.
        names: list of str, from `check_names`.
    """
    import keras_mixup
    from keras_mixup import evaluation

    threat = keras_mixup.ThreatModel(flags.norm, flags.eps)
    specs = []
    for name in names:
        if name == "clean":
            specs.append(evaluation.AttackSpec("clean", None, "none"))
            continue
        for attack, suffix in _attacks(flags, name, threat):
            knowledge = getattr(attack, "knowledge", "oblivious")
            spec = evaluation.AttackSpec(
                attack.name + suffix, attack, knowledge, flags.targeted
            )
            specs.append(spec)
    return specs


def limit(flags, spec):
    """Returns how many examples a slow attack sees, None for all.

    Args:
        flags: the parsed flag values.
        spec: `AttackSpec`.
    """
    from keras_mixup import attacks

    if isinstance(spec.attack, (attacks.CleverHansSPSA, attacks.SPSA)):
        return flags.spsa_examples
    return flags.adaptive_examples if spec.knowledge == "adaptive" else None


def _attacks(flags, name, threat):
    """Yields (attack, suffix of its name)."""
    targeted = flags.targeted.replace("_", "-")
    aim = "" if flags.targeted == "none" else f" to {targeted}"
    if name in SETTINGS:
        yield _without_step_size(flags, name, threat), aim
        return
    if name in RECIPES:
        yield _recipe(flags, name, threat), aim
        return
    if name == "varmixup_pgd":
        for attack in _varmixup_pgd(flags, threat):
            yield attack, f"{_step_suffix(threat.eps, threat.eps)} from x{aim}"
        return
    step = threat.eps / 4 if flags.step_size is None else flags.step_size
    suffix = _step_suffix(step, threat.eps)
    if flags.label_source != "true":
        suffix += " predicted labels"
    for num_steps in flags.pgd_steps:
        attack = _registry.build_attack(
            name,
            threat,
            # Without a ball nothing moves; the step only has to be legal.
            step_size=step if threat.eps else 0.01,
            num_steps=num_steps,
            label_source=flags.label_source,
        )
        yield attack, suffix + aim


def _varmixup_pgd(flags, threat):
    """The PGD of the VarMixup paper: steps of eps, without a random start."""
    for num_steps in flags.pgd_steps:
        yield _registry.build_attack(
            "pgd",
            threat,
            step_size=threat.eps or 0.01,
            num_steps=num_steps,
            random_start=False,
        )


def _recipe(flags, name, threat):
    options = {}
    if name not in ("fixed_draws", "transfer"):
        options["num_draws"] = flags.adaptive_draws
    if name in SEARCHES:
        options["inner"] = flags.adaptive_inner
    return _registry.build_attack(
        "mixup_inference_attack",
        threat,
        recipe=name,
        num_steps=flags.adaptive_steps,
        **options,
    )


def _without_step_size(flags, name, threat):
    options = {
        argument: flags[flag].value for argument, flag in SETTINGS[name].items()
    }
    if _registry.accepts(_registry.ATTACKS, "attack", name, "verbose"):
        options["verbose"] = int(flags.verbose)
    return _registry.build_attack(name, threat, **options)


def _step_suffix(step, eps):
    from keras_mixup.evaluation import tables

    if abs(4 * step - eps) < 1e-9:
        return ""
    return f" step {tables.number_text(step)}"


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
    return bool(flags.figures) or any(n in pooled for n in flags.defences)


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
        for weight in flags.mix_weights:
            yield {"mix_weight": _common.parse_mix_weight(weight)}
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
    flags = OPTIONS.get(name, ("mix_weight",))
    options = ["size_range" if f.endswith("_range") else f for f in flags]
    return _defence_label(
        name, {o: getattr(defence, o) for o in (*options, "num_draws")}
    )


def _defence_label(name, options):
    shown = [
        "-".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"
        for key, value in options.items()
        if key not in ("num_draws", "fallback")
    ]
    if options.get("fallback", "input") != "input":
        shown.append(options["fallback"])
    label = LABELS.get(name, name)
    return f"{label} {' '.join(shown)} x{options['num_draws']}"
