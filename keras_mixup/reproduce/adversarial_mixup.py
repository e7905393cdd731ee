"""Adversarially optimized mixup (Bunk et al., 2021): Tables 1 to 3."""

from keras_mixup.reproduce import catalogue

# Row | training | numbers.
_TABLE_1 = """
Attack | attack | 83.3 50.2 49.8 47.3
Mix-then-Attack | mix_then_attack | 78.5 52.1 51.9 47.1
Attack-then-Mix | attack_then_mix | 82.5 49.9 49.7 46.6
Ours, Fr. λ, Sh. δ | frozen_shared | 82.3 51.5 51.1 47.6
Ours, Frozen λ | frozen | 80.5 52.4 52.2 48.2
Ours, Shared δ | shared | 81.6 52.9 52.7 48.3
Ours | ours | 79.8 54.1 54.0 48.7
"""
_TABLE_2 = """
Attack | attack | 56.7 25.1 24.9
Mix-then-Attack | mix_then_attack | 50.3 28.6 28.5
Attack-then-Mix | attack_then_mix | 55.7 27.3 27.2
Ours, Frozen λ, Shared δ | frozen_shared | 55.1 28.0 27.9
Ours, Frozen λ | frozen | 53.8 29.3 29.2
Ours, Shared δ | shared | 53.7 28.8 28.6
Ours | ours | 52.0 29.2 29.1
"""
_TABLE_3 = """
Baseline | attack_wrn34 | 86.20 56.54 51.99
Ours, Alg. 4 + 6 | learned_wrn34 | 85.11 58.31 52.64
Ours, Alg. 4+5+6 | geometric_wrn34 | 85.04 58.34 52.69
"""
_PGD = ("clean", "PGD-20", "PGD-100")
_CHEAP = "AutoAttack cheap"
_FULL = "AutoAttack"


_BASELINES = ("Attack", "Mix-then-Attack", "Attack-then-Mix")


def _ablation_claims(number):
    by_number = {1: ("PGD-20", "PGD-100", _CHEAP), 2: ("PGD-100",)}
    columns = by_number[number]
    found = [
        catalogue.Claim(
            "Adversarially optimized mixup is more robust than every baseline",
            "section 5",
            catalogue.above("Ours", _BASELINES, *columns),
        ),
        catalogue.Claim(
            "Mix-then-Attack is the strongest baseline",
            "section 5",
            catalogue.above(
                "Mix-then-Attack", ("Attack", "Attack-then-Mix"), "PGD-100"
            ),
        ),
    ]
    if number == 1:
        found += [
            catalogue.Claim(
                "An independent perturbation is stronger than a shared one",
                "section 3, Table 1",
                catalogue.above("Ours", "Ours, Shared δ", *columns),
            ),
            catalogue.Claim(
                "A learned mixing weight is stronger than a frozen one",
                "Table 1",
                catalogue.above("Ours", "Ours, Frozen λ", *columns),
            ),
            catalogue.Claim(
                "AutoAttack's cheap version is close to the full one",
                "section 4.3: 48.7 and 48.6",
                (
                    catalogue.Comparison(
                        "Ours", "Ours", _CHEAP, _FULL, within=1.0
                    ),
                ),
                ours=True,
            ),
        ]
    return tuple(found)


_WRN_CLAIMS = (
    catalogue.Claim(
        "On WRN-34, adversarially optimized mixup is more robust than AT",
        "section 4.4, Table 3",
        catalogue.above("Ours, Alg. 4 + 6", "Baseline", "PGD-10", "AutoAttack"),
    ),
    catalogue.Claim(
        "Geometric labels are of no large benefit beside linear ones: 1 point "
        "at most",
        "section 4.4, Table 3",
        tuple(
            catalogue.Comparison(
                "Ours, Alg. 4+5+6", "Ours, Alg. 4 + 6", column, within=1.0
            )
            for column in ("PGD-10", "AutoAttack")
        ),
    ),
)


