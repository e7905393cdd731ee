"""Training batches of two sources in a stated ratio."""

from typing import Literal

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import ops
from keras_mixup.data import pipeline
from keras_mixup.data.specs import ImageSet
from keras_mixup.data.specs import check_set

_EXTRA = 10


def mixed_training_dataset(
    image_set: ImageSet,
    extra: ImageSet,
    extra_share: float,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    augment: Literal["crop", "crop_flip"] | None = None,
    crop_padding: Literal["reflect", "zeros"] = "reflect",
) -> tf.data.Dataset:
    """Returns the infinite stream of batches of two sources from a step on.

    Each batch holds round(extra_share batch_size) images of the second
    source, and images of the first one (Gowal et al., "Improving Robustness
    using Generated Data", 2021, section 4, where the share is that of the
    generated images). Each source has an order of its own, and visits an
    image at most once in each of its rounds. The rows of both are spread
    evenly over the batch, so that replicas get the same mix.

    Args:
        image_set: `ImageSet`, the first source.
        extra: `ImageSet` of images of the same shape.
        extra_share: float in (0, 1), the second source's part of a batch.
        batch_size: int, of both together.
        seed, start_step, augment, crop_padding: as for `training_dataset`.

    Returns:
        An infinite `tf.data.Dataset` of (images float32 [b, H, W, C] in
        [0, 1], labels int32 [b]).

    Raises:
        ValueError: for arguments out of range, another shape, or a share
            that leaves a source without a row.
    """
    counts = check_extra(image_set, extra, extra_share, batch_size)
    own, other = (
        pipeline.training_dataset(
            part,
            count,
            seed,
            start_step,
            augment,
            crop_padding=crop_padding,
        )
        for part, count, seed in zip(
            (image_set, extra), counts, (seed, _other_seed(seed)), strict=True
        )
    )
    places = [(np.arange(count) + 0.5) / count for count in counts]
    order = np.argsort(np.concatenate(places), kind="stable")

    def join(first, second):
        return tuple(
            tf.gather(tf.concat([a, b], axis=0), order)
            for a, b in zip(first, second, strict=True)
        )

    return tf.data.Dataset.zip(own, other).map(join).prefetch(2)


def check_extra(
    image_set: ImageSet, extra: ImageSet, extra_share: float, batch_size: int
) -> tuple[int, int]:
    """Returns how many rows of a batch either source has, (int, int).

    Raises:
        ValueError: as `mixed_training_dataset`.
    """
    check_set(image_set)
    check_set(extra, "extra")
    share = _checks.check_number(extra_share, "extra_share", 0.0, 1.0)
    _checks.check_integer(batch_size, "batch_size")
    number = round(share * batch_size)
    expected = f"a share that gives each source a row of {batch_size}"
    okay = 0 < number < batch_size
    _checks.check(okay, "extra_share", expected, extra_share)
    own, other = (part.images.shape[1:] for part in (image_set, extra))
    expected = f"images of shape {own}, as the first source has"
    _checks.check(own == other, "extra", expected, other)
    return batch_size - number, number


def _other_seed(seed):
    _checks.check_integer(seed, "seed", minimum=0)
    pair = ops.fold_in(ops.seed_pair(seed), _EXTRA).numpy()
    return int(np.uint32(pair[0]))
