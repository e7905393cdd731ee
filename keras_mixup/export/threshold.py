"""A detector's threshold, chosen for a false positive rate."""

import keras
import numpy as np

from keras_mixup import _checks
from keras_mixup import _inputs
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup.metrics import _thresholds


def choose_threshold(
    defence: keras.layers.Layer,
    images: _tensors.ArrayLike,
    false_positive_rate: _types.Number,
    seed: int = 0,
    batch_size: int = 256,
) -> float:
    """Returns the lowest threshold with a given false positive rate.

    At most `false_positive_rate` of the given clean images score above it. The
    rate on new images agrees with it within the sampling error.

    Args:
        defence: `MixupInferencePL` or `MixupInferenceCombined`.
        images: float32 [n, H, W, C] in [0, 1], clean images of neither the
            training set nor the pool: the validation split.
        false_positive_rate: float in [0, 1).
        seed: int, of the scores' draws.
        batch_size: int, images scored at a time.

    Returns:
        float, in the range of the score, [-1, 1].

    Raises:
        ValueError: for a defence without a score, no image, a rate out of
            range, or scores that are NaN.

    Example:

    >>> threshold = choose_threshold(defence, images, 0.05)
    >>> export_saved_model(defence, "saved_models/digits", threshold=threshold)
    """
    rate = _checks.check_number(
        false_positive_rate, "false_positive_rate", 0.0, 1.0
    )
    _checks.check(rate < 1.0, "false_positive_rate", "below 1", rate)
    okay = hasattr(defence, "detection_score")
    _checks.check(okay, "defence", "one with a detection_score", defence)
    images = _inputs.read_images(images)
    batch_size = _checks.check_integer(batch_size, "batch_size")
    seed = _checks.check_integer(seed, "seed", 0)
    # One seed per row: the score does not depend on the batch size.
    seeds = np.stack([np.full(len(images), seed), np.arange(len(images))], 1)
    seeds = seeds.astype("int32")
    scores = [
        defence.detection_score(
            images[i : i + batch_size], seed=seeds[i:][:batch_size]
        )
        for i in range(0, len(images), batch_size)
    ]
    return _thresholds.lowest_threshold(np.concatenate(scores), rate)
