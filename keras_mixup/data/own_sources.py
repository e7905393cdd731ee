"""Where a user's own images come from: a file, folders, tfds, a function.

Each reader returns `Parts`: images and labels as they were found. What they
must be is checked in one place, `own.read`.
"""

import hashlib
import pathlib
import re
from typing import NamedTuple

import numpy as np

from keras_mixup import _checks
from keras_mixup import _own_modules

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
# Split -> the words for it, in files and in the names of folders.
_WORDS = {
    "train": ("train",),
    "validation": ("validation", "val", "valid"),
    "test": ("test",),
}
_PAIRS = (("x_{}", "y_{}"), ("{}_images", "{}_labels"))
_SINGLE = (("images", "labels"), ("x", "y"))
ARRAYS = (
    "arrays x_train and y_train (x_test and y_test, x_val and y_val), or "
    "train_images and train_labels (...), or images and labels"
)


class Part(NamedTuple):
    """Images of one split, as they were found.

    Attributes:
        images: array [n, H, W, C] or [n, H, W], or a list of arrays
            [H, W, C].
        labels: array [n].
        example_ids: int64 [n], or None for 0..n-1.
    """

    images: object
    labels: object
    example_ids: np.ndarray | None = None


class Parts(NamedTuple):
    """What a source holds.

    Attributes:
        train, validation, test: `Part`, the last two None where the source
            has no such split.
        class_names: tuple of str, empty where the source names none.
    """

    train: Part
    validation: Part | None = None
    test: Part | None = None
    class_names: tuple = ()


def from_arrays(arrays, place):
    """Reads a mapping name -> array, as an .npz file is.

    Args:
        arrays: mapping with `ARRAYS`, and perhaps class_names.
        place: str, where they are, for the error.

    Raises:
        ValueError: it has no such arrays, or one without its partner.
    """
    names = tuple(str(n) for n in arrays.get("class_names", ()))
    for pair in _PAIRS:
        images, labels = pair
        found = {
            split: Part(arrays[images.format(w)], arrays[labels.format(w)])
            for split, words in _WORDS.items()
            for w in words
            if images.format(w) in arrays and labels.format(w) in arrays
        }
        if "train" in found:
            used = {n.format(w) for n in pair for s in found for w in _WORDS[s]}
            _check_used(arrays, used, place)
            return Parts(**found, class_names=names)
    for images, labels in _SINGLE:
        if images in arrays and labels in arrays:
            _check_used(arrays, {images, labels}, place)
            part = Part(arrays[images], arrays[labels])
            return Parts(part, class_names=names)
    received = f"{place} with {', '.join(arrays) or 'nothing'}"
    _checks.check(False, "dataset", f"a source with {ARRAYS}", received)


def _check_used(arrays, used, place):
    """Refuses an array that is meant to be read and would not be."""
    words = [w for several in _WORDS.values() for w in several]
    known = {n.format(w) for pair in _PAIRS for n in pair for w in words}
    left = ", ".join(n for n in arrays if n in known - used)
    expected = "a source whose images and labels go together by their names"
    hint = f"{left} would not be used"
    received = f"{place} with {', '.join(arrays)}"
    _checks.check(not left, "dataset", expected, received, hint=hint)


def from_npz(path):
    """Reads an .npz file; see `from_arrays`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no .npz file, or lacks the arrays.
    """
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(f"`dataset`: there is no file {path}.")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError) as error:
        expected = "an .npz file of numbers, as numpy.savez writes it"
        _checks.check(False, "dataset", expected, str(path), hint=str(error))
    return from_arrays(arrays, str(path))


def from_function(function, path):
    """Calls a user's function without arguments.

    It returns a mapping as `from_arrays` takes, or (images, labels).

    Args:
        function: callable.
        path: str, its `package.module:name`, for the error.

    Raises:
        ValueError: it fails, or returns something else.
    """
    _checks.check(callable(function), "dataset", "a function", path)
    found = _own_modules.call(function, "dataset", path)
    if isinstance(found, tuple) and len(found) == 2:
        found = {"images": found[0], "labels": found[1]}
    expected = (
        f"a function that returns (images, labels), or a dict of {ARRAYS}"
    )
    received = f"{path}, which returns {type(found).__name__}"
    _checks.check(hasattr(found, "keys"), "dataset", expected, received)
    return from_arrays(dict(found), path)


