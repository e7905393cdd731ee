"""Studies of the VarMixup paper: sweeps (Fig. 6) and samples (Fig. 7)."""

import re

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup.evaluation import records as records_lib
from keras_mixup.evaluation.figures import new_figure
from keras_mixup.evaluation.figures import themed
from keras_mixup.ops import latent_space

# A mixing weight in a defence's name, as apps.evaluate gives them.
_NAMED = re.compile(r"^(?P<kind>\S+) (?P<weight>[0-9.]+) x\d+$")
_MARKERS = "osD^vPX*"


def weight_sweep_rows(records):
    """Returns accuracy over lambda_MI, from records alone (Fig. 6b).

    Args:
        records: list of `Record`, of `--mix_weights=0,0.1,...,1` or any other
            weights; names of defences must be as apps.evaluate gives them,
            "VarMI 0.5 x30". Others are left out.

    Returns:
        list of dict with "method", "attack", "knowledge", "value" (lambda),
        "accuracy" and "std", ordered by method, attack and value.
    """
    rows = []
    for summary in records_lib.summarize(records):
        found = _NAMED.match(summary.defence)
        if found:
            row = {
                "method": f"{summary.model} + {found['kind']}",
                "attack": summary.attack,
                "knowledge": summary.knowledge,
                "value": float(found["weight"]),
                "accuracy": summary.accuracy,
                "std": summary.std,
            }
            rows.append(row)
    names = ("method", "attack", "knowledge", "value")
    return sorted(rows, key=lambda row: [row[name] for name in names])


@themed
def sweep_figure(rows, label="λ_MI, the weight of the input"):
    """Draws accuracy over a setting: a panel per attack, a line per method.

    Args:
        rows: list of dict as from `weight_sweep_rows`; for Fig. 6a, "value"
            is eta of Beta(eta, eta), and a row is a trained network.
        label: str, what "value" is.
        theme: keyword, "light" or "dark".

    Returns:
        `Figure`, or None without rows.
    """
    kinds = list(dict.fromkeys((r["attack"], r["knowledge"]) for r in rows))
    if not kinds:
        return None
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure, axes = new_figure(1, len(kinds), (4.2 * len(kinds) + 2.0, 3.8))
    for axis, kind in zip(axes[0], kinds, strict=True):
        for place, method in enumerate(methods):
            own = sorted(
                (row["value"], 100 * row["accuracy"], 100 * (row["std"] or 0.0))
                for row in rows
                if row["method"] == method
                and (row["attack"], row["knowledge"]) == kind
            )
            if own:
                values, accuracies, spread = np.transpose(own)
                axis.errorbar(
                    values,
                    accuracies,
                    yerr=spread,
                    marker=_MARKERS[place % len(_MARKERS)],
                    color=f"C{place}",
                    label=method,
                )
        axis.set_title(", ".join(kind) if kind[1] != "none" else kind[0])
        axis.set_xlabel(label)
        axis.set_ylabel("accuracy (%)")
        axis.set_ylim(-3.0, 103.0)
        axis.grid(True)
    axes[0][-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def mixed_samples(first, second, vaes, mix_weight=0.5):
    """Returns what mixup and its latent forms make of pairs (Fig. 7).

    Draw them by `figures.image_grid`; measure how far they are from the
    training images by `metrics.feature_distances` (Fig. 5).

    Args:
        first: float32 [n, H, W, C] in [0, 1].
        second: float32 [n, H, W, C] in [0, 1], the partners.
        vaes: dict title -> autoencoder with `encode` and `decode`, such as
            {"VarMixup": vae, "adv-VarMixup": adversarial_vae}.
        mix_weight: float in [0, 1], lambda, the weight of `first`.

    Returns:
        dict title -> NumPy float32 [n, H, W, C]: both images, "mixup", then
        one entry per autoencoder. Resized where an autoencoder's size is
        another.

    Raises:
        ValueError: for sets of different shapes, or a weight out of range.
    """
    weight = _checks.check_number(mix_weight, "mix_weight", 0.0, 1.0)
    first, second = np.float32(first), np.float32(second)
    expected = f"of shape {first.shape}, as first"
    same = first.shape == second.shape
    _checks.check(same, "second", expected, second.shape)
    found = {"first image": first, "second image": second}
    found["mixup"] = weight * first + (1.0 - weight) * second
    size = first.shape[1:3]
    for title, vae in vaes.items():
        codes = [
            latent_space.encode(vae, tf.constant(images))
            for images in (first, second)
        ]
        mixed = weight * codes[0] + (1.0 - weight) * codes[1]
        found[title] = latent_space.decode(vae, mixed, size).numpy()
    return found
