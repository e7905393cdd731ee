"""Accuracy over the attacker's draws: MI's Fig. 4 and VarMixup's Fig. 3."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import attacks as attacks_lib
from keras_mixup import evaluation
from keras_mixup import registry
from keras_mixup.evaluation import specs as specs_lib
from keras_mixup.studies import base
from keras_mixup.studies.drawing import grouped
from keras_mixup.studies.drawing import line
from keras_mixup.studies.drawing import line_colour
from keras_mixup.studies.drawing import marker
from keras_mixup.studies.drawing import new_figure
from keras_mixup.studies.drawing import themed
from keras_mixup.threat import ThreatModel
from keras_mixup.threat import number_text

SAMPLES = (1, 2, 5, 10, 20, 30)
# Those of the released code of Mixup Inference.
RELEASED_SAMPLES = (1, 2, 3, 4, 5, 10, 15, 20, 25, 30)


def adaptive_samples(
    models: Mapping[str, _tensors.ModelFn],
    threat: ThreatModel,
    images: _tensors.ArrayLike,
    labels: _tensors.ArrayLike,
    *,
    num_draws: Sequence[int] = SAMPLES,
    num_steps: Sequence[int] = (10, 50),
    recipe: str = "pang2020_paper",
    step_size: _types.Number | None = None,
    **evaluate_options: Any,
) -> list[_types.Json]:
    """Returns accuracy against the number of adaptive samples (Fig. 4).

    Args:
        models: dict name -> classifier or defence. A classifier is attacked
            by PGD with the same number of steps.
        threat: `ThreatModel`.
        images, labels: as for `evaluate`.
        num_draws: ints, the attacker's draws in each step.
        num_steps: ints.
        recipe: str, of `MixupInferenceAttack`; the paper's is Eq. 24.
        step_size: float >= 0 or a fraction; None takes the recipe's.
        **evaluate_options: the other arguments of `evaluate`.

    Returns:
        list of dicts: `model`, `defence`, `num_steps`, `step_size`, `notice`
        (that it is not the recipe's own), `num_samples` (None for a
        classifier), `accuracy`, `std`, `num_examples`.

    Source: Mixup Inference, Fig. 4 and Eq. 24.
    """
    settings, specs = {}, []
    for steps in num_steps:
        for samples in num_draws:
            attack = attacks_lib.MixupInferenceAttack(
                threat,
                recipe,
                num_steps=steps,
                num_draws=samples,
                step_size=step_size,
            )
            spec = evaluation.AttackSpec(attack.name, attack, "adaptive")
            settings[spec.name] = attack, steps, samples
            specs.append(spec)
    records = evaluation.evaluate(
        models, specs, images, labels, **evaluate_options
    )
    rows, seen = [], set()
    for s in evaluation.summarize(records):
        attack, steps, samples = settings[s.attack]
        if s.defence == "none":
            # The number of samples does not change PGD on a classifier.
            if (s.model, steps) in seen:
                continue
            seen.add((s.model, steps))
        rows.append(
            {
                "model": s.model,
                "defence": s.defence,
                "num_steps": steps,
                "step_size": attack.step_size,
                "notice": attack.notice,
                "num_samples": None if s.defence == "none" else samples,
                "accuracy": s.accuracy,
                "std": s.std,
                "num_examples": s.num_examples,
            }
        )
    return rows


@themed
def samples_figure(rows):
    """Fig. 4: accuracy over the attacker's samples; dashed: no defence."""
    figure, axes = new_figure(1, 1, (6.4, 4.2))
    axis = axes[0][0]
    defences = list(grouped(rows, "defence"))
    samples = [r["num_samples"] for r in rows if r["num_samples"]]
    ends = [min(samples, default=1), max(samples, default=1)]
    for place, (count, shown) in enumerate(grouped(rows, "num_steps").items()):
        for defence, own in grouped(shown, "defence").items():
            accuracy = [100 * row["accuracy"] for row in own]
            label = f"{count} steps"
            if own[0].get("notice"):
                label += f" of {number_text(own[0]['step_size'])}"
            if own[0]["num_samples"] is None:
                style = {"color": line_colour(place), "linestyle": "--"}
                label = f"no defence, {label}"
                axis.plot(ends, accuracy[:1] * 2, label=label, **style)
                continue
            line(
                axis,
                place,
                [row["num_samples"] for row in own],
                accuracy,
                f"{defence}, {label}",
                yerr=[100 * (row["std"] or 0.0) for row in own],
                marker=marker(defences.index(defence)),
            )
    axis.set_xscale("log")
    ticks = sorted(set(samples))
    axis.set_xticks(ticks, list(map(str, ticks)))
    axis.minorticks_off()
    axis.set_ylim(bottom=0)
    axis.set_xlabel("adaptive samples in each step")
    axis.set_ylabel("accuracy under the attack (%)")
    axis.legend(loc="lower left")
    return figure


@registry.register(
    "study",
    "fig4",
    label="Accuracy over the number of adaptive samples",
)
class AdaptiveSamples(base.Study):
    """MI-OL under Eq. 24."""

    caption = (
        "The data name the recipe. A stronger recipe may go lower. Dashed: "
        "the classifier under PGD with the same number of steps."
    )
    needs_pool = True

    @staticmethod
    def make(context):
        defence = context.mixup_inference()
        steps = context.adaptive_steps
        return adaptive_samples(
            {"classifier": context.classifier, "MI-OL": defence},
            context.threat,
            *context.image_set[:2],
            num_draws=RELEASED_SAMPLES,
            num_steps=(10, 50) if steps is None else (steps,),
            **context.evaluate_options("fig4"),
        )

    draw = staticmethod(samples_figure)


@registry.register(
    "study",
    "varmixup_fig3",
    label="Accuracy over the number of adaptive samples (VarMixup)",
)
class VarAdaptiveSamples(base.Study):
    """Every defence of the run under Eq. 16."""

    caption = (
        "The attack of Eq. 16, as the gradient of a loss, through every "
        "defence. Its steps are as long as the radius, as in all of the "
        "paper's PGD, which is weak: a stronger recipe may go lower. Dashed: "
        "the classifier under PGD with the same steps."
    )
    needs_defences = True

    @staticmethod
    def make(context):
        defences = {
            name: model
            for name, model in context.models.items()
            if specs_lib.is_randomized(model)
        }
        return adaptive_samples(
            {"classifier": context.classifier, **defences},
            context.threat,
            *context.image_set[:2],
            num_steps=(context.adaptive_steps or 10,),
            step_size=context.threat.eps,
            **context.evaluate_options("varmixup_fig3"),
        )

    draw = staticmethod(samples_figure)
