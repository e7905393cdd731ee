"""`load` and `load_arrays` for every data set."""

from typing import Any

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _types
from keras_mixup.data import digits
from keras_mixup.data import pipeline
from keras_mixup.data import splits
from keras_mixup.data import tfds_source
from keras_mixup.data.specs import DATASETS
from keras_mixup.data.specs import ImageSet


def load(
    name: str,
    split: str = "train",
    data_dir: _types.Path | None = None,
    download: bool = False,
    **options: Any,
) -> tf.data.Dataset:
    """Loads a split as a `tf.data.Dataset` of single examples.

    Args:
        name: str, a key of `DATASETS`.
        split: `"train"`, `"validation"` or `"test"`.
        data_dir: str or None, as in `load_arrays`.
        download: bool, as in `load_arrays`.
        **options: `num_examples`, `num_validation`, `seed` of `load_arrays`.

    Returns:
        A finite `tf.data.Dataset` of (image float32 [H, W, C] in [0, 1],
        label int32 []), unbatched, in a fixed order.

    Raises:
        ValueError: for unknown names or counts out of range.
        FileNotFoundError: when `data_dir` does not hold the data set.
    """
    image_set = load_arrays(name, split, data_dir, download, **options)
    return pipeline.example_dataset(image_set)


def load_arrays(
    name: str,
    split: str = "train",
    data_dir: _types.Path | None = None,
    download: bool = False,
    *,
    num_examples: int | None = None,
    num_validation: int | None = None,
    seed: int = 0,
) -> ImageSet:
    """Loads a split into memory.

    The validation split is a fixed, stratified part of the source's train
    split. The test split is the source's.

    Args:
        name: str, a key of `DATASETS`.
        split: `"train"`, `"validation"` or `"test"`.
        data_dir: str or None, the tfds folder; None is tfds' default (the
            environment's TFDS_DATA_DIR, else ~/tensorflow_datasets). The
            digits need none.
        download: bool, downloads a missing data set into `data_dir`.
        num_examples: None for all, or int >= 1: a class-balanced subset.
        num_validation: None for the data set's own number, or int >= 0; 0
            leaves all images in the train split. The digits' 200 are fixed.
        seed: int, of the subset; the splits do not depend on it.

    Returns:
        `ImageSet(images, labels, example_ids)`.

    Raises:
        ValueError: for unknown names or counts out of range.
        FileNotFoundError: when `data_dir` does not hold the data set.
    """
    spec = DATASETS[_checks.check_choice(name, "name", tuple(DATASETS))]
    _checks.check_choice(split, "split", ("train", "validation", "test"))
    _checks.check_flag(download, "download")
    _checks.check_seed(seed)
    num_validation = _num_validation(spec, num_validation)
    okay = num_validation > 0 or split != "validation"
    expected = '1 or more for split="validation"'
    _checks.check(okay, "num_validation", expected, num_validation)
    source_split = "test" if split == "test" else "train"
    if spec.source == "digits":
        image_set = digits.read_digits(source_split)
    else:
        image_set = tfds_source.read_tfds(
            spec, source_split, data_dir, download
        )
    if split != "test":
        image_set = _part_of_train(image_set, name, split, num_validation)
    if num_examples is None:
        return image_set
    return splits.class_balanced_subset(image_set, num_examples, seed)


def _part_of_train(image_set, name, split, num_validation):
    if not num_validation:
        return image_set
    expected = f"below {len(image_set.labels)}, the size of the train split"
    okay = num_validation < len(image_set.labels)
    _checks.check(okay, "num_validation", expected, num_validation)
    held_out = splits.stratified_choice(
        image_set.labels,
        image_set.example_ids,
        num_validation,
        f"{name}/validation",
    )
    wanted = held_out if split == "validation" else ~held_out
    return splits.take(image_set, np.flatnonzero(wanted))


def _num_validation(spec, num_validation):
    if num_validation is None:
        return spec.num_validation
    number = _checks.check_integer(num_validation, "num_validation", 0)
    fixed = spec.source == "digits" and number not in (0, spec.num_validation)
    expected = f"None or {spec.num_validation}, or 0 for none: the digits' "
    expected += "splits are fixed"
    _checks.check(not fixed, "num_validation", expected, num_validation)
    return number
