"""VarMixup (Mangla et al., 2020): Tables 2 to 5."""

from keras_mixup.reproduce import catalogue
from keras_mixup.reproduce import linear_path
from keras_mixup.reproduce import varmixup_numbers

NOTE = (
    "The autoencoder of the paper's rows is a convolutional MMD-VAE whose "
    "reconstructions reach the PSNR of PCA with as many components on the "
    "digits. The paper does not give its settings; docs/varmixup.md says how "
    "these were found."
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


def row(line, transferred=False):
    """Returns the `Row` of a line such as `VarMixup + VarMI | 66.84 82.15`.

    Args:
        line: str.
        transferred: bool, whether its autoencoder is of other images.
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
    )


def beside(own):
    """Returns the `Row` that another one becomes by the other autoencoder.

    Args:
        own: `Row`.
    """
    return own._replace(
        label=linear_path.label(own.label),
        training=linear_path.training(own.training),
        published=(None,) * len(own.published),
        ours=linear_path.DATASETS,
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
_BOTH = (_VAR, _ADV)
_PAIR = ("PGD-10", _THROUGH)
_ALSO = ("more robust", ", also under an attack through the defence")

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
    if name != "table2_others":
        found += [linear_path.choice((row,), _ALSO, *_PAIR) for row in _BOTH]
    return tuple(found)


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
    linear_path.choice(
        _BOTH,
        ("more robust", " under a longer PGD, a targeted one and SPSA"),
        *("PGD-50", "t-PGD-10", "SPSA"),
    ),
)


def _note(name, ours):
    text = linear_path.note(NOTE, True) if ours else NOTE
    return text + _KINDS * (name == "table4")


def _entry(name, columns, table, transferred=False, extra=None, ours=()):
    number = name[5]
    rows = [row(line, transferred) for line in table.strip().splitlines()]
    rows += [beside(own) for own in rows if own.label in ours]
    datasets = dict.fromkeys(column.dataset for column in columns)
    return catalogue.Entry(
        f"varmixup/{name}",
        f"VarMixup, Table {number}: accuracy (%), attacks that ignore the "
        "defence, eps 8/255",
        columns,
        tuple(rows),
        _columns(datasets, *(_BESIDE if extra is None else extra)),
        transferred,
        _claims(name),
        _note(name, bool(ours)),
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
    linear_path.choice(
        ("VarMixup", "adv-VarMixup"),
        ("more accurate on common corruptions", ""),
        _CORRUPTED_COLUMN,
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
    _entry(
        "table2_cifar",
        _columns(_CIFAR, *_USUAL),
        varmixup_numbers.TABLE_2,
        ours=("VarMixup", *_BOTH),
    ),
    _entry(
        "table2_others",
        _columns(("svhn", "tiny_imagenet"), *_USUAL),
        varmixup_numbers.TABLE_2_LOWER,
    ),
    _entry(
        "table3",
        _columns(_CIFAR, *_USUAL),
        varmixup_numbers.TABLE_3,
        transferred=True,
        ours=("VarMixup", *_BOTH),
    ),
    _entry(
        "table4",
        _columns(
            (*_CIFAR, "tiny_imagenet"),
            (_CORRUPTED_COLUMN, _CORRUPTED, "corruptions"),
        ),
        varmixup_numbers.TABLE_4,
        extra=(),
        ours=("VarMixup", "adv-VarMixup"),
    ),
    _entry(
        "table5",
        _columns(
            _CIFAR,
            ("PGD-50", _STRONG, _OWN_PGD, 50),
            ("t-PGD-10", _AIMED, _OWN_PGD, 10),
            ("SPSA", _SPSA, "spsa"),
        ),
        varmixup_numbers.TABLE_5,
        ours=_BOTH,
    ),
)
