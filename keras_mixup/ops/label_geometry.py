"""The label weight of a mixed point, from its place between two points."""

import tensorflow as tf

from keras_mixup import _tensors


def geometric_label_weight(
    mix_weight: _tensors.Array,
    left: _tensors.Array,
    right: _tensors.Array,
    mixed: _tensors.Array,
) -> tf.Tensor:
    """Returns lambda_y: where the mixed point lies between two clean ones.

    lambda_y = clamp(1 + (p . v) / (v . v), 0, 1) with v = x_j - x_i and
    p = x_i - x'_m. The mixed point is projected onto the segment between the
    clean points; lambda_y is 1 at x_i and 0 at x_j. A perturbation of x_i
    away from x_j raises the weight of y_i, as section 3.5 of the
    adversarially optimized mixup paper requires: delta_i = -c (x_j - x_i)
    and delta_j = 0 give min(1, lambda (1 + c)).

    The printed Algorithm 5 uses the perturbed segment, v = x'_j - x'_i and
    p = x'_i - x'_m. Since x'_m = x'_i + (1 - lambda) v, that rule gives
    1 + (p . v) / (v . v) = lambda for every perturbation. This may be why
    Table 3 shows no gain.

    Args:
        mix_weight: float [B], lambda_x; the result where both clean points
            are equal, so that there is no segment.
        left: float [B, ...], clean x_i.
        right: float [B, ...], clean x_j.
        mixed: float [B, ...], x'_m.

    Returns:
        float [B] in [0, 1], differentiable in `mixed` and in `mix_weight`;
        value and gradients are finite where v . v is zero.
    """
    left, mixed = tf.convert_to_tensor(left), tf.convert_to_tensor(mixed)
    axes = list(range(1, left.shape.rank))
    along = right - left
    length = tf.reduce_sum(along**2, axis=axes)
    apart = length > 0.0
    # Both branches of a `where` are differentiated: 0 / 0 must not arise.
    length = tf.where(apart, length, tf.ones_like(length))
    place = 1.0 + tf.reduce_sum((left - mixed) * along, axis=axes) / length
    mix_weight = tf.cast(mix_weight, place.dtype)
    return tf.where(apart, tf.clip_by_value(place, 0.0, 1.0), mix_weight)
