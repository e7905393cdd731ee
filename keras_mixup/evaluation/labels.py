"""How rows, columns and budgets of a table are written."""

# Of a defence itself, known here before.
from keras_mixup.inference import defence_label as defence_label
from keras_mixup.threat import budget_text as budget_text
from keras_mixup.threat import number_text as number_text


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


def percent(share):
    """Returns a share in [0, 1] as `12.3 %`."""
    return f"{100 * share:.1f} %"


def p_text(p):
    """Returns the p of a test, a float, as `p = 0.123`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
