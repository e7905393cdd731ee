"""A user's own data: read, brought to one form, checked and split."""

from typing import NamedTuple

import numpy as np

from keras_mixup import _checks
from keras_mixup import _inputs
from keras_mixup.data import splits
from keras_mixup.data.specs import DatasetSpec
from keras_mixup.data.specs import ImageSet

_TEST_SHARE = 0.2
_VALIDATION_SHARE = 0.1


class OwnOptions(NamedTuple):
    """How a user's own data are brought to one form and split.

    Attributes:
        image_size: None, or (side,) or (height, width): images are resized,
            bilinear and antialiased. None leaves them; then all must have
            one size.
        channels: None, 1 (grey) or 3 (colour).
        class_names: tuple of str, in the order of the labels; empty for the
            source's own.
        test_share: None, or float in (0, 1): the share that is cut for the
            test split, of a source that has none. None: 0.2.
        split_seed: int, of that cut.
    """

    image_size: tuple = ()
    channels: int | None = None
    class_names: tuple = ()
    test_share: float | None = None
    split_seed: int = 0


class OwnData(NamedTuple):
    """A user's own data in memory.

    Attributes:
        train: `ImageSet`; validation images are cut from it where the source
            has none.
        validation: `ImageSet`, or None.
        test: `ImageSet`.
        class_names: tuple of str, or empty.
        num_classes: int.
    """

    train: ImageSet
    validation: ImageSet | None
    test: ImageSet
    class_names: tuple
    num_classes: int


def prepare(parts, options):
    """Returns the `OwnData` of what a source holds.

    Args:
        parts: `own_sources.Parts`.
        options: `OwnOptions`.

    Raises:
        ValueError: for images of several sizes, images or labels of another
            form, fewer than two classes, a class without an image, or a
            share for the test split of a source that has one.
    """
    names = tuple(options.class_names) or tuple(parts.class_names)
    train = _image_set(parts.train, "train", options)
    num_classes = _num_classes(train.labels, names)
    validation, test = (
        part if part is None else _image_set(part, split, options, train)
        for split, part in zip(parts._fields[1:3], parts[1:3], strict=True)
    )
    for held in filter(None, (validation, test)):
        _inputs.read_labels(held.labels, num_classes=num_classes)
    own = test is not None
    expected = "None for data with a test split of their own"
    okay = not own or options.test_share is None
    _checks.check(okay, "test_share", expected, options.test_share)
    if not own:
        train, test = _cut(train, options, num_classes)
    return OwnData(train, validation, test, names, num_classes)


def specify(name, own):
    """Returns the `DatasetSpec` of `OwnData` under a name."""
    mean, std = _statistics(own.train.images)
    count = round(_VALIDATION_SHARE * len(own.train.labels))
    if own.validation is not None:
        count = len(own.validation.labels)
    return DatasetSpec(
        name,
        own.train.images.shape[1:],
        own.num_classes,
        mean,
        std,
        augment=None,
        num_validation=max(count, 1),
        source="own",
        class_names=own.class_names,
    )


def split_of(own, split, num_validation=None):
    """Returns the `ImageSet` of a split.

    Args:
        own: `OwnData`.
        split: `"train"`, `"validation"` or `"test"`.
        num_validation: int, how many images are cut from train for the
            validation split; None: a tenth. With 0, train has all.

    Raises:
        ValueError: `num_validation` for data with a validation split of their
            own, or more than there are.
    """
    _checks.check_choice(split, "split", ("train", "validation", "test"))
    if split == "train" and num_validation == 0:
        return own.train
    if own.validation is not None:
        expected = "None for data with a validation split of their own"
        okay = num_validation is None
        _checks.check(okay, "num_validation", expected, num_validation)
        return getattr(own, split)
    if split == "test":
        return own.test
    total = len(own.train.labels)
    count = num_validation
    if count is None:
        count = max(round(_VALIDATION_SHARE * total), 1)
    expected = f"below {total}, the size of the train split"
    okay = _checks.check_integer(count, "num_validation") < total
    _checks.check(okay, "num_validation", expected, count)
    held = splits.stratified_choice(
        own.train.labels, own.train.example_ids, count, "own/validation"
    )
    wanted = held if split == "validation" else ~held
    return splits.take(own.train, np.flatnonzero(wanted))


