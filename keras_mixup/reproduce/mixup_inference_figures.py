"""Mixup Inference (Pang et al., 2020): Table 1, Figures 2 to 5."""

from keras_mixup.reproduce import catalogue
from keras_mixup.reproduce import figures

_NETWORKS = {"Mixup": "mixup", "Interpolated AT": "iat"}
_LAMBDA = "λ 0.5"
_TRUE = f"ΔF of the true label, {_LAMBDA}"
_PREDICTED = f"ΔF of the predicted label, {_LAMBDA}"


def _panels(figure, networks, settings):
    return tuple(
        figures.Panel(
            label,
            f"mixup_inference/{_NETWORKS[label]}_{{dataset}}.flags",
            "mixup_inference/evaluate_figures.flags",
            {"figures": figure, **settings},
        )
        for label in networks
    )


def _entry(name, label, view, panels, said, claims=()):
    return figures.Figure(
        f"mixup_inference/{name}",
        f"Mixup Inference, {label}",
        view,
        panels,
        said,
        claims=claims,
    )


def _improves(kind):
    return catalogue.Claim(
        f"{kind} satisfies the robustness improving condition: under PGD-10 "
        "the true label gains and the predicted one loses",
        "section 4.2, Figure 2",
        (
            catalogue.Comparison(f"Mixup + {kind}", figures.NO_CHANGE, _TRUE),
            catalogue.Comparison(
                figures.NO_CHANGE, f"Mixup + {kind}", _PREDICTED
            ),
        ),
    )


def _detects(row, other, column, text, place="section 4.3, Figure 3a"):
    return catalogue.Claim(
        text,
        place,
        tuple(
            catalogue.Comparison(row, other, f"{network}, {column}")
            for network in _NETWORKS
        ),
        ours=place.startswith("not"),
    )


_LAMBDA_CLAIMS = (
    _improves("MI-PL"),
    _improves("MI-OL"),
    catalogue.Claim(
        "The condition of MI-OL is looser than that of MI-PL: it holds for "
        "more attacked images",
        "section 3.2.2, verified in Figure 2",
        catalogue.above("Mixup + MI-OL", "Mixup + MI-PL", f"Eq. 10, {_LAMBDA}"),
    ),
)
_DETECTION_CLAIMS = (
    _detects(
        *("MI-PL", "confidence", "oblivious attack"),
        "MI-PL detects attacks that ignore it better than the confidence does",
    ),
    _detects(
        *(figures.GUESS, "confidence", "oblivious attack"),
        "The confidence detects them worse than a random guess",
    ),
    _detects(
        *("MI-PL", figures.GUESS, "attack on the score"),
        "MI-PL is better than a random guess on an attack on its score",
        "not in the paper",
    ),
)
_SAMPLE_CLAIMS = tuple(
    catalogue.Claim(
        "Even under the adaptive attack of Eq. 24 with 30 samples, MI improves "
        f"{network}",
        "section 4.4, Figure 4",
        catalogue.above(
            f"{network} + MI",
            network,
            *(f"{steps} steps, 30 samples" for steps in (10, 50)),
        ),
    )
    for network in _NETWORKS
)

ENTRIES = (
    _entry(
        "table1",
        "Table 1: the formulas of MI's answers, counted out",
        "table1",
        (),
        "The paper derives them for an ideal network and prints no numbers.",
    ),
    _entry(
        "fig2",
        "Figure 2: the answers of MI over λ, under PGD-10 that ignores it",
        "lambda",
        _panels("fig2", ("Mixup",), {"figure_examples": 100}),
        "The paper draws the means of 100 test images and prints no numbers. "
        "The claims are tested at λ 0.5, that of its tables for mixup.",
        _LAMBDA_CLAIMS,
    ),
    _entry(
        "fig3a",
        "Figure 3a: detection of attacked images",
        "detection",
        _panels("fig3a", _NETWORKS, {"figure_examples": 1000}),
        "The paper draws the areas under the ROC curves of 1,000 images and "
        "prints none in its text. Here all attacked images count, also those "
        "on which the attack fails.",
        _DETECTION_CLAIMS,
    ),
    _entry(
        "fig3b",
        "Figure 3b: attacked against clean accuracy over the settings of each "
        "defence",
        "trade_off",
        _panels("fig3b", _NETWORKS, {"figure_examples": 1000}),
        "The paper draws the points of 1,000 images and prints no numbers. A "
        "trade-off of two numbers is no single comparison: the claims on "
        "Tables 2 and 3 are tested at the settings that the paper chose.",
    ),
    _entry(
        "fig4",
        "Figure 4: accuracy over the samples of the adaptive attack",
        "samples",
        _panels("fig4", _NETWORKS, {"figure_examples": 100}),
        "The paper draws the curves and prints no numbers; it does not say of "
        "how many images. Dashed: PGD on the network without MI.",
        _SAMPLE_CLAIMS,
    ),
    _entry(
        "fig5",
        "Figure 5: images attacked through the defence, eps 16/255",
        "examples",
        _panels("fig5", ("Interpolated AT",), {"figure_eps": "16/255"}),
        "The paper shows images and prints no numbers.",
    ),
)
