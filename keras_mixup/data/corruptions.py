"""Common corruptions: the published test sets, and corruptions of our own.

The published sets (CIFAR-10-C and others) and the package imagecorruptions
have different constants, so their results must have different names. Sets of
`corrupt` are called "... corrupted by imagecorruptions". `load_corrupted`
loads the published sets.
"""

import hashlib
import pathlib

import numpy as np

from keras_mixup import _checks
from keras_mixup import _corruption_kinds
from keras_mixup import _types
from keras_mixup.data import splits
from keras_mixup.data import tfds_source
from keras_mixup.data.specs import DATASETS
from keras_mixup.data.specs import ImageSet
from keras_mixup.data.specs import check_set

# Published set -> the data set whose test images it corrupts.
PUBLISHED = {
    "cifar10_c": "cifar10",
    "cifar100_c": "cifar100",
    "tiny_imagenet_c": "tiny_imagenet",
}
# The names in tfds of some kinds of cifar10_corrupted.
_TFDS_KINDS = {
    "glass_blur": "frosted_glass_blur",
    "elastic_transform": "elastic",
}
# The package refuses smaller images.
_SMALLEST = 32


def corrupted_name(dataset: str) -> str:
    """Returns the name of a data set, such as "cifar10", after `corrupt`."""
    return f"{dataset} corrupted by imagecorruptions"


def published_name(dataset: str) -> str:
    """Returns the published corrupted test set's name, such as "cifar10_c".

    Args:
        dataset: str, such as "cifar10".

    Raises:
        ValueError: for a data set without a published one.
    """
    names = {clean: name for name, clean in PUBLISHED.items()}
    return names[_checks.check_choice(dataset, "dataset", tuple(names))]


def corrupt(
    image_set: ImageSet, kind: str, severity: int, seed: int = 0
) -> ImageSet:
    """Corrupts images with the package imagecorruptions.

    Its strengths are those of ImageNet-C, so the result on CIFAR-10 is not
    CIFAR-10-C: call it `corrupted_name("cifar10")`. The package refuses sides
    below 32 pixels. Such images are enlarged by an integer factor, corrupted
    and averaged back. Grey images are corrupted as three equal channels,
    which are averaged. Each image's randomness follows from the seed, kind,
    severity and example id alone. Do not call this in several threads: the
    package draws from NumPy's global state, which is restored afterwards.

    Args:
        image_set: `ImageSet` of uint8 or of float [0, 1] images with one or
            three channels.
        kind: str, one of the 15 standard kinds or the 4 extra ones.
        severity: int, 1 to 5.
        seed: int.

    Returns:
        `ImageSet` of uint8 images; labels and ids are the same.

    Raises:
        ValueError: for an unknown kind or severity, or other channels.
        ImportError: without the package; the text has the install line.
    """
    _check_cell(kind, severity)
    seed = _checks.check_seed(seed)
    channels = check_set(image_set).images.shape[-1]
    expected = "images with one or three channels"
    _checks.check(channels in (1, 3), "image_set", expected, channels)
    try:
        import imagecorruptions
    except ImportError as error:
        raise ImportError(
            "Corruptions need imagecorruptions: "
            "pip install 'keras_mixup[corruptions]'"
        ) from error

    def run(image, example_id):
        text = f"{seed}/{kind}/{severity}/{example_id}"
        digest = hashlib.sha256(text.encode()).digest()
        own = int.from_bytes(digest[:4], "little")
        # These two take a seed instead of NumPy's global state.
        seeded = kind in ("impulse_noise", "glass_blur")
        options = {"seed": own} if seeded else {}
        np.random.seed(own)
        return imagecorruptions.corrupt(
            image, severity, corruption_name=kind, **options
        )

    state = np.random.get_state()
    try:
        rows = zip(image_set.images, image_set.example_ids, strict=True)
        images = [_corrupt_one(image, number, run) for image, number in rows]
    finally:
        np.random.set_state(state)
    return image_set._replace(images=np.stack(images))


