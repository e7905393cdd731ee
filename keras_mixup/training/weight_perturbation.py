"""Adversarial weight perturbation: descend from worse weights nearby."""

import keras
import tensorflow as tf


def worst_weights(model, batch, gamma):
    """Returns the weights at which a step takes its gradient, a list.

    w + v with v = gamma ||w|| g / ||g|| for each kernel, where g is the
    gradient of the step's loss over all replicas. This is one ascent step to
    the edge of the ball ||v|| <= gamma ||w|| (Wu et al., "Adversarial Weight
    Perturbation Helps Robust Generalization", 2020, Eq. 10 and Algorithm 1
    with K2 = 1). Vectors, such as biases and those of BatchNormalization,
    stay as they are, as in the authors' code.

    The pass leaves no trace in the model: moving averages and random states
    do not advance. What it attacks on the way stays in `batch`, so that the
    second pass sees the same images.

    Args:
        model: `TrainStep`, called on one replica.
        batch: dict, from `prepare_batch`.
        gamma: float > 0, the largest relative change of a kernel.
    """
    probe = dict(batch)
    weights = [tf.convert_to_tensor(v.value) for v in model.optimized_variables]
    with keras.StatelessScope():
        # As values, since regularizers ask a scope for those of their weights.
        _, _, slopes = model.differentiate(probe, weights)
    found = {k: v for k, v in probe.items() if k != "layer_losses"}
    batch.update({**found, **batch})
    slopes = _over_replicas(slopes)
    return [
        _shifted(weight, slope, gamma)
        for weight, slope in zip(weights, slopes, strict=True)
    ]


def _over_replicas(slopes):
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return slopes
    known = [number for number, g in enumerate(slopes) if g is not None]
    sums = context.all_reduce("SUM", [slopes[number] for number in known])
    sums = dict(zip(known, sums, strict=True))
    return [sums.get(number) for number in range(len(slopes))]


def _shifted(weight, slope, gamma):
    if slope is None or weight.shape.rank < 2:
        return weight
    slope = tf.cast(slope, weight.dtype)
    length = tf.norm(slope)
    # An overflow of float16 gradients, after which the step is left out.
    finite = tf.math.is_finite(length)
    slope = tf.where(finite, slope, tf.zeros_like(slope))
    scale = tf.math.divide_no_nan(gamma * tf.norm(weight), length)
    return weight + tf.where(finite, scale, tf.zeros_like(scale)) * slope
