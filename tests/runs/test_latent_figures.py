"""--figures=varmixup_...: what is drawn, from what, and what is refused."""

import json
import shutil

import calls
import keras
import numpy as np
import pytest

from keras_mixup import data
from keras_mixup import metrics
from keras_mixup import models
from keras_mixup import studies
from keras_mixup.cli import main
from keras_mixup.studies import mixtures


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder with a classifier, and its autoencoder."""
    folder = tmp_path_factory.mktemp("trained")
    keras.utils.set_random_seed(0)
    train = data.load_arrays("digits", "train")
    classifier = models.SmallConvNet((8, 8, 1), 10, width=2)
    classifier.save(folder / "classifier.keras")
    vae = models.MMDVAE((8, 8, 1), latent_size=6, width=2)
    vae.start_from_pca(train.images)
    vae.save(folder / "vae.keras")
    flags = {
        "dataset": "digits",
        "vae": str(folder / "vae.keras"),
        "algorithm": "var_mixup",
        "model": "net",
        "alpha": 0.5,
    }
    (folder / "config.json").write_text(json.dumps({"flags": flags}))
    return folder


@pytest.fixture
def run_dir(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def call(folder, *switches, **flags):
    given = {
        "run_dir": folder,
        "attacks": "clean",
        "eps": 0.1,
        "defences": "",
        "num_examples": 10,
        "eval_seeds": 0,
        **flags,
    }
    argv = ["evaluate", "--noprobe", "--noverbose", *switches]
    return main.exit_code("evaluate", [*argv, *calls.arguments(given)])


PGD = {"attacks": "clean,pgd", "pgd_steps": 1}
VARMI = {"defences": "var_mixup_inference", "num_draws": 2}


def rows(folder, name):
    path = folder / "figures" / f"{name}.jsonl"
    assert path.with_suffix(".png").is_file()
    return [json.loads(line) for line in path.read_text().splitlines()]


few_images = pytest.mark.filterwarnings("ignore:.*images are few for")


def training_sets(count, seed=0, num_sets=2):
    train = data.load_arrays("digits", "train")
    order = np.argsort(train.labels, kind="stable")
    chosen = np.random.default_rng(seed).permutation(len(order))
    images = data.as_float(train.images)[order]
    parts = range(0, num_sets * count, count)
    return [images[chosen[i : i + count]] for i in parts]


@few_images
def test_samples_and_distances_are_of_mixed_training_images(run_dir):
    other = run_dir / "adv.keras"
    vae = models.MMDVAE((8, 8, 1), latent_size=3, width=2)
    vae.start_from_pca(data.load_arrays("digits", "train").images)
    vae.save(other)
    figures = "varmixup_fig5,varmixup_fig7"
    flags = {"figures": figures, "adv_vae": other, "figure_examples": 40}
    assert call(run_dir, **{**flags, "num_examples": 40}) == 0
    vaes = {
        "VarMixup": keras.saving.load_model(run_dir / "vae.keras"),
        "adv-VarMixup": vae,
    }
    expected = studies.mixed_samples(*training_sets(8), vaes)
    found = rows(run_dir, "varmixup_fig7")
    assert [row["title"] for row in found] == list(expected)
    for row in found:
        np.testing.assert_allclose(
            row["images"], expected[row["title"]], atol=1e-3
        )
    found = {r["samples"]: r for r in rows(run_dir, "varmixup_fig5")}
    kinds = ["mixup", "VarMixup", "adv-VarMixup"]
    assert list(found) == ["other training images", "test images", *kinds]
    first, second, _, reference = training_sets(40, num_sets=4)
    network = metrics.classifier_features(
        keras.saving.load_model(run_dir / "classifier.keras")
    )
    weights = np.random.default_rng(0).beta(1, 1, 40)
    mixed = studies.mixed_samples(first, second, vaes, weights)["VarMixup"]
    distances = metrics.feature_distances(network, reference, mixed)
    row = found["VarMixup"]
    assert row["frechet_distance"] == pytest.approx(
        distances.frechet_distance, rel=1e-3, abs=1e-6
    )
    assert row["features"] == distances.features
    assert row["num_images"] == 40
    page = (run_dir / "report.html").read_text()
    assert "Mixed images" in page and "Distance of mixed images" in page


@pytest.mark.slow
def test_linearity_is_of_the_classifier_and_the_defence(run_dir):
    flags = {"figures": "varmixup_fig4", "figure_examples": 5, **VARMI}
    assert call(run_dir, "--noadaptive", **flags) == 0
    found = rows(run_dir, "varmixup_fig4")
    names = ["var_mixup net", "VarMI 0.5 x2"]
    kinds = [(names[0], "none"), (names[1], "held"), (names[1], "redrawn")]
    assert [(r["model"], r["draws"], r["eps"]) for r in found] == [
        (*kind, pytest.approx(eps))
        for kind in kinds
        for eps in (0.025, 0.05, 0.075, 0.1)
    ]
    assert all(row["error"] > 0.0 for row in found)


@pytest.mark.slow
def test_adaptive_samples_go_through_var_mi(run_dir):
    flags = {"figures": "varmixup_fig3", "adaptive_steps": 1, **VARMI}
    assert call(run_dir, figure_examples=5, **flags) == 0
    found = rows(run_dir, "varmixup_fig3")
    through = [r["num_samples"] for r in found if r["defence"] != "none"]
    assert through == [1, 2, 5, 10, 20, 30]
    assert {r["num_steps"] for r in found} == {1}


@pytest.mark.slow
def test_the_sweep_over_weights_is_of_the_records(run_dir):
    flags = {"mix_weights": "0,0.5,1", "figures": "varmixup_fig6b", **VARMI}
    assert call(run_dir, "--noadaptive", **PGD, **flags) == 0
    found = rows(run_dir, "varmixup_fig6b")
    places = {(r["method"], r["attack"], r["value"]) for r in found}
    assert places == {
        ("var_mixup net + VarMI x2", attack, value)
        for attack in ("clean", "pgd-1")
        for value in (0.0, 0.5, 1.0)
    }


def test_the_sweep_over_eta_reads_the_runs(run_dir, tmp_path, capsys):
    others = []
    for number, alpha in enumerate((None, 2.0)):
        other = shutil.copytree(run_dir, tmp_path / f"run{number}")
        config = json.loads((other / "config.json").read_text())
        config["flags"]["alpha"] = alpha
        (other / "config.json").write_text(json.dumps(config))
        others.append(other)
    runs = ",".join(map(str, others))
    flags = {"figures": "varmixup_fig6a", "eta_runs": runs}
    assert call(run_dir, **flags) == 2
    error = capsys.readouterr().err
    assert "Evaluate it first" in error and error.count("\n") == 1
    for other in others:
        assert call(other, **PGD) == 0
    assert call(run_dir, **flags) == 0
    found = rows(run_dir, "varmixup_fig6a")
    # Not given is the default of the algorithm, 1.
    assert [(r["attack"], r["value"]) for r in found] == [
        ("clean", 1.0),
        ("clean", 2.0),
        ("pgd-1", 1.0),
        ("pgd-1", 2.0),
    ]


@few_images
def test_features_may_come_from_another_net(run_dir, tmp_path):
    other = models.SmallConvNet((8, 8, 1), 10, width=4, name="judge")
    other.save(tmp_path / "judge.keras")
    flags = {
        "figures": "varmixup_fig5",
        "figure_examples": 12,
        "feature_net": tmp_path / "judge.keras",
    }
    assert call(run_dir, num_examples=12, **flags) == 0
    found = rows(run_dir, "varmixup_fig5")
    assert {row["features"] for row in found} == {"judge_penultimate"}


def test_few_pool_images_are_paired_in_a_cycle():
    class Pool:
        class_counts = (2, 3)

        def gather(self, rows):
            return np.asarray(rows)

    Pool.gather = lambda self, rows: keras.ops.convert_to_tensor(rows)
    first, second = mixtures.training_pairs(Pool(), 4, 3)
    assert len(first) == len(second) == 4
    assert (first != second).all()
    first, second = mixtures.training_pairs(Pool(), 2, 3)
    assert len({*first, *second}) == 4
    sets = mixtures.training_pairs(Pool(), 4, 3, 4)
    assert all((sets[0] != other).all() for other in sets[1:])


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ({"adv_vae": "x"}, "`adv_vae` has no effect"),
        ({"feature_net": "x"}, "`feature_net` has no effect"),
        ({"eta_runs": "x"}, "`eta_runs` has no effect"),
        ({"figures": "varmixup_fig6a"}, "needs `eta_runs`"),
        (
            {"figures": "varmixup_fig6a", "eta_runs": "missing"},
            "missing is no run folder",
        ),
        (
            {"figures": "varmixup_fig7", "vae": "missing.keras"},
            "no autoencoder at missing.keras",
        ),
        (
            {"figures": "varmixup_fig5", "feature_net": "missing.h5"},
            "No feature net at missing.h5",
        ),
        ({"figures": "varmixup_fig3"}, "needs `defences`"),
        ({"figures": "fig7"}, "`figures` must be one of"),
    ],
)
def test_refusals_come_before_any_work(run_dir, flags, text, capsys):
    assert call(run_dir, **flags) == 2
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1
    assert not (run_dir / "records.jsonl").exists()


def test_a_missing_autoencoder_is_named(run_dir, capsys):
    config = json.loads((run_dir / "config.json").read_text())
    del config["flags"]["vae"]
    (run_dir / "config.json").write_text(json.dumps(config))
    assert call(run_dir, figures="varmixup_fig7") == 2
    assert "evaluation needs `vae`" in capsys.readouterr().err
