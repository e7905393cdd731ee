"""The name of a defence, from its registration and its settings."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from keras_mixup import _setting
from keras_mixup import registry

# Of no effect on an answer, or shown at the end.
_UNSHOWN = ("max_inputs", "num_draws")


def defence_label(
    settings: Mapping[str, Any], without: Sequence[str] = ()
) -> str:
    """Returns the name of a defence in tables, such as `MI-OL 0.6 x30`.

    Numbers are always shown, choices where they are not the usual ones.

    Args:
        settings: dict with "class" and the arguments.
        without: names of arguments to leave out.
    """
    name: str = settings["class"]
    described: Sequence[_setting.Setting] = ()
    for known in registry.names("defence"):
        entry = registry.entry("defence", known)
        if entry.path.endswith(f":{settings['class']}"):
            name, described = entry.label, entry.settings
    shown = [name]
    for setting in described:
        value = settings.get(setting.name)
        if setting.name in (*_UNSHOWN, *without) or value is None:
            continue
        if setting.choices:
            shown += [value] if value != setting.default else []
        elif isinstance(value, (list, tuple)):
            shown.append("-".join(map(str, value)))
        else:
            shown.append(f"{value:g}")
    # A class of the user's own may fix its draws.
    if "num_draws" in settings:
        shown.append(f"x{settings['num_draws']}")
    return " ".join(shown)
