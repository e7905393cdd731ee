"""Models that only attacks without gradients meet: have they a gradient?"""

import warnings

import numpy as np
import tensorflow as tf

from keras_mixup import ops
from keras_mixup.attacks import evidence
from keras_mixup.evaluation import scoring
from keras_mixup.evaluation import specs as specs_lib

# A few images tell.
_IMAGES = 16
_WARNING = (
    "On {zero} of {rows} images the gradient of {name} is exactly zero, on "
    "{nonfinite} it is not finite, and no attack here follows one. Attacks "
    "without gradients alone leave an upper bound of its robustness, which may "
    "be far too high. Replace what has no derivative, and attack with "
    "gradients."
)


def note(known, subjects, columns, batch, seed):
    """Looks at the gradients that no attack of an evaluation follows.

    Args:
        known: dict (`Row`, `Column`) -> `Evidence`, which receives the models
            whose gradients lead nowhere.
        subjects: list of `Subject`.
        columns: list of `AttackSpec`.
        batch: `Batch` of clean images, the first rows of which are taken.
        seed: int, of the draws of randomised defences.

    Warns:
        UserWarning: for each of these models.
    """
    for row, model, own in _attacked(subjects, columns):
        if any(spec.facts.uses_gradients is not False for spec in own):
            continue
        health = _health(model, batch, seed)
        if health.poor:
            name = row.model if row.defence == "none" else row.defence
            text = _WARNING.format(name=name, **health._asdict())
            warnings.warn(text, stacklevel=3)
            for spec in own:
                place = row, spec.column
                seen = known.get(place, evidence.Evidence())
                known[place] = seen._replace(gradients=health)


def _attacked(subjects, columns):
    """Yields (`Row`, model, list of `AttackSpec`) of each attacked model."""
    found = {}
    for subject in subjects:
        for spec in columns:
            if spec.attack is None or isinstance(
                spec.attack, specs_lib.WorstOf
            ):
                continue
            row, model = subject.row, subject.model
            if spec.knowledge == "oblivious":
                model = specs_lib.undefended(model)
                if model is not subject.model:
                    row = row._replace(defence="none")
            own = found.setdefault(id(model), (row, model, {}))[2]
            own[spec.column] = spec
    for row, model, own in found.values():
        yield row, model, list(own.values())


def _health(model, batch, seed):
    """The `GradientHealth` of the cross-entropy at some images."""
    rows = min(batch.size, _IMAGES)
    images = tf.constant(batch.images[:rows])
    draws = {}
    if specs_lib.is_randomized(model):
        draws["seed"] = scoring.row_seeds(seed, batch.example_ids[:rows])
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = scoring.direct(model)(images, **draws)
        loss = ops.cross_entropy(batch.labels[:rows], outputs)
    slopes = tape.gradient(loss, images)
    if slopes is None:
        return ops.GradientHealth(rows, rows, 0)
    slopes = np.asarray(slopes).reshape(rows, -1)
    return ops.GradientHealth(
        rows,
        int((slopes == 0.0).all(axis=1).sum()),
        int((~np.isfinite(slopes)).any(axis=1).sum()),
    )
