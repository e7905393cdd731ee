"""The data sets: shape, classes, normalisation, augmentation."""

from typing import NamedTuple

import numpy as np

from keras_mixup import _checks


class ImageSet(NamedTuple):
    """A split held in memory.

    Attributes:
        images: uint8 in 0..255 or float32 in [0, 1], [n, H, W, C].
        labels: int32 [n].
        example_ids: int64 [n], the position in the source's own split. A
            validation example keeps its position in the train split.
    """

    images: np.ndarray
    labels: np.ndarray
    example_ids: np.ndarray


def check_set(image_set, name="image_set"):
    """Returns an `ImageSet`; raises `ValueError` for something else."""
    okay = hasattr(image_set, "images") and hasattr(image_set, "labels")
    received = type(image_set).__name__
    _checks.check(okay, name, "a data.ImageSet", received)
    return image_set


class DatasetSpec(NamedTuple):
    """A data set.

    Attributes:
        name: str, the name that `load` takes.
        image_shape: (height, width, channels).
        num_classes: int.
        mean: floats [channels], of the train split, in [0, 1] units.
        std: floats [channels], of the train split, in [0, 1] units.
        augment: None, `"crop"` or `"crop_flip"`: the default for training.
        num_validation: int, examples cut from train for validation.
        source: str, the tfds name, `"digits"` for the embedded set, or
            `"own"` for a user's own data.
        class_names: tuple of str, in the order of the labels, or empty.
    """

    name: str
    image_shape: tuple[int, int, int]
    num_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augment: str | None
    num_validation: int
    source: str
    class_names: tuple[str, ...] = ()


_SPECS = (
    DatasetSpec(
        name="digits",
        image_shape=(8, 8, 1),
        num_classes=10,
        mean=(0.3053,),
        std=(0.3758,),
        augment=None,
        num_validation=200,
        source="digits",
    ),
    DatasetSpec(
        name="cifar10",
        image_shape=(32, 32, 3),
        num_classes=10,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        augment="crop_flip",
        num_validation=5000,
        source="cifar10",
    ),
    DatasetSpec(
        name="cifar100",
        image_shape=(32, 32, 3),
        num_classes=100,
        mean=(0.5071, 0.4865, 0.4409),
        std=(0.2673, 0.2564, 0.2762),
        augment="crop_flip",
        num_validation=5000,
        source="cifar100",
    ),
    DatasetSpec(
        name="svhn",
        image_shape=(32, 32, 3),
        num_classes=10,
        mean=(0.4377, 0.4438, 0.4728),
        std=(0.1980, 0.2010, 0.1970),
        # No flip: a mirrored 3 or 7 is no digit, and a 2 resembles a 5.
        augment="crop",
        num_validation=5000,
        source="svhn_cropped",
    ),
    DatasetSpec(
        name="tiny_imagenet",
        image_shape=(64, 64, 3),
        num_classes=200,
        mean=(0.4802, 0.4481, 0.3975),
        std=(0.2770, 0.2691, 0.2821),
        augment="crop_flip",
        num_validation=5000,
        source="tiny_imagenet",
    ),
)

DATASETS = {spec.name: spec for spec in _SPECS}
