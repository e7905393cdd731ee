"""Fig. 2 of Mixup Inference: how it changes answers, over lambda."""

import warnings
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import inference
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.studies import base
from keras_mixup.studies.drawing import grouped
from keras_mixup.studies.drawing import line_colour
from keras_mixup.studies.drawing import new_figure
from keras_mixup.studies.drawing import themed

_KINDS = {
    "MI-PL": inference.MixupInferencePL,
    "MI-OL": inference.MixupInferenceOL,
}
MIX_WEIGHTS = tuple(round(0.1 * i, 1) for i in range(1, 11))
_LINES = {
    "clean_f": ("F_y(x)", "-"),
    "clean_mi": ("MI_y(x)", "--"),
    "f_true": ("F_y(x)", "-"),
    "mi_true": ("MI_y(x)", "--"),
    "f_predicted": ("F_ŷ(x)", "-"),
    "mi_predicted": ("MI_ŷ(x)", "--"),
}


def lambda_sweep(
    classifier: keras.Model,
    pool: inference.SamplePool,
    attack: attacks.Attack,
    images: _tensors.ArrayLike,
    labels: _tensors.ArrayLike,
    *,
    mix_weights: Sequence[float] = MIX_WEIGHTS,
    num_draws: int = 30,
    seed: int = 0,
    kinds: Sequence[str] = ("MI-PL", "MI-OL"),
) -> list[_types.Json]:
    """Returns the answers of MI over lambda, on clean and attacked images.

    F(x) is the vector of probabilities. G(d; u) = F(u + d) - F(u) is the
    change that a perturbation d makes at u. The paper's G takes the answer of
    an ideal linear model; here it is the model's own. All lambda have the
    same partners. As in Eq. 2, the means are over the clean images that are
    classified correctly (z = 0), and over the attacked images that are
    misclassified (z = 1).

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
        `gain_true`, `gain_predicted` (the left sides of Eq. 12 and 15), split
        as in Eq. 13 into `transfer_...` and `shrinkage_...`; `bound_true`,
        `bound_predicted` (the right sides of Eq. 12 and 15); `condition` (the
        share of images that satisfy Eq. 10); `detection_gap` (measured, with
        the sign of Eq. 14 and 16) and `detection_gap_formula` (the right side
        of Eq. 14 and 16); `num_clean`, `num_adversarial`. `values` has lists
        over the misclassified attacked images: `image` (their places in
        `images`), `change_true`, `change_predicted` and `condition`.

    Raises:
        ValueError: for unusable images or an unknown kind.

    Source: Mixup Inference, Fig. 2, Eq. 2, 9 to 16.
    """
    for kind in kinds:
        _checks.check_choice(kind, "kinds", tuple(_KINDS))
    batch = data.image_set(images, labels)
    clean = tf.constant(data.as_float(batch.images))
    found = attack(classifier, clean, batch.labels, seed=seed)
    pair = clean, tf.convert_to_tensor(found.images)
    rows = []
    for kind in kinds:
        for weight in mix_weights:
            with warnings.catch_warnings():
                # The sweep covers weights that MI-OL warns about (Eq. 17).
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
    singles = _singles(quantities["change"], labels, guess)
    return {
        "clean_f": _mean(before[rows, labels], right),
        "clean_mi": _mean(clean_mi[rows, labels], right),
        **values,
        "condition": _mean(singles["condition"], wrong),
        "num_clean": int(right.sum()),
        "num_adversarial": int(wrong.sum()),
        "values": {name: own[wrong].tolist() for name, own in singles.items()},
    }


def _singles(moved, labels, guess):
    """What changes of each image, and whether that satisfies Eq. 10."""
    rows = np.arange(len(labels))
    # Without what float32 adds: at lambda 1 nothing changes.
    true, predicted = (
        np.round(np.float64(moved[rows, place]), 6) for place in (labels, guess)
    )
    return {
        "image": rows,
        "change_true": true,
        "change_predicted": predicted,
        "condition": (true > 0) & (predicted < 0),
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


@themed
def lambda_figure(rows):
    """Fig. 2: probabilities and the two sides of Eq. 12 or 15 over lambda."""
    kinds = grouped(rows, "defence")
    figure, axes = new_figure(len(kinds), 3, (14.5, 3.2 * len(kinds)))
    for line, (kind, own) in zip(axes, kinds.items(), strict=True):
        weights = [row["mix_weight"] for row in own]
        for axis, title, names in (
            (line[0], "clean (z = 0)", ("clean_f", "clean_mi")),
            (
                line[1],
                "attacked (z = 1)",
                ("f_true", "mi_true", "f_predicted", "mi_predicted"),
            ),
        ):
            for place, name in enumerate(names):
                label, style = _LINES[name]
                colour = line_colour(place // 2)
                values = _floats(own, name)
                axis.plot(weights, values, style, label=label, color=colour)
            axis.set(
                title=f"{kind}, {title}",
                ylim=(-0.03, 1.03),
                ylabel="mean probability",
            )
        _changes(line[2], own, weights, kind)
    for axis in axes.flat:
        axis.set_xlabel("λ, the weight of the input")
        beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
        # Two lines leave room for their names inside.
        axis.legend(handlelength=3, **({} if axis in axes[:, 0] else beside))
    return figure


def _changes(axis, rows, weights, kind):
    """−ΔG of Eq. 12 and 15 as in the paper, split as in Eq. 13."""
    for place, (component, sign) in enumerate(
        (("true", "y"), ("predicted", "ŷ"))
    ):
        colour = line_colour(place)
        for name, style, text in (
            ("gain", "-", f"ΔG_{sign}"),
            ("transfer", ":", f"input transfer, {sign}"),
            ("shrinkage", "-.", f"shrinkage, {sign}"),
        ):
            values = -_floats(rows, f"{name}_{component}")
            axis.plot(weights, values, style, color=colour, label=text)
        bound = -_floats(rows, f"bound_{component}")
        axis.plot(weights, bound, color=colour, linewidth=0.8, alpha=0.7)
    axis.set_title(f"{kind}: ΔG, its parts, its bounds (thin)")
    axis.set_ylabel("−[G(δ; x₀) − G(λδ; x̃₀)]")


def _floats(rows, name):
    return np.array([np.nan if r[name] is None else r[name] for r in rows])


@registry.register("study", "fig2", label="Answers of Mixup Inference over λ")
class LambdaSweep(base.Study):
    """Answers over lambda."""

    caption = (
        "The attack is oblivious. Solid lines are the classifier F, dashed "
        "lines MI, at the true label y and the predicted label ŷ. The right "
        "panels show −ΔG, as in the paper. MI raises the probability of the "
        "true label where its line lies above the thin line of the same "
        "colour. MI lowers that of the adversarial label where its line lies "
        "below the thin one (Eq. 12 and 15)."
    )
    needs_pool = True

    @staticmethod
    def make(context):
        return lambda_sweep(
            context.classifier,
            context.pool,
            context.pgd(),
            *context.image_set[:2],
            num_draws=context.num_draws,
            seed=context.attack_seed,
        )

    draw = staticmethod(lambda_figure)
