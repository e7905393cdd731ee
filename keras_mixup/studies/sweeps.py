"""Fig. 6 of VarMixup: accuracy over eta and over lambda, from records."""

import numpy as np

from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import registry
from keras_mixup.studies import base
from keras_mixup.studies.drawing import MARKERS
from keras_mixup.studies.drawing import line_colour
from keras_mixup.studies.drawing import new_figure
from keras_mixup.studies.drawing import themed

_ORDER = ("method", "attack", "knowledge", "eps", "value")


def weight_sweep_rows(records):
    """Returns accuracy over lambda_MI, from records alone (Fig. 6b).

    Args:
        records: `Records` of an evaluation with several `--mix_weights`. The
            weight is read from the defence's settings; defences without a
            fixed weight, or without settings, are left out.

    Returns:
        list of dict with "method", "attack", "knowledge", "eps", "value"
        (lambda), "accuracy", "std" and "num_examples", in this order.
    """
    records, rows = evaluation.Records(records), []
    for summary in evaluation.summarize(records):
        settings = records.defences.get(summary.defence, {})
        weight = settings.get("mix_weight")
        if isinstance(weight, (int, float)):
            name = inference.defence_label(settings, without=("mix_weight",))
            method = f"{summary.model} + {name}"
            rows.append(_row(summary, method, float(weight)))
    return sorted(rows, key=_place)


def eta_sweep_rows(runs):
    """Returns accuracy over eta of Beta(eta, eta), from records (Fig. 6a).

    Args:
        runs: list of (eta, list of `Record`), one for each trained network.

    Returns:
        list of dict as from `weight_sweep_rows`; "value" is eta, and a
        defence's name is part of "method".
    """
    rows = []
    for eta, records in runs:
        for summary in evaluation.summarize(records):
            method = summary.model
            if summary.defence != "none":
                method += f" + {summary.defence}"
            rows.append(_row(summary, method, float(eta)))
    return sorted(rows, key=_place)


def _row(summary, method, value):
    return {
        "method": method,
        "attack": summary.attack,
        "knowledge": summary.knowledge,
        "eps": summary.eps,
        "value": value,
        "accuracy": summary.accuracy,
        "std": summary.std,
        "num_examples": summary.num_examples,
    }


def _place(row):
    # Clean images have no radius.
    return [row[name] or 0.0 if name == "eps" else row[name] for name in _ORDER]


@themed
def sweep_figure(rows, label="λ_MI, the weight of the input"):
    """Draws accuracy over a setting: a panel per attack, a line per method.

    Args:
        rows: list of dict as from `weight_sweep_rows`; for Fig. 6a, "value"
            is eta of Beta(eta, eta), and a row is a trained network.
        label: str, what "value" is.
        theme: keyword, "light" or "dark".

    Returns:
        `Figure`, or None without rows.
    """
    kinds = list(dict.fromkeys(map(_panel, rows)))
    if not kinds:
        return None
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure, axes = new_figure(1, len(kinds), (4.2 * len(kinds) + 2.0, 3.8))
    for axis, kind in zip(axes[0], kinds, strict=True):
        for place, method in enumerate(methods):
            own = sorted(
                (row["value"], 100 * row["accuracy"], 100 * (row["std"] or 0.0))
                for row in rows
                if row["method"] == method and _panel(row) == kind
            )
            if own:
                values, accuracies, spread = np.transpose(own)
                axis.errorbar(
                    values,
                    accuracies,
                    yerr=spread,
                    marker=MARKERS[place % len(MARKERS)],
                    color=line_colour(place),
                    label=method,
                )
        axis.set_title(kind)
        axis.set_xlabel(label)
        axis.set_ylabel("accuracy (%)")
        axis.set_ylim(-3.0, 103.0)
        axis.grid(True)
    axes[0][-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _panel(row):
    parts = [row["attack"]]
    if row["knowledge"] != "none":
        parts += [f"{row['knowledge']}, eps {row['eps']:.3g}"]
    return ",\n".join(parts)


@registry.register(
    "study",
    "varmixup_fig6a",
    label="Accuracy over η of Beta(η, η)",
)
class EtaSweep(base.Study):
    """Accuracy over eta, from the records of several runs."""

    caption = (
        "Each point is a network trained with that η. Only the adaptive "
        "panels say something about a defence's robustness."
    )

    @staticmethod
    def make(context):
        """Returns the numbers; see `base.Study`."""
        return eta_sweep_rows(context.eta_runs)

    @staticmethod
    def draw(rows, theme="light"):
        """Returns the figure; see `base.Study`."""
        return sweep_figure(rows, label="η of Beta(η, η)", theme=theme)


@registry.register("study", "varmixup_fig6b", label="Accuracy over λ_MI")
class WeightSweep(base.Study):
    """Accuracy over lambda, from the records of the run."""

    caption = "Only the adaptive panels say something about robustness."

    @staticmethod
    def make(context):
        """Returns the numbers; see `base.Study`."""
        return weight_sweep_rows(context.records())

    @staticmethod
    def draw(rows, theme="light"):
        """Returns the figure; see `base.Study`."""
        return sweep_figure(rows, theme=theme)
