"""The random transformations that the MI paper compares with."""

import math
from collections.abc import Sequence
from typing import Any
from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup import registry
from keras_mixup.inference import _classifier
from keras_mixup.inference import _rows
from keras_mixup.inference import base


def _range_of(value, name, read):
    pair = isinstance(value, (tuple, list)) and len(value) == 2
    _checks.check(pair, name, "a pair (low, high)", value)
    low, high = (read(entry) for entry in value)
    _checks.check(low <= high, name, "(low, high), low <= high", value)
    return (low, high)


def _check_fits(size_range, shape):
    sides = [side for side in tuple(shape)[:2] if side is not None]
    text = f"at most the image's shorter side, {min(sides, default=None)}"
    fits = not sides or size_range[1] <= min(sides)
    _checks.check(fits, "size_range", text, size_range)


def _grid(images):
    """Row and column numbers of the pixels, float32 [H, 1] and [1, W]."""
    shape = tf.shape(images)
    rows = tf.range(shape[1], dtype=tf.int32)[:, None]
    columns = tf.range(shape[2], dtype=tf.int32)[None, :]
    return tf.cast(rows, tf.float32), tf.cast(columns, tf.float32)


def _sample(images, rows, columns, fill=None):
    """Samples at [B, N, H, W] (or broadcastable); gives [N, B, H, W, C].

    Without `fill` the nearest pixels, else as `ops.sample_bilinear`.
    """
    shape = tf.broadcast_dynamic_shape(tf.shape(rows), tf.shape(columns))
    rows = tf.broadcast_to(rows, shape)
    columns = tf.broadcast_to(columns, shape)
    if fill is None:
        sampled = ops.sample_nearest(images, rows, columns)
    else:
        sampled = ops.sample_bilinear(images, rows, columns, fill)
    sampled = tf.transpose(sampled, [1, 0, 2, 3, 4])
    static = images.shape
    draws = rows.shape[1]
    return tf.ensure_shape(sampled, [draws, static[0], *static[1:]])


def _per_draw(values):
    """Draws [B, N] as float32 [B, N, 1, 1]."""
    return tf.cast(values, tf.float32)[:, :, None, None]


@registry.register(
    "defence",
    "gaussian_noise",
    label="noise",
    flags={"num_draws": "num_draws", "stddev": "stddev"},
)
class GaussianNoiseInference(base.RandomizedInference):
    """Adds Gaussian noise to the input of each draw.

    The noisy image is not clipped. Draws are seeds, `"noise_seed"` int32
    [B, N, 2], so that they stay small.

    Args:
        classifier: `keras.Model` from images to logits.
        stddev: float >= 0, sigma in pixel units of [0, 1]. The paper has
            0.02 (mixup) and 0.0375 (interpolated AT) on CIFAR-10, 0.0125 and
            0.03 on CIFAR-100. Tables 4 and 5 print twice these numbers: the
            released code adds the noise to images in [-1, 1].
        num_draws: int >= 1, the draws N of a prediction.

    Other arguments, call arguments, returns: see `RandomizedInference`.

    Raises:
        ValueError: for a classifier that ends in softmax, a negative stddev.
    """

    def __init__(
        self,
        classifier: keras.layers.Layer,
        stddev: float,
        num_draws: int = 30,
        max_inputs: int | None = 4096,
        **kwargs: Any,
    ) -> None:
        super().__init__(classifier, num_draws, max_inputs, **kwargs)
        self.stddev = _checks.check_number(stddev, "stddev", low=0.0)

    def draw_rows(
        self,
        seeds: tf.Tensor,
        labels: tf.Tensor | None,
        image_shape: tf.TensorShape,
    ) -> _tensors.Draws:
        return {"noise_seed": _rows.bits(seeds, self.num_draws, 2)}

    def apply(self, images: _tensors.Array, draws: _tensors.Draws) -> tf.Tensor:
        seeds = tf.transpose(draws["noise_seed"], [1, 0, 2])
        flat = tf.reshape(seeds, [-1, 2])
        noise = _rows.normal(flat, *images.shape[1:])
        shape = tf.concat([tf.shape(seeds)[:2], images.shape[1:]], axis=0)
        return images[None] + self.stddev * tf.reshape(noise, shape)


