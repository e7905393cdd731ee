"""VarMixup (Mangla et al., 2020): Tables 2 to 5."""

from keras_mixup.reproduce import catalogue

# Row | numbers; Tables 2 and 3 have PGD-10 and, behind it, clean.
_TABLE_2 = """
AT | 47.34±0.32 85.58±0.14 22.72±0.37 60.28±0.13
LAT | 53.84 87.80 27.03 60.94
IAT | 40.0±0.57 89.7±0.33 20.6±0.49 62.7±0.21
TRADES | 51.65±0.32 88.11±0.43 25.5±0.35 63.3±0.32
LLR | 54.95 86.83 - -
CURE | 47.69 84.45 - -
IAT + MI | 61.57±1.30 84.2±1.26 30.85±1.04 61.4±1.15
ERM | 0.0±0.0 94.5±0.14 0.0±0.01 64.5±0.10
VarERM | 0.27±0.07 90.22±0.43 0.7±0.04 63.28±0.46
adv-VarERM | 1.01±0.02 88.47±0.39 0.56±0.05 62.74±0.26
Mixup | 7.5±0.32 95.5±0.35 0.36±0.12 76.8±0.41
VarMixup | 12.34±0.37 91.91±0.45 0.72±0.12 67.2±0.44
adv-VarMixup | 17.66±0.23 89.19±0.32 0.74±0.19 67.13±0.34
ERM + MI | 12.4±1.02 60.23±0.97 2.4±1.11 35.46±0.92
VarERM + VarMI | 30.49±1.03 56.38±1.0 12.04±0.98 33.88±1.10
adv-VarERM + adv-VarMI | 38.13±1.09 53.30±0.95 11.45±1.01 31.79±1.20
Mixup + MI | 25.76±1.12 86.84±1.05 6.71±1.03 67.8±1.06
VarMixup + VarMI | 66.84±1.08 82.15±0.92 35.8±1.24 63.5±1.34
adv-VarMixup + adv-VarMI | 68.66±1.21 82.06±1.19 40.13±1.2 63.98±1.32
"""
_TABLE_2_LOWER = """
AT | 54.58±0.53 91.88±0.34 3.78±0.21 22.33±0.16
LAT | 60.23 91.65 - -
IAT | 54.83±0.67 93.41±0.47 12.13±0.18 51.94±0.28
TRADES | - - 3.83±0.12 26.12±0.38
CURE | 32.43±0.02 79.28±0.01 - -
IAT + MI | 60.0±1.09 80.0±1.34 12.1±0.24 18.08±0.34
ERM | 0.45±0.11 95.47±0.56 0.0±0.0 49.96±0.12
VarERM | 0.67±0.23 95.60±0.55 0.1±0.03 46.35±0.36
adv-VarERM | 0.17±0.08 95.10±0.56 0.04±0.01 43.87±0.27
Mixup | 4.28±0.52 96.54±0.49 0.0±0.0 53.83±0.17
VarMixup | 2.59±0.50 96.72±0.48 0.01±0.01 46.98±0.11
adv-VarMixup | 3.38±0.53 95.64±0.50 0.0±0.0 46.58±0.23
ERM + MI | 37.00±0.98 71.85±1.21 1.54±0.05 25.56±0.83
VarERM + VarMI | 38.25±0.99 66.93±1.20 5.8±0.14 23.61±0.72
adv-VarERM + adv-VarMI | 53.81±1.05 69.78±1.29 7.27±0.19 25.73±0.77
Mixup + MI | 37.05±1.30 89.97±1.34 2.93±0.5 47.2±0.23
VarMixup + VarMI | 78.08±1.05 88.45±1.11 12.75±0.42 42.88±0.15
adv-VarMixup + adv-VarMI | 87.20±1.09 88.40±1.12 19.9±0.53 44.18±0.24
"""
_TABLE_3 = """
AT | 47.34±0.32 85.58±0.14 22.72±0.37 60.28±0.13
LAT | 53.84 87.80 27.03 60.94
IAT | 40.0±0.57 89.7±0.33 20.6±0.49 62.7±0.21
TRADES | 51.65±0.32 88.11±0.43 25.5±0.35 63.3±0.32
LLR | 54.95 86.83 - -
CURE | 47.69 84.45 - -
IAT + MI | 61.57±1.30 84.2±1.26 30.85±1.04 61.4±1.15
ERM | 0.0±0.0 94.5±0.14 0.0±0.01 64.5±0.10
VarERM | 0.12±0.01 90.34±0.23 0.54±0.05 63.4±0.33
adv-VarERM | 0.37±0.19 89.89±0.12 0.66±0.04 62.08±0.17
Mixup | 7.5±0.32 95.5±0.35 0.36±0.12 76.8±0.41
VarMixup | 10.21±0.34 91.09±0.21 0.82±0.14 67.7±0.27
adv-VarMixup | 8.33±0.11 90.71±0.31 0.44±0.09 65.48±0.43
ERM + MI | 12.4±1.02 60.23±0.97 2.4±1.11 35.46±0.92
VarERM + VarMI | 24.46±1.23 52.12±1.01 12.0±1.09 34.84±0.98
adv-VarERM + adv-VarMI | 31.96±1.1 58.94±0.96 13.02±1.13 33.04±0.92
MT + MI | 25.76±1.12 86.84±1.05 6.71±1.03 67.8±1.06
VarMixup + VarMI | 62.26±1.11 82.48±1.12 30.3±1.03 60.03±0.99
adv-VarMixup + adv-VarMI | 63.41±1.20 82.76±1.02 31.3±1.15 60.74±0.95
"""
_TABLE_4 = """
AT | 73.12±0.31 45.09±0.31 15.74±0.36
TRADES | 75.46±0.21 45.98±0.41 16.20±0.23
IAT | 81.05±0.42 50.71±0.25 18.69±0.45
ERM | 69.29±0.21 47.3±0.32 17.34±0.27
VarERM | 79.66±0.12 49.26±0.31 20.18±0.11
adv-VarERM | 79.73±0.13 50.49±0.26 21.62±0.09
MT | 74.74±0.34 52.13±0.43 21.55±0.37
VarMixup | 82.57±0.42 52.57±0.39 24.87±0.32
adv-VarMixup | 82.12±0.46 54.0±0.41 25.36±0.21
"""
_TABLE_5 = """
MT + MI | 11.29 48.28 69.28 3.61 31.83 46.42
VarMixup + VarMI | 65.11 77.59 76.34 35.14 53.32 60.32
adv-VarMixup + adv-VarMI | 67.34 75.29 72.66 40.01 54.81 61.02
AT | 46.4 49.49 79.68 21.56 34.56 53.60
IAT | 34.04 49.04 84.41 18.08 28.2 59.82
TRADES | 50.24 50.01 81.07 34.78 33.6 48.65
IAT + MI | 60.84 68.70 76.06 29.5 36.52 45.3
"""

