"""Figs. 5 and 7 of VarMixup: images mixed as pixels and as codes."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import data
from keras_mixup import metrics
from keras_mixup import registry
from keras_mixup.ops import latent_space
from keras_mixup.studies import base
from keras_mixup.studies.drawing import grouped
from keras_mixup.studies.drawing import image_grid
from keras_mixup.studies.drawing import line_colour
from keras_mixup.studies.drawing import new_figure
from keras_mixup.studies.drawing import themed

_DISTANCES = (
    ("kernel_distance", "kernel distance"),
    ("frechet_distance", "Fréchet distance"),
)


def mixed_samples(
    first: _tensors.ArrayLike,
    second: _tensors.ArrayLike,
    vaes: Mapping[str, keras.Model],
    mix_weight: float | _tensors.ArrayLike = 0.5,
) -> dict[str, np.ndarray]:
    """Returns pairs of images mixed as pixels and as latent codes (Fig. 7).

    `drawing.image_grid` draws them. `metrics.feature_distances` measures how
    far they are from the training images (Fig. 5).

    Args:
        first: float32 [n, H, W, C] in [0, 1].
        second: float32 [n, H, W, C] in [0, 1], the partners.
        vaes: dict title -> autoencoder with `encode` and `decode`, such as
            {"VarMixup": vae, "adv-VarMixup": adversarial_vae}.
        mix_weight: float in [0, 1], lambda, the weight of `first`; or float
            [n], one for each pair.

    Returns:
        dict title -> NumPy float32 [n, H, W, C]: both images, "mixup", then
        one entry per autoencoder. An autoencoder of another image size gets
        resized images, and its output is resized back.

    Raises:
        ValueError: for sets of different shapes, a weight out of range, or
            an autoencoder of another number of channels.
    """
    first = np.asarray(first, np.float32)
    second = np.asarray(second, np.float32)
    weight = _weight(mix_weight, len(first))
    expected = f"of shape {first.shape}, as first"
    same = first.shape == second.shape
    _checks.check(same, "second", expected, second.shape)
    found = {"first image": first, "second image": second}
    found["mixup"] = _mix(first, second, weight)
    size, channels = first.shape[1:3], first.shape[3]
    for title, vae in vaes.items():
        shape = latent_space.image_shape(vae)
        expected = f"an autoencoder of images with {channels} channels"
        _checks.check(shape[-1] == channels, title, expected, shape)
        left, right = (
            latent_space.encode(vae, tf.constant(images))
            for images in (first, second)
        )
        mixed = _mix(left, right, weight)
        found[title] = latent_space.decode(vae, mixed, size).numpy()
    return found


def _weight(value, count):
    """Returns the checked weight as a float, or float32 [n]."""
    if np.ndim(value) == 0:
        return _checks.check_number(value, "mix_weight", 0.0, 1.0)
    value = np.float32(value)
    expected = f"a number, or one for each of the {count} pairs"
    _checks.check(value.shape == (count,), "mix_weight", expected, value.shape)
    _checks.check_within(value, "mix_weight", "numbers in [0, 1]")
    return value


def _mix(first, second, weight):
    if np.ndim(weight):
        weight = weight.reshape(-1, *[1] * (len(first.shape) - 1))
    return weight * first + (1.0 - weight) * second


def distance_rows(
    feature_model: keras.Model,
    reference: _tensors.ArrayLike,
    sets: Mapping[str, _tensors.ArrayLike],
    batch_size: int = 256,
) -> list[_types.Json]:
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
        "frechet_distance", "kernel_distance", "num_images" and, for sets of
        as many images as `reference`, "values", what each image with one of
        `reference` adds to the kernel distance.
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
        if found.values is not None:
            row["values"] = found.values.tolist()
        rows.append(row)
    return rows


def sample_rows(
    samples: Mapping[str, np.ndarray], num_shown: int = 8
) -> list[_types.Json]:
    """Returns the images of `mixed_samples` as rows for JSON (Fig. 7).

    Args:
        samples: dict title -> [n, H, W, C] in [0, 1].
        num_shown: int >= 1, how many images of each title are kept.

    Returns:
        list of dict with "title" and "images" (nested lists).
    """
    return [
        {"title": title, "images": np.round(v[:num_shown], 4).tolist()}
        for title, v in samples.items()
    ]


def training_pairs(pool, count, seed, num_sets=2):
    """Returns sets of training images, float [n, H, W, C] each.

    Args:
        pool: `SamplePool`.
        count: int, n at most.
        seed: int, of the choice. No image is paired with itself.
        num_sets: int, how many sets. They have no image in common if the pool
            has enough.
    """
    random = np.random.default_rng(seed)
    rows = random.permutation(sum(pool.class_counts)).astype("int32")
    sets = []
    for place in range(num_sets):
        chosen = rows[place * count : (place + 1) * count]
        if len(chosen) < min(count, len(rows)):
            # Too few for sets without repetition.
            chosen = np.roll(rows, place)[:count]
        sets.append(pool.gather(chosen).numpy())
    return sets


@themed
def distances_figure(rows):
    """VarMixup, Fig. 5: distances to the training images, as bars."""
    names = grouped(rows, "features")
    figure, axes = new_figure(len(names), 2, (9.0, 1.0 + 2.2 * len(names)))
    for line, (name, own) in zip(axes, names.items(), strict=True):
        titles = [f"{row['samples']} ({row['num_images']})" for row in own]
        for axis, (key, label) in zip(line, _DISTANCES, strict=True):
            values = [row[key] for row in own]
            colours = [line_colour(place) for place in range(len(own))]
            bars = axis.barh(titles, values, color=colours)
            axis.bar_label(bars, fmt="%.3g", padding=3)
            axis.margins(x=0.18)
            axis.invert_yaxis()
            axis.set_xlabel(label)
            axis.grid(False, axis="y")
        line[0].set_title(f"on {name}")
        # The left panel has the names. A bar below 0 would cover its own.
        line[1].set_yticklabels([])
    return figure


@registry.register(
    "study",
    "varmixup_fig5",
    label="Distance of mixed images from training images",
)
class Distances(base.Study):
    """Distances of mixed and of test images to training images."""

    caption = (
        "Pairs are mixed with λ from Beta(1, 1), as in training. Distances on "
        "different features cannot be compared with each other, nor with "
        "published FID and KID. The Fréchet distance of few images is biased "
        "upwards: the bar of other training images shows what no difference "
        "gives. The kernel distance is unbiased."
    )
    needs_pool = True
    needs_vae = True

    @staticmethod
    def make(context):
        count = len(context.image_set.labels)
        first, second, others, reference = training_pairs(
            context.pool, count, context.seed, 4
        )
        weights = np.random.default_rng(context.seed).beta(1, 1, len(first))
        made = mixed_samples(first, second, context.vaes, weights)
        for title in ("first image", "second image"):
            made.pop(title)
        own = data.as_float(context.image_set.images)
        network = context.feature_net
        if network is None:
            network = metrics.classifier_features(context.classifier)
        return distance_rows(
            network,
            reference,
            {
                "other training images": others,
                f"{context.split} images": own,
                **made,
            },
            context.batch_size,
        )

    draw = staticmethod(distances_figure)


@registry.register("study", "varmixup_fig7", label="Mixed images")
class Samples(base.Study):
    """Pairs of training images, mixed."""

    caption = "Pairs of training images, mixed as pixels and as codes."
    needs_pool = True
    needs_vae = True

    @staticmethod
    def make(context):
        pairs = training_pairs(context.pool, 8, context.seed)
        return sample_rows(mixed_samples(*pairs, context.vaes))

    @staticmethod
    def draw(rows, theme="light"):
        """Returns the figure; see `base.Study`."""
        images = {row["title"]: np.asarray(row["images"]) for row in rows}
        return image_grid(images, theme=theme)
