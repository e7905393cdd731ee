"""Per-example losses on logits; nothing here reduces over the batch."""

import math

import tensorflow as tf

from keras_mixup import _tensors


def label_probabilities(labels: _tensors.Array, num_classes: int) -> tf.Tensor:
    """Returns float32 [B, C] from int labels [B] or probabilities [B, C].

    Args:
        labels: integer [B] or [B, 1], or [B, C] of any dtype.
        num_classes: int, C.
    """
    labels = _without_column(labels)
    if labels.shape.rank == 1:
        labels = tf.cast(labels, tf.int32)
        return tf.one_hot(labels, num_classes, dtype=tf.float32)
    return tf.cast(labels, tf.float32)


def _without_column(labels):
    labels = tf.convert_to_tensor(labels)
    return labels[:, 0] if labels.shape[1:] == (1,) else labels


def label_indices(labels: _tensors.Array) -> tf.Tensor:
    """Returns int32 [B] from labels [B] or [B, 1], or the argmax of [B, C]."""
    labels = _without_column(labels)
    if labels.shape.rank == 1:
        return tf.cast(labels, tf.int32)
    return tf.argmax(labels, axis=-1, output_type=tf.int32)


def cross_entropy(labels: _tensors.Array, logits: _tensors.Array) -> tf.Tensor:
    """Returns -sum_c y_c log softmax(z)_c, float32 [B].

    Args:
        labels: int [B] or probabilities [B, C].
        logits: [B, C], any float dtype; computed in float32.
    """
    logits = tf.cast(logits, tf.float32)
    probabilities = label_probabilities(labels, logits.shape[-1])
    return tf.nn.softmax_cross_entropy_with_logits(probabilities, logits)


def kl_divergence(labels: _tensors.Array, logits: _tensors.Array) -> tf.Tensor:
    """Returns KL(y || softmax(z)) = cross-entropy minus the entropy of y.

    Args:
        labels: int [B] or probabilities [B, C]; 0 log 0 is 0.
        logits: [B, C].

    Returns:
        float32 [B]; the loss of the adversarially optimized mixup paper
        (Algorithms 1 to 4, "L: KL divergence").
    """
    probabilities = label_probabilities(labels, logits.shape[-1])
    entropy = -tf.reduce_sum(
        tf.math.xlogy(probabilities, probabilities), axis=-1
    )
    return cross_entropy(probabilities, logits) - entropy


def margin(labels: _tensors.Array, logits: _tensors.Array) -> tf.Tensor:
    """Returns max_{c != y} z_c - z_y, float32 [B]: positive means wrong.

    Args:
        labels: int [B] or probabilities [B, C], whose argmax counts.
        logits: [B, C] with C >= 2.
    """
    logits = tf.cast(logits, tf.float32)
    hit = tf.one_hot(
        label_indices(labels),
        logits.shape[-1],
        dtype=tf.bool,
        on_value=True,
        off_value=False,
    )
    own = tf.reduce_sum(tf.where(hit, logits, 0.0), axis=-1)
    others = tf.where(hit, tf.float32.min, logits)
    return tf.reduce_max(others, axis=-1) - own


def probability_margin(
    labels: _tensors.Array, logits: _tensors.Array
) -> tf.Tensor:
    """Returns max_{c != y} p_c - p_y, p = softmax(z), float32 [B] in [-1, 1].

    Positive means wrong (Xie et al., 2024, "Towards Million-Scale Adversarial
    Robustness Evaluation", the probability margin loss). Where the softmax
    saturates in float32, its gradient is zero.

    Args:
        labels: int [B] or probabilities [B, C], whose argmax counts.
        logits: [B, C] with C >= 2.
    """
    return margin(labels, tf.nn.softmax(tf.cast(logits, tf.float32)))


# Keeps DLR finite where its denominator vanishes (Croce and Hein's code).
_DLR_TINY = 1e-12


def difference_of_logits_ratio(
    labels: _tensors.Array, logits: _tensors.Array
) -> tf.Tensor:
    """Returns DLR, the margin relative to the spread of the top logits.

    (max_{c != y} z_c - z_y) / (z_(1) - z_(3)), z_(k) the k-th largest logit:
    at most 1, positive means wrong, unchanged when the logits are scaled or
    shifted (Croce and Hein, 2020, "Reliable evaluation of adversarial
    robustness", Eq. 6).

    Args:
        labels: int [B] or probabilities [B, C], whose argmax counts.
        logits: [B, C] with C >= 2. Two classes have no third logit: the
            plain margin is returned.

    Returns:
        float32 [B].
    """
    numerator = margin(labels, logits)
    if logits.shape[-1] < 3:
        return numerator
    top = tf.math.top_k(tf.cast(logits, tf.float32), 3).values
    return numerator / (top[:, 0] - top[:, 2] + _DLR_TINY)


def targeted_difference_of_logits_ratio(
    labels: _tensors.Array, targets: _tensors.Array, logits: _tensors.Array
) -> tf.Tensor:
    """Returns the targeted DLR, float32 [B]: positive means z_t > z_y.

    (z_t - z_y) / (z_(1) - (z_(3) + z_(4)) / 2) (Croce and Hein, 2020, Eq. 7).

    Args:
        labels: int [B] or probabilities [B, C], whose argmax is y.
        targets: int [B], t.
        logits: [B, C]. With fewer than four classes there is no fourth
            logit: the plain difference z_t - z_y is returned.
    """
    logits = tf.cast(logits, tf.float32)
    own = tf.gather(logits, label_indices(labels), batch_dims=1)
    other = tf.gather(logits, label_indices(targets), batch_dims=1)
    if logits.shape[-1] < 4:
        return other - own
    top = tf.math.top_k(logits, 4).values
    spread = top[:, 0] - 0.5 * (top[:, 2] + top[:, 3])
    return (other - own) / (spread + _DLR_TINY)


def log_mean_probability(logits: _tensors.Array) -> tf.Tensor:
    """Returns the log of the mean softmax over the draws, float32 [B, C].

    Args:
        logits: [N, B, C], one slice per draw.

    Returns:
        logsumexp over draws of log_softmax, minus log N (Mixup Inference,
        Algorithm 1). It has finite gradients even at logits of +-1e4, where
        the log of a mean of probabilities would be -inf.
    """
    log_probabilities = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    draws = logits.shape[0]
    if draws is None:
        log_draws = tf.math.log(tf.cast(tf.shape(logits)[0], tf.float32))
    else:
        log_draws = math.log(draws)
    return tf.reduce_logsumexp(log_probabilities, axis=0) - log_draws