_LINEAR = "(linear path)"
# Beside the paper's rows: another autoencoder.
_OURS = (
    f"VarMixup {_LINEAR}",
    f"VarMixup {_LINEAR} + VarMI",
    f"adv-VarMixup {_LINEAR} + adv-VarMI",
)
NOTE = (
    "The autoencoder of the paper's rows is a convolutional MMD-VAE whose "
    "reconstructions reach the PSNR of PCA with as many components on the "
    "digits. The paper does not give its settings; docs/varmixup.md says how "
    "these were found."
)
_BOTH = (
    f" The rows with {_LINEAR} are ours: their autoencoder has, beside the "
    "convolutions, a fixed linear path filled with that PCA. It mixes images "
    "almost as pixels are mixed, and the convolutions alone do not. The last "
    "two claims compare the two."
)

_TRAININGS = {
    "AT": "adversarial_training",
    "LAT": "lat",
    "IAT": "iat",
    "TRADES": "trades",
    "LLR": "llr",
    "CURE": "cure",
    "ERM": "erm",
    "VarERM": "varerm",
    "adv-VarERM": "adv_varerm",
    "Mixup": "mixup",
    "MT": "mixup",  # mixup training
    "VarMixup": "varmixup",
    "adv-VarMixup": "adv_varmixup",
    "Manifold Mixup": "manifold_mixup",
    "VarIAT": "variat",
    f"VarMixup {_LINEAR}": "linear_varmixup",
    f"adv-VarMixup {_LINEAR}": "linear_adv_varmixup",
}
_TRAINED = "varmixup/{training}_{{dataset}}.flags"
_PGD = {"attacks": "clean,varmixup_pgd", "pgd_steps": 10}
_STRONG = {"attacks": "clean,varmixup_pgd", "pgd_steps": 50}
_AIMED = {
    "attacks": "varmixup_pgd",
    "pgd_steps": 10,
    "targeted": "second_most_likely",
    "adaptive": False,
}
_SPSA = {"attacks": "clean,spsa"}
_CORRUPTED = {"attacks": "clean", "corruptions": "published"}


