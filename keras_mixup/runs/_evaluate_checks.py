"""What an evaluation refuses before any work."""

from keras_mixup import _checks
from keras_mixup import _corruption_kinds
from keras_mixup import registry
from keras_mixup.runs import _evaluated
from keras_mixup.runs import _own_attacks


def check_names(settings):
    """Raises `ValueError` for unknown names, and for unusable lists.

    Args:
        settings: `EvaluateSettings`.
    """
    with _checks.called({"attack": "attacks", "defence": "defences"}):
        for name in settings.attacks:
            registry.check_name("attack", name, _evaluated.ATTACKS)
        for name in settings.defences:
            registry.check_name("defence", name)
    for name in settings.figures:
        _checks.check_known(name, "figures", _evaluated.STUDIES)
    kinds = (*_corruption_kinds.STANDARD, *_corruption_kinds.EXTRA)
    for kind in settings.corruption_kinds:
        _checks.check_choice(kind, "corruption_kinds", kinds)
    _check_lists(settings)


def check_together(settings):
    """Raises `ValueError` for settings that do not go together.

    Args:
        settings: `EvaluateSettings`.
    """
    _check_attacks(settings)
    _check_others(settings)
    _check_worst_case(settings)


def _check_lists(settings):
    needed = ("attacks", "mix_weights", "pgd_steps", "eval_seeds")
    derived = {"eval_seeds": settings.seeds, "eps": settings.radii}
    for name in (*needed, "eps", "defences", "figures", "corruption_kinds"):
        values = derived.get(name) or getattr(settings, name)
        if values is None:  # The papers' default is chosen later.
            continue
        once = len(set(values)) == len(values)
        _checks.check(once, name, "free of repetitions", values)
        if name == "eval_seeds":
            expected = "different whole numbers >= 0"
            okay = min(values, default=0) >= 0
            _checks.check(okay, "eval_seeds", expected, values)
        given = values or name not in needed
        _checks.check(given, name, "a list of at least one", values)


def _check_attacks(settings):
    through = _own_attacks.through(settings.attacks, _evaluated.THROUGH)
    early = [n for n in settings.attacks if n in _evaluated.UNTRANSFERABLE]
    targeted = settings.targeted != "none"
    _refuse(
        (
            through and not settings.adaptive,
            f"attacks lists {', '.join(through)}, which adaptive=False "
            "switches off.",
        ),
        (
            "autoattack" in through and targeted,
            "autoattack has no targeted form. Leave out `targeted`, or "
            "take targeted_apgd.",
        ),
        (
            settings.defences and early,
            f"{', '.join(early)}: such an attack stops as soon as the "
            "classifier errs, or at its boundary, which is not that of a "
            "defence. Run it with empty `defences`, into the same folder.",
        ),
        (
            settings.label_source == "predicted" and targeted,
            "label_source=predicted attacks the predicted class, "
            "`targeted` aims at another class. Choose one of them.",
        ),
    )


def _check_others(settings):
    targeted = settings.targeted != "none"
    _refuse(
        (
            settings.figures and targeted,
            "`figures` show untargeted attacks, as in the papers. Leave "
            "out `targeted`.",
        ),
        (
            settings.figures and len(settings.radii) > 1,
            "`figures` show one radius. Give one `eps` with `figures`, and "
            "several in a call of its own, into the same folder. Received: "
            f"eps={', '.join(map(str, settings.radii))}",
        ),
        (
            settings.split == "train" and settings.needs_pool,
            "split=train: the defences draw their pool from the train "
            "split, so an image could be mixed with itself. Choose "
            "another split, or defences without a pool.",
        ),
        (
            "varmixup_fig3" in settings.figures and not settings.defences,
            "figures=varmixup_fig3 needs `defences`.",
        ),
        (
            settings.certify
            and "randomized_smoothing" not in settings.defences,
            "`certify` needs defences=randomized_smoothing. Others "
            "have no certificate.",
        ),
        (
            "varmixup_fig6a" in settings.figures and not settings.eta_runs,
            "figures=varmixup_fig6a needs `eta_runs`, evaluated folders.",
        ),
        (
            settings.corruptions == "published" and settings.split != "test",
            "corruptions=published is a test set. Received: "
            f"split={settings.split}",
        ),
    )


def _check_worst_case(settings):
    if not settings.worst_case:
        return
    okay = len(settings.seeds) >= 10
    expected = "ten or more seeds with worst_case"
    _checks.check(okay, "eval_seeds", expected, settings.seeds)
    _checks.check_seeds(settings.selection_seeds, "selection_seeds")


def _refuse(*cases):
    """Raises `ValueError` for the first case, (wrong, text), that is wrong."""
    for wrong, text in cases:
        if wrong:
            raise ValueError(text)
