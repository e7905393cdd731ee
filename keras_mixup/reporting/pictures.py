"""A few example images for the report, stored beside the records."""

import json
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import data
from keras_mixup.evaluation import identity
from keras_mixup.evaluation import scoring
from keras_mixup.evaluation import specs as specs_lib
from keras_mixup.studies.drawing import answer_texts


class Pictures(NamedTuple):
    """Some examples before and after an attack.

    Attributes:
        clean: float [n, H, W, C] in [0, 1].
        adversarial: float [n, H, W, C], after the attack.
        mixed: float [n, H, W, C], one draw of the defence on `adversarial`,
            or zeros [0, H, W, C] without a defence.
        labels: int [n], the true labels.
        clean_predictions: int [n], of the undefended classifier.
        adversarial_predictions: int [n], of the undefended classifier.
        defended_predictions: int [n], of the defence on `adversarial`, or
            [0] without a defence.
        attack: str, the attack's name.
        defence: str, the defence's name, or "none".
    """

    clean: np.ndarray
    adversarial: np.ndarray
    mixed: np.ndarray
    labels: np.ndarray
    clean_predictions: np.ndarray
    adversarial_predictions: np.ndarray
    defended_predictions: np.ndarray
    attack: str
    defence: str


def make_pictures(models, spec, images, labels, seed=0):
    """Attacks a few examples and mixes them once, for `write_pictures`.

    Args:
        models: dict name -> callable, as for `evaluate`. The pictures show
            the first defence.
        spec: `AttackSpec`, oblivious and untargeted or targeted.
        images: uint8 or float [n, H, W, C], few.
        labels: int [n].
        seed: int, of the attack and of the defence's draw.

    Returns:
        `Pictures`.
    """
    batch = data.image_set(images, labels)
    defended = [n for n in models if specs_lib.is_randomized(models[n])]
    name = defended[0] if defended else "none"
    model = models[(defended or list(models))[0]]
    base = specs_lib.undefended(model)
    clean = tf.constant(data.as_float(batch.images))
    answer = scoring.scoring_function(base)
    clean_logits = answer(clean, None)
    targets = spec.targets(batch.labels, clean_logits, seed)
    result = spec.attack(base, clean, batch.labels, targets=targets, seed=seed)
    mixed, answers = np.zeros((0, *clean.shape[1:])), np.zeros(0, int)
    if defended:
        draws = model.draw(result.images, seed)
        mixed = model.apply(result.images, draws)[0]
        answers = np.argmax(model(result.images, seed=seed), axis=-1)
    return Pictures(
        clean=clean.numpy(),
        adversarial=np.asarray(result.images),
        mixed=np.clip(mixed, 0.0, 1.0),
        labels=batch.labels,
        clean_predictions=np.argmax(clean_logits, axis=-1),
        adversarial_predictions=np.argmax(answer(result.images, None), axis=-1),
        defended_predictions=answers,
        attack=spec.name,
        defence=name,
    )


def write_pictures(path, pictures):
    """Writes `Pictures` to the .npz file `path`, atomically."""
    shape = np.shape(pictures.clean)
    okay = len(shape) == 4 and np.shape(pictures.adversarial) == shape
    expected = "clean and adversarial images of one shape [n, H, W, C]"
    _checks.check(okay, "pictures", expected, shape)
    with _files.replacing(path) as temporary:
        models = json.dumps(identity.marks_beside(path))
        np.savez_compressed(temporary, **pictures._asdict(), models=models)


def read_current(path):
    """Returns the `Pictures` in a file, or False if they are of other models.

    They are compared with the evaluation.json in the same folder.
    """
    with np.load(path, allow_pickle=False) as file:
        models = json.loads(str(file["models"])) if "models" in file else {}
    return identity.is_current(models, path) and read_pictures(path)


def read_pictures(path):
    """Returns the `Pictures` that `write_pictures` wrote to `path`."""
    with np.load(path, allow_pickle=False) as file:
        fields = {name: file[name] for name in Pictures._fields}
    fields["attack"] = str(fields["attack"])
    fields["defence"] = str(fields["defence"])
    return Pictures(**fields)


def grid_rows(pictures):
    """Returns the rows and captions of `figures.image_grid`.

    The perturbation is added to grey, scaled so that its largest value
    reaches black or white. The title gives the factor.

    Args:
        pictures: `Pictures`.

    Returns:
        (rows, captions): dict title -> images, dict title -> list of str.
    """
    labels, change = pictures.labels, pictures.adversarial - pictures.clean
    largest = float(np.abs(change).max())
    factor = 0.5 / largest if largest > 0.0 else 1.0
    shown = f"perturbation\n(x {factor:.3g})"
    clean = "clean"
    attacked = f"adversarial\n({pictures.attack})"
    rows = {
        clean: pictures.clean,
        shown: 0.5 + factor * change,
        attacked: pictures.adversarial,
    }
    captions = {
        clean: answer_texts(pictures.clean_predictions, labels),
        attacked: answer_texts(pictures.adversarial_predictions, labels),
    }
    if len(pictures.mixed):
        mixed = f"what the defence\nclassifies, one draw\n({pictures.defence})"
        rows[mixed] = pictures.mixed
        captions[mixed] = answer_texts(pictures.defended_predictions, labels)
    return rows, captions
