"""The images that Mixup Inference mixes with, kept by class."""

from collections.abc import Callable
from typing import Any
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _inputs
from keras_mixup import _tensors


def _class_labels(labels, num_classes):
    """Returns int32 labels [P] and the number of classes."""
    if num_classes is not None:
        num_classes = _checks.check_integer(num_classes, "num_classes")
    labels = _inputs.read_labels(labels, num_classes=num_classes)
    _checks.check(len(labels), "labels", "at least one", labels.shape)
    if num_classes is None:
        soft = labels.ndim == 2
        num_classes = labels.shape[1] if soft else int(labels.max()) + 1
    return _inputs.read_classes(labels), num_classes


def _class_counts(labels, num_classes):
    counts = np.bincount(labels, minlength=num_classes)
    missing = [int(c) for c in np.flatnonzero(counts == 0)]
    _checks.check(
        not missing,
        "labels",
        f"such that each of the {num_classes} classes has an image",
        f"no image of class {', '.join(map(str, missing))}",
    )
    return tuple(int(count) for count in counts)


def _stored_rows(images, dtype):
    """Returns the rows in the storage dtype; refuses what it cannot hold."""
    expected = "one or more rows [P, ...], uint8 or float"
    images = _inputs.read_array(images, "images", expected)
    _checks.check(images.size, "images", expected, f"shape {images.shape}")
    if images.dtype == np.uint8:
        if dtype == "uint8":
            return images
        return images.astype("float32") / np.float32(255)
    floating = _inputs.is_floating(images.dtype)
    expected = "uint8, or float"
    _checks.check(floating, "images", expected, str(images.dtype))
    images = images.astype("float32")
    finite = bool(np.isfinite(images).all())
    _checks.check(finite, "images", "finite", "NaN or infinity")
    if dtype == "float32":
        return images
    _checks.check_within(images, "images", "uint8, or float in [0, 1]")
    levels = np.round(images * 255.0)
    _checks.check(
        bool(np.abs(images * 255.0 - levels).max() < 1e-3),
        "images",
        'multiples of 1/255 for dtype="uint8"',
        "values between the 256 levels",
        hint='Pass dtype="float32" to keep them exact.',
    )
    return levels.astype("uint8")


