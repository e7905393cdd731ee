"""How all figures look, in light and dark; needs matplotlib.

Each function that draws returns a `matplotlib.figure.Figure` and touches no
global state of matplotlib. Colours are those of Okabe and Ito (2008), which
people with any colour vision tell apart.
"""

import functools
import io
import operator

import numpy as np

BLUE, ORANGE, GREEN = "#0072b2", "#e69f00", "#009e73"
VERMILION, SKY, PURPLE = "#d55e00", "#56b4e9", "#cc79a7"
THEMES = {
    "light": {
        "ink": "#1f2430",
        "muted": "#5b6472",
        "grid": "#d9dde4",
        "lines": (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY),
    },
    "dark": {
        "ink": "#e8eaf0",
        "muted": "#a2abba",
        "grid": "#3a4150",
        "lines": (SKY, ORANGE, GREEN, PURPLE, VERMILION, BLUE),
    },
}
MARKERS = "osD^vPX*"
_MISSING = "Pictures need matplotlib. Install it with: pip install matplotlib"


def themed(draw):
    """Draws under the theme's colours, whatever the user's matplotlibrc.

    Without rows, the first argument, nothing is drawn: None is returned.
    """

    @functools.wraps(draw)
    def drawn(rows, *arguments, theme="light", **options):
        if not rows:
            return None
        try:
            import matplotlib as mpl
        except ImportError as error:
            raise ImportError(_MISSING) from error
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(_style(theme))
            figure = draw(rows, *arguments, **options)
            if figure is not None:
                # Ticks are made while drawing, with the colours of that time.
                figure.draw_without_rendering()
                # The places are found. Saving would look for them again.
                figure.set_layout_engine("none")
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
        "axes.grid": True,
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
        len(rows),
        count,
        (1.15 * count + 1.5, 1.35 * len(rows)),
        # Equal cells need no search for their places.
        layout=None,
    )
    figure.subplots_adjust(wspace=0.12, hspace=0.3)
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


def new_figure(num_rows, num_columns, size, layout="constrained"):
    """Returns a figure of `size` inches and its axes, [rows, columns]."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout=layout)
    return figure, figure.subplots(num_rows, num_columns, squeeze=False)


def grouped(rows, *names, key=None):
    """Returns dict key -> rows, in the order of first appearance.

    Args:
        rows: list of dicts.
        *names: str, the entries that are the key: a value, or several.
        key: callable of a row, in the place of names.
    """
    found = {}
    for row in rows:
        place = (key or operator.itemgetter(*names))(row)
        found.setdefault(place, []).append(row)
    return found


def line(axis, place, xs, ys, label, **style):
    """Draws a line with the marker and the colour number `place`.

    Args:
        axis: matplotlib's `Axes`.
        place: int, 0, 1, ...
        xs, ys: the points.
        label: str, for the legend.
        **style: arguments of `Axes.errorbar`, such as `yerr`.
    """
    usual = {"marker": marker(place), "color": line_colour(place)}
    points = np.asarray(xs), np.asarray(ys)
    axis.errorbar(*points, label=label, **{**usual, **style})


def marker(place):
    """Returns the marker number `place`, as matplotlib calls it."""
    return MARKERS[place % len(MARKERS)]


def legend_beside(axis):
    """Puts the legend to the right of the panel, and widens the figure by it.

    So the panels keep their width, however long its texts are.
    """
    legend = axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure = axis.figure
    width, height = figure.get_size_inches()
    own = legend.get_window_extent().width / figure.dpi
    figure.set_size_inches(width + own, height)


def answer_texts(predictions, labels):
    """Returns each answer with a mark, and the true label where it is wrong.

    Args:
        predictions, labels: ints [n].
    """
    pairs = zip(map(int, predictions), map(int, labels), strict=True)
    return [f"{p} ✓" if p == y else f"{p} ✗ (true {y})" for p, y in pairs]


def line_colour(place):
    """Returns the theme's colour number `place`, as a text like #0072b2."""
    # "C0" would be looked up when the picture is saved, outside the theme.
    import matplotlib as mpl

    colours = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    return colours[place % len(colours)]
