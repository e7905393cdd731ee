"""The names that an evaluation knows, from what is registered."""

from keras_mixup import registry

# Without an attack; scored by `evaluate` itself.
CLEAN = "clean"
# The attack that is added where no gradient attack goes through the defences.
ADAPTIVE = "eot"
# Attacks through a defence, with gradients or without them.
RECIPES = tuple(
    name
    for name in registry.names("attack")
    if registry.entry("attack", name).fixed.get("recipe")
)
AVERAGED = tuple(
    name
    for name in registry.names("attack")
    if isinstance(registry.entry("attack", name).fixed.get("attack"), str)
)
WHITE_BOX = (*(n for n in RECIPES if n != "transfer"), "autoattack")
# These have registered names for each inner attack or recipe.
_PARTS = ("mixup_inference_attack", "averaged_attack")
# Such as the one on a detector's score, which does not judge a defence.
_OTHERS = tuple(
    name
    for name in registry.names("attack")
    if registry.entry("attack", name).constants.get("knowledge") == "adaptive"
    and name not in (*RECIPES, *AVERAGED, *_PARTS)
)
THROUGH = (*WHITE_BOX, *AVERAGED, *_OTHERS)
ATTACKING = tuple(n for n in registry.names("attack") if n not in _PARTS)
ATTACKS = (CLEAN, *ATTACKING)
# Studies that have a setting of their own.
_APART = ("certified", "corruptions")
STUDIES = tuple(n for n in registry.names("study") if n not in _APART)
# Their images are weak on another model, since they stop early.
UNTRANSFERABLE = tuple(
    name
    for name in ATTACKING
    if registry.entry("attack", name).constants.get("transferable") is False
    and name not in THROUGH
)
PGD = ("pgd", "cleverhans_pgd")
STEPPED = (*PGD, "varmixup_pgd")
SPSA = ("cleverhans_spsa", "spsa", "averaged_spsa")


def studies_that(need):
    """The studies whose class sets `need`, such as "needs_pool"."""
    return tuple(
        n for n in STUDIES if registry.entry("study", n).constants.get(need)
    )
