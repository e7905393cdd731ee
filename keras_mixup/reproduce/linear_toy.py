"""Table 1 of Mixup Inference, counted out on a network that is linear.

The images are those of an ideal mixup network: the first pixels are the
one-hot vector of the class, and the network answers with them, so that its
answer to a mixture is the mixture of its answers (Eq. 3). The other pixels are
zero in clean images. What an attack adds there moves a share of the answer,
the square of what was added, to another class: G of Eq. 4, not linear.
"""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import inference
from keras_mixup import studies

_CLASSES = 10
_ADDED = 0.9
_DRAWS = 900
_TINY = 1e-30


class Checked(NamedTuple):
    """A cell of the table.

    Attributes:
        quantity: str, such as "F_y(x̃)".
        case: str, such as "MI-OL, z = 1".
        formula: str, as the paper prints it.
        expected, measured: floats, the formula's and MI's own value.
        tolerance: float: rounding, or four standard errors of the draws.
    """

    quantity: str
    case: str
    formula: str
    expected: float
    measured: float
    tolerance: float

    @property
    def agrees(self):
        """bool."""
        return abs(self.expected - self.measured) <= self.tolerance


@keras.saving.register_keras_serializable("keras_mixup")
class _Linear(keras.layers.Layer):
    def call(self, images):
        flat = keras.ops.reshape(images, (-1, 2 * _CLASSES))
        classes, added = flat[:, :_CLASSES], flat[:, _CLASSES:]
        total = keras.ops.sum(added, axis=1, keepdims=True)
        aim = added / keras.ops.maximum(total, _TINY)
        share = total**2
        answer = (1.0 - share) * classes + share * aim
        return keras.ops.log(keras.ops.maximum(answer, _TINY))


class _Attack:
    """Moves the answer to the class that follows the true one."""

    def __call__(self, classifier, images, labels, seed=None):
        del classifier, seed
        aim = tf.one_hot((labels + 1) % _CLASSES, _CLASSES, dtype=tf.float32)
        added = tf.pad(_ADDED * aim, [[0, 0], [_CLASSES, 0]])

        class Result(NamedTuple):
            images: tf.Tensor

        return Result(images + added[:, None, :, None])


def table_1(mix_weight=0.5):
    """Returns the cells of the table, a list of `Checked`.

    Args:
        mix_weight: float in (0, 1), lambda.
    """
    network = keras.Sequential([keras.Input((1, 2 * _CLASSES, 1)), _Linear()])
    labels = np.arange(_CLASSES)
    images = np.eye(_CLASSES, 2 * _CLASSES, dtype="float32")
    images = images[:, None, :, None]
    pool = inference.SamplePool(images, labels, dtype="float32")
    rows = studies.lambda_sweep(
        network,
        pool,
        _Attack(),
        images,
        labels,
        mix_weights=(mix_weight,),
        num_draws=_DRAWS,
    )
    return [cell for row in rows for cell in _cells(row, mix_weight)]


def _cells(row, weight):
    kind, other = row["defence"], row["defence"] == "MI-OL"
    # G at the virtual clean input: Eq. 12's difference is effect less G.
    shrunk = {
        end: row[f"f_{end}"] - before - row[f"gain_{end}"]
        for end, before in (("true", 1.0), ("predicted", 0.0))
    }
    chance = 1.0 / (_CLASSES - 1)
    rounding, spread = 1e-5, 1e-5
    if other:  # The share of partners of the true label is drawn.
        count = _DRAWS * row["num_adversarial"]
        spread = 4.0 * (1.0 - weight) * (chance * (1 - chance) / count) ** 0.5
    clean, attacked = f"{kind}, z = 0", f"{kind}, z = 1"
    own = weight if other else 1.0
    text = "λ" if other else "1"
    true, predicted = weight + shrunk["true"], shrunk["predicted"]
    texts = ("λ + G_y(λδ; x̃₀)", "(1 − λ) + G_ŷ(λδ; x̃₀)")
    if other:
        true += (1.0 - weight) * chance
        texts = ("λ + (1 − λ)·1[y = y_s] + G_y(λδ; x̃₀)", "G_ŷ(λδ; x̃₀)")
    else:
        predicted += 1.0 - weight
    # Of a clean image the predicted label is the true one.
    values = row["clean_f"], row["clean_mi"], row["mi_true"]
    return [
        Checked("F_y(x)", clean, "1", 1.0, values[0], rounding),
        Checked("F_y(x̃)", clean, text, own, values[1], rounding),
        Checked("F_y(x̃)", attacked, texts[0], true, values[2], spread),
        Checked(
            *("F_ŷ(x̃)", attacked, texts[1]),
            *(predicted, row["mi_predicted"], rounding),
        ),
        Checked(
            *("detection gap", kind, f"Eq. {16 if other else 14}"),
            *(row["detection_gap_formula"], row["detection_gap"], rounding),
        ),
    ]
