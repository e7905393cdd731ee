"""Fig. 3a of Mixup Inference: detection of adversarial images."""

import functools
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import attacks as attacks_lib
from keras_mixup import data
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import metrics
from keras_mixup import registry
from keras_mixup.evaluation import scoring
from keras_mixup.evaluation import specs as specs_lib
from keras_mixup.metrics import _thresholds
from keras_mixup.studies import base
from keras_mixup.studies.drawing import grouped
from keras_mixup.studies.drawing import new_figure
from keras_mixup.studies.drawing import themed

CONFIDENCE = "confidence"
ON_THE_SCORE = "attack on the score"
# The share of clean images that a detector refuses.
FALSE_POSITIVE_RATE = 0.05


def detection_curves(
    classifier: _tensors.ModelFn,
    detectors: Mapping[str, keras.layers.Layer],
    attacks: Sequence[evaluation.AttackSpec],
    images: _tensors.ArrayLike,
    labels: _tensors.ArrayLike,
    *,
    batch_size: int = 128,
    attack_seed: int = 0,
    eval_seed: int = 0,
    score_attack: attacks_lib.DetectionScoreAttack | None = None,
) -> list[_types.Json]:
    """Returns AUC and ROC of each detector on each kind of attack.

    The classifier's confidence, one minus its largest probability, is one
    more detector. An oblivious attack is made on the classifier. An adaptive
    attack is made through each detector's answer, and for the confidence on
    the classifier. The attack on the score fools the classifier and lowers
    the detector's score; every detector meets it.

    Args:
        classifier: callable from images to logits.
        detectors: dict name -> defence with `detection_score`.
        attacks: list of `AttackSpec`, all with an attack.
        images: uint8 [n, H, W, C] or floats in [0, 1].
        labels: int [n].
        batch_size: int, rows per step; the last batch is padded.
        attack_seed: int.
        eval_seed: int, of the detectors' draws.
        score_attack: `DetectionScoreAttack`, or None for 40 steps of 10 draws
            in the threat of the first attack.

    Returns:
        list of dicts: `detector`, `attack`, `knowledge`, `auc`,
        `false_positives`, `true_positives` (lists), `num_examples`;
        `false_positive_rate` of a threshold, `detected`, the share of attacked
        images above it, and `undetected`, the share that fools the classifier
        and stays below it; `values`, the scores of the images, lists `clean`
        and `attacked`.

    Source: Mixup Inference, sections 3.2.1 and 4.3, Fig. 3a.
    """
    specs = specs_lib.check_specs(attacks)
    if score_attack is None:
        threat = specs[0].attack.threat
        score_attack = attacks_lib.DetectionScoreAttack(threat, 40, 10)
    specs += [specs_lib.AttackSpec(ON_THE_SCORE, score_attack, "adaptive")]
    examples = data.image_set(images, labels)
    size = min(batch_size, len(examples.labels))
    batches = list(data.padded_batches(examples, size))
    rows: list[_types.Json] = []
    oblivious: dict[Any, Any] = {}
    answer = scoring.scoring_function(classifier)
    for name, model in {CONFIDENCE: classifier, **detectors}.items():
        score = _scorer(model, name)
        clean = [b.images for b in batches]
        clean_scores = _scores(score, clean, batches, eval_seed)
        for spec in specs:
            made = oblivious.get(spec.column)
            if made is None:
                made = _crafted(spec, model, batches, attack_seed)
            if spec.knowledge == "oblivious":
                oblivious[spec.column] = made
            scores = _scores(score, made, batches, eval_seed)
            wrong = _wrong(answer, made, batches)
            false, true = metrics.roc_curve(clean_scores, scores)
            rows.append(
                {
                    "detector": name,
                    "attack": spec.name,
                    "knowledge": spec.knowledge,
                    "auc": metrics.detection_auc(clean_scores, scores),
                    "false_positives": false.tolist(),
                    "true_positives": true.tolist(),
                    "num_examples": len(scores),
                    **_at_fixed_rate(clean_scores, scores, wrong),
                    "values": {
                        "clean": clean_scores.tolist(),
                        "attacked": scores.tolist(),
                    },
                }
            )
    return rows


