"""Pool, partners and detection score of all forms of Mixup Inference."""

import warnings

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import ops
from keras_mixup.inference import _classifier
from keras_mixup.inference import _rows
from keras_mixup.inference import pool as pool_module

SCORES = ("component", "max_difference")


def check_pool(pool, classifier):
    """Raises `ValueError` unless pool and classifier have the same classes."""
    known = isinstance(pool, pool_module.SamplePool)
    _checks.check(known, "pool", "a SamplePool", pool)
    _classifier.check_num_classes(classifier, pool.num_classes)


def check_image_pool(pool, classifier):
    """Raises `ValueError` unless the pool holds images for the classifier."""
    check_pool(pool, classifier)
    expected = "rows of shape [H, W, C]"
    shape = list(pool.sample_shape)
    _checks.check(len(shape) == 3, "pool", expected, f"shape {shape}")
    _classifier.check_input_shape(classifier, shape, "pool")
    if pool.storage_dtype == "uint8":
        return
    images = np.asarray(pool.images.value)
    _checks.check_within(images, "pool", "images in [0, 1]")


def warn_small_weight(mix_weight, num_classes, name):
    """Warns of a fixed MI-OL weight of 1 / classes or less (Eq. 17)."""
    fixed = isinstance(mix_weight, float)
    if not fixed or mix_weight * num_classes > 1.0:
        return
    warnings.warn(
        f"`{name}` should be above 1 / {num_classes} classes. Otherwise MI-OL "
        "changes the class of a clean image on average (Mixup Inference, "
        f"Eq. 17). Received: {name}={mix_weight!r}",
        stacklevel=3,
    )


def check_same_shape(pool, shape):
    """Raises `ValueError` if images of `shape` [H, W, C] do not fit."""
    fits = tf.TensorShape(shape).is_compatible_with(pool.sample_shape)
    expected = f"of the pool's shape {list(pool.sample_shape)}"
    _checks.check(fits, "images", expected, f"shape {list(shape)}")


def check_other_classes(pool):
    """Raises `ValueError` if the pool has no class besides the predicted."""
    expected = "a SamplePool of at least 2 classes"
    _checks.check(pool.num_classes >= 2, "pool", expected, pool.num_classes)


def draw_partners(seeds, labels, pool, mix_weight, num_draws, other_labels):
    """Draws pool rows and mixing weights (Mixup Inference, Algorithm 1).

    A partner's class is the predicted one, or with `other_labels` uniform over
    the others. Its row is uniform within the class.

    Args:
        seeds: int32 [B, 2], one per row.
        labels: int32 [B], the predicted labels.
        pool: `SamplePool`.
        mix_weight: the result of `ops.check_mix_weight`.
        num_draws: int, N.
        other_labels: bool.

    Returns:
        dict: `"indices"` int32 [B, N], rows of the pool, and `"mix_weight"`
        float32 [B, N].
    """
    random_bits = _rows.bits(seeds, num_draws, 4)
    classes = tf.broadcast_to(labels[:, None], tf.shape(random_bits)[:2])
    if other_labels:
        other = _rows.integers(random_bits[..., 0], pool.num_classes - 1)
        classes = other + tf.cast(other >= classes, tf.int32)
    counts = tf.gather(tf.constant(pool.class_counts, tf.int32), classes)
    offsets = tf.gather(tf.constant(pool.offsets, tf.int32), classes)
    return {
        "indices": offsets + _rows.integers(random_bits[..., 1], counts),
        "mix_weight": ops.row_mix_weight(mix_weight, random_bits[..., 2:]),
    }


def mix_with_pool(pool, images, draws):
    """Returns lambda x + (1 - lambda) x_s, float32 [N, B, ...].

    `images` are images [B, ...], or codes if the pool holds codes.
    """
    partners = pool.gather(tf.transpose(draws["indices"]))
    weight = tf.transpose(draws["mix_weight"])
    return ops.mix(weight, images[None], partners)


def detection_score(kind, logits, log_mean):
    """Returns the fall of confidence from F(x) to MI-PL, float32 [B].

    Args:
        kind: one of `SCORES`.
        logits: [B, C], the classifier's.
        log_mean: [B, C], MI-PL's log mean probability.
    """
    before = tf.nn.softmax(logits)
    after = tf.exp(log_mean)
    if kind == "max_difference":
        return tf.reduce_max(before, axis=-1) - tf.reduce_max(after, axis=-1)
    # The predicted label has no gradient.
    label = tf.argmax(logits, axis=-1)
    return tf.gather(before - after, label, axis=1, batch_dims=1)
