"""VarMixup (Mangla et al., 2020): its figures, and paragraphs with numbers."""

import itertools

from keras_mixup.reproduce import catalogue
from keras_mixup.reproduce import figures
from keras_mixup.reproduce import linear_path
from keras_mixup.reproduce import varmixup

_LATENT = ("VarMixup", "adv-VarMixup")
_NETWORKS = ("Mixup", *_LATENT)
_FILES = {
    "Mixup": "mixup",
    "VarMixup": "varmixup",
    "adv-VarMixup": "adv_varmixup",
    "AT": "adversarial_training",
    "TRADES": "trades",
}
_CIFAR = ("cifar10", "cifar100")
_NO_NUMBERS = "The paper draws it and prints no numbers."
_MOST_CASES = (
    "It says that VarMixup is better in most cases. The claim is tested on the "
    "mean of each image over the points of the grid."
)
# Row | numbers: PGD-10 and clean, by data set.
_MANIFOLD = """
Manifold Mixup | 2.24 - 1.87 - 11.55 - 0.07 -
Manifold Mixup + MI | 9.48 - 5.94 - 26.5 - 2.99 -
VarMixup | 12.34 91.91 0.72 67.2 2.59 96.72 0.01 46.98
VarMixup + VarMI | 66.84 82.15 35.8 63.5 78.08 88.45 12.75 42.88
"""
_VARIAT = """
VarIAT | 49.37 - 21.07 -
VarIAT + VarMI | 71.7 - 81.18 -
IAT | 40.0 89.7 54.83 93.41
IAT + MI | 61.57 84.2 60.0 80.0
"""
_FIG1_ROWS = (
    *("AT", "LAT", "IAT", "TRADES", "IAT + MI", "Mixup", "VarMixup"),
    *("Mixup + MI", "VarMixup + VarMI"),
)
_ALL = "mean over all "
_ETAS = (0.25, 1.0, 4.0)


def _panels(study, flagfile, networks=_NETWORKS, bare=False, **settings):
    """The paper's networks, and behind them those with a linear path."""
    found, ours = [], []
    for label in networks:
        latent = label in _LATENT
        defence = "var_mixup_inference" if latent else "mixup_inference_ol"
        own = {"figures": study, "defences": "" if bare else defence}
        panel = figures.Panel(
            label,
            f"varmixup/{_FILES[label]}_{{dataset}}.flags",
            f"varmixup/{flagfile}.flags",
            {**own, **settings},
        )
        found.append(panel)
        ours += [linear_path.panel(panel)] * latent
    return (*found, *ours)


def _pictures(study):
    """Of the networks of VarMixup, with both of their autoencoders."""
    panel, _ = _panels(
        study, "evaluate_figures", ("VarMixup",), corruptions="none"
    )
    second = "varmixup/vae_adversarial_{dataset}.flags"
    panel = panel._replace(beside=second)
    return panel, linear_path.panel(panel)


def _etas():
    """A network for each eta of Beta(eta, eta), attacked without a defence."""
    attacks = {"attacks": "clean,varmixup_pgd", "pgd_steps": "10"}
    found, ours = [], []
    for label, eta in itertools.product(_NETWORKS, _ETAS):
        panel = figures.Panel(
            f"{label}, η {eta:g}",
            f"varmixup/{_FILES[label]}_{{dataset}}.flags",
            "varmixup/evaluate.flags",
            {**attacks, "defences": ""},
            {"alpha": eta},
        )
        found.append(panel)
        ours += [linear_path.panel(panel)] * (label in _LATENT)
    return (*found, *ours)


def _trained(networks):
    """Networks of which no evaluation is shown."""
    found = [
        figures.Panel(label, f"varmixup/{_FILES[label]}_{{dataset}}.flags")
        for label in networks
    ]
    ours = [linear_path.panel(own) for own in found if own.label in _LATENT]
    return (*found, *ours)


def _entry(name, label, view, panels, said=_NO_NUMBERS, **options):
    return figures.Figure(
        f"varmixup/{name}",
        f"VarMixup, {label}",
        view,
        panels,
        f"{said} {linear_path.note(varmixup.NOTE, 'claims' in options)}",
        **options,
    )


def _better(text, place, *columns, rows=_LATENT, lower=False, end=""):
    """VarMixup and adv-VarMixup above mixup, or below it."""
    pairs = [(f"{row}{end}", f"Mixup{end}") for row in rows]
    if lower:
        pairs = [pair[::-1] for pair in pairs]
    return catalogue.Claim(
        text,
        place,
        tuple(
            catalogue.Comparison(*pair, column)
            for column in columns
            for pair in pairs
        ),
    )


