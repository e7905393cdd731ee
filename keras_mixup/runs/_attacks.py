"""From the settings of an evaluation to its attacks.

A name has what a reader of the table needs. The other facts of an attack are
stored beside the records.
"""

import warnings

import numpy as np

from keras_mixup import ThreatModel
from keras_mixup import _checks
from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import evaluation
from keras_mixup import registry
from keras_mixup.evaluation import specs as specs_lib
from keras_mixup.runs import stored
from keras_mixup.runs._evaluated import CLEAN
from keras_mixup.runs._owned import parts_of
from keras_mixup.threat import number_text

# With a radius of 0 any legal step will do.
_ANY_STEP = 0.01


def build_specs(settings, verbose=False):
    """Returns the list of `AttackSpec`; `verbose` shows progress bars."""
    specs = []
    for eps in settings.radii:
        threat = ThreatModel(settings.norm, eps)
        for name in settings.all_attacks:
            if name == "autoattack":
                specs.append(_auto_attack(settings, threat))
            elif name != CLEAN:
                specs += _specs(settings, name, threat, verbose)
    if CLEAN in settings.all_attacks:
        specs.insert(0, evaluation.AttackSpec(CLEAN, None, "none"))
    return [*specs, *map(stored.read_spec, settings.adversarial)]


def _auto_attack(settings, threat):
    """AutoAttack; on defences with draws in its version "rand"."""
    plain = attacks.AutoAttack(threat, settings.autoattack_version)
    if not settings.defences:
        return evaluation.AttackSpec(plain.name, plain, "adaptive")
    steps = _chosen(settings, registry.entry("attack", "autoattack"))
    shown = "".join(f"-{number}" for number in steps.values())
    return evaluation.AttackSpec(
        f"{plain.name}, rand{shown} on draws",
        attacks.AutoAttack(threat, "rand", **steps),
        "adaptive",
        undefended=plain,
    )


def _specs(settings, name, threat, verbose):
    """Yields an `AttackSpec` for each number of steps."""
    aim = ""
    if settings.targeted != "none":
        aim = f" to {settings.targeted.replace('_', '-')}"
    for options in _variants(settings, name, threat):
        attack = _build(settings, name, threat, verbose, options)
        stated = ("name", "knowledge")
        okay = callable(attack) and all(hasattr(attack, n) for n in stated)
        expected = "attacks.Attack, or callable with a name and its knowledge"
        _checks.check(okay, "attacks", expected, f"{name}: {attack!r}")
        shown = attack.name
        if ":" in name:
            shown = name.rpartition(":")[2]
            _warn_of_short_steps(name, attack)
        yield evaluation.AttackSpec(
            f"{shown}{_suffix(attack, name, options)}{aim}",
            attack,
            attack.knowledge,
            settings.targeted,
        )


def _warn_of_short_steps(name, attack):
    """Says that an attack of the user's own cannot reach the radius.

    An evaluation chooses steps for the attacks of this package alone.
    """
    sizes = [getattr(attack, n, None) for n in ("step_size", "num_steps")]
    if None in sizes or sizes[0] * sizes[1] >= attack.threat.eps:
        return
    warnings.warn(
        f"{name} takes {sizes[1]} steps of {sizes[0]:.3g}, which end before "
        f"eps {attack.threat.eps:.3g}: its accuracy flatters. Let the class "
        "choose its steps by the radius.",
        stacklevel=2,
    )


def _variants(settings, name, threat):
    """Yields the arguments that are not in the attack's registration."""
    if name not in ("pgd", "cleverhans_pgd", "varmixup_pgd"):
        yield {}
        return
    step = threat.eps / 4 if settings.step_size is None else settings.step_size
    if name == "varmixup_pgd":
        # As in the VarMixup paper: a step of eps, from the image itself.
        step = threat.eps
    if not threat.eps:
        step = _ANY_STEP
    for num_steps in settings.pgd_steps:
        yield {"step_size": step, "num_steps": num_steps}


