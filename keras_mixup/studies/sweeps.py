"""Fig. 6 of VarMixup: accuracy over eta and over lambda, from records."""

import functools
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from keras_mixup import _types
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import registry
from keras_mixup.studies import base
from keras_mixup.studies.drawing import grouped
from keras_mixup.studies.drawing import legend_beside
from keras_mixup.studies.drawing import line
from keras_mixup.studies.drawing import new_figure
from keras_mixup.studies.drawing import themed

_SHARED = ("attack", "knowledge", "eps", "accuracy", "std", "num_examples")


def weight_sweep_rows(records: evaluation.Records) -> list[_types.Json]:
    """Returns accuracy over lambda_MI, from records alone (Fig. 6b).

    Args:
        records: `Records` of an evaluation with several `mix_weights`. The
            weight is read from the defence's settings. A defence without
            settings, or without a fixed weight, is left out.

    Returns:
        list of dict with "method", "attack", "knowledge", "eps", "value"
        (lambda), "accuracy", "std" and "num_examples", sorted by the first
        five.
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


def eta_sweep_rows(
    runs: Iterable[tuple[float, Iterable[evaluation.Record]]],
) -> list[_types.Json]:
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
    shared = {name: getattr(summary, name) for name in _SHARED}
    return {"method": method, "value": value, **shared}


def _place(row):
    # Clean images have no radius.
    eps = row["eps"] or 0.0
    return row["method"], row["attack"], row["knowledge"], eps, row["value"]


@themed
def sweep_figure(
    rows: Sequence[_types.Json], label: str = "λ_MI, the weight of the input"
) -> Any:
    """Draws accuracy over a setting: a panel per attack, a line per method.

    Args:
        rows: list of dict as from `weight_sweep_rows` or `eta_sweep_rows`.
        label: str, what "value" is.
        theme: keyword, "light" or "dark".

    Returns:
        `Figure`, or None without rows.
    """
    kinds = grouped(rows, key=_panel)
    methods = list(grouped(rows, "method"))
    figure, axes = new_figure(1, len(kinds), (4.2 * len(kinds) + 2.0, 3.8))
    for axis, (kind, shown) in zip(axes[0], kinds.items(), strict=True):
        for method, own in grouped(shown, "method").items():
            values, accuracy, spread = zip(
                *sorted(
                    (r["value"], r["accuracy"], r["std"] or 0.0) for r in own
                ),
                strict=True,
            )
            line(
                axis,
                methods.index(method),
                values,
                [100 * share for share in accuracy],
                method,
                yerr=[100 * share for share in spread],
            )
        axis.set(
            title=kind,
            xlabel=label,
            ylabel="accuracy (%)",
            ylim=(-3.0, 103.0),
        )
    legend_beside(axes[0][-1])
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
        "panels measure a defence's robustness."
    )

    @staticmethod
    def make(context):
        return eta_sweep_rows(context.eta_runs)

    draw = functools.partial(sweep_figure, label="η of Beta(η, η)")


@registry.register("study", "varmixup_fig6b", label="Accuracy over λ_MI")
class WeightSweep(base.Study):
    """Accuracy over lambda, from the records of the run."""

    caption = "Only the adaptive panels measure robustness."

    @staticmethod
    def make(context):
        return weight_sweep_rows(context.records())

    draw = staticmethod(sweep_figure)
