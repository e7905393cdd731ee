"""Table 4 of VarMixup: accuracy under common corruptions."""

import numpy as np

from keras_mixup import registry
from keras_mixup.studies import base
from keras_mixup.studies.drawing import MARKERS
from keras_mixup.studies.drawing import line_colour
from keras_mixup.studies.drawing import new_figure
from keras_mixup.studies.drawing import themed

# Lines that differ in these are not of one table.
_SET = ("set", "split", "num_examples", "seed", "eval_seeds")


@themed
def corruptions_figure(rows):
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
            axis.plot(
                kinds,
                means,
                marker=MARKERS[place % len(MARKERS)],
                color=line_colour(place),
                label=model,
            )
        title = f"{own[0]['set']}, {own[0]['num_examples']} examples"
        axis.set_title(f"{title}, mean over the severities")
        axis.set_ylabel("accuracy (%)")
        axis.set_ylim(-3.0, 103.0)
        axis.tick_params(axis="x", labelrotation=40)
        for text in axis.get_xticklabels():
            text.set_horizontalalignment("right")
        axis.grid(True)
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _mean(rows, model, kind):
    values = [
        100.0 * row["accuracy"]
        for row in rows
        if (row["model"], row["kind"]) == (model, kind)
    ]
    return float(np.mean(values)) if values else np.nan


@registry.register("study", "corruptions", label="Common corruptions")
class Corruptions(base.Study):
    """Accuracy by kind of corruption; a run scores it apart."""

    caption = (
        "A set is called what it is: published ones by their names, others "
        '"... corrupted by imagecorruptions". The two cannot be compared.'
    )

    @staticmethod
    def draw(rows, theme="light"):
        """Returns the figure; see `base.Study`."""
        return corruptions_figure(rows, theme=theme)
