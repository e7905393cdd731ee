"""The data behind the figures of the Mixup Inference paper, as plain rows.

Each study returns a list of dicts that JSON can hold; `study_figures` draws
them. Numbers under an attack that ignores the defence come with those of one
that goes through it wherever such an attack is given.
"""

import numpy as np

from keras_mixup import attacks as attacks_lib
from keras_mixup.evaluation import records as records_lib
from keras_mixup.evaluation import runner
from keras_mixup.evaluation import scoring
from keras_mixup.evaluation import specs as specs_lib
from keras_mixup.evaluation.examples import Examples
from keras_mixup.threat import ThreatModel


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
    specs = [specs_lib.AttackSpec("clean", None, "none"), *attacks]
    records = runner.evaluate(models, specs, images, labels, **evaluate_options)
    summaries = records_lib.summarize(records)
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


def adaptive_samples(
    models,
    threat,
    images,
    labels,
    *,
    num_samples=(1, 2, 5, 10, 20, 30),
    num_steps=(10, 50),
    recipe="pang2020_paper",
    **evaluate_options,
):
    """Returns accuracy against the number of adaptive samples (Fig. 4).

    Args:
        models: dict name -> classifier or defence; a classifier's accuracy
            under PGD with as many steps is a line without samples.
        threat: `ThreatModel`.
        images, labels: as for `evaluate`.
        num_samples: ints, draws of the attacker in each step.
        num_steps: ints.
        recipe: str, of `MixupInferenceAttack`; the paper's is Eq. 24.
        **evaluate_options: the other arguments of `evaluate`.

    Returns:
        list of dicts: `model`, `defence`, `num_steps`, `num_samples` (None
        for a classifier), `accuracy`, `std`, `num_examples`.

    Source: Mixup Inference, Fig. 4 and Eq. 24.
    """
    settings = {}
    for steps in num_steps:
        for samples in num_samples:
            attack = attacks_lib.MixupInferenceAttack(
                threat, recipe, num_steps=steps, num_draws=samples
            )
            spec = specs_lib.AttackSpec(attack.name, attack, "adaptive")
            settings[spec.name] = spec, steps, samples
    specs = [spec for spec, _, _ in settings.values()]
    records = runner.evaluate(models, specs, images, labels, **evaluate_options)
    rows, seen = [], set()
    for s in records_lib.summarize(records):
        _, steps, samples = settings[s.attack]
        if s.defence == "none":
            # The classifier meets the same PGD for every number of samples.
            if (s.model, steps) in seen:
                continue
            seen.add((s.model, steps))
            samples = None
        rows.append(
            {
                "model": s.model,
                "defence": s.defence,
                "num_steps": steps,
                "num_samples": samples,
                "accuracy": s.accuracy,
                "std": s.std,
                "num_examples": s.num_examples,
            }
        )
    return rows


def adaptive_examples(
    defence, images, labels, *, eps="16/255", attack=None, seed=0, num_shown=10
):
    """Returns images before and after an attack through the defence (Fig. 5).

    Args:
        defence: a defence with draws.
        images, labels: as for `evaluate`, few.
        eps: the L-infinity radius, 16/255 in the paper.
        attack: an attack, or None for `MixupInferenceAttack(threat)`.
        seed: int, of the attack and of the answers' draws.
        num_shown: int, the first examples.

    Returns:
        list of dicts, one per example: `label`, `clean` and `adversarial`
        (nested lists of numbers in [0, 1]), `clean_prediction` and
        `adversarial_prediction` of the defence, `eps`, `attack`.

    Source: Mixup Inference, Fig. 5.
    """
    examples = Examples(images[:num_shown], labels[:num_shown])
    batch = next(examples.batches(len(examples.labels)))
    if attack is None:
        attack = attacks_lib.MixupInferenceAttack(ThreatModel("linf", eps))
    made = attack(defence, batch.images, batch.labels, seed=seed).images
    answer = scoring.scoring_function(defence)
    seeds = scoring.row_seeds(seed, batch.example_ids)
    before, after = (
        np.argmax(answer(part, seeds), axis=-1) for part in (batch.images, made)
    )
    return [
        {
            "label": int(batch.labels[row]),
            "clean": np.round(batch.images[row], 4).tolist(),
            "adversarial": np.round(made[row], 4).tolist(),
            "clean_prediction": int(before[row]),
            "adversarial_prediction": int(after[row]),
            "eps": attack.threat.eps,
            "attack": attack.name,
        }
        for row in range(batch.size)
    ]
