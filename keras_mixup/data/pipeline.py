"""Input pipelines; that for training is a function of (seed, step)."""

from typing import Literal

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup.data import augment as augmentation
from keras_mixup.data.specs import ImageSet
from keras_mixup.data.specs import check_set

_ORDER, _AUGMENT = range(2)


def as_float(images: _tensors.Array) -> _tensors.Array:
    """Returns images as float32 in [0, 1]; uint8 is divided by 255.

    Args:
        images: uint8 in 0..255 or float32 in [0, 1], NumPy or tensor.

    Returns:
        float32 of the same shape and kind.
    """
    okay = hasattr(images, "dtype") and hasattr(images, "shape")
    expected = "an array or tensor, uint8 or float"
    _checks.check(okay, "images", expected, type(images).__name__)
    scale = 255.0 if images.dtype in (np.uint8, tf.uint8) else 1.0
    if isinstance(images, np.ndarray):
        return images.astype(np.float32) / np.float32(scale)
    return tf.cast(images, tf.float32) / scale


def _on_host(image_set):
    # Eager tensors that a `map` captures stay outside the graph, whose
    # constants are limited to 2 GB.
    with tf.device("CPU:0"):
        images = tf.convert_to_tensor(image_set.images)
        return images, tf.convert_to_tensor(image_set.labels, tf.int32)


def example_dataset(image_set):
    """Returns single (image float32, label int32) examples in order."""
    images, labels = _on_host(image_set)
    return tf.data.Dataset.range(len(image_set.labels)).map(
        lambda i: (as_float(images[i]), labels[i]),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def evaluation_dataset(image_set: ImageSet, batch_size: int) -> tf.data.Dataset:
    """Returns batches in order, every example once, the last one shorter.

    Args:
        image_set: `ImageSet`.
        batch_size: int >= 1.

    Returns:
        A finite `tf.data.Dataset` of (images float32 [b, H, W, C] in [0, 1],
        labels int32 [b]). The batch dimension is left open, so that the
        shorter batch causes no retrace.

    Raises:
        ValueError: for a batch size below 1.
    """
    batch_size = _checks.check_integer(batch_size, "batch_size")
    check_set(image_set)
    images, labels = _on_host(image_set)

    def gather(rows):
        return as_float(tf.gather(images, rows)), tf.gather(labels, rows)

    rows = tf.data.Dataset.range(len(image_set.labels)).batch(batch_size)
    batches = rows.map(gather, tf.data.AUTOTUNE, deterministic=True)
    return batches.prefetch(2)


def training_dataset(
    image_set: ImageSet,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    augment: Literal["crop", "crop_flip"] | None = None,
    num_pipelines: int = 1,
    pipeline_index: int = 0,
    replicas: int = 1,
    crop_padding: Literal["reflect", "zeros"] = "reflect",
) -> tf.data.Dataset:
    """Returns the infinite stream of training batches from a step on.

    Step g belongs to epoch g // K with K = n // batch_size. Each epoch has
    its own order and visits an example at most once. The examples that do not
    fill a batch are left out. Order and augmentation are functions of (seed,
    epoch, step, row). So a stream from step g equals the rest of the stream
    from step 0, and several pipelines together equal a single one.

    Args:
        image_set: `ImageSet`.
        batch_size: int in 1..n, the global batch.
        seed: int >= 0.
        start_step: int >= 0, the first step.
        augment: None, `"crop"` (a border of 4 pixels, random crop) or
            `"crop_flip"` (the same and a random horizontal flip).
        num_pipelines: int, how many pipelines (workers) share a batch.
        pipeline_index: int, the part that this pipeline yields.
        replicas: int, replicas of this pipeline. With r > 1 one step is r
            consecutive elements, as in `distribute_datasets_from_function`.
        crop_padding: `"reflect"`, a border that mirrors the image, or
            `"zeros"`, a black one.

    Returns:
        An infinite `tf.data.Dataset` of (images float32 [b, H, W, C] in
        [0, 1], labels int32 [b]), b = batch_size / num_pipelines / replicas.

    Raises:
        ValueError: for arguments out of range, by name.
    """
    num_examples = len(check_set(image_set).labels)
    _check_batch(batch_size, num_examples, num_pipelines, replicas)
    _checks.check_seed(seed)
    _checks.check_integer(start_step, "start_step", minimum=0)
    _check_augment(augment, image_set.images.shape)
    check_crop_padding(crop_padding, augment)
    okay = 0 <= _checks.check_integer(pipeline_index, "pipeline_index", 0)
    okay = okay and pipeline_index < num_pipelines
    expected = f"below num_pipelines ({num_pipelines})"
    _checks.check(okay, "pipeline_index", expected, pipeline_index)
    images, labels = _on_host(image_set)
    seed = ops.seed_pair(seed)
    steps_per_epoch = num_examples // batch_size
    share = batch_size // (num_pipelines * replicas)

    def batch(count):
        step, replica = count // replicas, count % replicas
        epoch, step_of_epoch = step // steps_per_epoch, step % steps_per_epoch
        first = (pipeline_index * replicas + replica) * share
        rows = (
            step_of_epoch * batch_size + first + tf.range(share, dtype="int64")
        )
        rows = tf.random.experimental.index_shuffle(
            rows, ops.fold_in(seed, _ORDER, epoch), num_examples - 1
        )
        # Drawn for the whole batch, so that the draws of a row do not depend
        # on the number of pipelines.
        draws = augmentation.draw(
            augment, batch_size, ops.fold_in(seed, _AUGMENT, step)
        )
        draws = {
            key: tf.ensure_shape(value[first : first + share], (share,))
            for key, value in draws.items()
        }
        chosen = augmentation.apply(
            tf.gather(images, rows), draws, crop_padding
        )
        return as_float(chosen), tf.gather(labels, rows)

    counter = tf.data.Dataset.counter(start=start_step * replicas)
    return counter.map(batch, 4, deterministic=True).prefetch(2)


def _check_augment(augment, shape):
    _checks.check_choice(augment, "augment", (None, "crop", "crop_flip"))
    padding = augmentation.PADDING
    okay = augment is None or min(shape[1:3]) > padding
    expected = f"None for images of at most {padding} pixels a side"
    _checks.check(okay, "augment", expected, augment)


def check_crop_padding(crop_padding, augment):
    """Raises `ValueError` for a border that is unknown, or never made."""
    known = tuple(augmentation.FILLINGS)
    _checks.check_choice(crop_padding, "crop_padding", known)
    okay = crop_padding == known[0] or augment is not None
    expected = f"left out, or {known[0]}, without crops"
    hint = "augment is None, so no image gets a border"
    _checks.check(okay, "crop_padding", expected, crop_padding, hint)


def _check_batch(batch_size, num_examples, num_pipelines, replicas):
    _checks.check_integer(batch_size, "batch_size")
    _checks.check_integer(num_pipelines, "num_pipelines")
    _checks.check_integer(replicas, "replicas")
    expected = f"at most {num_examples}, the number of training examples"
    okay = batch_size <= num_examples
    _checks.check(okay, "batch_size", expected, batch_size)
    parts = num_pipelines * replicas
    expected = f"a multiple of num_pipelines * replicas = {parts}"
    okay = batch_size % parts == 0
    _checks.check(okay, "batch_size", expected, batch_size)
