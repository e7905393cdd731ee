"""The studies' rows in a run folder, and which figure shows them."""

import functools
import json
import os
from collections.abc import Callable
from typing import NamedTuple

from keras_mixup import _checks
from keras_mixup.evaluation import figures
from keras_mixup.evaluation import latent_figures
from keras_mixup.evaluation import latent_studies
from keras_mixup.evaluation import study_figures

FOLDER = "figures"


class Study(NamedTuple):
    """One figure of the Mixup Inference or of the VarMixup paper.

    Attributes:
        title: str.
        caption: str, what is to be seen, and what not.
        draw: callable (rows, theme=...) -> Figure or None.
    """

    title: str
    caption: str
    draw: Callable


STUDIES = {
    "fig2": Study(
        "Answers of Mixup Inference over λ",
        "Oblivious attack. Solid: the classifier F; dashed: MI, at the true "
        "label y and the predicted one ŷ. Right: the minus of ΔG, as in the "
        "paper; MI raises the true label where its line lies above the thin "
        "one of its colour, and lowers the adversarial label where its line "
        "lies below (Eq. 12 and 15).",
        study_figures.lambda_sweep,
    ),
    "fig3a": Study(
        "Detection of attacked images",
        "Confidence: one minus the classifier's largest probability. MI-PL "
        "finds attacks of which the classifier is sure, confidence those of "
        "which it is not; below the diagonal attacked images look cleaner "
        "than clean ones. An adaptive attack here goes through the detector's "
        "answer, not through its score; one on the score may do worse to it.",
        study_figures.detection,
    ),
    "fig3b": Study(
        "Clean against attacked accuracy over hyper-parameters",
        "Each point is one setting of a defence. Only the adaptive panel "
        "says something about robustness.",
        study_figures.trade_off,
    ),
    "fig4": Study(
        "Accuracy over the number of adaptive samples",
        "The recipe is named in the data; a stronger one may go lower. "
        "Dashed: the classifier itself under PGD with as many steps.",
        study_figures.adaptive_samples,
    ),
    "fig5": Study(
        "Adversarial images made through the defence",
        "Above each image the defence's answer.",
        study_figures.adaptive_examples,
    ),
    "varmixup_fig3": Study(
        "Accuracy over the number of adaptive samples (VarMixup)",
        "The attack of Eq. 16, as the gradient of a loss, through every "
        "defence; a stronger recipe may go lower. Dashed: the classifier "
        "itself under PGD with as many steps.",
        study_figures.adaptive_samples,
    ),
    "varmixup_fig4": Study(
        "Local linearity of the loss",
        "The largest gap found between the loss and its tangent, by ascent; "
        "a lower bound. The draws of a defence are fixed.",
        latent_figures.linearity,
    ),
    "varmixup_fig5": Study(
        "Distance of mixed images from training images",
        "Distances on other features cannot be compared, nor with published "
        "FID and KID. The Fréchet distance is biased upwards for few images: "
        "compare with the bar of the test images.",
        latent_figures.distances,
    ),
    "varmixup_fig6a": Study(
        "Accuracy over η of Beta(η, η)",
        "Each point is a network trained with that η. Only the adaptive "
        "panels say something about a defence's robustness.",
        functools.partial(latent_studies.sweep_figure, label="η of Beta(η, η)"),
    ),
    "varmixup_fig6b": Study(
        "Accuracy over λ_MI",
        "Only the adaptive panels say something about robustness.",
        latent_studies.sweep_figure,
    ),
    "varmixup_fig7": Study(
        "Mixed images",
        "Pairs of training images, mixed as pixels and as codes.",
        latent_figures.samples,
    ),
    "corruptions": Study(
        "Common corruptions",
        "A set is called what it is: published ones by their names, others "
        '"... corrupted by imagecorruptions"; these cannot be compared.',
        latent_figures.corruptions,
    ),
}


def write_study(run_dir, name, rows):
    """Writes <run_dir>/figures/<name>.jsonl and, with matplotlib, .png.

    Args:
        run_dir: str, an existing folder.
        name: str, a key of `STUDIES`.
        rows: list of dicts of JSON values; an older file is replaced.

    Returns:
        list of str, the paths that were written.
    """
    _checks.check_choice(name, "name", tuple(STUDIES))
    folder = os.path.join(os.fspath(run_dir), FOLDER)
    os.makedirs(folder, exist_ok=True)
    lines = [json.dumps(row, allow_nan=False) + "\n" for row in rows]
    path = os.path.join(folder, f"{name}.jsonl")
    _write(path, "".join(lines).encode())
    if not figures.available():
        return [path]
    figure = STUDIES[name].draw(rows, theme="light")
    if figure is None:
        return [path]
    picture = os.path.join(folder, f"{name}.png")
    figure.set_facecolor("white")
    _write(picture, figures.to_png(figure, transparent=False))
    return [path, picture]


def read_studies(run_dir):
    """Returns dict name -> rows of the studies found in a run folder."""
    found = {}
    for name in STUDIES:
        path = os.path.join(os.fspath(run_dir), FOLDER, f"{name}.jsonl")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found[name] = [json.loads(line) for line in file]
    return found


def _write(path, content):
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{os.getpid()}.{name}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
