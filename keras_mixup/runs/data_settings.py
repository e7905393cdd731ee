"""The settings of a user's own data, and of images that attacks left."""

import importlib.metadata
import pathlib

from keras_mixup import _own_modules
from keras_mixup._setting import Setting

GROUP = "keras_mixup.dataset"
# Those of `data.DATASETS`, which loads NumPy.
NAMED = ("digits", "cifar10", "cifar100", "svhn", "tiny_imagenet")
OWN = ("npz", "folder", "tfds", "hf", "function")
HELP = (
    "a name of `keras-mixup list`, FILE.npz, a FOLDER of class folders or with "
    "train/ and test/, tfds:NAME[/CONFIG], hf:FOLDER (Hugging Face datasets), "
    "or package.module:function"
)
_OWNERS = (("dataset", OWN),)
_HELP = {
    "image_size": "Own data: resize images to this side, or height,width.",
    "channels": "Own data: bring images to 1 (grey) or 3 (colour) channels.",
    "class_names": "Own data: names of the classes, in the labels' order.",
    "test_share": "Own data without a test split: the share that is cut for "
    "it.",
    "split_seed": "Own data without a test split: seed of that cut.",
}
NAMES = tuple(_HELP)
_UNSET = {
    "image_size": "as they are",
    "channels": "as they are",
    "class_names": "those of the source",
    "test_share": "0.2",
    "split_seed": "0",
}


def _setting(name, kind, minimum=None, **options):
    told = {"help": _HELP[name], "unset": _UNSET[name], "owners": _OWNERS}
    return Setting(name, kind, minimum=minimum, **told, **options)


SETTINGS = (
    _setting("image_size", "int", 1, many=True),
    _setting("channels", "int", choices=(1, 3)),
    _setting("class_names", "str", many=True),
    _setting("test_share", "float", 0.0),
    _setting("split_seed", "int", 0),
)
SAVE_ADVERSARIAL = Setting(
    "save_adversarial",
    "bool",
    False,
    "Keep the attacks' images as .npz files in adversarial/.",
)
ADVERSARIAL = Setting(
    "adversarial",
    "str",
    (),
    "Also score on these files of save_adversarial, as oblivious.",
    many=True,
)


def kind_of(dataset):
    """Returns one of `OWN`, or `dataset` itself for a name or None.

    A name of the library is that, also beside a folder of the name: that
    folder is ./NAME.
    """
    if dataset is None or dataset in NAMED:
        return dataset
    for prefix in ("tfds", "hf"):
        if dataset.startswith(f"{prefix}:"):
            return prefix
    if dataset.lower().endswith(".npz"):
        return "npz"
    if _own_modules.is_path(dataset) or dataset in plug_ins():
        return "function"
    if "/" in dataset or pathlib.Path(dataset).is_dir():
        return "folder"
    return dataset


def plug_ins():
    """Returns dict name -> entry point of the installed packages' data."""
    points = importlib.metadata.entry_points(group=GROUP)
    return {point.name: point for point in points}
