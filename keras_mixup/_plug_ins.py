"""Whether what a package adds goes with what is registered."""

from keras_mixup import _checks


def check(theirs, known):
    """Raises `ValueError` for a name or a setting that says something else.

    Args:
        theirs: `registry.Entry`.
        known: dict name -> `registry.Entry`, of the same kind.
    """
    expected = "a name that nothing else has"
    _checks.check(theirs.name not in known, "name", expected, theirs.name)
    for other in known.values():
        taken, given = _types(other), _types(theirs)
        for key in taken.keys() & given.keys():
            okay = taken[key] == given[key]
            expected = f"{taken[key]}, as that of {other.name}"
            _checks.check(okay, key[1], expected, given[key])


def _types(entry):
    """Returns dict (whether a flag, name) -> type of an entry's settings.

    Programs that choose one object name them by the argument, those that
    choose several by the flag. Things of one kind share those of one name.
    """
    found = {}
    for setting in entry.settings:
        type_ = f"tuple[{setting.kind}]" if setting.many else setting.kind
        if entry.kind != "attack" or "GradientAttack" in entry.bases:
            found[False, setting.name] = type_
        if setting.name in entry.flags:
            found[True, entry.flags[setting.name]] = type_
    return found
