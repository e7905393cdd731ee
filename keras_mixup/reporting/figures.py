"""Charts of the report, in light and dark; needs matplotlib.

Each function returns a `matplotlib.figure.Figure`.
"""

import numpy as np

from keras_mixup.evaluation import records as records_lib
from keras_mixup.evaluation.labels import column_label
from keras_mixup.evaluation.labels import row_label
from keras_mixup.reporting import tables
from keras_mixup.studies.drawing import GREEN
from keras_mixup.studies.drawing import ORANGE
from keras_mixup.studies.drawing import PURPLE
from keras_mixup.studies.drawing import VERMILION
from keras_mixup.studies.drawing import available
from keras_mixup.studies.drawing import image_grid
from keras_mixup.studies.drawing import line_colour
from keras_mixup.studies.drawing import new_figure
from keras_mixup.studies.drawing import themed
from keras_mixup.studies.drawing import to_png

__all__ = [
    "accuracy_bars",
    "available",
    "eps_curves",
    "image_grid",
    "new_figure",
    "themed",
    "to_png",
    "training_curves",
]

_COLOURS = {
    "none": ("C0",),
    "oblivious": (ORANGE, "#f3cf80", "#b37b00"),
    "transfer": (GREEN,),
    "adaptive": (VERMILION, PURPLE, "#8c3d00"),
}


@themed
def training_curves(metrics):
    """Draws loss and accuracy over the epochs, training and validation.

    Args:
        metrics: list of dicts with "epoch" and numbers, the lines of
            metrics.jsonl; "val_" marks validation.
        theme: keyword, "light" or "dark".

    Returns:
        `Figure`, or None without any line that has a loss or an accuracy.
    """
    panels = [
        (title, [k for k in _metric_names(metrics) if _kind(k) == title])
        for title in ("loss", "accuracy")
    ]
    panels = [(title, names) for title, names in panels if names]
    if not panels:
        return None
    figure, axes = new_figure(1, len(panels), (4.6 * len(panels), 3.1))
    for axis, (title, names) in zip(axes[0], panels, strict=True):
        for name in names:
            rows = [row for row in metrics if row.get(name) is not None]
            axis.plot(
                [row["epoch"] for row in rows],
                [row[name] for row in rows],
                linestyle="--" if name.startswith("val_") else "-",
                marker="o" if len(rows) == 1 else None,
                label=name.replace("val_", "validation ").replace("_", " "),
            )
        axis.set(title=title, xlabel="epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend()
    return figure


@themed
def accuracy_bars(records):
    """Draws accuracy by model and attack as horizontal bars.

    Args:
        records: iterable of `Record`.
        theme: keyword, "light" or "dark".

    Returns:
        `Figure`, or None without records. The text "not measured" takes the
        place of a missing bar.
    """
    records = records_lib.Records(records)
    if not records:
        return None
    cells = {(s.row, s.column): s for s in records_lib.summarize(records)}
    rows = list(dict.fromkeys(row for row, _ in cells))
    columns = tables.columns(cells.values(), records.facts)
    shown = {
        row: [column for column in columns if _is_shown(cells, row, column)]
        for row in rows
    }
    places = sum(map(len, shown.values())) + len(rows)
    height = 0.9 + 0.25 * places + 0.22 * len(columns)
    figure, axes = new_figure(1, 1, (8.2, height))
    axis = axes[0][0]
    styles = {column: style for column, *style in _styles(columns)}
    for column, (colour, hatch) in styles.items():
        label = column_label(column)
        axis.barh([np.nan], [0], color=colour, hatch=hatch, label=label)
    first, ticks = 0, []
    for row in rows:
        for place, column in enumerate(shown[row], start=first):
            _bar(axis, place, cells.get((row, column)), *styles[column])
        ticks.append(first + (len(shown[row]) - 1) / 2)
        first += len(shown[row]) + 1
    axis.set_yticks(ticks, [_wrapped(row_label(row)) for row in rows])
    axis.set_ylim(places - 1.3, -0.8)
    axis.set_xlim(0, 112)
    axis.set_xticks(range(0, 101, 20))
    axis.set_xlabel("accuracy (%): true label predicted")
    axis.grid(False, axis="y")
    axis.tick_params(axis="y", length=0)
    axis.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return figure


@themed
def eps_curves(curves):
    """Draws accuracy over the radius, a panel for each norm.

    The solid line is the worst of all attacks with its 95 % interval, the
    dashed one the worst attack that ignores the defence.

    Args:
        curves: list of `eps_curves.Curve`.
        theme: keyword, "light" or "dark".

    Returns:
        `Figure`.
    """
    norms = list(dict.fromkeys(curve.norm for curve in curves))
    figure, axes = new_figure(1, len(norms), (6.4 * len(norms), 4.2))
    rows = list(dict.fromkeys(curve.row for curve in curves))
    for axis, norm in zip(axes[0], norms, strict=True):
        for curve in (c for c in curves if c.norm == norm):
            colour = line_colour(rows.index(curve.row))
            label = row_label(curve.row)
            radii, shares = curve.accuracies("adaptive")
            axis.plot(radii, 100 * shares, "o-", color=colour, label=label)
            for point in curve.points:
                _interval(axis, point, colour)
            if curve.row.defence != "none":
                radii, shares = curve.accuracies("oblivious")
                axis.plot(radii, 100 * shares, "--", color=colour)
        axis.set_ylim(0, 102)
        axis.set_xlim(left=0)
        axis.set_xlabel(f"radius of the ball ({norm}, pixels in [0, 1])")
        axis.grid(True)
    axes[0][0].set_ylabel("accuracy (%)")
    axes[0][0].legend()
    return figure


def _interval(axis, point, colour):
    if point.adaptive is not None:
        found = point.adaptive.estimate
        ends = [100 * found.low, 100 * found.high]
        axis.plot([point.eps] * 2, ends, color=colour, linewidth=1)


def _is_shown(cells, row, column):
    """Whether a column has a bar, or "not measured", in this row."""
    if (row, column) in cells:
        return True
    return tables.missing_text(cells, row, column) == tables.NOT_MEASURED


def _bar(axis, centre, summary, colour, hatch):
    if summary is None:
        text = tables.NOT_MEASURED
        axis.text(1, centre, text, va="center", fontsize=8.5, style="italic")
        return
    percent = 100 * summary.accuracy
    spread = None if summary.std is None else 100 * summary.std
    ink = axis.xaxis.label.get_color()
    axis.barh(
        *(centre, percent, 0.86),
        color=colour,
        hatch=hatch,
        xerr=spread,
        ecolor=ink,
    )
    end = percent + (spread or 0.0) + 1
    axis.text(end, centre, f"{percent:.1f}", va="center", fontsize=8.5)


def _styles(columns):
    """Yields (column, colour, hatch): the kind of attack sets the colour."""
    used = {}
    for column in columns:
        kind = column.knowledge
        number = used.get(kind, 0)
        used[kind] = number + 1
        shades = _COLOURS[kind]
        hatch = "//" if number >= len(shades) else None
        yield column, shades[number % len(shades)], hatch


def _metric_names(metrics):
    return list(dict.fromkeys(name for row in metrics for name in row))


def _kind(name):
    if "accuracy" in name:
        return "accuracy"
    return "loss" if "loss" in name else None


def _wrapped(label):
    return label.replace(" + ", "\n+ ")
