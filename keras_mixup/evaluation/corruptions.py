"""Accuracy of models on corrupted test sets (VarMixup, Table 4)."""

import numpy as np
import tensorflow as tf

from keras_mixup import _corruption_kinds
from keras_mixup import data
from keras_mixup import metrics
from keras_mixup.evaluation import scoring
from keras_mixup.evaluation import specs


def corruption_accuracies(
    models,
    make_set,
    batch_size=128,
    eval_seeds=(0,),
    kinds=None,
    known=None,
    note=None,
):
    """Scores models on every kind and severity of corruption.

    Args:
        models: dict name -> callable from images to logits, or a defence.
        make_set: callable (kind, severity) -> `data.ImageSet`, such as
            `lambda k, s: data.load_corrupted("cifar10_c", k, s)` or
            `lambda k, s: data.corrupt(test, k, s)`.
        batch_size: int, rows per step.
        eval_seeds: ints, for the draws of randomised defences.
        kinds: sequence of str, or None for the 15 standard kinds.
        known: dict (name, kind, severity) -> accuracy of an earlier call,
            not computed again; None for none.
        note: callable (name, kind, severity, accuracy), told each number as
            soon as it is there.

    Returns:
        dict name -> dict (kind, severity) -> accuracy in [0, 1], which
        `metrics.corruption_accuracy` takes for all 15 kinds.
    """
    kinds = _corruption_kinds.STANDARD if kinds is None else kinds
    known = known or {}
    answers = {n: scoring.scoring_function(m) for n, m in models.items()}
    found = {name: {} for name in models}
    cells = [(k, s) for k in kinds for s in _corruption_kinds.SEVERITIES]
    for cell in cells:
        image_set = None
        for name, model in models.items():
            if (name, *cell) in known:
                found[name][cell] = known[(name, *cell)]
                continue
            if image_set is None:
                image_set = make_set(*cell)
            seeds = eval_seeds if specs.is_randomized(model) else (None,)
            hits = [
                _hits(answers[name], image_set, batch_size, seed)
                for seed in seeds
            ]
            found[name][cell] = float(np.mean(hits))
            if note is not None:
                note(name, *cell, found[name][cell])
    return found


def corruption_means(rows):
    """Returns the mean over the 15 standard kinds x 5 severities, from rows.

    Args:
        rows: list of dict with "set", "model", "kind", "severity" and
            "accuracy"; the authors' four extra kinds may be among them and
            never count.

    Returns:
        dict (set, model) -> float, or None where cells are missing.
    """
    cells = {}
    for row in rows:
        own = cells.setdefault((row["set"], row["model"]), {})
        own[row["kind"], row["severity"]] = row["accuracy"]
    return {place: _mean(own) for place, own in cells.items()}


def _mean(cells):
    standard = [
        (kind, severity)
        for kind in _corruption_kinds.STANDARD
        for severity in _corruption_kinds.SEVERITIES
    ]
    if any(cell not in cells for cell in standard):
        return None
    return metrics.corruption_accuracy(cells)


def _hits(answer, image_set, batch_size, seed):
    """Returns bool [n]: the true label is predicted."""
    hits = []
    for start in range(0, len(image_set.labels), batch_size):
        rows = slice(start, start + batch_size)
        images = tf.constant(data.as_float(image_set.images[rows]))
        seeds = None
        if seed is not None:
            seeds = scoring.row_seeds(seed, image_set.example_ids[rows])
        outputs = np.asarray(answer(images, seeds))
        hits.append(outputs.argmax(axis=-1) == image_set.labels[rows])
    return np.concatenate(hits)
