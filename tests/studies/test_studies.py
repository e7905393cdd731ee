"""The studies' rows against what toy models must give, and their files."""

import functools
import json

import keras
import numpy as np
import pytest
from evaluation_toys import CLEAN
from evaluation_toys import EPS
from evaluation_toys import PGD
from evaluation_toys import Fixed
from evaluation_toys import Linear
from evaluation_toys import Noisy
from evaluation_toys import data

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import metrics
from keras_mixup import registry
from keras_mixup import studies
from keras_mixup.evaluation import labels
from keras_mixup.reporting import write_report
from keras_mixup.runs import _evaluated
from keras_mixup.studies import corruptions
from keras_mixup.studies import detection
from keras_mixup.studies import hyper_parameters
from keras_mixup.studies import linearity
from keras_mixup.studies import sample_curves

SPEC = evaluation.AttackSpec("pgd", PGD, "oblivious")


class Detector(Noisy):
    """Scores an image by its first pixel."""

    def detection_score(self, images, seed=None):
        return images[:, 0, 0, 0]


@functools.cache
def curves():
    images, labels, _ = data(7)
    up = Fixed(0.9, ThreatModel("linf", 1.0))
    model = Linear()
    return detection.detection_curves(
        model,
        {"pixel": Detector(model)},
        [("up", up, "oblivious"), ("same", Fixed(0.5, up.threat), "adaptive")],
        images,
        labels,
        batch_size=4,
    )


def test_detection_against_known_scores():
    rows = {(r["detector"], r["attack"]): r for r in curves()}
    assert set(rows) == {
        (detector, attack)
        for detector in ("confidence", "pixel")
        for attack in ("up", "same", detection.ON_THE_SCORE)
    }
    # All attacked images are at 0.9, all clean ones below 0.7.
    assert rows["pixel", "up"]["auc"] == 1.0
    # The larger the distance to 0.5, the surer the model: attacked images
    # at 0.9 are surer than any clean one.
    assert rows["confidence", "up"]["auc"] == 0.0
    # At 0.5 the model is least sure; one clean image of seven is there, too.
    assert rows["confidence", "same"]["auc"] == pytest.approx(6.5 / 7)
    assert {r["num_examples"] for r in rows.values()} == {7}
    assert rows["pixel", "same"]["knowledge"] == "adaptive"
    own = rows["confidence", "same"]
    scores = own["values"]["clean"], own["values"]["attacked"]
    assert list(map(len, scores)) == [7, 7]
    assert metrics.detection_auc(*scores) == own["auc"]


def test_detection_at_a_fixed_rate_of_false_positives():
    rows = {(r["detector"], r["attack"]): r for r in curves()}
    images, labels, _ = data(7)
    # The decisive pixel is the score: wrong means on the other side of 0.5.
    wrong_up = np.mean(labels == 0)
    assert 0.0 < wrong_up < 1.0
    up, same = rows["pixel", "up"], rows["pixel", detection.ON_THE_SCORE]
    assert (up["detected"], up["undetected"]) == (1.0, 0.0)
    assert up["false_positive_rate"] == 0.05
    # Seven clean images: the threshold is the highest of their scores, which
    # every image of the lower class undercuts once it is past the border.
    assert same["undetected"] == 1.0 and same["detected"] == 0.0
    assert same["knowledge"] == "adaptive"
    # The bare confidence finds no attack that is surer than clean images.
    assert rows["confidence", "up"]["undetected"] == wrong_up


@keras.saving.register_keras_serializable("tests")
class Switch(keras.layers.Layer):
    """The left pixel is the class; the right one, beyond 0.5, overrules it."""

    def call(self, images):
        content, switch = images[:, 0, 0, 0], images[:, 0, 1, 0]
        gap = 8.0 * (content - 0.5) + 40.0 * keras.ops.relu(switch - 0.5)
        return keras.ops.stack([keras.ops.zeros_like(gap), gap], axis=-1)


class TurnOn:
    """Moves the right pixel to a level."""

    def __init__(self, level):
        self.level, self.name = level, f"to {level}"
        self.threat = ThreatModel("linf", 1.0)

    def __call__(self, model_fn, images, labels, *, targets=None, seed=None):
        images = np.array(images)
        images[:, 0, 1] = self.level
        rows = np.zeros(len(images), int)
        return attacks.AttackResult(images, None, rows, rows)