@keras.saving.register_keras_serializable("keras_mixup")
class SamplePool(keras.layers.Layer):
    """Labelled rows, sorted by class, as weights that are saved once.

    The paper's sample pool {S_y} (Mixup Inference, Algorithm 1). Take it from
    the training split: a pool of test images would contain the image that is
    classified. The rows are variables, not constants. A SavedModel therefore
    stores them once, and outside the 2 GB limit of a graph.

    Args:
        images: uint8 [P, ...], or float [P, ...]: images in [0, 1], or any
            other rows, such as latent codes, with `dtype="float32"`. Or a
            finite `tf.data.Dataset` or `PyDataset` of images and labels.
        labels: int [P] or [P, 1], or one-hot [P, C]; None beside a data set.
        dtype: `"uint8"` (default; floats must be multiples of 1/255) or
            `"float32"`, how the rows are stored.
        num_classes: int C, or None for the largest label plus one.
        name: str or None, the layer's name.

    Raises:
        ValueError: for a class without any image, labels of another length,
            values that the storage cannot hold, NaN or infinity.

    Attributes:
        images: weight [P, ...] in the storage dtype, sorted by class; rows
            of one class keep their order.
        labels: weight int32 [P].
        class_counts: tuple of C ints, the rows of each class.
        offsets: tuple of C ints, the first row of each class.
        storage_dtype: `"uint8"` or `"float32"`.
        sample_shape: tuple, the shape of a row.
        num_classes: int, C.

    Example:

    >>> pool = SamplePool(np.zeros((4, 8, 8, 1), "uint8"), [1, 0, 1, 1])
    >>> pool.class_counts
    (1, 3)
    """

    def __init__(
        self,
        images: _tensors.Images,
        labels: _tensors.ArrayLike | None = None,
        dtype: Literal["uint8", "float32"] = "uint8",
        num_classes: int | None = None,
        name: str | None = None,
    ) -> None:
        images, labels = _inputs.read_pairs(images, labels)
        _checks.check_choice(dtype, "dtype", ("uint8", "float32"))
        classes, num_classes = _class_labels(labels, num_classes)
        counts = _class_counts(classes, num_classes)
        rows = _stored_rows(images, dtype)
        fits = rows.ndim >= 2 and len(rows) == len(classes)
        expected = f"{len(classes)} rows, one per label"
        _checks.check(fits, "images", expected, f"shape {rows.shape}")
        super().__init__(
            name=name, trainable=False, dtype="float32", autocast=False
        )
        self.storage_dtype = dtype
        self.num_classes = num_classes
        self.class_counts = counts
        self.offsets = (0, *np.cumsum(counts).tolist()[:-1])
        self.sample_shape = tuple(rows.shape[1:])
        order = np.argsort(classes, kind="stable")
        self.images = self._weight("images", rows[order], dtype)
        self.labels = self._weight("labels", classes[order], "int32")
        self.built = True

    def _weight(self, name, values, dtype):
        return self.add_weight(
            shape=values.shape,
            initializer=lambda shape, dtype=None: tf.constant(values, dtype),
            dtype=dtype,
            trainable=False,
            # An enclosing mixed policy would round float rows to bfloat16.
            autocast=False,
            name=name,
        )

    @classmethod
    def from_dataset(
        cls,
        dataset: tf.data.Dataset,
        num_classes: int,
        per_class: int | None = None,
        dtype: Literal["uint8", "float32"] = "uint8",
    ) -> "SamplePool":
        """Collects a pool from a data set, in its order.

        Args:
            dataset: tf.data of unbatched (image, integer label [] or [1]).
            num_classes: int, C.
            per_class: int, how many images of each class to keep, the first
                ones; None keeps all.
            dtype: as for `SamplePool`.

        Raises:
            ValueError: when a class has fewer than `per_class` images.
        """
        _checks.check_integer(num_classes, "num_classes")
        if per_class is not None:
            _checks.check_integer(per_class, "per_class")
        options = tf.data.Options()
        options.deterministic = True
        images, labels = [], []
        counts = np.zeros(num_classes, int)
        for image, label in dataset.with_options(options).as_numpy_iterator():
            label = np.squeeze(label)
            inside = np.ndim(label) == 0 and 0 <= label < num_classes
            expected = f"unbatched, with labels in [0, {num_classes - 1}]"
            _checks.check(inside, "dataset", expected, f"label {label!r}")
            if per_class is not None and counts[label] >= per_class:
                continue
            counts[label] += 1
            images.append(image)
            labels.append(label)
            if per_class is not None and (counts == per_class).all():
                break
        least = 1 if per_class is None else per_class
        for label, count in enumerate(counts):
            expected = f"a data set with {least} images of class {label}"
            _checks.check(count >= least, "dataset", expected, int(count))
        rows = np.stack(images)
        return cls(rows, labels, dtype=dtype, num_classes=num_classes)

    def encode(
        self, function: Callable[[tf.Tensor], Any], batch_size: int = 256
    ) -> "SamplePool":
        """Returns a pool of `function` of the rows, such as their codes.

        VarMixup Inference mixes the codes of the same images in every call.
        This computes them once.

        Args:
            function: callable from float32 [B, *sample_shape] to float
                [B, ...], or to a pair whose first part counts, such as
                `encode` of a `models.MMDVAE`.
            batch_size: int >= 1, rows passed at a time.

        Returns:
            `SamplePool` with the same labels in the same order, `"float32"`.

        Raises:
            ValueError: for values that are not finite, or another number of
                rows.

        Example:

        >>> codes = pool.encode(vae.encode)
        """
        batch_size = _checks.check_integer(batch_size, "batch_size")
        rows = sum(self.class_counts)
        parts = []
        for start in range(0, rows, batch_size):
            stop = min(start + batch_size, rows)
            made = function(self.gather(tf.range(start, stop)))
            made = made[0] if isinstance(made, (tuple, list)) else made
            parts.append(np.asarray(made, "float32"))
        return type(self)(
            np.concatenate(parts),
            np.asarray(self.labels),
            dtype="float32",
            num_classes=self.num_classes,
        )

    def gather(self, indices: _tensors.Array) -> tf.Tensor:
        """Returns rows as float32 [..., *sample_shape]; images in [0, 1].

        Args:
            indices: int32 [...], absolute rows in [0, P).
        """
        rows = tf.gather(self.images.value, indices)
        if self.storage_dtype == "uint8":
            return tf.cast(rows, tf.float32) / 255.0
        return rows

    def call(self, indices: _tensors.Array) -> tf.Tensor:
        return self.gather(indices)

    def get_config(self) -> dict[str, Any]:
        """Returns counts, shape and dtype; the rows are weights."""
        return {
            "name": self.name,
            "dtype": self.storage_dtype,
            "class_counts": list(self.class_counts),
            "sample_shape": list(self.sample_shape),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SamplePool":
        """Builds a pool of zeros, for weights that are loaded later."""
        config = dict(config)
        counts = config.pop("class_counts")
        shape = (sum(counts), *config.pop("sample_shape"))
        labels = np.repeat(np.arange(len(counts)), counts)
        return cls(np.zeros(shape, config["dtype"]), labels, **config)
