"""A mixing weight as a function of a logit, for gradient steps."""

import numpy as np
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup.ops import mixing
from keras_mixup.ops import random

# Within these logits float32 distinguishes the weight from kappa and from 1,
# and the sigmoid has a gradient.
_MARGIN = 1e-6
MAX_LOGIT = float(np.log((1.0 - _MARGIN) / _MARGIN))
# Rejection sampling would take too long below this share of accepted draws.
_MIN_ACCEPTED = 0.01
_MAX_ROUNDS = 10_000


def check_kappa(
    kappa: _types.Number, alpha: _types.Number | None = None
) -> float:
    """Returns `kappa` as a float.

    Args:
        kappa: number, the lower bound of lambda.
        alpha: float > 0, of the Beta distribution whose draws above kappa
            lambda starts from; None where there are none.

    Raises:
        ValueError: outside [0.5, 1), or where fewer than 1 % of the draws
            from Beta(alpha, alpha) exceed it.
    """
    number = _checks.check_number(kappa, "kappa", low=0.5, high=1.0)
    _checks.check(number < 1.0, "kappa", "a number in [0.5, 1)", kappa)
    if alpha is None:
        return number
    # By symmetry, P(lambda > kappa) = P(lambda < 1 - kappa).
    accepted = float(tf.math.betainc(alpha, alpha, 1.0 - number))
    _checks.check(
        accepted >= _MIN_ACCEPTED,
        "kappa",
        f"exceeded by at least 1 % of the draws from Beta({alpha:g}, "
        f"{alpha:g})",
        kappa,
    )
    return number


def sample_beta_above(
    size: _tensors.Size,
    concentration: float,
    kappa: float,
    seed: _tensors.Array,
) -> tf.Tensor:
    """Draws from Beta(a, a), truncated to values of at least kappa.

    Args:
        size: int or int scalar tensor, B.
        concentration: float > 0, a.
        kappa: float in [0, 1), which `check_kappa` returned.
        seed: int32 [2].

    Returns:
        float32 [B] in [kappa, 1]: the start of Algorithm 6 of the
        adversarially optimized mixup paper.
    """

    def draw(number):
        seed_of_round = random.fold_in(seed, number)
        return mixing.sample_beta(
            [size], concentration, concentration, seed_of_round
        )

    def body(number, weight):
        return number + 1, tf.where(weight < kappa, draw(number), weight)

    _, weight = tf.while_loop(
        lambda _, weight: tf.reduce_any(weight < kappa),
        body,
        (tf.constant(1), draw(0)),
        # A batch of one loses its static size in the sampler.
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
        parallel_iterations=1,
        maximum_iterations=_MAX_ROUNDS,
    )
    return weight


def weight_from_logit(logit: _tensors.Array, kappa: float) -> tf.Tensor:
    """Returns lambda = kappa + (1 - kappa) sigmoid(gamma).

    Args:
        logit: float [B], gamma.
        kappa: float in [0, 1).

    Returns:
        float [B] in (kappa, 1) (Algorithm 6).
    """
    return kappa + (1.0 - kappa) * tf.sigmoid(logit)


def logit_from_weight(weight: _tensors.Array, kappa: float) -> tf.Tensor:
    """Returns gamma, the inverse of `weight_from_logit`, always finite.

    Algorithm 6 prints -log((1 - kappa) / (lambda - kappa) - 1). That is the
    logit of t = (lambda - kappa) / (1 - kappa), infinite for lambda equal to
    kappa or 1. So t is clipped to [1e-6, 1 - 1e-6]. Draws from
    Beta(0.5, 0.5) in float32 can be 1.

    Args:
        weight: float [B], lambda; values below kappa count as kappa.
        kappa: float in [0, 1).

    Returns:
        float [B] in [-13.8, 13.8].
    """
    share = (tf.convert_to_tensor(weight) - kappa) / (1.0 - kappa)
    share = tf.clip_by_value(share, _MARGIN, 1.0 - _MARGIN)
    return tf.math.log(share) - tf.math.log1p(-share)


def clip_logit(logit: _tensors.Array) -> tf.Tensor:
    """Returns gamma within the range of `logit_from_weight`."""
    return tf.clip_by_value(logit, -MAX_LOGIT, MAX_LOGIT)