# Both logits of four mixed images happen to lie there.
@pytest.mark.filterwarnings("ignore:All outputs of classifier lie in .0, 1.")
def test_mixing_with_the_predicted_label_finds_sure_attacks_only():
    """Eq. 14: the fall at the shrunk perturbation must exceed 1 - lambda."""
    model = keras.Sequential([keras.Input((1, 2, 1)), Switch()])
    pooled = np.array([[0.1, 0.0], [1.0, 0.0]], np.float32)
    pool = inference.SamplePool(
        pooled[:, None, :, None], [0, 1], dtype="float32"
    )
    images = np.zeros((4, 1, 2, 1), np.float32)
    images[:, 0, 0, 0] = [0.15, 0.18, 0.2, 0.23]
    rows = detection.detection_curves(
        model,
        {"MI-PL": inference.MixupInferencePL(model, pool, 0.5, 1)},
        [
            # A gap of at most 1; mixed, the partner alone decides.
            ("barely", TurnOn(0.57), "oblivious"),
            # A gap of 17 or more, and the same mixed input.
            ("surely", TurnOn(1.0), "oblivious"),
        ],
        images,
        np.zeros(4, int),
    )
    found = {
        (r["detector"], r["attack"]): r["auc"]
        for r in rows
        if r["attack"] != detection.ON_THE_SCORE
    }
    assert found == {
        ("MI-PL", "barely"): 0.0,
        ("MI-PL", "surely"): 1.0,
        ("confidence", "barely"): 1.0,
        ("confidence", "surely"): 0.0,
    }


def test_trade_off():
    images, labels, first = data(8)
    model = Linear()
    families = {"noise": {"0": Noisy(model, 0.0), "0.3": Noisy(model, 0.3)}}
    rows = studies.trade_off(
        model,
        families,
        [SPEC],
        images,
        labels,
        eval_seeds=(0, 1),
        verbose=False,
    )
    survives = (np.abs(first - 0.5) > EPS).mean()
    by_name = {(r["family"], r["setting"]): r for r in rows}
    assert set(by_name) == {("none", ""), ("noise", "0"), ("noise", "0.3")}
    for name in (("none", ""), ("noise", "0")):
        assert by_name[name]["clean"] == 1.0
        assert by_name[name]["accuracy"] == survives
    assert by_name["noise", "0.3"]["clean"] <= 1.0
    assert {r["knowledge"] for r in rows} == {"oblivious"}


FAMILIES = {
    "mixup_inference_ol": "MI-OL",
    "mixup_inference_combined": "MI-Combined",
    "gaussian_noise": "noise",
    "random_rotation": "rotation",
    "random_crop_pad": "crop-pad",
    "random_crop_resize": "crop-resize",
}


def test_the_grid_of_fig3b_has_the_settings_of_the_tables():
    image = keras.Input((32, 32, 3))
    flat = keras.layers.Flatten()(image)
    model = keras.Model(image, keras.layers.Dense(10)(flat))
    images = np.zeros((10, 32, 32, 3), "float32")
    pool = inference.SamplePool(images, np.arange(10), dtype="float32")
    context = studies.Context(model, {}, pool, None, None, None)
    families = hyper_parameters._families(context)
    assert list(families) == list(FAMILIES.values())
    for row in inference.PAPER_ROWS:
        settings = inference.paper_settings(*row)
        for name, family in FAMILIES.items():
            known = [d.get_config() for d in families[family].values()]
            wanted = settings.get(name, {})
            assert any(
                all(own[k] == value for k, value in wanted.items())
                for own in known
            ), (row, name)


@functools.cache
def samples_rows():
    images, labels, _ = data(6)
    model = Linear()
    return studies.adaptive_samples(
        {"linear": model, "noise": Noisy(model)},
        ThreatModel("linf", EPS),
        images,
        labels,
        num_draws=(2, 4),
        num_steps=(3,),
        recipe="tramer2020",
        eval_seeds=(0, 1),
        verbose=False,
    )


def test_adaptive_samples():
    rows = samples_rows()
    found = [(r["defence"], r["num_steps"], r["num_samples"]) for r in rows]
    # One line for the classifier, which meets the same PGD for all samples.
    assert sorted(found, key=str) == [
        ("noise", 3, 2),
        ("noise", 3, 4),
        ("none", 3, None),
    ]
    assert all(0.0 <= r["accuracy"] <= 1.0 for r in rows)
    assert {r["num_examples"] for r in rows} == {6}