def _at_fixed_rate(clean_scores, scores, wrong):
    """What a threshold refuses that few clean images exceed."""
    threshold = _thresholds.lowest_threshold(clean_scores, FALSE_POSITIVE_RATE)
    return {
        "false_positive_rate": FALSE_POSITIVE_RATE,
        "detected": float(np.mean(scores > threshold)),
        "undetected": float(np.mean(wrong & (scores <= threshold))),
    }


def _wrong(answer, images, batches):
    """Whether the classifier errs, bool [n]."""
    parts = []
    for part, batch in zip(images, batches, strict=True):
        found = np.asarray(answer(part, None)).argmax(axis=-1) != batch.labels
        parts.append(found[: batch.size])
    return np.concatenate(parts)


def _crafted(spec, model, batches, attack_seed):
    """Oblivious images are made on the classifier alone."""
    attack, attacked = spec.attack, specs_lib.undefended(model)
    if spec.knowledge != "oblivious":
        attack, attacked = specs_lib.attack_for(spec, model), model
    return [
        np.asarray(
            attack(attacked, b.images, b.labels, seed=attack_seed).images
        )
        for b in batches
    ]


def _scorer(model, name):
    if name != CONFIDENCE:
        return tf.function(
            functools.partial(model.detection_score),
            jit_compile=False,
            reduce_retracing=True,
        )
    answer = scoring.scoring_function(model)

    def score(images, seeds):
        return 1.0 - tf.reduce_max(tf.nn.softmax(answer(images, None)), -1)

    return score


def _scores(score, images, batches, eval_seed):
    """The scores of all examples without the padding, float64 [n]."""
    parts = []
    for part, batch in zip(images, batches, strict=True):
        seeds = scoring.row_seeds(eval_seed, batch.example_ids)
        parts.append(np.asarray(score(part, seeds), np.float64)[: batch.size])
    return np.concatenate(parts)


@themed
def detection_figure(rows):
    """Fig. 3a: ROC curves with their AUC, a panel per kind of attack."""
    kinds = grouped(rows, "attack", "knowledge")
    figure, axes = new_figure(1, len(kinds), (4.7 * len(kinds), 5.2))
    for axis, (kind, own) in zip(axes[0], kinds.items(), strict=True):
        for row in own:
            axis.plot(
                row["false_positives"],
                row["true_positives"],
                label=_label(row),
            )
        axis.plot([0, 1], [0, 1], ":", color="gray", linewidth=1)
        axis.set(
            title=", ".join(kind),
            xlabel="false positive rate",
            ylabel="true positive rate",
            aspect="equal",
        )
        # Curves may run along any side of the square.
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return figure


def _label(row):
    label = f"{row['detector']} (AUC {row['auc']:.3f}"
    if "undetected" in row:  # An earlier release wrote less.
        rate = 100.0 * row["false_positive_rate"]
        share = 100.0 * row["undetected"]
        label += f"; {share:.0f} % wrong and undetected at {rate:g} % FPR"
    return label + ")"


@registry.register("study", "fig3a", label="Detection of attacked images")
class Detection(base.Study):
    """ROC curves of the detectors."""

    caption = (
        "Confidence: one minus the classifier's largest probability. MI-PL "
        "detects adversarial images that the classifier is sure of. The "
        "confidence detects those that it is unsure of. A curve below the "
        "diagonal scores adversarial images lower than clean ones. Wrong and "
        "undetected are the attacked images that fool the classifier, at a "
        "threshold that 5 % of the clean images exceed (FPR, the false "
        "positive rate). The adaptive attack goes through the detector's "
        "answer. The attack on the score fools the classifier and lowers the "
        "score: a detector is worth what it finds of that one."
    )
    needs_pool = True

    @staticmethod
    def make(context):
        settings = (context.classifier, context.pool)
        detectors = {
            "MI-PL": inference.MixupInferencePL(
                *settings, 0.5, context.num_draws
            ),
            "MI-Combined": inference.MixupInferenceCombined(
                *settings, *context.combined, context.num_draws
            ),
        }
        return detection_curves(
            context.classifier,
            detectors,
            context.specs(),
            *context.image_set[:2],
            batch_size=context.batch_size,
            attack_seed=context.attack_seed,
            eval_seed=context.eval_seeds[0],
        )

    draw = staticmethod(detection_figure)
