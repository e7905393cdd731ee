"""Accuracy of models on corrupted test sets (VarMixup, Table 4)."""

import numpy as np
import tensorflow as tf

from keras_mixup import _corruption_kinds
from keras_mixup import data
from keras_mixup.evaluation import scoring
from keras_mixup.evaluation import specs


def corruption_accuracies(
    models, make_set, batch_size=128, eval_seeds=(0,), kinds=None
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

    Returns:
        dict name -> dict (kind, severity) -> accuracy in [0, 1], which
        `metrics.corruption_accuracy` takes for all 15 kinds.
    """
    kinds = _corruption_kinds.STANDARD if kinds is None else kinds
    answers = {n: scoring.scoring_function(m) for n, m in models.items()}
    found = {name: {} for name in models}
    for kind in kinds:
        for severity in _corruption_kinds.SEVERITIES:
            image_set = make_set(kind, severity)
            for name, model in models.items():
                seeds = eval_seeds if specs.is_randomized(model) else (None,)
                hits = [
                    _hits(answers[name], image_set, batch_size, seed)
                    for seed in seeds
                ]
                found[name][kind, severity] = float(np.mean(hits))
    return found


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