def _entry(number, dataset, labels, table, evaluation="evaluate", **settings):
    rows = []
    for line in table.strip().splitlines():
        label, training, cells = (part.strip() for part in line.split("|"))
        row = catalogue.Row(
            label,
            f"adversarial_mixup/{training}_{{dataset}}.flags",
            f"adversarial_mixup/{evaluation}.flags",
            settings,
            catalogue.published(cells),
        )
        rows.append(row)
    return catalogue.Entry(
        f"adversarial_mixup/table{number}",
        f"Adversarially optimized mixup, Table {number}: accuracy (%) on the "
        "test split, eps 8/255",
        tuple(_column(label, dataset) for label in labels),
        tuple(rows),
        beside=_full(dataset) if number == 1 else (),
        claims=_WRN_CLAIMS if number == 3 else _ablation_claims(number),
    )


def _full(dataset):
    """The full AutoAttack, of which the text has one number, that of "Ours"."""
    version = {"attacks": "autoattack", "autoattack_version": "standard"}
    return (catalogue.Column(_FULL, dataset, version, "autoattack"),)


def _column(label, dataset):
    name, _, steps = label.partition("-")
    attack = {"PGD": "pgd", "clean": "clean"}.get(name, "autoattack")
    steps = int(steps) if steps else None
    return catalogue.Column(label, dataset, {}, attack, steps)


_ATTACK, _OURS = "Attack", "Ours"
_VARIANTS = {
    "Attack, 1 step": "one_step",
    "Ours, λ from U(0, 1)": "uniform_start",
    "Ours, hidden layer": "hidden",
}
_VARIANT_CLAIMS = (
    catalogue.Claim(
        "More steps of the attack than one make adversarial training more "
        "robust",
        "section 4.1",
        catalogue.above(_ATTACK, "Attack, 1 step", "PGD-20", "PGD-100"),
        ours=True,
    ),
    catalogue.Claim(
        "Mixing weights are better drawn from Beta(0.5, 0.5) than uniformly "
        "before they are learned",
        "section 4.1",
        catalogue.above(_OURS, "Ours, λ from U(0, 1)", "PGD-20", "PGD-100"),
        ours=True,
    ),
    catalogue.Claim(
        "Mixing a hidden layer instead of images changes robust accuracy by "
        "0.1 points at most",
        "section 4.1",
        (
            catalogue.Comparison(
                "Ours, hidden layer", _OURS, "PGD-100", within=0.1
            ),
        ),
        ours=True,
    ),
)


def _variants(table):
    """What section 4.1 says beside Table 1, whose settings the rows have."""
    by_label = {row.label: row for row in table.rows}
    rows = [by_label[_ATTACK], by_label[_OURS]]
    for label, training in _VARIANTS.items():
        flagfile = f"adversarial_mixup/{training}_{{dataset}}.flags"
        rows.append(
            catalogue.Row(
                label,
                flagfile,
                "adversarial_mixup/evaluate.flags",
                published=(None,) * len(table.columns),
                ours=("cifar10",),
            )
        )
    return catalogue.Entry(
        "adversarial_mixup/variants",
        "Adversarially optimized mixup, section 4.1: what it tried and has no "
        "table of",
        table.columns,
        tuple(rows),
        claims=_VARIANT_CLAIMS,
        note="The paper prints no numbers of the rows that Table 1 lacks. It "
        "names no hidden layer; here it is the first stage.",
    )


_TABLE1 = _entry(1, "cifar10", (*_PGD, _CHEAP), _TABLE_1)
ENTRIES = (
    _TABLE1,
    _entry(2, "cifar100", _PGD, _TABLE_2, attacks="clean,pgd"),
    _entry(
        3,
        "cifar10",
        ("clean", "PGD-10", _FULL),
        _TABLE_3,
        "evaluate_wrn34",
    ),
    _variants(_TABLE1),
)
