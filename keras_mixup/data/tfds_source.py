"""Reading a prepared tensorflow-datasets data set into memory."""

import numpy as np

from keras_mixup.data.specs import ImageSet

_CHUNK = 1000


def read_tfds(spec, split, data_dir=None, download=False):
    """Reads the source's `"train"` or `"test"` split in its stored order.

    Args:
        spec: `DatasetSpec`.
        split: str.
        data_dir: str or None for tfds' own default (the environment's
            TFDS_DATA_DIR, else ~/tensorflow_datasets).
        download: bool, whether to download and prepare a missing data set.

    Returns:
        An `ImageSet` of uint8 images; an id is the position in the split.

    Raises:
        FileNotFoundError: `data_dir` does not hold the data set.
    """
    import tensorflow_datasets as tfds

    # Files are read one after the other, so that positions are stable.
    in_order = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
    try:
        builder = tfds.builder(spec.source, data_dir=data_dir)
        if download:
            builder.download_and_prepare()
        dataset = builder.as_dataset(
            split=split, shuffle_files=False, read_config=in_order
        )
    except (AssertionError, tfds.core.DatasetNotFoundError) as error:
        raise FileNotFoundError(_missing(spec, data_dir)) from error
    return _collect(dataset)


def check_prepared(spec, data_dir=None):
    """Raises `FileNotFoundError` unless `read_tfds` would find the data set."""
    import tensorflow_datasets as tfds

    try:
        there = tfds.builder(spec.source, data_dir=data_dir).is_prepared()
    except tfds.core.DatasetNotFoundError:
        there = False
    if not there:
        raise FileNotFoundError(_missing(spec, data_dir))


def _missing(spec, data_dir):
    import tensorflow_datasets as tfds

    place = data_dir or tfds.core.constants.DATA_DIR
    remedy = "download=True (keras-mixup train --download)"
    if spec.source == "tiny_imagenet":
        remedy = "the folder that keras_mixup.data.prepare_tiny_imagenet wrote"
    return (
        f"`data_dir` must hold the data set {spec.name!r} "
        f"(tfds {spec.source!r}). Received: data_dir={str(place)!r}. "
        f"Pass another data_dir (--data_dir), or {remedy}"
    )


def _collect(dataset):
    # All parts are joined once, since a growing array is copied each time.
    images, labels = [], []
    for batch in dataset.batch(_CHUNK).as_numpy_iterator():
        images.append(batch["image"])
        labels.append(batch["label"].astype(np.int32))
    labels = np.concatenate(labels)
    ids = np.arange(len(labels), dtype=np.int64)
    return ImageSet(np.concatenate(images), labels, ids)
