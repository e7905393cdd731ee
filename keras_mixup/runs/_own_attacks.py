"""What the source of a user's own attack, `package.module:Name`, says of it."""

from keras_mixup import registry


def through(names, known):
    """Returns those of the names that go through the defence, a list.

    Args:
        names: sequence of str.
        known: sequence of str, the registered ones that do.
    """
    return [name for name in names if name in known or goes_through(name)]


def goes_through(name):
    """Whether the attack is one of the user's own that knows the defence.

    Args:
        name: str; a registered name is none of the user's own.
    """
    if ":" not in name:
        return False
    entry = registry.entry("attack", name)
    adaptive = entry.constants.get("knowledge") == "adaptive"
    return adaptive or "MixupInferenceAttack" in entry.bases


def differentiates_through(name):
    """Whether it also uses gradients, as the judge of a defence must."""
    if not goes_through(name):
        return False
    return bool(registry.entry("attack", name).constants.get("uses_gradients"))
