"""Attacks that follow the gradient, and the losses that they maximise."""

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import ops
from keras_mixup.attacks import base

LOSSES = {
    "cross_entropy": ops.cross_entropy,
    "ce": ops.cross_entropy,  # AutoAttack's short name
    "margin": ops.margin,
    "dlr": ops.difference_of_logits_ratio,
    "kl": ops.kl_divergence,
    "probability_margin": ops.probability_margin,
}


class GradientAttack(base.Attack):
    """An attack by gradients that also runs inside a train step.

    A subclass defines `perturb`, and `run` on top of it. Every training
    algorithm takes such an attack, or its constructor refuses it.

    Args:
        threat: `ThreatModel`, what the adversary may do.
    """

    uses_gradients = True

    def perturb(
        self,
        model_fn: _tensors.ModelFn,
        images: _tensors.Array,
        labels: _tensors.Array,
        seed: _tensors.SeedLike,
        targets: _tensors.Array | None = None,
        start: _tensors.Array | None = None,
    ) -> tf.Tensor:
        """Returns adversarial images; safe inside a graph, unchecked.

        Args:
            model_fn: callable from images to logits; a Keras model is called
                with `training=False`.
            images: float32 [B, H, W, C].
            labels: int [B] or probabilities [B, C].
            seed: an int, or int32 [2].
            targets: int [B] to lead to, or None.
            start: float32 [B, H, W, C], which replaces the attack's own
                start. There are no restarts then.

        Returns:
            float32 [B, H, W, C] behind `stop_gradient`.
        """
        raise TypeError(f"{type(self).__name__} must define `perturb`.")


def check_loss(loss):
    """Returns a name in `LOSSES` or a callable; "ce" by its full name.

    Raises:
        ValueError: for anything else.
    """
    if not callable(loss):
        _checks.check_choice(loss, "loss", tuple(LOSSES))
    return "cross_entropy" if loss == "ce" else loss


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


def ascend(threat, objective, images, start, step_size, num_steps, **options):
    """Maximises an objective by steepest steps inside a threat's balls.

    Args:
        threat: `ThreatModel`.
        images: float32 [B, H, W, C], the centres of the balls.
        objective, start, step_size, num_steps, **options: as for
            `ops.projected_ascent`.

    Returns:
        float32 [B, H, W, C], the last point.
    """
    return ops.projected_ascent(
        objective,
        start,
        step_size,
        lambda point: ops.project(threat, images, point),
        num_steps,
        directions=lambda slope: ops.steepest_direction(threat.norm, slope),
        **options,
    )


def best_of(
    num_runs,
    run,
    images,
    fooled_first=False,
    until_fooled=False,
    nothing=None,
):
    """Keeps for each image the best of several runs, in one graph loop.

    For images that no run fools, losses of different targets are compared.

    Args:
        num_runs: int >= 1.
        run: callable from the run's number to (images [B, H, W, C], fooled
            bool [B], loss [B], cost int32, a scalar or [B]).
        images: float32 [B, H, W, C], clean.
        fooled_first: bool, whether the first result that fools the model is
            kept. Otherwise only the highest loss counts.
        until_fooled: bool, whether to end once every image has fooled it.
        nothing: int32, the cost of no run; [B] zeros unless given.

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
            tf.zeros(rows, tf.int32) if nothing is None else nothing,
        ),
        parallel_iterations=1,
        maximum_iterations=num_runs,
    )
    return best, cost
