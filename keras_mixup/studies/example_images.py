"""Fig. 5 of Mixup Inference: images made through the defence."""

import keras
import numpy as np

from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import attacks as attacks_lib
from keras_mixup import data
from keras_mixup import registry
from keras_mixup.evaluation import scoring
from keras_mixup.studies import base
from keras_mixup.studies.drawing import answer_texts
from keras_mixup.studies.drawing import image_grid
from keras_mixup.threat import ThreatModel


def adaptive_examples(
    defence: keras.layers.Layer,
    images: _tensors.ArrayLike,
    labels: _tensors.ArrayLike,
    *,
    eps: _types.Number = "16/255",
    attack: attacks_lib.Attack | None = None,
    seed: int = 0,
    num_shown: int = 10,
) -> list[_types.Json]:
    """Returns images before and after an attack through the defence (Fig. 5).

    Args:
        defence: a defence with draws.
        images, labels: as for `evaluate`, few.
        eps: the L-infinity radius, 16/255 in the paper.
        attack: an attack, or None for that of the paper, Eq. 24.
        seed: int, of the attack and of the answers' draws.
        num_shown: int, the first examples.

    Returns:
        list of dicts, one per example: `label`, `clean` and `adversarial`
        (nested lists of numbers in [0, 1]), `clean_prediction` and
        `adversarial_prediction` of the defence, `eps`, `attack`.

    Source: Mixup Inference, Fig. 5.
    """
    examples = data.image_set(images, labels)
    batch = data.ImageSet(*(part[:num_shown] for part in examples))
    clean = data.as_float(batch.images)
    if attack is None:
        attack = attacks_lib.MixupInferenceAttack(
            ThreatModel("linf", eps), "pang2020_paper"
        )
    made = attack(defence, clean, batch.labels, seed=seed).images
    answer = scoring.scoring_function(defence)
    seeds = scoring.row_seeds(seed, batch.example_ids)
    before, after = (
        np.argmax(answer(part, seeds), axis=-1) for part in (clean, made)
    )
    return [
        {
            "label": int(batch.labels[row]),
            "clean": np.round(clean[row], 4).tolist(),
            "adversarial": np.round(made[row], 4).tolist(),
            "clean_prediction": int(before[row]),
            "adversarial_prediction": int(after[row]),
            "eps": attack.threat.eps,
            "attack": attack.name,
        }
        for row in range(len(clean))
    ]


def examples_figure(rows, theme="light"):
    """Fig. 5: clean images above adversarial ones, with the answers."""
    if not rows:
        return None
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    titles = {
        "clean": "clean",
        "adversarial": f"adversarial\n(eps {255 * rows[0]['eps']:.3g}/255)",
    }
    captions = {
        title: answer_texts(columns[f"{name}_prediction"], columns["label"])
        for name, title in titles.items()
    }
    shown = {title: np.asarray(columns[n]) for n, title in titles.items()}
    return image_grid(shown, captions, theme=theme)


@registry.register(
    "study",
    "fig5",
    label="Adversarial images made through the defence",
)
class AdaptiveExamples(base.Study):
    """Images before and after an attack through MI-OL."""

    caption = (
        "The attack is the paper's, Eq. 24. The text above each image is the "
        "defence's answer."
    )
    needs_pool = True

    @staticmethod
    def make(context):
        return adaptive_examples(
            context.mixup_inference(),
            *context.image_set[:2],
            eps=context.example_eps,
            seed=context.attack_seed,
        )

    draw = staticmethod(examples_figure)
