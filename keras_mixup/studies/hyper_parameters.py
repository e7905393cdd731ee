"""Fig. 3b of Mixup Inference: clean against attacked accuracy."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import registry
from keras_mixup.studies import base
from keras_mixup.studies.drawing import grouped
from keras_mixup.studies.drawing import legend_beside
from keras_mixup.studies.drawing import line
from keras_mixup.studies.drawing import line_colour
from keras_mixup.studies.drawing import new_figure
from keras_mixup.studies.drawing import themed


def trade_off(
    classifier: _tensors.ModelFn,
    families: Mapping[str, Mapping[Any, Any]],
    attacks: Sequence[evaluation.AttackSpec],
    images: _tensors.ArrayLike,
    labels: _tensors.ArrayLike,
    **evaluate_options: Any,
) -> list[_types.Json]:
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
    """The rows of Table 2; the settings of Tables 4 and 5 are among theirs.

    Sizes are scaled from 32 pixels to the images.
    """
    classifier, pool = context.classifier, context.pool
    size = classifier.input_shape[1]
    draws = {"num_draws": context.num_draws}

    def built(kind, settings, *arguments, **options):
        return {
            text: kind(classifier, *arguments, value, **draws, **options)
            for text, value in settings.items()
        }

    def crops(*first):
        pairs = [(low, low + 8) for low in first]
        pairs = [[round(side * size / 32) for side in pair] for pair in pairs]
        return {f"{low}-{high}": (low, high) for low, high in pairs if low}

    weights = {f"{w:g}": w for w in (0.4, 0.5, 0.6, 0.7, 0.8)}
    noise = {f"{s:g}": s for s in (0.0125, 0.02, 0.03, 0.0375, 0.05, 0.1)}
    angles = {f"{a:g}": a for a in (10.0, 20.0, 30.0, 40.0)}
    return {
        "MI-OL": built(inference.MixupInferenceOL, weights, pool),
        "MI-Combined": _combined(context),
        "noise": built(inference.GaussianNoiseInference, noise),
        "rotation": built(
            inference.RandomRotationInference, angles, interpolation="nearest"
        ),
        "crop-pad": built(
            inference.RandomCropPadInference, crops(16, 18, 20, 22)
        ),
        "crop-resize": built(
            inference.RandomCropResizeInference, crops(20, 22, 24)
        ),
    }


def _combined(context):
    """MI-Combined over its threshold, the weights being the paper's."""
    pl_weight, ol_weight, _ = context.combined
    return {
        f"{threshold:g}": inference.MixupInferenceCombined(
            context.classifier,
            context.pool,
            pl_weight,
            ol_weight,
            threshold,
            context.num_draws,
        )
        for threshold in (0.0, 0.1, 0.2, 0.4)
    }


@themed
def trade_off_figure(rows):
    """Fig. 3b: attacked against clean accuracy, a panel per kind of attack."""
    kinds = grouped(rows, "attack", "knowledge")
    families = list(grouped(rows, "family"))
    # Grey leaves all six colours to the defences.
    defended = [family for family in families if family != "none"]
    colours = {name: line_colour(i) for i, name in enumerate(defended)}
    figure, axes = new_figure(1, len(kinds), (5.0 * len(kinds), 4.4))
    for axis in axes[0][1:]:
        axis.sharey(axes[0][0])
    for axis, (kind, shown) in zip(axes[0], kinds.items(), strict=True):
        for family, own in grouped(shown, "family").items():
            points = sorted(
                (100 * r["clean"], 100 * r["accuracy"]) for r in own
            )
            bare = family == "none"
            line(
                axis,
                families.index(family),
                *zip(*points, strict=True),
                "no defence" if bare else family,
                markersize=10 if bare else 5,
                linestyle="none" if bare else "-",
                linewidth=1,
                color=colours.get(family, "gray"),
            )
        axis.set(
            title=", ".join(kind),
            xlabel="clean accuracy (%)",
            ylabel="accuracy under the attack (%)",
        )
    legend_beside(axes[0][-1])
    return figure


@registry.register(
    "study",
    "fig3b",
    label="Clean against attacked accuracy over hyper-parameters",
)
class TradeOff(base.Study):
    """Clean against attacked accuracy."""

    caption = (
        "Each point is one setting of a defence. Only the adaptive panel "
        "measures robustness."
    )
    needs_pool = True

    @staticmethod
    def make(context):
        return trade_off(
            context.classifier,
            _families(context),
            context.specs(),
            *context.image_set[:2],
            **context.evaluate_options("fig3b"),
        )

    draw = staticmethod(trade_off_figure)
