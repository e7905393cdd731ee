"""Fig. 4 of VarMixup: the local linearity error over the radius."""

import functools
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import data
from keras_mixup import metrics
from keras_mixup import registry
from keras_mixup.evaluation import specs as specs_lib
from keras_mixup.studies import base
from keras_mixup.studies.drawing import grouped
from keras_mixup.studies.drawing import legend_beside
from keras_mixup.studies.drawing import line
from keras_mixup.studies.drawing import new_figure
from keras_mixup.studies.drawing import themed

# The radii, as fractions of eps.
_SHARES = (0.25, 0.5, 0.75, 1.0)


def linearity_rows(
    models: Mapping[str, _tensors.ModelFn],
    images: _tensors.ArrayLike,
    labels: _tensors.ArrayLike,
    radii: Sequence[_types.Number],
    seed: int = 0,
    **options: Any,
) -> list[_types.Json]:
    """Returns the mean local linearity error over the radius (Fig. 4).

    Args:
        models: dict name -> callable from images to logits, or a defence.
            Its draws at x are held at x + delta, since the difference
            between two draws is no curvature. One whose draws follow the
            predicted label, such as MI-OL, has more rows: with its partners
            drawn anew from the same seed at x + delta, so that a change of
            the label swaps them. That is the error of the answer as the
            paper defines it.
        images: float [N, H, W, C] in [0, 1].
        labels: int [N].
        radii: floats > 0 or fractions, L-infinity.
        seed: int, of the starts and of the defences' draws.
        **options: other arguments of `metrics.local_linearity_error`.

    Returns:
        list of dict with "model", "draws" ("held", "redrawn", or "none" for
        a model without), "eps", "error" (mean over the images, of the
        cross-entropy in nats), "num_examples" and "values" (the error of
        each image).
    """
    rows = []
    for name, model in models.items():
        for draws, answer, own in _answers(model, seed):
            for eps in radii:
                errors = metrics.local_linearity_error(
                    answer, images, labels, eps, seed=seed, **own, **options
                )
                row = {
                    "model": name,
                    "draws": draws,
                    "eps": _checks.check_number(eps, "radii"),
                    "error": float(np.mean(errors)),
                    "num_examples": len(errors),
                    "values": np.asarray(errors, np.float64).tolist(),
                }
                rows.append(row)
    return rows


def _answers(model, seed):
    """Yields (kind of draws, callable, options of the metric)."""
    if not specs_lib.is_randomized(model):
        yield "none", model, {}
        return
    yield "held", model, {"draws_seed": seed}
    if getattr(model, "uses_prediction", True):
        yield "redrawn", functools.partial(model, seed=seed), {}


@themed
def linearity_figure(rows):
    """VarMixup, Fig. 4: the local linearity error over the radius."""
    figure, axes = new_figure(1, 1, (6.6, 4.0))
    axis = axes[0][0]
    for place, (model, shown) in enumerate(grouped(rows, "model").items()):
        kinds = grouped(shown, key=lambda row: row.get("draws") == "redrawn")
        for redrawn, own in kinds.items():
            points = sorted((255.0 * row["eps"], row["error"]) for row in own)
            style = {"linestyle": "--"} if redrawn else {}
            title = f"{model}, redrawn" if redrawn else model
            line(axis, place, *zip(*points, strict=True), title, **style)
    axis.set(
        xlabel="radius, L-infinity, in 1/255",
        ylabel="mean local linearity error (nats)",
    )
    axis.set_ylim(bottom=0.0)
    legend_beside(axis)
    return figure


@registry.register(
    "study",
    "varmixup_fig4",
    label="Local linearity of the loss",
)
class Linearity(base.Study):
    """The local linearity error of every model."""

    caption = (
        "The largest gap between the loss and its tangent that gradient ascent "
        "finds, which is a lower bound. A defence's draws are those of the "
        "clean image. Dashed: the partners follow the label that is predicted "
        "at each point, as the paper defines the answer, and a change of the "
        "label counts as curvature."
    )

    @staticmethod
    def make(context):
        return linearity_rows(
            context.models,
            data.as_float(context.image_set.images),
            context.image_set.labels,
            [share * context.threat.eps for share in _SHARES],
            seed=context.attack_seed,
            batch_size=context.batch_size,
        )

    draw = staticmethod(linearity_figure)
