"""Which attacks AutoAttack's versions consist of."""

from keras_mixup.attacks import _randomized
from keras_mixup.attacks import _survivors
from keras_mixup.attacks import adaptive
from keras_mixup.attacks import apgd
from keras_mixup.attacks import fab
from keras_mixup.attacks import malt
from keras_mixup.attacks import square

VERSIONS = ("standard", "cheap", "plus", "fast", "rand", "rand-apgd")


def stages(attack):
    """Returns the list of `Stage` of an `AutoAttack`, by its version.

    Args:
        attack: an object with `threat`, `version`, `num_steps`,
            `num_targets` and `num_queries`, which may be None.
    """
    made = {
        "standard": _standard,
        "cheap": _cheap,
        "plus": _plus,
        "fast": _fast,
        "rand": _rand,
        "rand-apgd": _rand_apgd,
    }
    return made[attack.version](attack)


def _standard(attack):
    return [
        _auto_pgd(attack, "ce"),
        _targeted_auto_pgd(attack),
        _targeted_boundary(attack),
        _windows(attack, 5000),
    ]


def _cheap(attack):
    return [
        _auto_pgd(attack, "ce"),
        _auto_pgd(attack, "dlr"),
        _boundary(attack, 1),
        _windows(attack, 1000, rescale_schedule=True),
    ]


def _plus(attack):
    return [
        _auto_pgd(attack, "ce", 5),
        _auto_pgd(attack, "dlr", 5),
        _boundary(attack, 5),
        _windows(attack, 5000),
        _targeted_auto_pgd(attack),
        _targeted_boundary(attack),
    ]


def _fast(attack):
    threat, steps = attack.threat, attack.num_steps
    few = min(attack.num_targets, 3)

    def towards(num_targets, num_steps):
        return malt.MALT(threat, num_targets, 100, num_steps, early_stop=True)

    first = apgd.APGD(threat, "ce", -(-steps // 2), early_stop=True)
    return [
        _survivors.Stage("apgd-ce", first),
        _survivors.Stage("malt", towards(few, -(-steps // 2))),
        _survivors.Stage(
            "malt-near", towards(attack.num_targets, steps), share=0.1
        ),
        _targeted_boundary(attack)._replace(share=0.05),
        _windows(attack, 1000, rescale_schedule=True)._replace(share=0.1),
    ]


def _rand(attack):
    # The first of several, which stands for all of them.
    first = _randomized.transfer_attacks(attack.threat)[0]
    return [_survivors.Stage("transfer", first)] + [
        _survivors.Stage(
            _randomized.stage_name(draws),
            adaptive.MixupInferenceAttack(
                attack.threat,
                "eot",
                # Each of both losses takes half of the steps.
                -(-attack.num_steps // 2),
                draws,
                selection_draws=_randomized.HELD_OUT,
            ),
        )
        for draws in _randomized.LEVELS
    ]


def _rand_apgd(attack):
    # One lucky draw is no success, so the highest mean loss counts.
    return [
        _survivors.Stage(
            f"apgd-{loss}",
            apgd.APGD(attack.threat, loss, attack.num_steps, best="loss"),
        )
        for loss in ("ce", "dlr")
    ]


def _auto_pgd(attack, loss, restarts=1):
    made = apgd.APGD(attack.threat, loss, attack.num_steps, early_stop=True)
    return _survivors.Stage(f"apgd-{loss}", made, restarts)


def _targeted_auto_pgd(attack):
    made = apgd.TargetedAPGD(
        attack.threat, attack.num_targets, attack.num_steps, early_stop=True
    )
    return _survivors.Stage("apgd-t", made)


# The original leaves out the final search of FAB's paper.
def _boundary(attack, restarts):
    made = fab.FAB(attack.threat, attack.num_steps, restarts, search_steps=0)
    return _survivors.Stage("fab", made)


def _targeted_boundary(attack):
    made = fab.TargetedFAB(
        attack.threat, attack.num_targets, attack.num_steps, search_steps=0
    )
    return _survivors.Stage("fab-t", made)


def _windows(attack, num_queries, rescale_schedule=False):
    made = square.Square(
        attack.threat,
        attack.num_queries or num_queries,
        rescale_schedule=rescale_schedule,
        early_stop=True,
    )
    return _survivors.Stage("square", made)
