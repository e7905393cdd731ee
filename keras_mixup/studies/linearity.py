"""Fig. 4 of VarMixup: the local linearity error over the radius."""

import functools

import numpy as np

from keras_mixup import _checks
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


def linearity_rows(models, images, labels, radii, seed=0, **options):
    """Returns the mean local linearity error over the radius (Fig. 4).

    Args:
        models: dict name -> callable from images to logits, or a defence.
            The seed of its draws is fixed, since the difference between two
            draws is no curvature.
        images: float [N, H, W, C] in [0, 1].
        labels: int [N].
        radii: floats > 0 or fractions, L-infinity.
        seed: int, of the starts and of the defences' draws.
        **options: other arguments of `metrics.local_linearity_error`.

    Returns:
        list of dict with "model", "eps", "error" (mean over the images, of
        the cross-entropy in nats) and "num_examples".
    """
    rows = []
    for name, model in models.items():
        answer = model
        if specs_lib.is_randomized(model):
            answer = functools.partial(model, seed=seed)
        for eps in radii:
            errors = metrics.local_linearity_error(
                answer, images, labels, eps, seed=seed, **options
            )
            row = {
                "model": name,
                "eps": _checks.check_number(eps, "radii"),
                "error": float(np.mean(errors)),
                "num_examples": len(errors),
            }
            rows.append(row)
    return rows


@themed
def linearity_figure(rows):
    """VarMixup, Fig. 4: the local linearity error over the radius."""
    figure, axes = new_figure(1, 1, (6.6, 4.0))
    axis = axes[0][0]
    for place, (model, own) in enumerate(grouped(rows, "model").items()):
        points = sorted((255.0 * row["eps"], row["error"]) for row in own)
        line(axis, place, *zip(*points, strict=True), model)
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
        "finds, which is a lower bound. The seed of a defence's draws is fixed."
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
