"""Mixup Inference (Pang et al., 2020): Tables 2 and 3."""

from keras_mixup.reproduce import catalogue

_TARGETED = {"targeted": "random", "adaptive": False}
_STEPS = (10, 50, 200)
_PGD = "cleverhans_pgd"
_TRAININGS = {
    "Mixup": "mixup",
    "ERM": "erm",
    "Interpolated AT": "iat",
    "AT": "adversarial_training",
}
_DEFENCES = {
    "": "",
    "Gaussian noise": "gaussian_noise",
    "Random rotation": "random_rotation",
    "Xie et al. (2018)": "random_crop_pad",
    "Guo et al. (2018)": "random_crop_resize",
    "MI-OL": "mixup_inference_ol",
    "MI-Combined": "mixup_inference_combined",
}
# Row | numbers, untargeted then targeted.
_TABLE_2 = """
Mixup | 93.8 3.6 3.2 3.1 <=1 <=1 <=1
Mixup + Gaussian noise | 84.4 13.5 9.6 8.8 37.7 28.6 27.9
Mixup + Random rotation | 82.0 21.8 18.7 18.2 38.9 32.5 26.5
Mixup + Xie et al. (2018) | 82.1 23.0 19.6 19.1 38.4 31.1 25.2
Mixup + Guo et al. (2018) | 83.3 31.2 28.8 28.3 57.8 49.1 48.9
ERM + MI-OL (ablation study) | 81.6 7.4 6.4 6.1 33.0 26.7 23.2
Mixup + MI-OL | 83.9 26.1 18.8 18.3 55.6 51.2 50.8
Mixup + MI-Combined | 82.9 33.7 31.0 30.7 56.1 49.7 49.4
Interpolated AT | 89.7 46.7 43.5 42.5 65.6 62.5 61.9
Interpolated AT + Gaussian noise | 84.7 55.6 53.7 53.5 70.1 69.1 69.0
Interpolated AT + Random rotation | 83.4 57.8 56.7 55.9 69.8 68.2 67.4
Interpolated AT + Xie et al. (2018) | 82.1 59.7 58.4 57.9 71.1 69.7 69.3
Interpolated AT + Guo et al. (2018) | 83.9 60.9 60.7 60.3 73.2 72.1 71.6
AT + MI-OL (ablation study) | 81.2 56.2 55.8 55.1 67.7 67.2 66.4
Interpolated AT + MI-OL | 84.2 64.5 63.8 63.3 75.3 74.7 74.5
"""
_TABLE_3 = """
Mixup | 74.2 5.5 5.3 5.2 <=1 <=1 <=1
Mixup + Gaussian noise | 65.0 5.5 5.3 5.3 10.0 4.3 4.1
Mixup + Random rotation | 66.2 7.8 6.7 6.3 21.4 15.5 15.2
Mixup + Xie et al. (2018) | 66.3 9.6 7.6 7.4 30.2 22.5 22.3
Mixup + Guo et al. (2018) | 66.1 13.1 10.8 10.5 33.3 26.3 26.1
Mixup + MI-OL | 68.8 12.6 9.4 9.1 37.0 29.0 28.7
Mixup + MI-Combined | 67.0 14.8 11.7 11.3 31.4 26.9 26.7
Interpolated AT | 64.7 26.6 24.1 24.0 52.0 50.1 49.8
Interpolated AT + Gaussian noise | 60.4 32.6 31.6 31.4 50.1 50.0 49.6
Interpolated AT + Random rotation | 62.6 34.5 32.4 32.1 51.0 49.9 49.7
Interpolated AT + Xie et al. (2018) | 62.1 42.2 41.5 41.3 57.1 56.3 55.8
Interpolated AT + Guo et al. (2018) | 61.5 36.2 33.7 33.3 53.8 52.4 52.2
Interpolated AT + MI-OL | 62.0 43.8 42.8 42.5 58.1 56.7 56.5
"""


def _row(line):
    label, cells = line.split(" | ")
    method, _, defence = label.partition(" + ")
    training = _TRAININGS[method]
    defence = _DEFENCES[defence.removesuffix(" (ablation study)")]
    return catalogue.Row(
        label,
        f"mixup_inference/{training}_{{dataset}}.flags",
        "mixup_inference/evaluate.flags",
        {"defences": defence},
        catalogue.published(cells),
    )


_THROUGH = "through the defence"
_OTHERS = (
    "Gaussian noise",
    "Random rotation",
    "Xie et al. (2018)",
    "Guo et al. (2018)",
)


_OURS = "Interpolated AT + MI-OL"
_BOTH = ("PGD-10", "targeted PGD-10")


def _claims(number):
    found = _claims_of_both(number)
    return (*found, *(_ablation() if number == 2 else ()))


def _claims_of_both(number):
    return (
        catalogue.Claim(
            "MI-OL makes mixup models more robust to oblivious attacks",
            "section 4.3",
            catalogue.above("Mixup + MI-OL", "Mixup", *_BOTH),
        ),
        catalogue.Claim(
            "MI-OL goes together with interpolated AT and adds to it",
            "section 4.3",
            catalogue.above(_OURS, "Interpolated AT", *_BOTH),
        ),
        catalogue.Claim(
            "On interpolated AT, MI-OL is more robust than the other "
            "defences at inference",
            f"section 4.3, Table {number}",
            catalogue.above(
                _OURS, [f"Interpolated AT + {o}" for o in _OTHERS], "PGD-10"
            ),
        ),
        catalogue.Claim(
            "Under an attack through the defence, MI-OL still improves "
            "interpolated AT",
            "section 4.4, Figure 4",
            catalogue.above(_OURS, "Interpolated AT", _THROUGH),
            ours=True,
        ),
        catalogue.Claim(
            "Under an attack through the defence, MI-OL still improves mixup",
            "section 4.4, Figure 4",
            catalogue.above("Mixup + MI-OL", "Mixup", _THROUGH),
            ours=True,
        ),
    )


def _ablation():
    text = "MI exploits the global linearity of mixup, not randomness: "
    pairs = (
        ("ERM", "mixup", "Mixup + MI-OL"),
        ("AT", "interpolated AT", _OURS),
    )
    return tuple(
        catalogue.Claim(
            f"{text}after {short} MI-OL is less robust than after {better}",
            "section 4.3, ablation",
            catalogue.above(row, f"{short} + MI-OL (ablation study)", *_BOTH),
        )
        for short, better, row in pairs
    )


def _entry(number, dataset, table):
    columns = [catalogue.Column("clean", dataset)]
    for settings, aim in (({}, ""), (_TARGETED, "targeted ")):
        columns += [
            catalogue.Column(f"{aim}PGD-{n}", dataset, settings, _PGD, n)
            for n in _STEPS
        ]
    return catalogue.Entry(
        f"mixup_inference/table{number}",
        f"Mixup Inference, Table {number}: accuracy (%) on 1,000 test images, "
        "attacks that ignore the defence, eps 8/255",
        tuple(columns),
        tuple(map(_row, table.strip().splitlines())),
        (catalogue.Column(_THROUGH, dataset, attack="eot"),),
        claims=_claims(number),
    )


ENTRIES = (
    _entry(2, "cifar10", _TABLE_2),
    _entry(3, "cifar100", _TABLE_3),
)