def row(line, transferred=False, ours=()):
    """Returns the `Row` of a line such as `VarMixup + VarMI | 66.84 82.15`.

    Args:
        line: str.
        transferred: bool, whether its autoencoder is of other images.
        ours: tuple of str, data sets on which it is measured although the
            paper has no number.
    """
    label, cells = line.split(" | ")
    training = _TRAININGS[label.partition(" + ")[0]]
    latent = "var" in training
    if latent and transferred:
        training = f"transfer_{training}"
    evaluation, settings = "varmixup/evaluate.flags", {"mix_weights": 0.5}
    if not latent:
        evaluation = "varmixup/evaluate_baselines.flags"
        if training == "iat":
            settings = {"mix_weights": 0.6}
    if "+" not in label:
        settings = {"defences": ""}
    return catalogue.Row(
        label,
        _TRAINED.format(training=training),
        evaluation,
        settings,
        catalogue.published(cells),
        ours,
    )


def _columns(datasets, *labelled):
    return tuple(
        catalogue.Column(label, dataset, settings, *measured)
        for dataset in datasets
        for label, settings, *measured in labelled
    )


_VAR = "VarMixup + VarMI"
_ADV = "adv-VarMixup + adv-VarMI"
_THROUGH = "through the defence"
_ATS = ("AT", "TRADES")


_MI_ON_ERM = catalogue.Claim(
    "Mixup Inference makes ERM models, too, more robust against PGD that "
    "ignores the defence",
    "section 4, Table 2",
    catalogue.above("ERM + MI", "ERM", "PGD-10"),
)


def _robust_claims(name):
    mi = "MT + MI" if name == "table3" else "Mixup + MI"
    place = "section 4, Table 3" if name == "table3" else "section 4, Table 2"
    found = [
        catalogue.Claim(
            "VarMixup + VarMI is more robust than IAT + MI against PGD that "
            "ignores the defence",
            place,
            catalogue.above(_VAR, "IAT + MI", "PGD-10"),
        ),
        catalogue.Claim(
            "VarMixup + VarMI is more robust than Mixup + MI against PGD that "
            "ignores the defence",
            place,
            catalogue.above(_VAR, mi, "PGD-10"),
        ),
        catalogue.Claim(
            "The adversarially trained autoencoder makes VarMixup + VarMI "
            "more robust against PGD that ignores the defence",
            place,
            catalogue.above(_ADV, _VAR, "PGD-10"),
        ),
        catalogue.Claim(
            "Under an attack through the defence, VarMixup + VarMI is better "
            "than Mixup + MI",
            "section 4, Figure 3",
            catalogue.above(_VAR, mi, _THROUGH),
            ours=True,
        ),
        catalogue.Claim(
            "VarMixup + VarMI is more robust than IAT + MI also under an "
            "attack through the defence",
            "not in the paper",
            catalogue.above(_VAR, "IAT + MI", _THROUGH),
            ours=True,
        ),
    ]
    if name != "table2_others":
        found.append(
            catalogue.Claim(
                "VarMixup + VarMI is more robust than adversarial training "
                "against PGD that ignores the defence",
                place,
                catalogue.above(_VAR, _ATS, "PGD-10"),
            )
        )
    if name.startswith("table2"):
        found.append(_MI_ON_ERM)
    if name == "table2_cifar":
        found += [_choice(_VAR, _OURS[1]), _choice(_ADV, _OURS[2])]
    return tuple(found)


def _choice(row, other):
    """What the autoencoder changes: the `Claim` on a row."""
    return catalogue.Claim(
        f"Convolutions alone make {row} more robust than those beside a "
        "linear path, also under an attack through the defence",
        "not in the paper",
        catalogue.above(row, other, "PGD-10", _THROUGH),
        ours=True,
    )


