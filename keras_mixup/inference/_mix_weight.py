"""The mixing weight lambda: fixed, or drawn for each image and draw."""

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup.inference import _rows

_FORMS = 'a float in [0, 1], ("uniform", low, high) or ("beta", a, b)'


def check_mix_weight(value, name="mix_weight"):
    """Returns a float, ("uniform", low, high) or ("beta", a, b).

    Raises:
        ValueError: for any other form, for a weight or bound outside [0, 1],
            for low > high, or for a Beta parameter that is not positive.
    """
    if not isinstance(value, (tuple, list)):
        return _checks.check_number(value, name, low=0.0, high=1.0)
    known = len(value) == 3 and value[0] in ("uniform", "beta")
    _checks.check(known, name, _FORMS, value)
    kind, first, second = value
    if kind == "beta":
        first = _checks.check_number(first, name, low=0.0, low_open=True)
        second = _checks.check_number(second, name, low=0.0, low_open=True)
    else:
        first = _checks.check_number(first, name, low=0.0, high=1.0)
        second = _checks.check_number(second, name, low=0.0, high=1.0)
        _checks.check(first <= second, name, _FORMS + ", low <= high", value)
    return (kind, first, second)


def draw_mix_weight(mix_weight, random_bits):
    """Draws the weights.

    Args:
        mix_weight: what `check_mix_weight` returned.
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
