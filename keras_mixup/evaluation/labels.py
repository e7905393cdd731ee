"""How rows, columns and budgets of a table are written."""

from keras_mixup import registry

# Of no effect on an answer, or shown at the end.
_UNSHOWN = ("max_inputs", "num_draws")


def column_label(column):
    """Returns "attack, knowledge (budget)" of a `Column`."""
    if column.knowledge == "none":
        return column.attack
    shown = column.attack
    if shown != column.knowledge:
        shown = f"{shown}, {column.knowledge}"
    return f"{shown} ({budget_text(column.budget)})"


def row_label(row):
    """Returns "model" or "model + defence" of a `Row`."""
    model, defence = row
    return model if defence == "none" else f"{model} + {defence}"


def budget_text(budget):
    """Returns a `Budget` as people write it: `L-inf, eps 8/255`."""
    norm, eps = budget
    return f"{'L-inf' if norm == 'linf' else 'L2'}, eps {number_text(eps)}"


def number_text(value):
    """Returns a pixel distance as people write it: `8/255` or `0.1`."""
    levels = round(value * 255 * 4) / 4
    if float(f"{value:.3g}") != value and abs(levels / 255 - value) < 1e-9:
        return f"{levels:g}/255"
    return f"{value:g}"


def percent(share):
    """Returns a share in [0, 1] as `12.3 %`."""
    return f"{100 * share:.1f} %"


def defence_label(settings, without=()):
    """Returns the name of a defence in tables, such as `MI-OL 0.6 x30`.

    Numbers are always shown, choices where they are not the usual ones.

    Args:
        settings: dict with "class", "num_draws" and the other arguments.
        without: names of arguments to leave out.
    """
    name, described = settings["class"], ()
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
    return f"{' '.join(shown)} x{settings['num_draws']}"
