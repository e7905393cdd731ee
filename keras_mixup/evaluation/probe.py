"""The red flags that only the model itself can show."""

import numpy as np
import tensorflow as tf

from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import ops
from keras_mixup.evaluation import flag_rules
from keras_mixup.evaluation import scoring
from keras_mixup.evaluation import specs
from keras_mixup.threat import ThreatModel

_ZERO_SHARE = 0.1
_LEFT = 0.1


def probe(
    model, images, labels, *, attack=None, seed=0, name="model", steps=20
):
    """Asks a model for red flags: a few passes and one unbounded attack.

    Args:
        model: callable from images to logits, or a defence.
        images: uint8 [n, H, W, C] or floats in [0, 1]; few will do.
        labels: int [n], the true ones.
        attack: the attack that is going to be run on the model, or None; it
            is run once, and judged by its images.
        seed: int, of the attacks.
        name: str, what the flags call the model.
        steps: int, steps of the unbounded attack, which must leave next to
            nothing; 0 leaves it out.

    Returns:
        `flag_rules.Findings`, empty for a model that shows none.

    Raises:
        ValueError: for unusable images or labels.
    """
    examples = data.image_set(images, labels)
    images = tf.constant(data.as_float(examples.images))
    labels = examples.labels
    function = scoring.direct(model)
    found = flag_rules.Findings()
    outputs, again = (np.asarray(function(images)) for _ in range(2))
    drawn = frozen = None
    if scoring.differ(outputs, again):
        drawn = _drawn(model, attack)
        if scoring.is_frozen(function, images):
            frozen = (
                "Two answers differ when the model is called directly, and "
                "are equal inside a tf.function."
            )
    found.note("randomised model under a deterministic attack", name, drawn)
    found.note("randomness frozen in a trace", name, frozen)
    seen = _probabilities(outputs)
    found.note("probabilities instead of logits", name, seen)
    slopes = _gradients(function, images, labels, outputs)
    found.note("zero or NaN gradients", name, slopes)
    if seen or slopes:
        return found
    if attack is not None:
        seen = _ball(model, images, labels, attack, seed)
        found.note("eps not respected", name, seen)
    if steps:
        seen = _unbounded(model, images, labels, seed, steps)
        found.note("accuracy does not fall with eps", name, seen)
    return found


def _drawn(model, attack):
    # An average over draws has a stream of seeds that an attack restarts.
    averaging = hasattr(model, "reseed") or (
        attacks.facts_of(attack).averages_draws
    )
    if averaging or (attack is None and specs.is_randomized(model)):
        return None
    by = "an attack" if attack is None else _name(attack)
    return (
        f"Two answers to the same images differ; {by} would take one of them "
        "for the model's loss."
    )


def _probabilities(outputs):
    inside = outputs.min() >= -1e-5 and outputs.max() <= 1.0 + 1e-5
    if not (inside and np.abs(outputs.sum(axis=-1) - 1.0).max() < 1e-5):
        return None
    return "All outputs lie in [0, 1] and each row sums to 1."


def _gradients(function, images, labels, outputs):
    if not np.isfinite(outputs).all():
        return "Some outputs are NaN or infinite."
    with tf.GradientTape() as tape:
        tape.watch(images)
        loss = ops.cross_entropy(labels, function(images))
    slopes = tape.gradient(loss, images)
    if slopes is None:
        return "No gradient of the loss reaches the images."
    slopes = np.asarray(slopes).reshape(len(images), -1)
    broken = float(np.mean(~np.isfinite(slopes).all(axis=1)))
    zero = float(np.mean((slopes == 0.0).all(axis=1)))
    if broken == 0.0 and zero < _ZERO_SHARE:
        return None
    return (
        f"The gradient of the cross-entropy is exactly zero on {100 * zero:.0f}"
        f" % and no finite number on {100 * broken:.0f} % of the images."
    )


def _name(attack):
    return getattr(attack, "name", None) or type(attack).__name__


def _ball(model, images, labels, attack, seed):
    result = attack(model, images, labels, seed=seed)
    excess = attack.threat.excess(images, result.images)
    return excess and (
        f"Images of {_name(attack)} lie {max(excess):.3g} outside the ball of "
        f"eps {attack.threat.eps:g} or the bounds."
    )


def _unbounded(model, images, labels, seed, steps):
    threat = ThreatModel("linf", 1.0, unbounded=True)
    step = 2.5 / steps
    if specs.is_randomized(model):
        attack = attacks.MixupInferenceAttack(
            threat, "tramer2020", steps, num_draws=5, step_size=step
        )
    else:
        attack = attacks.PGD(threat, min(1.0, step), steps)
    result = attack(model, images, labels, seed=seed)
    left = float(1.0 - np.mean(result.success))
    if left <= _LEFT:
        return None
    return (
        f"{100 * left:.0f} % of {len(labels)} images are still classified "
        f"correctly after {steps} steps that may change every pixel at will."
    )
