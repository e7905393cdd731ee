"""Accuracy of each class under the worst attack: a table of the report."""

from keras_mixup.evaluation.labels import row_label
from keras_mixup.reporting import tables
from keras_mixup.reporting.comparison import comparisons
from keras_mixup.threat import budget_text

# More classes than a reader looks at one by one.
MAX_CLASSES = 20


def header(records, class_names=()):
    """Returns the names of the columns: the model, and each class.

    Args:
        records: `Records`.
        class_names: sequence of str, or empty for the numbers.
    """
    return "model", *(_name(n, class_names) for n in _classes(records))


def rows(records):
    """Returns a row for each model: clean, and under its worst attack.

    Empty for records of a single class or of more than `MAX_CLASSES`.

    Args:
        records: `Records`.
    """
    classes = _classes(records)
    if not 2 <= len(classes) <= MAX_CLASSES:
        return []
    cells, found = records.unique().by("cell"), []
    for (row, column), own in cells.items():
        if column.knowledge == "none":
            found.append(_row(f"{row_label(row)}, clean", own, classes))
    for compared in comparisons(records):
        standing = compared.adaptive or compared.oblivious
        if standing is None:
            continue
        own = cells[compared.row, standing.column]
        name = f"{row_label(compared.row)}, {standing.column.attack}"
        place = f"{name} ({budget_text(compared.budget)})"
        found.append(_row(place, own, classes))
    return found


def _row(name, records, classes):
    groups = records.by("label")
    shares = [
        f"{100 * sum(r.hit for r in groups[n]) / len(groups[n]):.1f}"
        if n in groups
        else tables.NOT_MEASURED
        for n in classes
    ]
    return name, *shares


def _classes(records):
    return sorted({record.label for record in records})


def _name(number, class_names):
    known = number < len(class_names)
    return str(class_names[number] if known else number)
