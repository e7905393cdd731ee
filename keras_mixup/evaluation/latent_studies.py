"""Studies of the VarMixup paper: linearity (Fig. 4), distances (Fig. 5),
sweeps (Fig. 6) and samples (Fig. 7), as plain rows that JSON can hold.
"""

import re

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import metrics
from keras_mixup.evaluation import records as records_lib
from keras_mixup.evaluation import specs as specs_lib
from keras_mixup.evaluation.figures import new_figure
from keras_mixup.evaluation.figures import themed
from keras_mixup.evaluation.study_figures import MARKERS
from keras_mixup.evaluation.study_figures import line_colour
from keras_mixup.ops import latent_space

# A mixing weight in a defence's name, as apps.evaluate gives them. Noise and
# rotation have one number as well, which is none.
_NAMED = re.compile(
    r"^(?P<kind>MI-OL|MI-PL|VarMI) (?P<weight>[0-9.]+)"
    r"(?P<how>( [a-z]+)* x\d+)$"
)
_ORDER = ("method", "attack", "knowledge", "eps", "value")


def weight_sweep_rows(records):
    """Returns accuracy over lambda_MI, from records alone (Fig. 6b).

    Args:
        records: list of `Record`, of `--mix_weights=0,0.1,...,1` or any other
            weights; names of defences must be as apps.evaluate gives them,
            "VarMI 0.5 x30". Others are left out.

    Returns:
        list of dict with "method", "attack", "knowledge", "eps", "value"
        (lambda), "accuracy", "std" and "num_examples", in this order.
    """
    rows = []
    for summary in records_lib.summarize(records):
        found = _NAMED.match(summary.defence)
        if found:
            method = f"{summary.model} + {found['kind']}{found['how']}"
            rows.append(_row(summary, method, float(found["weight"])))
    return sorted(rows, key=_place)


def eta_sweep_rows(runs):
    """Returns accuracy over eta of Beta(eta, eta), from records (Fig. 6a).

    Args:
        runs: list of (eta, list of `Record`), one for each trained network.

    Returns:
        list of dict as from `weight_sweep_rows`; "value" is eta, and a
        defence's name is part of "method".
    """
    rows = []
    for eta, records in runs:
        for summary in records_lib.summarize(records):
            method = summary.model
            if summary.defence != "none":
                method += f" + {summary.defence}"
            rows.append(_row(summary, method, float(eta)))
    return sorted(rows, key=_place)


def _row(summary, method, value):
    return {
        "method": method,
        "attack": summary.attack,
        "knowledge": summary.knowledge,
        "eps": summary.eps,
        "value": value,
        "accuracy": summary.accuracy,
        "std": summary.std,
        "num_examples": summary.num_examples,
    }


def _place(row):
    # Clean images have no radius.
    return [row[name] or 0.0 if name == "eps" else row[name] for name in _ORDER]


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
    kinds = list(dict.fromkeys(map(_panel, rows)))
    if not kinds:
        return None
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure, axes = new_figure(1, len(kinds), (4.2 * len(kinds) + 2.0, 3.8))
    for axis, kind in zip(axes[0], kinds, strict=True):
        for place, method in enumerate(methods):
            own = sorted(
                (row["value"], 100 * row["accuracy"], 100 * (row["std"] or 0.0))
                for row in rows
                if row["method"] == method and _panel(row) == kind
            )
            if own:
                values, accuracies, spread = np.transpose(own)
                axis.errorbar(
                    values,
                    accuracies,
                    yerr=spread,
                    marker=MARKERS[place % len(MARKERS)],
                    color=line_colour(place),
                    label=method,
                )
        axis.set_title(kind)
        axis.set_xlabel(label)
        axis.set_ylabel("accuracy (%)")
        axis.set_ylim(-3.0, 103.0)
        axis.grid(True)
    axes[0][-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _panel(row):
    parts = [row["attack"]]
    if row["knowledge"] != "none":
        parts += [f"{row['knowledge']}, eps {row['eps']:.3g}"]
    return ",\n".join(parts)


def linearity_rows(models, images, labels, radii, seed=0, **options):
    """Returns the mean local linearity error over the radius (Fig. 4).

    Args:
        models: dict name -> callable from images to logits, or a defence,
            whose draws are fixed: the gap between two draws is no curvature.
        images: float [N, H, W, C] in [0, 1].
        labels: int [N].
        radii: floats > 0 or fractions, L-infinity.
        seed: int, of the starts and of the defences' draws.
        **options: other arguments of `metrics.local_linearity_error`.

    Returns:
        list of dict with "model", "eps", "error" (mean over the images, of
        the cross-entropy in nats) and "num_examples".
    """
    rows = []
    for name, model in models.items():
        answer = model
        if specs_lib.is_randomized(model):

            def answer(points, model=model):
                return model(points, seed=seed)

        for eps in radii:
            errors = metrics.local_linearity_error(
                answer, images, labels, eps, seed=seed, **options
            )
            row = {
                "model": name,
                "eps": _checks.check_number(eps, "radii"),
                "error": float(np.mean(errors)),
                "num_examples": len(errors),
            }
            rows.append(row)
    return rows


def distance_rows(feature_model, reference, sets, batch_size=256):
    """Returns how far sets of images are from training images (Fig. 5).

    Args:
        feature_model: `keras.Model` from `metrics.classifier_features` or
            `metrics.inception_features`.
        reference: float [n, H, W, C] in [0, 1], training images, n >= 2.
        sets: dict title -> float [m, H, W, C], m >= 2, such as from
            `mixed_samples`.
        batch_size: int >= 1.

    Returns:
        list of dict with "samples" (the title), "features" (their name),
        "frechet_distance", "kernel_distance" and "num_images".
    """
    rows = []
    for title, images in sets.items():
        found = metrics.feature_distances(
            feature_model, reference, images, batch_size
        )
        row = {
            "samples": title,
            "features": found.features,
            "frechet_distance": found.frechet_distance,
            "kernel_distance": found.kernel_distance,
            "num_images": found.counts[1],
        }
        rows.append(row)
    return rows


def sample_rows(samples, num_shown=8):
    """Returns what `mixed_samples` made as rows that JSON holds (Fig. 7).

    Args:
        samples: dict title -> [n, H, W, C] in [0, 1].
        num_shown: int >= 1, the first of each.

    Returns:
        list of dict with "title" and "images" (nested lists).
    """
    return [
        {"title": title, "images": np.round(v[:num_shown], 4).tolist()}
        for title, v in samples.items()
    ]


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
        ValueError: for sets of different shapes, a weight out of range, or
            an autoencoder of images with other channels.
    """
    weight = _checks.check_number(mix_weight, "mix_weight", 0.0, 1.0)
    first, second = np.float32(first), np.float32(second)
    expected = f"of shape {first.shape}, as first"
    same = first.shape == second.shape
    _checks.check(same, "second", expected, second.shape)
    found = {"first image": first, "second image": second}
    found["mixup"] = weight * first + (1.0 - weight) * second
    size, channels = first.shape[1:3], first.shape[3]
    for title, vae in vaes.items():
        shape = latent_space.image_shape(vae)
        expected = f"an autoencoder of images with {channels} channels"
        _checks.check(shape[-1] == channels, title, expected, shape)
        codes = [
            latent_space.encode(vae, tf.constant(images))
            for images in (first, second)
        ]
        mixed = weight * codes[0] + (1.0 - weight) * codes[1]
        found[title] = latent_space.decode(vae, mixed, size).numpy()
    return found
