"""How Mixup Inference changes answers, as its section 3.2 takes it apart."""

import warnings

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import inference
from keras_mixup import ops
from keras_mixup.evaluation.examples import Examples

_KINDS = {
    "MI-PL": inference.MixupInferencePL,
    "MI-OL": inference.MixupInferenceOL,
}
MIX_WEIGHTS = tuple(round(0.1 * i, 1) for i in range(1, 11))


def lambda_sweep(
    classifier,
    pool,
    attack,
    images,
    labels,
    *,
    mix_weights=MIX_WEIGHTS,
    num_draws=30,
    seed=0,
    kinds=("MI-PL", "MI-OL"),
):
    """Returns the answers of MI over lambda, on clean and attacked images.

    F(x) is the vector of probabilities and G(d; u) = F(u + d) - F(u) what a
    perturbation d changes at u: the paper's G with the model's own answer in
    the place of the ideal linear one. Partners are the same for all lambda.
    The means are over the images that Eq. 2 speaks of: clean ones that are
    classified correctly (z = 0), attacked ones that are not (z = 1).

    Args:
        classifier: `keras.Model` from images to logits.
        pool: `SamplePool`.
        attack: an attack, run once on the classifier, untargeted.
        images: uint8 [n, H, W, C] or floats in [0, 1]; the paper takes 100.
        labels: int [n].
        mix_weights: floats in [0, 1], lambda.
        num_draws: int, N.
        seed: int, of the attack and the draws.
        kinds: some of `"MI-PL"`, `"MI-OL"`.

    Returns:
        list of dicts, one per kind and lambda, with floats (None where no
        image qualifies): `clean_f`, `clean_mi` (component y, z = 0);
        `f_true`, `mi_true`, `f_predicted`, `mi_predicted` (components y and
        y-hat, z = 1); `change_true`, `change_predicted` (Eq. 9);
        `gain_true`, `gain_predicted` (the left of Eq. 12 and 15), split as in
        Eq. 13 into `transfer_...` and `shrinkage_...`; `bound_true`,
        `bound_predicted` (their right); `condition` (the share that
        satisfies Eq. 10); `detection_gap` (measured, with the sign of Eq. 14
        and 16) and `detection_gap_formula` (their right side); `num_clean`,
        `num_adversarial`.

    Raises:
        ValueError: for unusable images or an unknown kind.

    Source: Mixup Inference, Fig. 2, Eq. 2, 9 to 16.
    """
    for kind in kinds:
        _checks.check_choice(kind, "kinds", tuple(_KINDS))
    examples = Examples(images, labels)
    batch = next(examples.batches(len(examples.labels)))
    clean = tf.constant(batch.images)
    found = attack(classifier, clean, batch.labels, seed=seed)
    pair = clean, tf.convert_to_tensor(found.images)
    rows = []
    for kind in kinds:
        for weight in mix_weights:
            with warnings.catch_warnings():
                # MI-OL warns of a lambda below Eq. 17, which is on purpose.
                warnings.simplefilter("ignore")
                defence = _KINDS[kind](classifier, pool, weight, num_draws)
            values = _measured(defence, pair, batch.labels, seed)
            row = _bounds(kind, weight, pool.num_classes)
            rows.append({**row, **values, **_gap(values, weight)})
    return rows


def _probabilities(defence, inputs):
    """[N, B, ...] or [B, ...] -> mean over N of the probabilities, [B, C]."""
    if inputs.shape.rank == 5:
        flat = tf.reshape(inputs, [-1, *inputs.shape[2:]])
        logits = defence.classify(flat)
        shape = [inputs.shape[0], inputs.shape[1], logits.shape[-1]]
        return np.mean(tf.nn.softmax(tf.reshape(logits, shape)), axis=0)
    return np.asarray(tf.nn.softmax(defence.classify(inputs)))


def _measured(defence, pair, labels, seed):
    clean, attacked = pair
    change = attacked - clean
    seeds = ops.row_seeds(seed, len(labels))
    before = _probabilities(defence, clean)
    after = _probabilities(defence, attacked)
    clean_mix = defence.apply(clean, defence.draw(clean, seeds))
    clean_mi = _probabilities(defence, clean_mix)
    draws = defence.draw(attacked, seeds)
    # The virtual clean counterpart of what MI classifies, and at it the full
    # and the shrunk perturbation.
    origin = defence.apply(clean, draws)
    at_origin = _probabilities(defence, origin)
    full = _probabilities(defence, origin + change) - at_origin
    answer = _probabilities(defence, defence.apply(attacked, draws))
    shrunk = answer - at_origin
    effect = after - before
    quantities = {
        "f": after,
        "mi": answer,
        "change": answer - after,
        "gain": effect - shrunk,
        "transfer": effect - full,
        "shrinkage": full - shrunk,
    }
    rows = np.arange(len(labels))
    guess, wrong = after.argmax(axis=1), after.argmax(axis=1) != labels
    right = before.argmax(axis=1) == labels
    values = {
        f"{name}_{component}": _mean(table[rows, index], wrong)
        for name, table in quantities.items()
        for component, index in (("true", labels), ("predicted", guess))
    }
    moved = quantities["change"]
    holds = (moved[rows, labels] > 0) & (moved[rows, guess] < 0)
    return {
        "clean_f": _mean(before[rows, labels], right),
        "clean_mi": _mean(clean_mi[rows, labels], right),
        **values,
        "condition": _mean(holds, wrong),
        "num_clean": int(right.sum()),
        "num_adversarial": int(wrong.sum()),
    }


def _mean(values, chosen):
    return float(np.mean(values[chosen])) if chosen.any() else None


def _bounds(kind, weight, num_classes):
    """The right sides of Eq. 12 (MI-PL) and Eq. 15 (MI-OL)."""
    predicted, true = 1.0 - weight, weight - 1.0
    if kind == "MI-OL":
        predicted = 0.0
        true *= (num_classes - 2) / (num_classes - 1)
    return {
        "defence": kind,
        "mix_weight": float(weight),
        "bound_true": true,
        "bound_predicted": predicted,
    }


def _gap(values, weight):
    """The detection gap: how much further F_yhat falls when attacked."""
    parts = ("clean_f", "clean_mi", "f_predicted", "mi_predicted")
    if any(values[part] is None for part in parts):
        return {"detection_gap": None, "detection_gap_formula": None}
    attacked = values["f_predicted"] - values["mi_predicted"]
    clean = values["clean_f"] - values["clean_mi"]
    formula = values["gain_predicted"] - (1.0 - weight)
    return {
        "detection_gap": attacked - clean,
        "detection_gap_formula": formula,
    }