def _image_set(part, split, options, like=None):
    """Returns a checked `ImageSet`; of the shape of `like`, if given."""
    name = f"{split} images of dataset"
    images = _stacked(part.images, options, name)
    images = _inputs.read_images(images, name, levels=True)
    if like is not None:
        shape = like.images.shape[1:]
        okay, expected = (
            images.shape[1:] == shape,
            f"of the train shape {shape}",
        )
        _checks.check(okay, name, expected, images.shape[1:], _remedy(split))
    count, name = len(images), f"{split} labels of dataset"
    labels = _inputs.read_classes(part.labels, count, name=name)
    ids = part.example_ids
    ids = np.arange(count, dtype=np.int64) if ids is None else ids
    return ImageSet(images, labels, ids)


def _stacked(images, options, name):
    """Returns images of one size, an array [n, H, W, C]."""
    if options.image_size or options.channels or isinstance(images, list):
        images = [_formed(np.asarray(i), options, name) for i in images]
        shapes = sorted({image.shape for image in images})
        shown = (
            f"{', '.join(map(str, shapes[:5]))}{', ...' * (len(shapes) > 5)}"
        )
        okay = len(shapes) <= 1
        hint = "Give image_size and channels, which bring them to one form"
        _checks.check(okay, name, "images of one size", shown, hint)
        return np.stack(images) if images else np.zeros((0, 1, 1, 1))
    images = np.asarray(images)
    return images[..., None] if images.ndim == 3 else images


def _formed(image, options, name):
    """Returns one image with the size and the channels of the options."""
    image = image[..., None] if image.ndim == 2 else image
    okay = image.ndim == 3
    _checks.check(okay, name, "images [H, W, C]", f"shape {image.shape}")
    if options.channels not in (None, image.shape[-1]):
        image = _recoloured(image, options.channels, name)
    size = tuple(options.image_size) * (3 - len(options.image_size))
    if options.image_size and image.shape[:2] != size:
        image = _resized(image, size)
    return image


def _recoloured(image, channels, name):
    import tensorflow as tf

    okay = {image.shape[-1], channels} == {1, 3}
    expected = f"images of 1 or 3 channels with channels={channels}"
    _checks.check(okay, name, expected, f"shape {image.shape}")
    if channels == 3:
        return np.repeat(image, 3, axis=-1)
    return tf.image.rgb_to_grayscale(image).numpy()


def _resized(image, size):
    import tensorflow as tf

    resized = tf.image.resize(image, size, antialias=True).numpy()
    if image.dtype == np.uint8:
        return np.clip(np.round(resized), 0, 255).astype(np.uint8)
    return resized.astype(np.float32)


def _num_classes(labels, names):
    """Returns the number of classes; refuses classes without an image."""
    counts = np.bincount(labels, minlength=len(names))
    expected = "labels of two classes or more"
    okay = np.count_nonzero(counts) >= 2
    shown = f"classes {np.flatnonzero(counts).tolist()}"
    _checks.check(okay, "train labels of dataset", expected, shown)
    if names:
        expected = f"{len(counts)} names, one for each class"
        okay = len(names) == len(counts) and len(set(names)) == len(names)
        _checks.check(okay, "class_names", expected, names)
    missing = np.flatnonzero(counts == 0).tolist()
    expected = "labels 0, 1, ... with an image of each class"
    shown = f"no image of class {', '.join(map(str, missing))}"
    _checks.check(not missing, "train labels of dataset", expected, shown)
    return len(counts)


def _cut(train, options, num_classes):
    """Returns (train, test), the test split cut from the train split."""
    share = options.test_share
    share = _TEST_SHARE if share is None else share
    okay = 0.0 < share < 1.0
    _checks.check(okay, "test_share", "between 0 and 1", share)
    total = len(train.labels)
    count = min(max(round(share * total), 1), total - 1)
    chosen = splits.stratified_choice(
        train.labels, train.example_ids, count, f"own/test/{options.split_seed}"
    )
    left = splits.take(train, np.flatnonzero(~chosen))
    okay = len(np.unique(left.labels)) == num_classes
    expected = "small enough to leave an image of each class for training"
    _checks.check(okay, "test_share", expected, share)
    return left, splits.take(train, np.flatnonzero(chosen))


def _statistics(images):
    """Returns (mean, std) of each channel in [0, 1] units, of four digits."""
    scale = 255.0 if images.dtype == np.uint8 else 1.0
    axes = (0, 1, 2)
    mean = images.mean(axes, dtype=np.float64) / scale
    std = images.std(axes, dtype=np.float64) / scale
    # A channel without any contrast is left as it is.
    std = np.where(std > 1e-4, std, 1.0)
    return tuple(np.round(mean, 4).tolist()), tuple(np.round(std, 4).tolist())


def _remedy(split):
    return f"Give image_size and channels to bring {split} and train together"
