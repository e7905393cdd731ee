"""The classes that a targeted attack leads to."""

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _inputs
from keras_mixup import ops


def random_targets(labels, num_classes, seed):
    """Draws another class than the true one, uniformly, for each image.

    Args:
        labels: int [B] or probabilities [B, C].
        num_classes: int >= 2.
        seed: None, an int, or int32 [2].

    Returns:
        int32 [B].

    Raises:
        ValueError: for labels that are no classes, or another number or seed.
    """
    _checks.check_integer(num_classes, "num_classes", 2)
    labels = _inputs.read_classes(labels, num_classes=num_classes)
    if seed is not None and not tf.is_tensor(seed):
        _checks.check_seed(seed)
    offsets = tf.random.stateless_uniform(
        tf.shape(labels), ops.seed_pair(seed), 1, num_classes, tf.int32
    )
    return (labels + offsets) % num_classes


def second_most_likely_targets(logits, labels):
    """Returns the likeliest wrong class, int32 [B].

    On an image that the model gets wrong this is its prediction.

    Args:
        logits: [B, C], the model's output on the clean images.
        labels: int [B] or probabilities [B, C].
    """
    return likeliest_targets(logits, labels, 1)[:, 0]


def likeliest_targets(logits, labels, num_targets):
    """Returns the likeliest wrong classes, likeliest first, int32 [B, T].

    Args:
        logits: [B, C], the model's output on the clean images.
        labels: int [B] or probabilities [B, C].
        num_targets: int >= 1; T is at most C - 1.
    """
    logits = tf.cast(logits, tf.float32)
    own = tf.one_hot(ops.label_indices(labels), logits.shape[-1]) > 0.0
    others = tf.where(own, float("-inf"), logits)
    count = min(num_targets, logits.shape[-1] - 1)
    return tf.math.top_k(others, count).indices
