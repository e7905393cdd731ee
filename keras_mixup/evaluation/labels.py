"""How rows, columns and budgets of a table are written."""

# Of a defence itself, known here before.
from keras_mixup.inference import defence_label as defence_label


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
