"""Features of images, for distances between sets of images."""

import pathlib
import warnings
from typing import NamedTuple

import keras
import numpy as np

from keras_mixup import _checks
from keras_mixup import _classifiers
from keras_mixup import _inputs
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup.metrics import frechet
from keras_mixup.metrics import kernel_distance

_INCEPTION_SIDE = 299
# The largest bias of the Frechet distance without a warning, as a share of
# the features' variance.
_TOLERATED = 0.05


class FeatureDistances(NamedTuple):
    """Two distances between two sets of images.

    Attributes:
        features: str, the name of the features. Distances of different
            features cannot be compared.
        frechet_distance: float; FID where the features are Inception's.
        kernel_distance: float; KID where the features are Inception's.
        counts: (n, m), the numbers of images.
        values: float64 [n], what each pair of images adds to the kernel
            distance, for paired tests; None where n is not m.
    """

    features: str
    frechet_distance: float
    kernel_distance: float
    counts: tuple
    values: np.ndarray | None = None


def classifier_features(classifier: keras.Model) -> keras.Model:
    """Returns the classifier without its last layer, as a feature network.

    Args:
        classifier: functional `keras.Model`, images in [0, 1] to logits,
            trained on the data set.

    Returns:
        `keras.Model`, images to features, named after the classifier.

    Raises:
        ValueError: for a model without symbolic inputs.
    """
    _classifiers.check_classifier(classifier)
    functional = bool(getattr(classifier, "inputs", None))
    expected = "a functional keras.Model"
    _checks.check(functional, "classifier", expected, classifier)
    inner = classifier.layers[-1].input
    name = f"{classifier.name}_penultimate"
    return keras.Model(classifier.inputs, inner, name=name)


def inception_features(weights: _types.Path) -> keras.Model:
    """Returns InceptionV3 up to its mean pooling, from a weights file.

    This is Keras' InceptionV3 on images resized to 299 x 299. Published FIDs
    are computed with other weights, hence the name in the result.

    Args:
        weights: path of Keras' `inception_v3_weights_tf_dim_ordering_
            tf_kernels_notop.h5`; nothing is downloaded.

    Raises:
        FileNotFoundError: when there is no such file.
    """
    if not pathlib.Path(weights).is_file():
        raise FileNotFoundError(
            f"No InceptionV3 weights at {weights}. Download them from Keras "
            "applications, or use classifier_features(classifier)."
        )
    images = keras.Input((None, None, 3))
    resized = keras.layers.Resizing(_INCEPTION_SIDE, _INCEPTION_SIDE)(images)
    scaled = keras.layers.Rescaling(2.0, -1.0)(resized)
    network = keras.applications.InceptionV3(
        include_top=False, weights=str(weights), pooling="avg"
    )
    return keras.Model(images, network(scaled), name="keras_inception_v3")


def compute_features(
    feature_model: keras.Model,
    images: _tensors.ArrayLike,
    batch_size: int = 256,
) -> np.ndarray:
    """Returns float32 [N, d], one row per image.

    Args:
        feature_model: `keras.Model`, images to features; feature maps are
            averaged over space.
        images: float [N, H, W, C] in [0, 1]; the grey channel is repeated
            for a model of three channels.
        batch_size: int >= 1.

    Raises:
        ValueError: for another model, images or number.
    """
    return _features(feature_model, images, batch_size, "images")


def _features(feature_model, images, batch_size, name):
    _checks.check_instance(
        feature_model, "feature_model", keras.Model, "a keras.Model"
    )
    batch_size = _checks.check_integer(batch_size, "batch_size")
    images = _inputs.read_images(images, name)
    if images.shape[-1] == 1 and feature_model.input_shape[-1] == 3:
        images = images.repeat(3, axis=-1)
    found = feature_model.predict(images, batch_size, verbose=0)
    if found.ndim == 4:
        found = found.mean(axis=(1, 2))
    return found


def feature_distances(
    feature_model: keras.Model,
    images_a: _tensors.ArrayLike,
    images_b: _tensors.ArrayLike,
    batch_size: int = 256,
) -> FeatureDistances:
    """Returns the `FeatureDistances` between two sets of images.

    VarMixup, section 5, "Analyzing VarMixup samples" (Fig. 5): training
    images against generated ones.

    Args:
        feature_model: `keras.Model` from `classifier_features` or
            `inception_features`.
        images_a: float [n, H, W, C] in [0, 1], n >= 2.
        images_b: float [m, H, W, C] in [0, 1], m >= 2.
        batch_size: int >= 1.

    Warns:
        UserWarning: for too few images. Between two samples of one normal
            distribution the Frechet distance is about d / 4 (1 / n + 1 / m)
            of the total variance of the d features, and more than 5 % of it
            hide a difference. The kernel distance is unbiased.
    """
    both = [
        _features(feature_model, images, batch_size, name)
        for name, images in (("images_a", images_a), ("images_b", images_b))
    ]
    _warn_of_few(*both)
    counts = tuple(map(len, both))
    values = None
    if counts[0] == counts[1]:
        values = kernel_distance.kernel_distance_values(*both)
    return FeatureDistances(
        feature_model.name,
        frechet.frechet_distance(*both),
        kernel_distance.kernel_inception_distance(*both),
        counts,
        values,
    )


def _warn_of_few(first, second):
    counts, width = (len(first), len(second)), first.shape[1]
    bias = 0.25 * width * sum(1.0 / count for count in counts)
    if bias <= _TOLERATED:
        return
    needed = round(0.5 * width / _TOLERATED)
    warnings.warn(
        f"{counts[0]} and {counts[1]} images are few for {width} features: "
        f"the Frechet distance is about {bias:.0%} of the features' variance "
        f"even without a difference. Take {needed} images each, compare with "
        "the distance of equally many images of one set, or read the kernel "
        "distance, which is unbiased.",
        stacklevel=3,
    )
