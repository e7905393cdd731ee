"""The distribution of the mixing weight lambda: checked, drawn, averaged.

It is a number in [0, 1], `("uniform", low, high)` or `("beta", a, b)`.
`_checks.parse_mix_weight` reads it from a text.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup.ops import mixing
from keras_mixup.ops import random


def check_mix_weight(
    mix_weight: _types.MixWeight | None,
    name: str = "mix_weight",
    optional: bool = False,
) -> float | tuple[str, float, float] | None:
    """Returns a checked specification of lambda's distribution.

    Args:
        mix_weight: a number in [0, 1], ("uniform", low, high) within [0, 1],
            ("beta", a, b) with a, b > 0, or None where `optional`.
        name: str, the argument's name in the error.
        optional: bool, whether None is allowed.

    Returns:
        None, a float, or a tuple (str, float, float).

    Raises:
        ValueError: for anything else.
    """
    if mix_weight is None and optional:
        return None
    if not isinstance(mix_weight, (tuple, list)):
        return _checks.check_number(mix_weight, name, 0.0, 1.0)
    forms = 'a number in [0, 1], ("uniform", low, high) or ("beta", a, b)'
    known = len(mix_weight) == 3 and mix_weight[0] in ("uniform", "beta")
    _checks.check(known, name, forms, mix_weight)
    kind, *numbers = mix_weight
    limits = (0.0, None, True) if kind == "beta" else (0.0, 1.0)
    first, second = (_checks.check_number(n, name, *limits) for n in numbers)
    okay = kind == "beta" or first <= second
    _checks.check(okay, name, f"{forms}, low <= high", mix_weight)
    return (kind, first, second)


def mean_mix_weight(mix_weight: float | tuple[str, float, float]) -> float:
    """Returns the mean of lambda, a float.

    Args:
        mix_weight: what `check_mix_weight` returned, not None.
    """
    if isinstance(mix_weight, (int, float)):
        return float(mix_weight)
    kind, first, second = mix_weight
    return first / (first + second) if kind == "beta" else (first + second) / 2


def sample_mix_weight(
    shape: Sequence[Any] | tf.Tensor,
    mix_weight: float | tuple[str, float, float],
    seed: _tensors.Array,
) -> tf.Tensor:
    """Draws lambda from one seed.

    Args:
        shape: int sequence or int32 tensor.
        mix_weight: what `check_mix_weight` returned, not None.
        seed: int32 [2].

    Returns:
        float32 of shape `shape`.
    """
    if isinstance(mix_weight, float):
        return tf.fill(shape, mix_weight)
    kind, first, second = mix_weight
    if kind == "beta":
        return mixing.sample_beta(shape, first, second, seed)
    return tf.random.stateless_uniform(shape, seed, first, second)


def row_mix_weight(
    mix_weight: float | tuple[str, float, float], random_bits: _tensors.Array
) -> tf.Tensor:
    """Draws lambda for each row and draw from that row's bits alone.

    Args:
        mix_weight: what `check_mix_weight` returned, not None.
        random_bits: int32 [B, N, 2], uniform over all values.

    Returns:
        float32 [B, N]. Mixup Inference, appendix B.1, proposes to sample
        lambda against adaptive attacks; the paper's tables fix it.
    """
    if isinstance(mix_weight, float):
        return tf.fill(tf.shape(random_bits)[:2], tf.constant(mix_weight))
    kind, first, second = mix_weight
    if kind == "beta":
        count = random_bits.shape[1]
        return _row_beta(random_bits[:, 0], count, first, second)
    uniform = random.unit_interval(random_bits[:, :, 0])
    return first + (second - first) * uniform


# Compiled, since an eager `map_fn` calls its ops for each row.
@tf.function(reduce_retracing=True, jit_compile=False, autograph=False)
def _row_beta(seeds, count, concentration1, concentration0):
    return tf.map_fn(
        lambda seed: mixing.sample_beta(
            (count,), concentration1, concentration0, seed
        ),
        seeds,
        fn_output_signature=tf.TensorSpec((count,), tf.float32),
    )