@functools.cache
def example_rows():
    images, labels, _ = data(7)
    attack = attacks.MixupInferenceAttack(
        ThreatModel("linf", 0.2),
        "tramer2020",
        num_steps=20,
        num_draws=2,
        step_size=0.02,
    )
    defence = Noisy(Linear(), 0.0)
    return studies.adaptive_examples(
        defence, images, labels, attack=attack, num_shown=5
    )


def test_adaptive_examples():
    rows = example_rows()
    _, labels, _ = data(7)
    assert [r["label"] for r in rows] == labels[:5].tolist()
    assert all(r["clean_prediction"] == r["label"] for r in rows)
    # The decisive pixel is within 0.2 of the border for all of them.
    assert all(r["adversarial_prediction"] != r["label"] for r in rows)
    change = np.subtract(
        [r["adversarial"] for r in rows], [r["clean"] for r in rows]
    )
    assert np.abs(change).max() == pytest.approx(0.2, abs=2e-4)
    assert {r["eps"] for r in rows} == {0.2}


def sweep_rows():
    names = ("clean_f", "clean_mi", "condition", "detection_gap")
    values = dict.fromkeys(names, 0.5)
    for name in ("f", "mi", "change", "gain", "transfer", "shrinkage", "bound"):
        values[f"{name}_true"] = 0.1
        values[f"{name}_predicted"] = None if name == "gain" else 0.2
    return [
        {"defence": kind, "mix_weight": w, **values}
        for kind in ("MI-PL", "MI-OL")
        for w in (0.2, 0.6, 1.0)
    ]


def study_sweep_rows(values):
    return [
        {
            "method": "var_mixup",
            "attack": "pgd-10",
            "knowledge": "oblivious",
            "eps": 0.1,
            "value": value,
            "accuracy": 0.5,
            "std": None,
            "num_examples": 9,
        }
        for value in values
    ]


ROWS = {
    "fig2": sweep_rows,
    "fig3a": curves,
    "fig3b": lambda: [
        {
            "family": family,
            "setting": str(i),
            "clean": 0.9 - 0.1 * i,
            "attack": "pgd",
            "knowledge": knowledge,
            "accuracy": 0.1 * i,
            "num_examples": 9,
        }
        for family in ("none", "MI-OL")
        for i in range(1 if family == "none" else 3)
        for knowledge in ("oblivious", "adaptive")
    ],
    "fig4": samples_rows,
    "fig5": example_rows,
    "certified": lambda: [
        {"model": m, "label": 1, "predicted": c, "radius": 0.1 * c * i}
        for m in ("smoothing 0.25 x30", "smoothing 0.5 x30")
        for i, c in enumerate((1, 1, 0, 1))
    ],
    "calibration": lambda: [
        {"model": m, "error": 0.1, "bins": [(4, 0.5, 0.6), (4, 0.8, 0.9)]}
        for m in ("var_mixup", "VarMI 0.5 x30")
    ],
    "varmixup_fig3": samples_rows,
    "varmixup_fig4": lambda: [
        {"model": m, "eps": e, "error": 3.0 * e, "num_examples": 9}
        for m in ("var_mixup", "VarMI 0.5 x30")
        for e in (0.05, 0.1)
    ],
    "varmixup_fig5": lambda: [
        {
            "samples": title,
            "features": "small_penultimate",
            "frechet_distance": 3.0,
            "kernel_distance": -0.1,
            "num_images": 20,
        }
        for title in ("test images", "mixup", "VarMixup")
    ],
    "varmixup_fig6a": lambda: study_sweep_rows((0.5, 1.0, 2.0)),
    "varmixup_fig6b": lambda: study_sweep_rows((0.0, 0.5, 1.0)),
    "varmixup_fig7": lambda: [
        {"title": t, "images": np.full((3, 4, 4, 1), 0.5).tolist()}
        for t in ("first image", "mixup", "VarMixup")
    ],
    "corruptions": lambda: [
        {
            "set": "digits corrupted by imagecorruptions",
            "split": "test",
            "num_examples": n,
            "seed": 0,
            "eval_seeds": [0],
            "model": m,
            "kind": kind,
            "severity": s,
            "accuracy": 0.1 * s,
        }
        for n in (5, 9)
        for m in ("var_mixup", "VarMI 0.5 x30")
        for kind in ("fog", "snow")
        for s in (1, 2, 3)
    ],
}


