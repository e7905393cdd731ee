"""Attacks that follow the gradient, and the losses that they climb."""

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import ops
from keras_mixup.attacks import base

LOSSES = {
    "cross_entropy": ops.cross_entropy,
    "ce": ops.cross_entropy,  # AutoAttack's short name
    "margin": ops.margin,
    "dlr": ops.difference_of_logits_ratio,
    "kl": ops.kl_divergence,
}


class GradientAttack(base.Attack):
    """An attack by gradients that also runs inside a train step.

    A subclass writes `perturb`, and `run` on top of it. Every training
    algorithm takes any such attack, or refuses it by name when it is made.

    Args:
        threat: `ThreatModel`, what the adversary may do.
    """

    uses_gradients = True

    def perturb(self, model_fn, images, labels, seed, targets=None, start=None):
        """Returns adversarial images; safe inside a graph, unchecked.

        Args:
            model_fn: callable from images to logits; a Keras model is called
                with `training=False`.
            images: float32 [B, H, W, C].
            labels: int [B] or probabilities [B, C].
            seed: an int, or int32 [2].
            targets: int [B] to lead to, or None.
            start: float32 [B, H, W, C] in place of the attack's own start;
                it then runs once.

        Returns:
            float32 [B, H, W, C] behind `stop_gradient`.
        """
        raise TypeError(f"{type(self).__name__} must define `perturb`.")


def check_loss(loss):
    """Returns `loss` if it is a name in `LOSSES` or a callable.

    Raises:
        ValueError: otherwise.
    """
    if not callable(loss):
        _checks.check_choice(loss, "loss", tuple(LOSSES))
    return loss


def loss_function(loss):
    """Returns the callable (labels, logits) -> [B] of `check_loss`."""
    return loss if callable(loss) else LOSSES[loss]


def climbed(loss, labels, targets, logits):
    """Returns what an attack maximises, float32 [B].

    Args:
        loss: a name or callable, see `check_loss`.
        labels: int [B] or probabilities [B, C], to lead away from.
        targets: int [B] to lead to, or None.
        logits: float [B, C].
    """
    function = loss_function(loss)
    if targets is None:
        return function(labels, logits)
    return -function(targets, logits)


def best_of(num_runs, run, images, fooled_first=False, until_fooled=False):
    """Keeps for each image the best of several runs; one graph loop.

    Losses of different targets compare, too, for images that no run fools.

    Args:
        num_runs: int >= 1.
        run: callable of the run's number that returns (images [B, H, W, C],
            fooled bool [B], loss [B], cost): the result, what it achieved,
            and what it cost, an int32 scalar or [B].
        images: float32 [B, H, W, C], clean.
        fooled_first: bool, whether an image that was fooled once keeps what
            fooled it; otherwise the highest loss alone counts.
        until_fooled: bool, whether to end once every image was fooled.

    Returns:
        (images, cost), summed over the runs.
    """

    def body(index, best, fooled, loss, cost):
        found, also, value, spent = run(index)
        better = value > loss
        if fooled_first:
            better = ~fooled & (also | better)
        return (
            index + 1,
            ops.select(better, found, best),
            fooled | also,
            tf.where(better, value, loss),
            cost + spent,
        )

    def unfinished(index, best, fooled, loss, cost):
        return ~tf.reduce_all(fooled) if until_fooled else True

    rows = tf.shape(images)[:1]
    _, best, _, _, cost = tf.while_loop(
        unfinished,
        body,
        (
            tf.constant(0),
            images,
            tf.zeros(rows, tf.bool),
            tf.fill(rows, float("-inf")),
            tf.zeros(rows, tf.int32),
        ),
        parallel_iterations=1,
        maximum_iterations=num_runs,
    )
    return best, cost
