"""Fig. 3b of Mixup Inference: clean against attacked accuracy."""

from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import registry
from keras_mixup.studies import base
from keras_mixup.studies.drawing import MARKERS
from keras_mixup.studies.drawing import line_colour
from keras_mixup.studies.drawing import new_figure
from keras_mixup.studies.drawing import themed


def trade_off(
    classifier, families, attacks, images, labels, **evaluate_options
):
    """Returns clean against attacked accuracy over hyper-parameters (3b).

    Args:
        classifier: callable from images to logits, itself a point.
        families: dict family -> dict setting -> defence.
        attacks: list of `AttackSpec` with an attack.
        images, labels: as for `evaluate`.
        **evaluate_options: the other arguments of `evaluate`.

    Returns:
        list of dicts: `family`, `setting`, `clean`, `attack`, `knowledge`,
        `accuracy`, `num_examples`; the classifier's family is "none".

    Source: Mixup Inference, Fig. 3b.
    """
    models = {"classifier": classifier}
    names = {("classifier", "none"): ("none", "")}
    for family, settings in families.items():
        for setting, defence in settings.items():
            label = f"{family} {setting}"
            models[label] = defence
            names["classifier", label] = family, setting
    specs = [evaluation.AttackSpec("clean", None, "none"), *attacks]
    records = evaluation.evaluate(
        models, specs, images, labels, **evaluate_options
    )
    summaries = evaluation.summarize(records)
    clean = {s.row: s.accuracy for s in summaries if s.knowledge == "none"}
    return [
        {
            "family": names[s.row][0],
            "setting": names[s.row][1],
            "clean": clean[s.row],
            "attack": s.attack,
            "knowledge": s.knowledge,
            "accuracy": s.accuracy,
            "num_examples": s.num_examples,
        }
        for s in summaries
        if s.knowledge != "none"
    ]


def _families(context):
    """The grid of the paper's families, sizes scaled to the images."""
    classifier, pool = context.classifier, context.pool
    size = classifier.input_shape[1]
    draws = {"num_draws": context.num_draws}

    def built(kind, settings, *arguments):
        return {
            text: kind(classifier, *arguments, value, **draws)
            for text, value in settings.items()
        }

    weights = {f"{w:g}": w for w in (0.4, 0.5, 0.6, 0.7, 0.8)}
    ranges = {
        f"{low}-{high}": (low, high)
        for low, high in (
            (max(1, round(share * size)), max(1, round((share + 0.2) * size)))
            for share in (0.5, 0.6, 0.7, 0.8)
        )
        if low < high <= size
    }
    noise = {f"{s:g}": s for s in (0.02, 0.05, 0.1, 0.2)}
    angles = {f"{a:g}": a for a in (10.0, 20.0, 40.0)}
    return {
        "MI-OL": built(inference.MixupInferenceOL, weights, pool),
        "MI-PL": built(inference.MixupInferencePL, weights, pool),
        "noise": built(inference.GaussianNoiseInference, noise),
        "rotation": built(inference.RandomRotationInference, angles),
        "resize-pad": built(inference.RandomResizePadInference, ranges),
        "crop-resize": built(inference.RandomCropResizeInference, ranges),
    }


@themed
def trade_off_figure(rows):
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


def _same_limits(axes):
    low = min(axis.get_ylim()[0] for axis in axes)
    high = max(axis.get_ylim()[1] for axis in axes)
    for axis in axes:
        axis.set_ylim(low, high)


@registry.register(
    "study",
    "fig3b",
    label="Clean against attacked accuracy over hyper-parameters",
)
class TradeOff(base.Study):
    """Clean against attacked accuracy."""

    caption = (
        "Each point is one setting of a defence. Only the adaptive panel "
        "says something about robustness."
    )
    needs_pool = True

    @staticmethod
    def make(context):
        """Returns the numbers; see `base.Study`."""
        return trade_off(
            context.classifier,
            _families(context),
            context.specs(),
            context.image_set.images,
            context.image_set.labels,
            **context.evaluate_options("fig3b"),
        )

    @staticmethod
    def draw(rows, theme="light"):
        """Returns the figure; see `base.Study`."""
        return trade_off_figure(rows, theme=theme)