@registry.register(
    "defence",
    "random_rotation",
    label="rotation",
    flags={
        "num_draws": "num_draws",
        "degrees": "degrees",
        "interpolation": "rotation_interpolation",
    },
)
class RandomRotationInference(base.RandomizedInference):
    """Rotates the input by a random angle about its centre.

    Black outside, counter-clockwise for positive angles. Draws are
    `"degrees"` float32 [B, N].

    Args:
        classifier: `keras.Model` from images to logits.
        degrees: float >= 0, the largest angle to either side, or a pair
            (low, high). The paper has 40 (mixup) and 30 (interpolated AT) on
            CIFAR-10 (Table 4), 20 for both on CIFAR-100 (Table 5).
        num_draws: int >= 1, the draws N of a prediction.
        interpolation: `"bilinear"`, or `"nearest"`: each pixel takes the
            value of the nearest one, as in the paper's rows (its released
            code rotates with torchvision's default).

    Other arguments, call arguments, returns: see `RandomizedInference`.

    Raises:
        ValueError: for a classifier that ends in softmax, or an angle beyond
            180 degrees.
    """

    def __init__(
        self,
        classifier: keras.layers.Layer,
        degrees: float | tuple[float, float],
        num_draws: int = 30,
        max_inputs: int | None = 4096,
        interpolation: Literal["bilinear", "nearest"] = "bilinear",
        **kwargs: Any,
    ) -> None:
        super().__init__(classifier, num_draws, max_inputs, **kwargs)
        self.interpolation = _checks.check_choice(
            interpolation, "interpolation", ("bilinear", "nearest")
        )
        if isinstance(degrees, (tuple, list)):
            self.degrees: float | tuple = _range_of(
                degrees,
                "degrees",
                lambda v: _checks.check_number(v, "degrees", -180.0, 180.0),
            )
        else:
            self.degrees = _checks.check_number(degrees, "degrees", 0.0, 180.0)

    def draw_rows(
        self,
        seeds: tf.Tensor,
        labels: tf.Tensor | None,
        image_shape: tf.TensorShape,
    ) -> _tensors.Draws:
        limits = self.degrees
        if not isinstance(limits, tuple):
            limits = (-limits, limits)
        uniform = ops.unit_interval(_rows.bits(seeds, self.num_draws))
        return {"degrees": limits[0] + (limits[1] - limits[0]) * uniform}

    def apply(self, images: _tensors.Array, draws: _tensors.Draws) -> tf.Tensor:
        angle = _per_draw(draws["degrees"]) * (math.pi / 180.0)
        cosine, sine = tf.cos(angle), tf.sin(angle)
        rows, columns = _grid(images)
        middle_row = tf.reduce_mean(rows)
        middle_column = tf.reduce_mean(columns)
        down, right = rows - middle_row, columns - middle_column
        source_rows = middle_row + cosine * down + sine * right
        source_columns = middle_column - sine * down + cosine * right
        fill = "constant" if self.interpolation == "bilinear" else None
        return _sample(images, source_rows, source_columns, fill)


class _RandomBox(base.RandomizedInference):
    """Draws a square of random size and place."""

    def __init__(
        self,
        classifier: keras.layers.Layer,
        size_range: tuple[int, ...],
        num_draws: int = 30,
        max_inputs: int | None = 4096,
        **kwargs: Any,
    ) -> None:
        super().__init__(classifier, num_draws, max_inputs, **kwargs)
        self.size_range = _range_of(
            size_range,
            "size_range",
            lambda v: _checks.check_integer(v, "size_range"),
        )
        known = _classifier.known_shape(classifier, "input_shape")
        if known is not None:
            _check_fits(self.size_range, known[1:])

    def check_image_shape(self, shape: Sequence[int | None]) -> None:
        super().check_image_shape(shape)
        _check_fits(self.size_range, shape)

    def draw_rows(
        self,
        seeds: tf.Tensor,
        labels: tf.Tensor | None,
        image_shape: tf.TensorShape,
    ) -> _tensors.Draws:
        low, high = self.size_range
        random_bits = _rows.bits(seeds, self.num_draws, 3)
        size = low + _rows.integers(random_bits[..., 0], high - low + 1)
        free = [side - size + 1 for side in image_shape[:2]]
        return {
            "size": size,
            "top": _rows.integers(random_bits[..., 1], free[0]),
            "left": _rows.integers(random_bits[..., 2], free[1]),
        }


@registry.register(
    "defence",
    "random_resize_pad",
    label="resize-pad",
    flags={"num_draws": "num_draws", "size_range": "resize_pad_range"},
)
class RandomResizePadInference(_RandomBox):
    """Shrinks the input to s x s and pads it with zeros at a random place.

    Xie et al., 2018, with an output of the input's size. The rows of the
    Mixup Inference paper under that name crop instead of shrinking, see
    `RandomCropPadInference`. Bilinear with half-pixel centres. Draws are
    `"size"`, `"top"` and `"left"`, int32 [B, N].

    Args:
        classifier: `keras.Model` from images to logits.
        size_range: (low, high), the sizes s, uniform, both inclusive, at most
            the image's shorter side. `paper_settings` has the crop sizes of
            `RandomCropPadInference`, for want of others.
        num_draws: int >= 1, the draws N of a prediction.

    Other arguments, call arguments, returns: see `RandomizedInference`.

    Raises:
        ValueError: for a classifier that ends in softmax, or sizes that do
            not fit the image.
    """

    def apply(self, images: _tensors.Array, draws: _tensors.Draws) -> tf.Tensor:
        size = _per_draw(draws["size"])
        offsets = (_per_draw(draws["top"]), _per_draw(draws["left"]))
        places, inside = [], []
        for grid, offset in zip(_grid(images), offsets, strict=True):
            side = tf.cast(tf.size(grid), tf.float32)
            moved = grid - offset
            places.append((moved + 0.5) * side / size - 0.5)
            inside.append((moved >= 0.0) & (moved < size))
        rows, columns = places
        resized = _sample(images, rows, columns, fill="nearest")
        shown = tf.transpose(inside[0] & inside[1], [1, 0, 2, 3])
        return tf.where(shown[..., None], resized, 0.0)