_STRONGER_CLAIMS = (
    catalogue.Claim(
        "VarMixup + VarMI is more robust than IAT + MI under a longer PGD "
        "and a targeted one",
        "section 5, Table 5",
        catalogue.above(_VAR, "IAT + MI", "PGD-50", "t-PGD-10"),
    ),
    catalogue.Claim(
        "VarMixup + VarMI is more robust than IAT + MI under SPSA, which "
        "needs no gradients",
        "section 5, Table 5",
        catalogue.above(_VAR, "IAT + MI", "SPSA"),
    ),
)


def _entry(name, columns, table, transferred=False, beside=None, ours=()):
    number = name[5]
    rows = [row(line, transferred) for line in table.strip().splitlines()]
    without = " -" * len(columns)
    rows += [row(f"{label} |{without}", ours=("cifar10",)) for label in ours]
    datasets = dict.fromkeys(column.dataset for column in columns)
    return catalogue.Entry(
        f"varmixup/{name}",
        f"VarMixup, Table {number}: accuracy (%), attacks that ignore the "
        "defence, eps 8/255",
        columns,
        tuple(rows),
        _columns(datasets, *(_BESIDE if beside is None else beside)),
        transferred,
        _claims(name),
        NOTE + _BOTH * bool(ours) + _KINDS * (name == "table4"),
    )


_CORRUPTED_COLUMN = "corrupted"
_OTHERS = ("AT", "TRADES", "IAT", "ERM", "MT")
_CORRUPTION_CLAIMS = (
    catalogue.Claim(
        "VarMixup and adv-VarMixup are more accurate on common corruptions "
        "than mixup, ERM and adversarial training",
        "section 4, Table 4",
        tuple(
            one
            for row in ("VarMixup", "adv-VarMixup")
            for one in catalogue.above(row, _OTHERS, _CORRUPTED_COLUMN)
        ),
    ),
    catalogue.Claim(
        "VarERM and adv-VarERM are more accurate on them than ERM",
        "section 4, Table 4",
        tuple(
            catalogue.Comparison(row, "ERM", _CORRUPTED_COLUMN)
            for row in ("VarERM", "adv-VarERM")
        ),
    ),
)
_KINDS = (
    " A claim on corrupted images is tested over the 15 kinds of corruption, "
    "on the mean of the five severities of each."
)


def _claims(name):
    if name == "table4":
        return _CORRUPTION_CLAIMS
    return _STRONGER_CLAIMS if name == "table5" else _robust_claims(name)


_CIFAR = ("cifar10", "cifar100")
_OWN_PGD = "varmixup_pgd"
_USUAL = (("PGD-10", _PGD, _OWN_PGD, 10), ("clean", _PGD))
_BESIDE: tuple = (
    ("PGD-10, steps of eps/4", {}, "pgd", 10),
    (_THROUGH, {}, "eot"),
)


def usual_columns(datasets):
    """Returns the columns of Table 2 for data sets, a tuple of `Column`."""
    return _columns(datasets, *_USUAL)


def usual_columns_beside(datasets):
    """Returns what stands beside them and is not in the paper."""
    return _columns(datasets, *_BESIDE)


ENTRIES = (
    _entry("table2_cifar", _columns(_CIFAR, *_USUAL), _TABLE_2, ours=_OURS),
    _entry(
        "table2_others",
        _columns(("svhn", "tiny_imagenet"), *_USUAL),
        _TABLE_2_LOWER,
    ),
    _entry("table3", _columns(_CIFAR, *_USUAL), _TABLE_3, transferred=True),
    _entry(
        "table4",
        _columns(
            (*_CIFAR, "tiny_imagenet"),
            (_CORRUPTED_COLUMN, _CORRUPTED, "corruptions"),
        ),
        _TABLE_4,
        beside=(),
    ),
    _entry(
        "table5",
        _columns(
            _CIFAR,
            ("PGD-50", _STRONG, _OWN_PGD, 50),
            ("t-PGD-10", _AIMED, _OWN_PGD, 10),
            ("SPSA", _SPSA, "spsa"),
        ),
        _TABLE_5,
    ),
)
