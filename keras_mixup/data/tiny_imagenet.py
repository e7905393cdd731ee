"""Tiny-ImageNet: from the original folder to tfds' format."""

import os
import shutil

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import _types
from keras_mixup.data.specs import DATASETS

_VERSION = "1.0.0"


def prepare_tiny_imagenet(
    source_dir: _types.Path, data_dir: _types.Path
) -> str:
    """Writes Tiny-ImageNet as the data set that `load("tiny_imagenet")` reads.

    The official 10,000 validation images become the test split, since the
    labels of the official test images were never published. Labels follow
    the order of `wnids.txt`; grey images are stored with three equal
    channels, without loss.

    Args:
        source_dir: str, the unpacked `tiny-imagenet-200` folder: wnids.txt,
            train/<wnid>/images/*.JPEG, val/images/*.JPEG and
            val/val_annotations.txt.
        data_dir: str, the tfds folder. The data set appears in it in one
            step, so a killed preparation leaves no partial data set.

    Returns:
        str, the folder of the prepared data set.

    Raises:
        FileNotFoundError: when a part of `source_dir` is missing.
        FileExistsError: when `data_dir` already holds the data set.
        ValueError: when a file listed belongs to no class, or a name listed
            leads out of its folder.
    """
    spec = DATASETS["tiny_imagenet"]
    target = os.path.join(data_dir, spec.source, _VERSION)
    if os.path.exists(target):
        raise FileExistsError(
            "`data_dir` must not hold Tiny-ImageNet already. "
            f"Received: data_dir={data_dir!r}, which has {target}"
        )
    wnids = _read_lines(source_dir, "wnids.txt")
    for wnid in wnids:
        _checks.check_file_name(wnid, "source_dir", "wnids.txt")
    splits = {
        "train": _list_train(source_dir, wnids),
        "test": _list_validation(source_dir, wnids),
    }
    os.makedirs(data_dir, exist_ok=True)
    # In the same file system, so that the last step is one rename.
    _files.remove_leftovers(data_dir, "tiny_imagenet")
    scratch = str(_files.scratch_path(data_dir, "tiny_imagenet"))
    os.mkdir(scratch)
    try:
        _store(spec, wnids, splits, scratch)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(os.path.join(scratch, spec.source, _VERSION), target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _store(spec, wnids, splits, data_dir):
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=spec.image_shape),
            "label": tfds.features.ClassLabel(names=wnids),
        }
    )
    tfds.dataset_builders.store_as_tfds_dataset(
        name=spec.source,
        version=_VERSION,
        features=features,
        split_datasets={
            split: _decode(paths, labels, spec.image_shape)
            for split, (paths, labels) in splits.items()
        },
        data_dir=data_dir,
        description="Tiny-ImageNet; test is the official validation split.",
        disable_shuffling=True,
    )


def _decode(paths, labels, image_shape):
    def read(path, label):
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        image = tf.ensure_shape(image, image_shape)
        return {"image": image, "label": label}

    examples = tf.data.Dataset.from_tensor_slices((paths, labels))
    return examples.map(read, tf.data.AUTOTUNE, deterministic=True)


def _list_train(source_dir, wnids):
    paths, labels = [], []
    for label, wnid in enumerate(wnids):
        folder = _existing(source_dir, "train", wnid, "images")
        names = sorted(os.listdir(folder))
        names = [name for name in names if name.upper().endswith(".JPEG")]
        paths += [os.path.join(folder, name) for name in names]
        labels += [label] * len(names)
    return paths, labels


def _list_validation(source_dir, wnids):
    paths, labels = [], []
    known = {wnid: label for label, wnid in enumerate(wnids)}
    for line in _read_lines(source_dir, "val", "val_annotations.txt"):
        # The rest of the line is the box of the object.
        name, wnid = line.split()[:2]
        expected = f"a folder whose {name} is of a class in wnids.txt"
        _checks.check(wnid in known, "source_dir", expected, wnid)
        _checks.check_file_name(name, "source_dir", "val_annotations.txt")
        paths.append(_existing(source_dir, "val", "images", name))
        labels.append(known[wnid])
    return paths, labels


def _read_lines(*parts):
    with open(_existing(*parts), encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]


def _existing(source_dir, *parts):
    path = os.path.join(source_dir, *parts)
    if os.path.exists(path):
        return path
    raise FileNotFoundError(
        "`source_dir` must be the unpacked tiny-imagenet-200 folder. "
        f"Received: source_dir={source_dir!r}, which lacks "
        f"{os.path.join(*parts)}"
    )