def _paragraph(name, source, table, datasets, ours, claims):
    columns = varmixup.usual_columns(datasets)
    rows = list(map(varmixup.row, table.strip().splitlines()))
    rows += [varmixup.beside(row) for row in rows if row.label in ours]
    beside = varmixup.usual_columns_beside(datasets)
    return catalogue.Entry(
        f"varmixup/{name}",
        f"VarMixup, {source}: accuracy (%), attacks that ignore the defence, "
        "eps 8/255",
        columns,
        tuple(rows),
        beside,
        claims=claims,
        note=linear_path.note(varmixup.NOTE, True),
    )


_VAR = "VarMixup + VarMI"
_MANIFOLD_ROWS = ("Manifold Mixup", "Manifold Mixup + MI")
_VARIAT_ROWS = ("VarIAT", "VarIAT + VarMI")


def _farther(network):
    """VarMixup's images farther than mixup's, by features of a network."""
    column = f"{network}, kernel distance"
    return tuple(catalogue.Comparison(row, "mixup", column) for row in _LATENT)


_SAMPLES = ("10 steps, 30 samples",)
_RADIUS = "radius eps"
_TABLE_2 = varmixup.ENTRIES[0]
ENTRIES = (
    _TABLE_2._replace(
        name="varmixup/fig1",
        source="VarMixup, Figure 1: an overview of Table 2, accuracy (%), "
        "attacks that ignore the defence, eps 8/255",
        rows=tuple(
            row
            for row in _TABLE_2.rows
            if row.label in (*_FIG1_ROWS, *map(linear_path.label, _FIG1_ROWS))
        ),
        claims=(),
        note=linear_path.note(varmixup.NOTE, False),
    ),
    _entry(
        "fig3",
        "Figure 3: accuracy over the samples of the adaptive attack",
        "var_samples",
        _panels("varmixup_fig3", "evaluate_figures", corruptions="none"),
        claims=(
            _better(
                "Under adaptive PGD, VarMixup and adv-VarMixup with VarMI are "
                "better than mixup with MI",
                "section 4, Figure 3",
                *_SAMPLES,
                end=", defended",
            ),
            linear_path.choice(
                _LATENT,
                ("with VarMI more robust", " under adaptive PGD"),
                *_SAMPLES,
                end=", defended",
            ),
        ),
        datasets=_CIFAR,
    ),
    _entry(
        "fig4",
        "Figure 4: the local linear error of the loss over the radius",
        "linearity",
        _panels("varmixup_fig4", "evaluate_figures", corruptions="none"),
        "The paper draws it, and says that VarMixup makes the error half of "
        "that of mixup. The claim is tested for the sign of the difference.",
        claims=(
            _better(
                "The loss of VarMixup and of adv-VarMixup is more linear than "
                "that of mixup",
                "section 5, Figure 4",
                _RADIUS,
                lower=True,
            ),
            catalogue.Claim(
                "VarMI makes it more linear still",
                "section 5, Figure 4",
                tuple(
                    catalogue.Comparison(row, f"{row}, defended", _RADIUS)
                    for row in _LATENT
                ),
            ),
            linear_path.choice(
                _LATENT, ("more linear", ""), _RADIUS, lower=True
            ),
        ),
        datasets=_CIFAR,
    ),
    _entry(
        "fig5",
        "Figure 5: Fréchet and kernel distance of mixed images to training "
        "images",
        "distances",
        _pictures("varmixup_fig5"),
        f"{_NO_NUMBERS} Its features are those of InceptionV3; here they are "
        "the classifier's own, so that the numbers cannot be compared.",
        claims=(
            catalogue.Claim(
                "VarMixup and adv-VarMixup train on images that are farther "
                "from the training data than those of mixup",
                "section 5, Figure 5: more off-manifold images",
                _farther("VarMixup"),
            ),
            catalogue.Claim(
                "Beside a linear path, too, VarMixup and adv-VarMixup train on "
                "images that are farther from the training data than those of "
                "mixup",
                "not in the paper",
                _farther(linear_path.label("VarMixup")),
                ours=True,
            ),
        ),
        datasets=_CIFAR,
    ),
    _entry(
        "fig6a",
        "Figure 6a: accuracy over η of Beta(η, η)",
        "etas",
        _etas(),
        f"{_NO_NUMBERS} Its text does not name the grid; here it is "
        f"{', '.join(f'{eta:g}' for eta in _ETAS)}. {_MOST_CASES}",
        claims=(
            _better(
                "On the mean over all η, VarMixup and adv-VarMixup are more "
                "robust than mixup",
                "section 5, Figure 6",
                f"{_ALL}η",
            ),
            linear_path.choice(
                _LATENT,
                ("more robust", ", on the mean over all η"),
                f"{_ALL}η",
            ),
        ),
    ),
    _entry(
        "fig6b",
        "Figure 6b: accuracy over λ of MI and VarMI",
        "weights",
        _panels("varmixup_fig6b", "evaluate_sweep"),
        f"{_NO_NUMBERS} {_MOST_CASES}",
        claims=(
            _better(
                "On the mean over all λ, VarMixup and adv-VarMixup with VarMI "
                "are more robust than mixup with MI",
                "section 5, Figure 6",
                f"{_ALL}λ",
            ),
            linear_path.choice(
                _LATENT,
                ("with VarMI more robust", ", on the mean over all λ"),
                f"{_ALL}λ",
            ),
        ),
    ),
    _entry(
        "fig7",
        "Figure 7: images mixed as pixels and as codes, λ 0.5",
        "mixed",
        _pictures("varmixup_fig7"),
        "The paper shows images and prints no numbers.",
    ),
    _entry(
        "calibration",
        "calibration error (section 5)",
        "calibration",
        _panels(
            "calibration",
            "evaluate_figures",
            bare=True,
            corruptions="none",
            figure_examples=1000,
        ),
        "The paper prints 0.13 for mixup, 0.105 for VarMixup and 0.07 for "
        "adv-VarMixup on CIFAR-10; 0.135, 0.127 and 0.122 on CIFAR-100. It "
        "does not say in how many bins; here they are 15.",
        published={
            "Mixup": 0.13,
            "VarMixup": 0.105,
            "adv-VarMixup": 0.07,
            "Mixup, cifar100": 0.135,
            "VarMixup, cifar100": 0.127,
            "adv-VarMixup, cifar100": 0.122,
        },
        claims=(
            _better(
                "VarMixup and adv-VarMixup are better calibrated than mixup",
                "section 5, calibration error",
                "clean images",
                lower=True,
            ),
            linear_path.choice(
                _LATENT, ("better calibrated", ""), "clean images", lower=True
            ),
        ),
        datasets=_CIFAR,
    ),
    _entry(
        "overhead",
        "computational overhead (section 5)",
        "costs",
        _trained(("AT", "TRADES", *_LATENT)),
        "The paper prints 8.8 hours for AT, 15 for TRADES, 3 for VarMixup and "
        "5 for adv-VarMixup, with those of the autoencoder.",
        published={
            "AT": 8.8,
            "TRADES": 15.0,
            "VarMixup": 3.0,
            "adv-VarMixup": 5.0,
        },
    ),
    _paragraph(
        "manifold_mixup",
        "comparison with Manifold Mixup (section 4)",
        _MANIFOLD,
        ("cifar10", "cifar100", "svhn", "tiny_imagenet"),
        ("VarMixup", _VAR),
        (
            catalogue.Claim(
                "VarMixup + VarMI is more robust than Manifold Mixup with or "
                "without MI",
                "section 4, comparison with Manifold Mixup",
                catalogue.above(_VAR, _MANIFOLD_ROWS, "PGD-10"),
            ),
            catalogue.Claim(
                "Beside a linear path, too, VarMixup + VarMI is more robust "
                "than Manifold Mixup with or without MI",
                "not in the paper",
                catalogue.above(
                    linear_path.label(_VAR), _MANIFOLD_ROWS, "PGD-10"
                ),
                ours=True,
            ),
        ),
    ),
    _paragraph(
        "variat",
        "VarIAT (section 5)",
        _VARIAT,
        ("cifar10", "svhn"),
        _VARIAT_ROWS,
        (
            catalogue.Claim(
                "VarIAT is more robust than IAT, and with VarMI more than IAT "
                "with MI",
                "section 5, VarIAT: in most scenarios",
                (
                    catalogue.Comparison("VarIAT", "IAT", "PGD-10"),
                    catalogue.Comparison(
                        "VarIAT + VarMI", "IAT + MI", "PGD-10"
                    ),
                ),
            ),
            linear_path.choice(_VARIAT_ROWS, ("more robust", ""), "PGD-10"),
        ),
    ),
)
