"""The adaptive attacks of the Mixup Inference authors (Pang et al., 2020)."""

import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import ops
from keras_mixup.attacks import _functions
from keras_mixup.attacks import eot


def inputs_of(defence, images, draws):
    """Returns what a defence makes of images [B, ...], [N, B, ...].

    Raises:
        ValueError: when a trace shows another shape.
    """
    inputs = defence.apply(images, draws)
    rank, rows = images.shape.rank, images.shape[:1]
    okay = inputs.shape.rank in (None, rank + 1)
    okay = okay and inputs.shape[1:2].is_compatible_with(rows)
    expected = f"a defence whose `apply` returns [N, {rows[0]}, ...]"
    _checks.check(okay, "model_fn", expected, f"shape {inputs.shape}")
    return inputs


def input_logits(defence, inputs):
    """Returns the classifier's logits [N * B, C] at inputs [N, B, ...]."""
    function = _functions.as_function(defence.classifier)
    return tf.cast(function(_flat(inputs)), tf.float32)


def paper(attack, defence, images, labels, targets, seed):
    """Appendix B.2 and section 4.4: fresh samples, averaged perturbations.

    Each step draws N inputs at the current point and takes the sign of the
    summed gradients of their losses. (Eq. 24 has the prediction instead of
    the loss, but the gradient of a prediction ignores the label.) Each of the
    N inputs takes that step and is clipped to the bounds. The point moves by
    the mean of the clipped steps.

    Returns:
        (images, gradient passes, queries).
    """
    threat, count = attack.threat, attack.num_draws
    aims, sign = (labels, 1.0) if targets is None else (targets, -1.0)

    def body(step, point, _, passes):
        step_seed = ops.fold_in(seed, 1, step)
        draws = eot.draw_repeatedly(defence, point, step_seed, count)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(point)
            inputs = inputs_of(defence, point, draws)
            logits = input_logits(defence, inputs)
            tiled = _tile(aims, tf.shape(inputs)[0])
            loss = sign * tf.reduce_sum(ops.cross_entropy(tiled, logits))
        slope = ops.input_gradients(tape, loss, point)
        move = attack.step_size * ops.steepest_direction(threat.norm, slope)
        moved = tf.clip_by_value(inputs + move, *threat.bounds)
        point = ops.project(
            threat, images, point + tf.reduce_mean(moved - inputs, axis=0)
        )
        return step + 1, point, slope, passes + tf.shape(inputs)[0]

    start = images
    if attack.random_start:
        start = ops.random_start(threat, images, ops.fold_in(seed, 0))
    _, point, slope, passes = tf.while_loop(
        lambda step, *_: step < attack.num_steps,
        body,
        (tf.constant(0), start, start, tf.constant(0)),
        parallel_iterations=1,
        maximum_iterations=attack.num_steps,
    )
    ops.observe([slope], [point], [start])
    asked = eot.cost(defence, count)[1]
    return tf.stop_gradient(point), passes, attack.num_steps * asked


def released(attack, defence, images, targets, seed):
    """The authors' released code, which differs from their paper.

    The N inputs are drawn once, at the clean image. Each has a ball of the
    full radius and a random start in it. All move by the sign of their mean
    gradient, away from the prediction at each unperturbed input. The mean of
    the N perturbations is added to the image. The attack thus assumes that
    the classifier sees the full perturbation, but the defence scales it by
    the weight of the input. Their code does not clip the sum to the pixel
    range; this code does.

    Returns:
        (images, gradient passes, queries).
    """
    threat, count = attack.threat, attack.num_draws
    draws = eot.draw_repeatedly(defence, images, ops.fold_in(seed, 1), count)
    inputs = tf.stop_gradient(inputs_of(defence, images, draws))
    centres, copies = _flat(inputs), tf.shape(inputs)[0]
    if targets is None:
        # Led away from its prediction, which may be wrong, not its label.
        aims, sign = ops.label_indices(input_logits(defence, inputs)), 1.0
    else:
        aims, sign = _tile(targets, copies), -1.0

    def objective(points):
        logits = input_logits(defence, points)
        return sign * ops.cross_entropy(aims, logits)

    def shared(slope):
        mean = tf.reduce_mean(slope, axis=0)
        return ops.steepest_direction(threat.norm, mean)[None]

    def project(points):
        inside = ops.project(threat, centres, _flat(points))
        return tf.reshape(inside, tf.shape(points))

    start = inputs
    if attack.random_start:
        noisy = ops.random_start(threat, centres, ops.fold_in(seed, 0))
        start = tf.reshape(noisy, tf.shape(inputs))
    moved = ops.projected_ascent(
        objective,
        start,
        attack.step_size,
        project,
        attack.num_steps,
        directions=shared,
    )
    adversarial = images + tf.reduce_mean(moved - inputs, axis=0)
    asked = eot.cost(defence, count)[1]
    if targets is None:
        asked += copies
    return adversarial, attack.num_steps * copies, asked


def _flat(inputs):
    """Returns [N, B, H, W, C] as [N * B, H, W, C]."""
    shape = tf.shape(inputs)
    flat = tf.reshape(inputs, tf.concat([[-1], shape[2:]], axis=0))
    return tf.ensure_shape(flat, [None, *inputs.shape[2:]])


def _tile(labels, copies):
    labels = tf.convert_to_tensor(labels)
    ones = tf.ones(labels.shape.rank - 1, tf.int32)
    return tf.tile(labels, tf.concat([[copies], ones], axis=0))