@pytest.mark.parametrize("name", registry.names("study"))
def test_files_and_both_themes(tmp_path, name):
    pytest.importorskip("matplotlib")
    rows = ROWS[name]()
    paths = studies.write_study(tmp_path, name, rows)
    assert [p.rpartition("/")[2] for p in paths] == [
        f"{name}.jsonl",
        f"{name}.png",
    ]
    with open(paths[1], "rb") as file:
        assert file.read(4) == b"\x89PNG"
    assert studies.read_studies(tmp_path) == {
        name: json.loads(json.dumps(rows))
    }
    assert studies.find(name).draw(rows, theme="dark") is not None
    assert studies.find(name).draw([]) is None
    assert not list(tmp_path.glob("figures/.*"))


def test_no_two_of_six_families_share_a_colour():
    families = ("none", *map(str, range(6)))
    rows = [row for row in ROWS["fig3b"]() if row["family"] == "none"]
    rows = [{**row, "family": family} for row in rows for family in families]
    axis = hyper_parameters.trade_off_figure(rows).axes[0]
    colours = [line.get_color() for line in axis.lines]
    assert len(set(colours)) == len(colours) == 7


def test_what_the_pictures_say():
    pytest.importorskip("matplotlib")
    figure = detection.detection_figure(curves())
    first = [text.get_text() for text in figure.axes[0].get_legend().texts]
    assert [text.partition(";")[0] for text in first] == [
        "confidence (AUC 0.000",
        "pixel (AUC 1.000",
    ]
    assert first[1].endswith("; 0 % wrong and undetected at 5 % FPR)")
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles[-1] == "attack on the score, adaptive"
    figure = sample_curves.samples_figure(samples_rows())
    texts = [text.get_text() for text in figure.axes[0].get_legend().texts]
    # Few steps are longer than the recipe's own.
    step = labels.number_text(EPS * 2.5 / 3)
    assert sorted(texts) == [
        f"no defence, 3 steps of {step}",
        f"noise, 3 steps of {step}",
    ]
    figure = corruptions.corruptions_figure(ROWS["corruptions"]())
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    name = "digits corrupted by imagecorruptions"
    assert [title.partition(" examples")[0] for title in titles] == [
        f"{name}, 5",
        f"{name}, 9",
    ]
    values = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(values, [20.0, 20.0])
    figure = studies.find("varmixup_fig6a").draw(study_sweep_rows([1.0]))
    assert "η" in figure.axes[0].get_xlabel()
    figure = linearity.linearity_figure(ROWS["varmixup_fig4"]())
    np.testing.assert_allclose(
        figure.axes[0].lines[0].get_xydata(), [[12.75, 0.15], [25.5, 0.3]]
    )
    figure = hyper_parameters.trade_off_figure(ROWS["fig3b"]())
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == ["pgd, oblivious", "pgd, adaptive"]


def test_the_report_shows_them(tmp_path):
    pytest.importorskip("matplotlib")
    images, labels, _ = data(4)
    evaluation.evaluate(
        {"linear": Linear()},
        [CLEAN],
        images,
        labels,
        records_path=tmp_path / "records.jsonl",
        verbose=False,
    )
    studies.write_study(tmp_path, "fig4", samples_rows())
    studies.write_study(tmp_path, "fig5", [])
    with open(write_report(tmp_path), encoding="utf-8") as file:
        page = file.read()
    assert studies.find("fig4").label in page
    assert studies.find("fig5").label not in page
    assert "Red flags" in page and "http" not in page


def test_unknown_study(tmp_path):
    with pytest.raises(ValueError, match="`study` must be one of"):
        studies.write_study(tmp_path, "fig9", [])


def test_what_a_study_needs_is_known_before_it_is_imported():
    """The settings read it from the class's source text."""
    for name in _evaluated.STUDIES:
        study = registry.find("study", name)
        constants = registry.entry("study", name).constants
        for fact in ("needs_pool", "needs_vae", "needs_defences"):
            assert constants[fact] == getattr(study, fact), name