@registry.register(
    "defence",
    "random_crop_pad",
    label="crop-pad",
    flags={"num_draws": "num_draws", "size_range": "crop_pad_range"},
)
class RandomCropPadInference(_RandomBox):
    """Crops s x s at a random place and pads it with zeros at another.

    The rows "Xie et al. (2018)" of the Mixup Inference paper (section 4.3,
    Tables 2 and 3, and the released code). Draws are `"size"`, `"top"` and
    `"left"` of the crop, `"pad_top"` and `"pad_left"` of its new place, int32
    [B, N].

    Args:
        classifier: `keras.Model` from images to logits.
        size_range: (low, high), the sizes s, uniform, both inclusive, at most
            the image's shorter side. The paper has, on 32 x 32 images,
            (16, 24) (mixup) and (20, 28) (interpolated AT) on CIFAR-10
            (Table 4), (18, 26) and (22, 30) on CIFAR-100 (Table 5);
            `paper_settings` scales them to other image sizes.
        num_draws: int >= 1, the draws N of a prediction.

    Other arguments, call arguments, returns: see `RandomizedInference`.

    Raises:
        ValueError: for a classifier that ends in softmax, or sizes that do
            not fit the image.
    """

    def draw_rows(
        self,
        seeds: tf.Tensor,
        labels: tf.Tensor | None,
        image_shape: tf.TensorShape,
    ) -> _tensors.Draws:
        streams = _rows.bits(seeds, 2, 2)
        crop = super().draw_rows(streams[:, 0], labels, image_shape)
        random_bits = _rows.bits(streams[:, 1], self.num_draws, 2)
        for place, name in enumerate(("top", "left")):
            free = image_shape[place] - crop["size"] + 1
            drawn = _rows.integers(random_bits[..., place], free)
            crop[f"pad_{name}"] = drawn
        return crop

    def apply(self, images: _tensors.Array, draws: _tensors.Draws) -> tf.Tensor:
        size = _per_draw(draws["size"])
        places, inside = [], []
        for grid, name in zip(_grid(images), ("top", "left"), strict=True):
            moved = grid - _per_draw(draws[f"pad_{name}"])
            places.append(moved + _per_draw(draws[name]))
            inside.append((moved >= 0.0) & (moved < size))
        cropped = _sample(images, *places)
        shown = tf.transpose(inside[0] & inside[1], [1, 0, 2, 3])
        return tf.where(shown[..., None], cropped, 0.0)


@registry.register(
    "defence",
    "random_crop_resize",
    label="crop-resize",
    flags={"num_draws": "num_draws", "size_range": "crop_resize_range"},
)
class RandomCropResizeInference(_RandomBox):
    """Crops s x s at a random place and resizes the crop to full size.

    Guo et al., 2018. Bilinear with half-pixel centres. Draws are `"size"`,
    `"top"` and `"left"`, int32 [B, N].

    Args:
        classifier: `keras.Model` from images to logits.
        size_range: (low, high), the sizes s, uniform, both inclusive, at most
            the image's shorter side. The paper has, on 32 x 32 images,
            (22, 30) (mixup) and (20, 28) (interpolated AT) on CIFAR-10
            (Table 4), (24, 32) for both on CIFAR-100 (Table 5);
            `paper_settings` scales them to other image sizes.
        num_draws: int >= 1, the draws N of a prediction.

    Other arguments, call arguments, returns: see `RandomizedInference`.

    Raises:
        ValueError: for a classifier that ends in softmax, or sizes that do
            not fit the image.
    """

    def apply(self, images: _tensors.Array, draws: _tensors.Draws) -> tf.Tensor:
        size = _per_draw(draws["size"])
        offsets = (_per_draw(draws["top"]), _per_draw(draws["left"]))
        places = []
        for grid, offset in zip(_grid(images), offsets, strict=True):
            side = tf.cast(tf.size(grid), tf.float32)
            inner = (grid + 0.5) * size / side - 0.5
            inner = tf.clip_by_value(inner, 0.0, size - 1.0)
            places.append(offset + inner)
        rows, columns = places
        return _sample(images, rows, columns, fill="nearest")
