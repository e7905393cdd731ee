"""Pictures for the report, in light and dark; needs matplotlib.

Each function returns a `matplotlib.figure.Figure` and touches no global
state of matplotlib. Colours are those of Okabe and Ito (2008), which people
with any colour vision tell apart.
"""

import functools
import io

import numpy as np

from keras_mixup.evaluation import records as records_lib
from keras_mixup.evaluation import tables

_BLUE, _ORANGE, _GREEN = "#0072b2", "#e69f00", "#009e73"
_VERMILION, _SKY, _PURPLE = "#d55e00", "#56b4e9", "#cc79a7"
THEMES = {
    "light": {
        "ink": "#1f2430",
        "muted": "#5b6472",
        "grid": "#d9dde4",
        "lines": (_BLUE, _VERMILION, _GREEN, _PURPLE, _ORANGE, _SKY),
    },
    "dark": {
        "ink": "#e8eaf0",
        "muted": "#a2abba",
        "grid": "#3a4150",
        "lines": (_SKY, _ORANGE, _GREEN, _PURPLE, _VERMILION, _BLUE),
    },
}
_COLOURS = {
    "none": ("C0",),
    "oblivious": (_ORANGE, "#f3cf80", "#b37b00"),
    "transfer": (_GREEN,),
    "adaptive": (_VERMILION, _PURPLE, "#8c3d00"),
}
_MISSING = "Pictures need matplotlib. Install it with: pip install matplotlib"


def themed(draw):
    """Draws under the theme's colours, whatever the user's matplotlibrc."""

    @functools.wraps(draw)
    def drawn(*arguments, theme="light", **options):
        try:
            import matplotlib as mpl
        except ImportError as error:
            raise ImportError(_MISSING) from error
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(_style(theme))
            figure = draw(*arguments, **options)
            if figure is not None:
                # Ticks are made while drawing, with the colours of that time.
                figure.draw_without_rendering()
        return figure

    return drawn


def _style(theme):
    from matplotlib import cycler

    colours = THEMES[theme]
    return {
        "axes.prop_cycle": cycler(color=colours["lines"]),
        "text.color": colours["ink"],
        "axes.labelcolor": colours["muted"],
        "axes.edgecolor": colours["muted"],
        "axes.titlecolor": colours["ink"],
        "axes.titlelocation": "left",
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.facecolor": "none",
        "xtick.color": colours["muted"],
        "ytick.color": colours["muted"],
        "ytick.labelcolor": colours["ink"],
        "grid.color": colours["grid"],
        "axes.grid": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "font.size": 10,
        "hatch.linewidth": 0.6,
        "lines.linewidth": 1.8,
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
        axis.set_title(title)
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(True)
        axis.legend()
    return figure


@themed
def image_grid(rows, captions=None):
    """Draws one row of images per kind, one column per example.

    Args:
        rows: dict title -> float [n, H, W, C] in [0, 1], C = 1 or 3.
        captions: dict title -> list of n str, written under the images.
        theme: keyword, "light" or "dark".

    Returns:
        `Figure`.
    """
    count = max(len(images) for images in rows.values())
    figure, axes = new_figure(
        len(rows), count, (1.15 * count + 1.5, 1.35 * len(rows))
    )
    for line, (title, images) in zip(axes, rows.items(), strict=True):
        texts = (captions or {}).get(title, [""] * len(images))
        for axis in line:
            axis.set_axis_off()
        for axis, image, text in zip(line, images, texts, strict=False):
            axis.imshow(
                np.asarray(image).squeeze(-1)
                if image.shape[-1] == 1
                else np.asarray(image),
                cmap="gray",
                vmin=0.0,
                vmax=1.0,
                interpolation="nearest",
            )
            axis.set_title(text, size=8.5, weight="normal", loc="center", pad=3)
        line[0].text(
            -0.12,
            0.5,
            title,
            transform=line[0].transAxes,
            ha="right",
            va="center",
            fontsize=9.5,
        )
    return figure


@themed
def accuracy_bars(records):
    """Draws accuracy by model and attack as horizontal bars.

    Args:
        records: iterable of `Record`.
        theme: keyword, "light" or "dark".

    Returns:
        `Figure`, or None without records. A number that was not measured is
        written as such in the place of its bar.
    """
    records = list(records)
    if not records:
        return None
    cells = {(s.row, s.column): s for s in records_lib.summarize(records)}
    rows = list(dict.fromkeys(row for row, _ in cells))
    columns = tables.columns(cells.values())
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
        label = tables.column_label(column)
        axis.barh([np.nan], [0], color=colour, hatch=hatch, label=label)
    first, ticks = 0, []
    for row in rows:
        for place, column in enumerate(shown[row], start=first):
            _bar(axis, place, cells.get((row, column)), *styles[column])
        ticks.append(first + (len(shown[row]) - 1) / 2)
        first += len(shown[row]) + 1
    axis.set_yticks(ticks, [_wrapped(tables.row_label(row)) for row in rows])
    axis.set_ylim(places - 1.3, -0.8)
    axis.set_xlim(0, 112)
    axis.set_xticks(range(0, 101, 20))
    axis.set_xlabel("accuracy (%): true label predicted")
    axis.grid(True, axis="x")
    axis.tick_params(axis="y", length=0)
    axis.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return figure


def to_png(figure, dots_per_inch=150, transparent=True):
    """Returns a figure as PNG bytes, on a transparent ground by default."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer,
        format="png",
        dpi=dots_per_inch,
        transparent=transparent,
        bbox_inches="tight",
    )
    return buffer.getvalue()


def available():
    """Returns whether matplotlib can be imported."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        return False
    return True


def new_figure(num_rows, num_columns, size):
    """Returns a figure of `size` inches and its axes, [rows, columns]."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(num_rows, num_columns, squeeze=False)


def _is_shown(cells, row, column):
    """Whether a column has a bar of this row, or must say that it lacks it."""
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
        kind = column[1]
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
