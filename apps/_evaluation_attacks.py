"""From the flags of apps.evaluate to the attacks and their names.

A name tells every setting that a record does not hold, since records of
several calls lie in one file and tables are made from records alone.
"""

from apps import _common
from apps import _registry
from keras_mixup import _checks

_SPSA = {"num_steps": "spsa_steps", "num_samples": "spsa_samples"}
# Attacks without a step size, and the flags of their arguments.
SETTINGS = {
    "cleverhans_spsa": _SPSA,
    "spsa": _SPSA,
    "square": {"num_queries": "num_queries"},
    "fab": {"num_steps": "fab_steps"},
    "targeted_fab": {"num_steps": "fab_steps", "num_targets": "num_targets"},
    "apgd": {"num_steps": "apgd_steps", "loss": "apgd_loss"},
    "targeted_apgd": {"num_steps": "apgd_steps", "num_targets": "num_targets"},
}
_ENDS_AT_BOUNDARY = ("fab", "targeted_fab")
# Gradient-free attacks through a defence, and what they average.
AVERAGED = {"averaged_square": "square", "averaged_spsa": "spsa"}
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
# What goes through each defence, by gradients or without.
WHITE_BOX = (*ADAPTIVE, "autoattack")
THROUGH = (*WHITE_BOX, *AVERAGED)
ATTACKS = ("clean", *OBLIVIOUS, *RECIPES, "autoattack", *AVERAGED)


def check_names(flags):
    """Returns the attack names with the adaptive one that is on by default.

    Raises:
        ValueError: for an unknown attack or defence, an empty list, or a
            value given twice in one.
        UsageError: for an adaptive attack listed beside --noadaptive, a
            targeted AutoAttack, or FAB beside a defence.
    """
    known = dict.fromkeys(ATTACKS)
    for name in flags.attacks:
        _registry.check_name(known, "attack", name)
    for name in flags.defences:
        _registry.check_name(_registry.DEFENCES, "defence", name)
    _check_lists(flags)
    through = [name for name in flags.attacks if name in THROUGH]
    if through and not flags.adaptive:
        raise _common.UsageError(
            f"--attacks lists {through[0]}, which --noadaptive switches off."
        )
    if "autoattack" in through and flags.targeted != "none":
        raise _common.UsageError(
            "autoattack has no targeted form. Leave out "
            f"--targeted={flags.targeted}, or take targeted_apgd."
        )
    ending = [name for name in flags.attacks if name in _ENDS_AT_BOUNDARY]
    if ending and flags.defences:
        raise _common.UsageError(
            f"{ending[0]} ends at the classifier's boundary, which says "
            "nothing of a defence. Run it on the classifier alone, into the "
            "same folder: --defences="
        )
    # Queries alone would be a weak verdict on a defence.
    attacked = any(name in (*OBLIVIOUS, *AVERAGED) for name in flags.attacks)
    known = any(name in WHITE_BOX for name in through)
    if flags.adaptive and flags.defences and attacked and not known:
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
        if name == "autoattack":
            specs.append(_auto_attack(flags, threat))
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

    inner = getattr(spec.attack, "attack", spec.attack)
    if isinstance(inner, (attacks.CleverHansSPSA, attacks.SPSA)):
        return flags.spsa_examples
    return flags.adaptive_examples if spec.knowledge == "adaptive" else None


def _attacks(flags, name, threat):
    """Yields (attack, suffix of its name)."""
    targeted = flags.targeted.replace("_", "-")
    aim = "" if flags.targeted == "none" else f" to {targeted}"
    if name in SETTINGS:
        yield _without_step_size(flags, name, threat), aim
        return
    if name in AVERAGED:
        yield _averaged(flags, name, threat), aim
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


def _auto_attack(flags, threat):
    """AutoAttack, on defences that draw in its version "rand"."""
    from keras_mixup import attacks
    from keras_mixup import evaluation

    plain = attacks.AutoAttack(threat, flags.autoattack_version)
    if not flags.defences:
        return evaluation.AttackSpec(plain.name, plain, "adaptive")
    return evaluation.AttackSpec(
        f"{plain.name}, rand on draws",
        attacks.AutoAttack(threat, "rand"),
        "adaptive",
        undefended=plain,
    )


def _averaged(flags, name, threat):
    return _registry.build_attack(
        "averaged_attack",
        _without_step_size(flags, AVERAGED[name], threat),
        num_draws=flags.adaptive_draws,
    )


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
