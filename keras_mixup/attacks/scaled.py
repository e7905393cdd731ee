"""An attack of another radius."""

from keras_mixup.attacks import averaged
from keras_mixup.attacks import base


def scaled(attack, factor):
    """Returns an attack with radius and step multiplied by `factor`.

    Args:
        attack: `Attack`; another object, as None, comes back as it is.
        factor: float in [0, 1].
    """
    if not isinstance(attack, base.Attack):
        return attack
    if isinstance(attack, averaged.AveragedAttack):
        return attack.rebuilt(attack=scaled(attack.attack, factor))
    threat = attack.threat
    changes = {"threat": threat.rebuilt(eps=threat.eps * factor)}
    if getattr(attack, "step_size", None):
        changes["step_size"] = attack.step_size * factor
    return attack.rebuilt(**changes)