def from_tfds(name, data_dir=None, download=False):
    """Reads a tfds data set with images and labels, `NAME[/CONFIG]`.

    Raises:
        ValueError: it has no image or no label.
        FileNotFoundError: tfds does not know it, or `data_dir` lacks it.
    """
    import tensorflow_datasets as tfds

    in_order = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
    try:
        builder = tfds.builder(name, data_dir=data_dir)
        if download:
            builder.download_and_prepare()
        features = builder.info.features or {}
        expected = "a tfds data set with the features image and label"
        received = f"tfds:{name} with {', '.join(features)}"
        okay = {"image", "label"} <= set(features)
        _checks.check(okay, "dataset", expected, received)
        found = {
            split: _tfds_part(builder, word, in_order)
            for split, words in _WORDS.items()
            for word in words
            # Of a set that is not prepared nothing is known: tfds refuses it.
            if word in (builder.info.splits or ("train", "test"))
        }
    except (AssertionError, tfds.core.DatasetNotFoundError) as error:
        place = data_dir or tfds.core.constants.DATA_DIR
        raise FileNotFoundError(
            f"`dataset`: tfds:{name} is not in data_dir={str(place)!r}. Give "
            f"another data_dir, or download=True. {_first_sentence(error)}"
        ) from error
    listed = ", ".join(builder.info.splits)
    okay, received = "train" in found, f"tfds:{name} with {listed}"
    _checks.check(okay, "dataset", "one with a train split", received)
    names = tuple(getattr(features["label"], "names", None) or ())
    return Parts(**found, class_names=names)


def _first_sentence(error):
    """What tfds says, without its list of all data sets."""
    return str(error).partition("\n")[0].partition("Available")[0].strip()


def _tfds_part(builder, split, in_order):
    rows = builder.as_dataset(
        split=split, shuffle_files=False, read_config=in_order
    )
    found = [(r["image"], r["label"]) for r in rows.as_numpy_iterator()]
    return Part([i for i, _ in found], np.array([n for _, n in found]))


def from_folder(root, channels=None):
    """Reads a folder of class folders, or one with train/ and test/.

    An id is a hash of the file's name in the folder, so that a file keeps
    its split when others are added.

    Args:
        root: path.
        channels: 1, 3 or None, how files are decoded; None: as stored.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: there are fewer than two classes, a class without images,
            a file that is no image, or a name that leads out of the folder.
    """
    root = pathlib.Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"`dataset`: there is no folder {root}.")
    inner = {path.name: path for path in _folders(root, root)}
    found = splits_of(inner)
    if "train" not in found:
        found = {"train": root}
    names = [path.name for path in _folders(found["train"], root)]
    expected = (
        "a folder with a folder of images for each of two classes or more"
    )
    received = f"{root} with {', '.join(names) or 'no folder'}"
    _checks.check(len(names) >= 2, "dataset", expected, received)
    parts = {s: _part(f, root, names, channels) for s, f in found.items()}
    return Parts(**parts, class_names=tuple(names))


def splits_of(named):
    """Returns dict split -> value of a dict whose keys are words for splits."""
    return {
        split: named[word]
        for split, words in _WORDS.items()
        for word in words
        if word in named
    }


def files_of(root):
    """Returns the paths of all files below a folder, sorted."""
    return sorted(p for p in pathlib.Path(root).rglob("*") if p.is_file())


def _part(folder, root, names, channels):
    """Returns the `Part` in a folder of class folders."""
    unknown = {p.name for p in _folders(folder, root)} - set(names)
    expected = f"a folder with the classes {', '.join(names)}"
    received = f"{folder} with {', '.join(sorted(unknown))}"
    _checks.check(not unknown, "dataset", expected, received)
    images, labels, ids = [], [], []
    for label, name in enumerate(names):
        for file in _images(folder / name, root):
            images.append(_decoded(file, channels))
            labels.append(label)
            relative = file.relative_to(root).as_posix().encode()
            digest = hashlib.blake2b(relative, digest_size=6).digest()
            ids.append(int.from_bytes(digest, "big"))
    return Part(images, np.array(labels), np.array(ids, np.int64))


def _folders(folder, root):
    """Returns the visible folders in a folder, sorted by name."""
    return sorted(
        _inside(path, root)
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    )


def _images(folder, root):
    """Returns the image files of a class, sorted by name."""
    found = []
    if folder.is_dir():
        entries = (p for p in folder.iterdir() if not p.name.startswith("."))
        found = sorted(_inside(path, root) for path in entries)
    expected = f"a folder with {', '.join(SUFFIXES)} images in each class"
    other = [f for f in found if f.suffix.lower() not in SUFFIXES]
    _checks.check(not other, "dataset", expected, str((other or [0])[0]))
    empty = f"{folder} without any image"
    _checks.check(found, "dataset", expected, empty)
    return found


def _inside(path, root):
    """Returns `path`; refuses a link that leads out of the folder."""
    okay = path.resolve().is_relative_to(root.resolve())
    expected = "a folder whose links stay inside it"
    received = f"{path} -> {path.resolve()}"
    _checks.check(okay, "dataset", expected, received)
    return path


def _decoded(file, channels):
    """Returns the image in a file, uint8 [H, W, C]."""
    import tensorflow as tf

    try:
        return tf.io.decode_image(
            file.read_bytes(), channels or 0, expand_animations=False
        ).numpy()
    except tf.errors.InvalidArgumentError as error:
        expected = "a folder of images that can be read"
        hint = re.sub(r"\{\{.*?\}\} ?|\[Op:.*\]", "", error.message)
        _checks.check(
            False,
            "dataset",
            expected,
            str(file),
            hint=hint.partition("\n")[0].strip(),
        )
