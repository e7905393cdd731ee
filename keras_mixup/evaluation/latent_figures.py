"""Draws the rows of the latent studies; needs matplotlib.

Each function takes the rows and `theme` ("light" or "dark") and returns a
`matplotlib.figure.Figure`, or None without rows.
"""

import numpy as np

from keras_mixup.evaluation.figures import image_grid
from keras_mixup.evaluation.figures import new_figure
from keras_mixup.evaluation.figures import themed
from keras_mixup.evaluation.study_figures import MARKERS
from keras_mixup.evaluation.study_figures import line_colour

_DISTANCES = (
    ("frechet_distance", "Fréchet distance"),
    ("kernel_distance", "kernel distance"),
)
# Lines that differ in these are not of one table.
_SET = ("set", "split", "num_examples", "seed", "eval_seeds")
_BESIDE = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}


@themed
def linearity(rows):
    """VarMixup, Fig. 4: the local linearity error over the radius."""
    if not rows:
        return None
    figure, axes = new_figure(1, 1, (6.6, 4.0))
    axis = axes[0][0]
    for place, model in enumerate(dict.fromkeys(r["model"] for r in rows)):
        own = sorted(
            (255.0 * row["eps"], row["error"])
            for row in rows
            if row["model"] == model
        )
        axis.plot(*zip(*own, strict=True), **_line(place), label=model)
    axis.set_xlabel("radius, L-infinity, in 1/255")
    axis.set_ylabel("mean local linearity error (nats)")
    axis.set_ylim(bottom=0.0)
    axis.grid(True)
    axis.legend(**_BESIDE)
    return figure


@themed
def distances(rows):
    """VarMixup, Fig. 5: distances to the training images, as bars."""
    if not rows:
        return None
    names = list(dict.fromkeys(row["features"] for row in rows))
    figure, axes = new_figure(len(names), 2, (9.0, 1.0 + 2.2 * len(names)))
    for line, name in zip(axes, names, strict=True):
        own = [row for row in rows if row["features"] == name]
        titles = [f"{row['samples']} ({row['num_images']})" for row in own]
        for axis, (key, label) in zip(line, _DISTANCES, strict=True):
            values = [row[key] for row in own]
            colours = [line_colour(place) for place in range(len(own))]
            bars = axis.barh(titles, values, color=colours)
            axis.bar_label(bars, fmt="%.3g", padding=3)
            axis.margins(x=0.18)
            axis.invert_yaxis()
            axis.set_xlabel(label)
            axis.grid(True, axis="x")
        line[0].set_title(f"on {name}")
        # The left panel names them; a bar below 0 would run into its name.
        line[1].set_yticklabels([])
    return figure


def samples(rows, theme="light"):
    """VarMixup, Fig. 7: pairs of images, and what is made of them."""
    if not rows:
        return None
    shown = {row["title"]: np.asarray(row["images"]) for row in rows}
    return image_grid(shown, theme=theme)


@themed
def corruptions(rows):
    """VarMixup, Table 4: accuracy by kind, a panel for each set."""
    sets = {}
    for row in rows:
        place = [row[name] for name in _SET]
        sets.setdefault(str(place), []).append(row)
    if not sets:
        return None
    figure, axes = new_figure(len(sets), 1, (11.0, 4.2 * len(sets)))
    for axis, own in zip(axes[:, 0], sets.values(), strict=True):
        kinds = list(dict.fromkeys(row["kind"] for row in own))
        for place, model in enumerate(dict.fromkeys(r["model"] for r in own)):
            means = [_mean(own, model, kind) for kind in kinds]
            axis.plot(kinds, means, **_line(place), label=model)
        title = f"{own[0]['set']}, {own[0]['num_examples']} examples"
        axis.set_title(f"{title}, mean over the severities")
        axis.set_ylabel("accuracy (%)")
        axis.set_ylim(-3.0, 103.0)
        axis.tick_params(axis="x", labelrotation=40)
        for text in axis.get_xticklabels():
            text.set_horizontalalignment("right")
        axis.grid(True)
        axis.legend(**_BESIDE)
    return figure


def _mean(rows, model, kind):
    values = [
        100.0 * row["accuracy"]
        for row in rows
        if (row["model"], row["kind"]) == (model, kind)
    ]
    return float(np.mean(values)) if values else np.nan


def _line(place):
    marker = MARKERS[place % len(MARKERS)]
    return {"marker": marker, "color": line_colour(place)}