def _corrupt_one(image, example_id, run):
    """Returns `run` of one image, uint8 [H, W, C], at 32 pixels or more."""
    if image.dtype != np.uint8:
        image = np.round(image * 255.0).astype(np.uint8)
    height, width, channels = image.shape
    factor = -(-_SMALLEST // min(height, width))
    large = image.repeat(factor, axis=0).repeat(factor, axis=1)
    if channels == 1:
        large = large.repeat(3, axis=-1)
    found = run(np.ascontiguousarray(large), int(example_id))
    blocks = found.reshape(height, factor, width, factor, channels, -1)
    return np.round(blocks.mean(axis=(1, 3, 5))).astype(np.uint8)


def load_corrupted(
    name: str,
    kind: str,
    severity: int,
    data_dir: _types.Path | None = None,
    download: bool = False,
    num_examples: int | None = None,
    seed: int = 0,
) -> ImageSet:
    """Loads a published corrupted test set.

    Args:
        name: `"cifar10_c"` (from tfds), `"cifar100_c"` (the unpacked folder
            CIFAR-100-C with <kind>.npy and labels.npy) or
            `"tiny_imagenet_c"` (the unpacked folder Tiny-ImageNet-C with
            <kind>/<severity>/<wnid>/*.JPEG and the wnids.txt of
            tiny-imagenet-200, whose order gives the labels).
        kind: str, one of the 15 standard kinds or the 4 extra ones.
        severity: int, 1 to 5.
        data_dir: str or None: the tfds folder for cifar10_c, None for tfds'
            default; the unpacked folder for the others.
        download: bool, downloads cifar10_c (2.9 GB).
        num_examples: None for all, or int >= 1: a class-balanced subset.
        seed: int, of the subset.

    Returns:
        `ImageSet`; an id is the position in the source.

    Raises:
        ValueError: for an unknown name, kind or severity.
        FileNotFoundError: when a file or folder is missing.
    """
    _checks.check_choice(name, "name", tuple(PUBLISHED))
    _check_cell(kind, severity)
    _checks.check_flag(download, "download")
    _checks.check_seed(seed)
    if num_examples is not None:
        _checks.check_integer(num_examples, "num_examples")
    if name == "cifar10_c":
        spec = _cell_spec(kind, severity)
        image_set = tfds_source.read_tfds(spec, "test", data_dir, download)
    else:
        _checks.check(data_dir, "data_dir", f"the folder of {name}", data_dir)
        read = _read_arrays if name == "cifar100_c" else _read_folders
        image_set = read(pathlib.Path(data_dir or ""), kind, severity)
    if num_examples is None:
        return image_set
    return splits.class_balanced_subset(image_set, num_examples, seed)


def check_complete(name, kinds, data_dir=None):
    """Raises unless a published set has all severities of some kinds.

    Args:
        name, data_dir: as for `load_corrupted`.
        kinds: iterable of str.

    Raises:
        FileNotFoundError: a cell is missing; the text names it. Files are
            looked for, and not read.
    """
    for kind in kinds:
        for severity in _corruption_kinds.SEVERITIES:
            if name == "cifar10_c":
                spec = _cell_spec(kind, severity)
                tfds_source.check_prepared(spec, data_dir)
            elif name == "cifar100_c":
                _existing(pathlib.Path(data_dir, f"{kind}.npy"))
            else:
                _existing(pathlib.Path(data_dir, kind, str(severity)))


def _cell_spec(kind, severity):
    source = f"cifar10_corrupted/{_TFDS_KINDS.get(kind, kind)}_{severity}"
    return DATASETS["cifar10"]._replace(name="cifar10_c", source=source)


def _check_cell(kind, severity):
    kinds = (*_corruption_kinds.STANDARD, *_corruption_kinds.EXTRA)
    _checks.check_choice(kind, "kind", kinds)
    _checks.check_choice(severity, "severity", _corruption_kinds.SEVERITIES)


def _read_arrays(folder, kind, severity):
    """CIFAR-100-C: the severities lie one after the other in one array."""
    images = np.load(_existing(folder / f"{kind}.npy"), mmap_mode="r")
    labels = np.load(_existing(folder / "labels.npy"))
    count = len(labels) // 5
    okay = len(images) == len(labels) == 5 * count
    expected = f"a folder whose {kind}.npy has 5 equal parts, as labels.npy"
    _checks.check(okay, "data_dir", expected, (len(images), len(labels)))
    rows = slice((severity - 1) * count, severity * count)
    ids = np.arange(count, dtype=np.int64)
    return ImageSet(np.array(images[rows]), labels[rows].astype(np.int32), ids)


def _read_folders(folder, kind, severity):
    """Tiny-ImageNet-C: one JPEG file per image in a folder per class."""
    import tensorflow as tf

    wnids = _existing(folder / "wnids.txt").read_text("utf-8").split()
    images, labels = [], []
    for label, wnid in enumerate(wnids):
        _checks.check_file_name(wnid, "data_dir", "wnids.txt")
        place = _existing(folder / kind / str(severity) / wnid)
        for path in sorted(place.glob("*.JPEG")):
            content = tf.io.read_file(str(path))
            images.append(tf.io.decode_jpeg(content, channels=3).numpy())
            labels.append(label)
    expected = f"a folder with JPEG files under {kind}/{severity}"
    _checks.check(images, "data_dir", expected, str(folder))
    ids = np.arange(len(labels), dtype=np.int64)
    return ImageSet(np.stack(images), np.array(labels, np.int32), ids)


def _existing(path):
    if path.exists():
        return path
    raise FileNotFoundError(
        f"`data_dir` must be the folder of the published corrupted set. "
        f"Received: data_dir={str(path.parent)!r}, which lacks {path.name}"
    )
