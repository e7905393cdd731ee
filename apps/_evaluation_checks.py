"""Settings of apps.evaluate that would have no effect are refused.

A flag file is a profile: what it sets for a defence or an attack is ignored
without a word when the command line itself chooses others. Everything else
that has no effect is a mistake.
"""

from apps import _common
from apps import _evaluation
from apps import _evaluation_attacks
from apps import _latent_figures
from apps import _vae_training

_PGD = ("pgd", "cleverhans_pgd")
_STEPPED = (*_PGD, "varmixup_pgd")
_SPSA = ("cleverhans_spsa", "spsa", "averaged_spsa")
_AVERAGED = tuple(_evaluation_attacks.AVERAGED)


def check(app_flags, flags, names):
    """Refuses settings of defences and attacks that were not chosen.

    Args:
        app_flags: `_common.Flags`, parsed.
        flags: the parsed flag values.
        names: list of str, the attacks, from `_evaluation_attacks.check_names`.

    Raises:
        UsageError: for the first such setting.
    """
    recipes = _chosen(names, _evaluation_attacks.RECIPES)
    averaged = _chosen(names, _AVERAGED)
    auto_attack = _chosen(names, ("autoattack",))
    searches = _chosen(names, _evaluation_attacks.SEARCHES)
    attacked = [name for name in names if name != "clean"]
    if flags.label_source == "predicted" and flags.targeted != "none":
        raise _common.UsageError(
            "--label_source=predicted leads away from the prediction, "
            f"--targeted={flags.targeted} towards a class: choose one."
        )
    through = ("attacks", "adaptive", "defences")
    for owners, choosers, settings in (
        (_chosen(flags.attacks, _PGD), ("attacks",), _PGD_FLAGS),
        (_chosen(flags.attacks, _STEPPED), ("attacks",), ("pgd_steps",)),
        (_chosen(names, _SPSA), ("attacks",), ("spsa_examples",)),
        *(
            (_chosen(names, owners), ("attacks",), (flag,))
            for flag, owners in _settings_without_step_size().items()
        ),
        (recipes or flags.figures, through, ("adaptive_steps",)),
        (recipes or averaged or flags.figures, through, ("adaptive_draws",)),
        (
            recipes or averaged or auto_attack or flags.figures,
            through,
            ("adaptive_examples",),
        ),
        (auto_attack, ("attacks",), ("autoattack_version",)),
        (searches, through, ("adaptive_inner",)),
        (attacked, ("attacks",), ("targeted",)),
        (flags.worst_case, ("worst_case",), ("selection_seeds",)),
        (flags.figures, ("figures",), ("figure_examples",)),
        (_chosen(flags.figures, ("fig5",)), ("figures",), ("figure_eps",)),
    ):
        _refuse(app_flags, flags, owners, choosers, settings)
    for setting, owners in _defence_settings().items():
        # The figures make defences of their own, with these settings.
        chosen = _chosen(flags.defences, owners) or (
            flags.figures and setting in _FIGURE_FLAGS
        )
        if setting == "vae":
            chosen = chosen or _chosen(flags.figures, _latent_figures.TAKE_VAE)
        _refuse(app_flags, flags, chosen, ("defences",), (setting,))
    for name in _chosen(flags.defences, _evaluation.TAKE_VAE):
        if flags.vae is None:
            raise _common.UsageError(
                f"--defences={name} needs --vae=PATH, an autoencoder trained "
                "by python -m apps.train --task=vae."
            )
        _vae_training.vae_file(flags.vae)


_FIGURE_FLAGS = (
    "mix_weights",
    "num_draws",
    "pool_size",
    "pl_weight",
    "ol_weight",
    "threshold",
)
_PGD_FLAGS = ("step_size", "label_source")


def _settings_without_step_size():
    """Returns {flag: the attacks that take it}."""
    settings = {}
    own = dict(_evaluation_attacks.SETTINGS)
    for averaged, attack in _evaluation_attacks.AVERAGED.items():
        own[averaged] = own[attack]
    for attack, options in own.items():
        for flag in options.values():
            settings[flag] = (*settings.get(flag, ()), attack)
    return settings


def _defence_settings():
    """Returns {flag: the defences that take it}."""
    settings = {
        "mix_weights": _evaluation.taking("mix_weight"),
        "num_draws": _evaluation.taking("num_draws"),
        "pool_size": _evaluation.taking("pool"),
        **dict.fromkeys(
            ("vae", *_evaluation.VAE_OPTIONS), _evaluation.TAKE_VAE
        ),
    }
    for defence, options in _evaluation.OPTIONS.items():
        for option in options:
            settings[option] = (*settings.get(option, ()), defence)
    return settings


def _chosen(names, owners):
    return [name for name in names if name in owners]


def _refuse(app_flags, flags, owners, choosers, settings):
    """Refuses the given settings if none of their owners is chosen."""
    if owners:
        return
    overridden = any(chooser in app_flags.typed for chooser in choosers)
    for name in settings:
        profile = overridden and name not in app_flags.typed
        if flags[name].present and not profile:
            shown = " ".join(_shown(flags, chooser) for chooser in choosers)
            raise _common.UsageError(
                f"--{name} has no effect with {shown}. Leave it out, or choose "
                "what it belongs to."
            )


def _shown(flags, name):
    value = flags[name].value
    if isinstance(value, bool):
        return f"--{'' if value else 'no'}{name}"
    return f"--{name}={','.join(value)}"
