"""Draws the rows of the studies; needs matplotlib.

Each function takes the rows and `theme` ("light" or "dark") and returns a
`matplotlib.figure.Figure`, or None without rows.
"""

import numpy as np

from keras_mixup.evaluation.figures import image_grid
from keras_mixup.evaluation.figures import new_figure
from keras_mixup.evaluation.figures import themed

MARKERS = "osD^vPX*"
_LINES = {
    "clean_f": ("F_y(x)", "-"),
    "clean_mi": ("MI_y(x)", "--"),
    "f_true": ("F_y(x)", "-"),
    "mi_true": ("MI_y(x)", "--"),
    "f_predicted": ("F_ŷ(x)", "-"),
    "mi_predicted": ("MI_ŷ(x)", "--"),
}


@themed
def lambda_sweep(rows):
    """Fig. 2: probabilities and the two sides of Eq. 12 or 15 over lambda."""
    kinds = list(dict.fromkeys(row["defence"] for row in rows))
    if not kinds:
        return None
    figure, axes = new_figure(len(kinds), 3, (14.5, 3.2 * len(kinds)))
    for line, kind in zip(axes, kinds, strict=True):
        own = [row for row in rows if row["defence"] == kind]
        weights = [row["mix_weight"] for row in own]
        for axis, title, names in (
            (line[0], "clean (z = 0)", ("clean_f", "clean_mi")),
            (
                line[1],
                "attacked (z = 1)",
                ("f_true", "mi_true", "f_predicted", "mi_predicted"),
            ),
        ):
            for place, name in enumerate(names):
                label, style = _LINES[name]
                colour = line_colour(place // 2)
                values = _floats(own, name)
                axis.plot(weights, values, style, label=label, color=colour)
            axis.set_title(f"{kind}, {title}")
            axis.set_ylim(-0.03, 1.03)
            axis.set_ylabel("mean probability")
        _changes(line[2], own, weights, kind)
    for axis in axes.flat:
        axis.set_xlabel("λ, the weight of the input")
        axis.grid(True)
        beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
        # Two lines leave room for their names inside.
        axis.legend(handlelength=3, **({} if axis in axes[:, 0] else beside))
    return figure


def _changes(axis, rows, weights, kind):
    """−ΔG of Eq. 12 and 15 as in the paper, split as in Eq. 13."""
    for place, (component, sign) in enumerate(
        (("true", "y"), ("predicted", "ŷ"))
    ):
        colour = line_colour(place)
        for name, style, text in (
            ("gain", "-", f"ΔG_{sign}"),
            ("transfer", ":", f"input transfer, {sign}"),
            ("shrinkage", "-.", f"shrinkage, {sign}"),
        ):
            values = -_floats(rows, f"{name}_{component}")
            axis.plot(weights, values, style, color=colour, label=text)
        bound = -_floats(rows, f"bound_{component}")
        axis.plot(weights, bound, color=colour, linewidth=0.8, alpha=0.7)
    axis.set_title(f"{kind}: ΔG, its parts, its bounds (thin)")
    axis.set_ylabel("−[G(δ; x₀) − G(λδ; x̃₀)]")


@themed
def detection(rows):
    """Fig. 3a: ROC curves with their AUC, a panel per kind of attack."""
    kinds = list(dict.fromkeys((r["attack"], r["knowledge"]) for r in rows))
    if not kinds:
        return None
    figure, axes = new_figure(1, len(kinds), (4.7 * len(kinds), 5.2))
    for axis, kind in zip(axes[0], kinds, strict=True):
        for row in rows:
            if (row["attack"], row["knowledge"]) == kind:
                axis.plot(
                    row["false_positives"],
                    row["true_positives"],
                    label=f"{row['detector']} (AUC {row['auc']:.3f})",
                )
        axis.plot([0, 1], [0, 1], ":", color="gray", linewidth=1)
        axis.set_title(", ".join(kind))
        axis.set_xlabel("clean images taken for attacked")
        axis.set_ylabel("attacked images found")
        axis.set_aspect("equal")
        axis.grid(True)
        # Curves may run along any side of the square.
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return figure


@themed
def trade_off(rows):
    """Fig. 3b: attacked against clean accuracy, a panel per kind of attack."""
    kinds = list(dict.fromkeys((r["attack"], r["knowledge"]) for r in rows))
    if not kinds:
        return None
    families = list(dict.fromkeys(row["family"] for row in rows))
    # The app's six families have all colours for themselves.
    defended = [family for family in families if family != "none"]
    colours = {name: line_colour(i) for i, name in enumerate(defended)}
    figure, axes = new_figure(1, len(kinds), (5.0 * len(kinds), 4.4))
    for axis, kind in zip(axes[0], kinds, strict=True):
        for place, family in enumerate(families):
            own = sorted(
                (100 * row["clean"], 100 * row["accuracy"])
                for row in rows
                if row["family"] == family
                and (row["attack"], row["knowledge"]) == kind
            )
            axis.plot(
                *zip(*own, strict=True),
                marker=MARKERS[place % len(MARKERS)],
                markersize=10 if family == "none" else 5,
                linestyle="none" if family == "none" else "-",
                linewidth=1,
                color=colours.get(family, "gray"),
                label="no defence" if family == "none" else family,
            )
        axis.set_title(", ".join(kind))
        axis.set_xlabel("clean accuracy (%)")
        axis.set_ylabel("accuracy under the attack (%)")
        axis.grid(True)
    axes[0][-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    _same_limits(axes[0])
    return figure


@themed
def adaptive_samples(rows):
    """Fig. 4: accuracy over the attacker's samples; dashes: no defence."""
    if not rows:
        return None
    figure, axes = new_figure(1, 1, (6.4, 4.2))
    axis = axes[0][0]
    steps = list(dict.fromkeys(row["num_steps"] for row in rows))
    defences = list(dict.fromkeys(row["defence"] for row in rows))
    samples = [r["num_samples"] for r in rows if r["num_samples"]]
    ends = [min(samples, default=1), max(samples, default=1)]
    for place, count in enumerate(steps):
        for number, defence in enumerate(defences):
            own = [
                row
                for row in rows
                if (row["num_steps"], row["defence"]) == (count, defence)
            ]
            if not own:
                continue
            colour = line_colour(place)
            accuracy = [100 * row["accuracy"] for row in own]
            if own[0]["num_samples"] is None:
                axis.plot(
                    ends,
                    accuracy[:1] * 2,
                    "--",
                    color=colour,
                    label=f"no defence, {count} steps",
                )
                continue
            axis.errorbar(
                [row["num_samples"] for row in own],
                accuracy,
                yerr=[100 * (row["std"] or 0.0) for row in own],
                marker=MARKERS[number % len(MARKERS)],
                color=colour,
                label=f"{defence}, {count} steps",
            )
    axis.set_xscale("log")
    ticks = sorted(set(samples))
    axis.set_xticks(ticks, list(map(str, ticks)))
    axis.minorticks_off()
    axis.set_ylim(bottom=0)
    axis.set_xlabel("adaptive samples in each step")
    axis.set_ylabel("accuracy under the attack (%)")
    axis.grid(True)
    axis.legend(loc="lower left")
    return figure


def adaptive_examples(rows, theme="light"):
    """Fig. 5: clean images above adversarial ones, with the answers."""
    if not rows:
        return None
    shown, captions = {}, {}
    for name in ("clean", "adversarial"):
        title = name
        if name == "adversarial":
            title = f"{name}\n(eps {255 * rows[0]['eps']:.3g}/255)"
        shown[title] = np.asarray([row[name] for row in rows])
        captions[title] = [_answer(row, f"{name}_prediction") for row in rows]
    return image_grid(shown, captions, theme=theme)


def _answer(row, name):
    if row[name] == row["label"]:
        return f"{row[name]} ✓"
    return f"{row[name]} ✗ (true {row['label']})"


def line_colour(place):
    """Returns the theme's colour number `place`, as a text like #0072b2."""
    # "C0" would be looked up when the picture is saved, outside the theme.
    import matplotlib as mpl

    colours = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    return colours[place % len(colours)]


def _floats(rows, name):
    return np.array([np.nan if r[name] is None else r[name] for r in rows])


def _same_limits(axes):
    low = min(axis.get_ylim()[0] for axis in axes)
    high = max(axis.get_ylim()[1] for axis in axes)
    for axis in axes:
        axis.set_ylim(low, high)
