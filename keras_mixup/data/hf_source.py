"""Data sets of Hugging Face's `datasets` on disk; needs that package."""

import pathlib

import numpy as np

from keras_mixup import _checks
from keras_mixup.data import own_sources

_WANTED = (
    "a data set with one column of images and one of class labels, or with "
    "the columns image and label"
)


def from_disk(path):
    """Reads a folder that `Dataset.save_to_disk` wrote, or `DatasetDict`'s.

    The images are those of the only column of type `Image`, the labels those of
    the only column of type `ClassLabel`. Of several columns, `image` and
    `label` are taken. Nothing is downloaded.

    Args:
        path: str or path of the folder.

    Returns:
        `own_sources.Parts`; a palette becomes RGB, black and white grey.

    Raises:
        ImportError: `datasets` or Pillow is not installed.
        FileNotFoundError: there is no such data set.
        ValueError: it has no such columns, or no train split.
    """
    place = f"hf:{path}"
    try:
        import datasets
        import PIL  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"`dataset`: {place} needs Hugging Face's datasets and Pillow. "
            f'Run pip install "keras_mixup[hf]". {error}'
        ) from error
    if not pathlib.Path(path).is_dir():
        raise FileNotFoundError(f"`dataset`: there is no folder {path}.")
    try:
        found = datasets.load_from_disk(str(path))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"`dataset`: {place}: {error}") from error
    if isinstance(found, datasets.Dataset):
        found = {"train": found}
    splits = own_sources.splits_of(found)
    okay, received = "train" in splits, f"{place} with {', '.join(found)}"
    _checks.check(okay, "dataset", "one with a train split", received)
    image, label = _columns(splits["train"].features, place)
    names = getattr(splits["train"].features[label], "names", None) or ()
    parts = {
        split: own_sources.Part(
            [_pixels(picture) for picture in rows[image]],
            np.array(rows[label]),
        )
        for split, rows in splits.items()
    }
    return own_sources.Parts(**parts, class_names=tuple(names))


def _columns(features, place):
    """Returns the names of the columns of the images and of the labels."""
    kinds = {name: type(kind).__name__ for name, kind in features.items()}
    found = []
    for kind, usual in (("Image", "image"), ("ClassLabel", "label")):
        own = [name for name, k in kinds.items() if k == kind]
        okay = len(own) == 1 or usual in kinds
        shown = ", ".join(f"{name} ({k})" for name, k in kinds.items())
        _checks.check(okay, "dataset", _WANTED, f"{place} with {shown}")
        found.append(own[0] if len(own) == 1 else usual)
    return found


def _pixels(picture):
    """Returns an image of Pillow, or nested numbers, as an array."""
    mode = getattr(picture, "mode", None)
    if mode in ("P", "1"):
        picture = picture.convert("RGB" if mode == "P" else "L")
    return np.asarray(picture)
