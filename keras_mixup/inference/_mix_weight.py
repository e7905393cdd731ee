"""The mixing weight lambda: fixed, or drawn for each image and draw."""

import tensorflow as tf

from keras_mixup.inference import _rows


def draw_mix_weight(mix_weight, random_bits):
    """Draws the weights.

    Args:
        mix_weight: what `ops.check_mix_weight` returned.
        random_bits: int32 [B, N, 2] from `_rows.bits`.

    Returns:
        float32 [B, N]. Mixup Inference, appendix B.1, proposes to sample
        lambda against adaptive attacks; the paper's tables fix it.
    """
    if not isinstance(mix_weight, tuple):
        return tf.fill(tf.shape(random_bits)[:2], tf.constant(mix_weight))
    kind, first, second = mix_weight
    if kind == "beta":
        count = random_bits.shape[1]
        return _rows.beta(random_bits[:, 0], count, first, second)
    uniform = _rows.unit_interval(random_bits[:, :, 0])
    return first + (second - first) * uniform
