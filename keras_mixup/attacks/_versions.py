"""Which attacks AutoAttack's versions consist of."""

from keras_mixup.attacks import _survivors
from keras_mixup.attacks import apgd
from keras_mixup.attacks import fab
from keras_mixup.attacks import square

VERSIONS = ("standard", "cheap", "plus", "rand")


def stages(attack):
    """Returns the list of `Stage` of an `AutoAttack`, by its version.

    Args:
        attack: an object with `threat`, `version`, `num_steps`,
            `num_targets` and `num_queries`, which may be None.
    """
    threat, steps = attack.threat, attack.num_steps
    randomized, cheap = attack.version == "rand", attack.version == "cheap"
    restarts = 5 if attack.version == "plus" else 1

    def auto_pgd(loss):
        # One lucky draw is no success, so the highest mean loss counts.
        best = "loss" if randomized else "adversarial"
        made = apgd.APGD(
            threat, loss, steps, best=best, early_stop=not randomized
        )
        return _survivors.Stage(f"apgd-{loss}", made, restarts)

    def targeted_auto_pgd():
        made = apgd.TargetedAPGD(
            threat, attack.num_targets, steps, early_stop=True
        )
        return _survivors.Stage("apgd-t", made)

    # The original leaves out the final search of FAB's paper.
    def boundary():
        made = fab.FAB(threat, steps, restarts, search_steps=0)
        return _survivors.Stage("fab", made)

    def targeted_boundary():
        made = fab.TargetedFAB(
            threat, attack.num_targets, steps, search_steps=0
        )
        return _survivors.Stage("fab-t", made)

    def windows():
        made = square.Square(
            threat,
            attack.num_queries or (1000 if cheap else 5000),
            rescale_schedule=cheap,
            early_stop=True,
        )
        return _survivors.Stage("square", made)

    ce, dlr = auto_pgd("ce"), auto_pgd("dlr")
    if randomized:
        return [ce, dlr]
    if cheap:
        return [ce, dlr, boundary(), windows()]
    targeted = [targeted_auto_pgd(), targeted_boundary()]
    if attack.version == "plus":
        return [ce, dlr, boundary(), windows(), *targeted]
    return [ce, *targeted, windows()]
