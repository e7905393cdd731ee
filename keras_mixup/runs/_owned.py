"""The settings that registered things declare, each once."""

import dataclasses

from keras_mixup import registry

# Arguments that a run sets by itself.
GIVEN = ("seed", "name", "width", "width_factor", "from_codes", "verbose")


def owned(chooser, kind, flags=False, base=None):
    """Returns dict name -> `Setting` of everything registered under a kind.

    Arguments of the same name share a setting.

    Args:
        chooser: str, the setting that chooses among the registered names.
        kind: str, of the registry.
        flags: bool, whether several names are chosen at once. Then only the
            arguments under `flags` of a registration are settings, under the
            names given there.
        base: str, the class that they descend from; None takes all.
    """
    found, defaults = {}, {}
    for name in registry.names(kind):
        if base is not None and base not in registry.entry(kind, name).bases:
            continue
        for entry in parts_of(kind, name):
            for setting in entry.settings:
                key = entry.flags.get(setting.name) if flags else setting.name
                if key is None or setting.name in GIVEN:
                    continue
                mine = dataclasses.replace(
                    setting,
                    name=key,
                    default=None,
                    owners=((chooser, (name,)),),
                )
                found[key] = merged(found.get(key), mine)
                text = _default_text(setting, entry)
                names = defaults.setdefault(key, {}).setdefault(text, [])
                names.append(name)
    return {
        key: dataclasses.replace(setting, unset=_by_name(defaults[key]))
        for key, setting in found.items()
    }


def _default_text(setting, entry):
    if setting.name in entry.required:
        return "as in the paper"
    return "None" if setting.default is None else setting.text(setting.default)


def _by_name(texts):
    """Returns one text for a dict of what holds -> the names where it does."""
    if len(texts) == 1:
        return next(iter(texts))
    return "; ".join(f"{text} with {'|'.join(n)}" for text, n in texts.items())


def parts_of(kind, name):
    """Returns a tuple: the `Entry` of a name and that of its inner attack."""
    entry = registry.entry(kind, name)
    inner = entry.fixed.get("attack")
    if not isinstance(inner, str):
        return (entry,)
    return (entry, *parts_of(kind, inner))


def merged(first, second):
    """Returns one `Setting` for two owners; `TypeError` for different kinds."""
    if first is None:
        return second
    if (first.kind, first.many) != (second.kind, second.many):
        raise TypeError(
            f"Two things take {first.name!r} as {first.kind} and as "
            f"{second.kind}: {first.owners}, {second.owners}."
        )
    owners = {}
    for owner, values in (*first.owners, *second.owners):
        owners[owner] = (*owners.get(owner, ()), *values)
    choices = ()
    if first.choices and second.choices:
        choices = tuple(dict.fromkeys((*first.choices, *second.choices)))
    lowest = None
    if None not in (first.minimum, second.minimum):
        lowest = min(first.minimum, second.minimum)
    return dataclasses.replace(
        first, choices=choices, owners=tuple(owners.items()), minimum=lowest
    )
