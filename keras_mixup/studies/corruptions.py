"""Table 4 of VarMixup: accuracy under common corruptions."""

import numpy as np

from keras_mixup import registry
from keras_mixup.studies import base
from keras_mixup.studies.drawing import grouped
from keras_mixup.studies.drawing import legend_beside
from keras_mixup.studies.drawing import line
from keras_mixup.studies.drawing import new_figure
from keras_mixup.studies.drawing import themed

# Lines that differ in these are not of one table.
_SET = ("set", "split", "num_examples", "seed", "eval_seeds")


@themed
def corruptions_figure(rows):
    """VarMixup, Table 4: accuracy by kind, a panel for each set."""
    sets = grouped(rows, key=lambda row: str([row[name] for name in _SET]))
    figure, axes = new_figure(len(sets), 1, (11.0, 4.2 * len(sets)))
    for axis, own in zip(axes[:, 0], sets.values(), strict=True):
        means = {
            cell: np.mean([100.0 * row["accuracy"] for row in found])
            for cell, found in grouped(own, "model", "kind").items()
        }
        kinds = list(grouped(own, "kind"))
        for place, model in enumerate(grouped(own, "model")):
            values = [means.get((model, kind), np.nan) for kind in kinds]
            line(axis, place, kinds, values, model)
        title = f"{own[0]['set']}, {own[0]['num_examples']} examples"
        axis.set(
            title=f"{title}, mean over the severities",
            ylabel="accuracy (%)",
            ylim=(-3.0, 103.0),
        )
        axis.tick_params(axis="x", labelrotation=40)
        for text in axis.get_xticklabels():
            text.set_horizontalalignment("right")
        legend_beside(axis)
    return figure


@registry.register("study", "corruptions", label="Common corruptions")
class Corruptions(base.Study):
    """Accuracy by kind of corruption; a run scores it apart."""

    caption = (
        "A published set has its own name. A set that was made here is called "
        '"... corrupted by imagecorruptions". The two cannot be compared.'
    )

    draw = staticmethod(corruptions_figure)
