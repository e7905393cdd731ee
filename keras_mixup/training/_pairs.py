"""A pair of images as the variable of an attack.

A pair is a dict {"left": [B, ...], "right": [B, ...], "mix_weight": [B]}.
A term of an ascent is (start, step size, projection, direction).
"""

from keras_mixup import _checks
from keras_mixup import ops


def mix(pair):
    """Returns lambda left + (1 - lambda) right, [B, ...]."""
    return ops.mix(pair["mix_weight"], pair["left"], pair["right"])


def image_terms(attack, clean, delta, seed):
    """Returns the ascent's terms of the perturbed images.

    Args:
        attack: gives threat, step size and whether to start at random.
        clean: the clean pair.
        delta: `"independent"`: terms `"left"` and `"right"`; `"shared"`:
            `"left"` alone, from which the right side is to be permuted.
        seed: int32 [2]; the left start is the one that `PGD.perturb` takes
            under the same seed.
    """
    sides = ("left",) if delta == "shared" else ("left", "right")
    return {
        side: _image_term(attack, clean[side], ops.fold_in(seed, number))
        for number, side in enumerate(sides)
    }


def _image_term(attack, centre, seed):
    threat, start = attack.threat, centre
    if attack.random_start:
        start = ops.random_start(threat, centre, seed)
    return (
        start,
        attack.step_size,
        lambda point: ops.project(threat, centre, point),
        lambda slope: ops.steepest_direction(threat.norm, slope),
    )


def ascend(objective, terms, attack):
    """Climbs the objective in every term at once.

    Args:
        objective: callable from {name: tensor} to losses [B].
        terms: dict from names to terms.
        attack: gives the number of steps.

    Returns:
        {name: tensor}, the last point.
    """
    start, steps, projections, directions = (
        {name: term[part] for name, term in terms.items()} for part in range(4)
    )
    return ops.projected_ascent(
        objective,
        start,
        steps,
        projections,
        attack.num_steps,
        directions=directions,
    )


def check_ascent(attack, loss):
    """Raises unless the attack is one ascent and all its settings count.

    Args:
        attack: the attack that gives the steps.
        loss: str, the loss that is climbed instead of the attack's own.

    Raises:
        ValueError: for an attack without steps; for restarts, predicted
            labels, momentum or another loss, which would be ignored.
    """
    needed = ("threat", "step_size", "num_steps", "random_start")
    okay = all(hasattr(attack, name) for name in needed)
    expected = "an attack with step_size, num_steps and random_start, as PGD"
    _checks.check(okay, "attack", expected, attack)
    heeded = {
        "num_restarts": (1,),
        "label_source": ("true",),
        "momentum": (0.0,),
        "loss": ("cross_entropy", loss),
    }
    for name, values in heeded.items():
        received = getattr(attack, name, values[0])
        expected = " or ".join(repr(value) for value in dict.fromkeys(values))
        _checks.check(received in values, f"attack.{name}", expected, received)