def _build(settings, name, threat, verbose, options):
    """Returns the attack; an inner attack is built first."""
    entry, *inner = parts_of("attack", name)
    options = {**options, **_chosen(settings, entry)}
    if inner:
        inside = inner[0].name
        attack = _build(settings, inside, threat, verbose, {})
        with _checks.called(entry.flags):
            return registry.find("attack", name)(attack, **options)
    if "verbose" in entry.arguments:
        options["verbose"] = int(verbose)
    with _checks.called({"num_steps": "pgd_steps", **entry.flags}):
        return registry.build("attack", name, threat, **options)


def _chosen(settings, entry):
    values = {
        argument: getattr(settings, flag, None)
        for argument, flag in entry.flags.items()
    }
    return {a: value for a, value in values.items() if value is not None}


def _suffix(attack, name, options):
    """The step, the start and the labels of a PGD, where they are unusual."""
    eps, suffix = attack.threat.eps, ""
    # Only a PGD's own step is chosen for an evaluation.
    step = options.get("step_size")
    if step and eps and abs(4 * step - eps) >= 1e-9:
        suffix = f" step {number_text(step)}"
    if name == "varmixup_pgd":
        suffix += " from x"
    if getattr(attack, "label_source", "true") != "true":
        suffix += " predicted labels"
    return suffix


def parts(settings, specs, image_set):
    """Returns [(specs, examples)]: slow attacks may see fewer examples."""
    found = [_stored_part(s, image_set) for s in specs if is_stored(s)]
    specs = [spec for spec in specs if not is_stored(spec)]
    limits = [_limit(settings, spec) for spec in specs]
    for limit in dict.fromkeys(limits):
        examples, count = image_set, len(image_set.labels)
        if limit is not None and limit < count:
            examples = data.class_balanced_subset(
                image_set, limit, settings.seed
            )
        chosen = zip(specs, limits, strict=True)
        found.append(([s for s, own in chosen if own == limit], examples))
    return found


def is_stored(spec):
    """Whether an attack reads its images from a file."""
    return isinstance(spec.attack, stored.StoredImages)


def _stored_part(spec, image_set):
    """Returns ([spec], the examples of which its file has an image)."""
    known = np.isin(image_set.example_ids, spec.attack.example_ids)
    expected = "a file with images of some of the examples"
    _checks.check(known.any(), "adversarial", expected, spec.attack.path)
    return [spec], data.ImageSet(*(part[known] for part in image_set))


def _limit(settings, spec):
    """How many examples a slow attack sees, None for all."""
    inner = getattr(spec.attack, "attack", spec.attack)
    if hasattr(inner, "num_samples"):  # Finite differences ask very often.
        return settings.spsa_examples
    return settings.adaptive_examples if spec.knowledge == "adaptive" else None


def worst_case_part(settings, parts):
    """Returns (specs, examples) of the worst case, or None.

    The examples are those of the adaptive attacks. Attacks that see all of
    them count.
    """
    if not settings.worst_case:
        return None
    adaptive = [
        examples
        for specs, examples in parts
        if any(spec.knowledge == "adaptive" for spec in specs)
    ]
    known = adaptive or [examples for _, examples in parts]
    # Averaged SPSA may see fewer than the other adaptive ones.
    shared = max(known, key=lambda examples: len(examples.labels))
    specs = [
        spec
        for own, examples in parts
        for spec in own
        if set(shared.example_ids) <= set(examples.example_ids)
    ]
    return specs, shared


def probing(specs, model):
    """Returns the attack that looks for red flags of a model, or None.

    It is a single attack: a recipe rather than AutoAttack.
    """
    adaptive = [spec for spec in specs if spec.knowledge == "adaptive"]
    adaptive.sort(key=lambda spec: not hasattr(spec.attack, "recipe"))
    return specs_lib.attack_for(adaptive[0], model) if adaptive else None
