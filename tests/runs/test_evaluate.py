"""python -m apps.evaluate on a small, quickly trained digits classifier."""

import contextlib
import io
import json
import pathlib
import re
import shutil
import tempfile

import calls
import keras
import pytest

from keras_mixup import data
from keras_mixup import evaluation
from keras_mixup import models
from keras_mixup import registry
from keras_mixup.cli import main


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder as apps.train leaves it: config.json and classifier.keras."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    folder.mkdir()
    keras.utils.set_random_seed(0)
    train = data.load_arrays("digits", "train")
    model = models.SmallConvNet((8, 8, 1), 10, width=4)
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    model.fit(train.images, train.labels, epochs=4, verbose=0)
    model.save(folder / "classifier.keras")
    config = {
        "dataset": "digits",
        "algorithm": "mixup",
        "model": "small_convnet",
    }
    (folder / "config.json").write_text(json.dumps({"flags": config}))
    return folder


@pytest.fixture
def run_dir(trained, tmp_path):
    return pathlib.Path(shutil.copytree(trained, tmp_path / "run"))


# As a flag file: what it sets for a defence or an attack that the command
# line leaves out is ignored.
PROFILE = """
--eps=0.1
--attacks=clean,pgd,tramer2020
--pgd_steps=2
--adaptive_steps=2
--adaptive_draws=2
--num_draws=2
--eval_seeds=0,1
--num_examples=12
--batch_size=8
--mix_weights=0.6
--pool_size=40
--noprobe
"""


def call(run_dir, **flags):
    argv = ["evaluate", f"--run_dir={run_dir}", *calls.arguments(flags)]
    with tempfile.NamedTemporaryFile("w", suffix=".flags") as profile:
        profile.write(PROFILE)
        profile.flush()
        argv.insert(1, f"--flagfile={profile.name}")
        return main.exit_code("evaluate", argv)


def files(folder):
    return {
        p.name: p.read_bytes()
        for p in folder.iterdir()
        if p.is_file() and not p.name.startswith(".")
    }


@pytest.fixture(scope="module")
def evaluated(trained, tmp_path_factory):
    """(a run folder after a call without changes, what the call printed)."""
    folder = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(trained, folder)
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        assert call(folder) == 0
    return folder, shown.getvalue()


@pytest.fixture
def evaluated_dir(evaluated, tmp_path):
    return pathlib.Path(shutil.copytree(evaluated[0], tmp_path / "run"))


def test_checks_of_models_that_were_not_asked_are_not_looked_for(evaluated):
    """The profile says --noprobe: the records alone are looked at."""
    run_dir, _ = evaluated
    report = (run_dir / "report.html").read_text()
    text = (run_dir / "robustness_card.json").read_text()
    for check in (
        "probabilities instead of logits",
        "eps not respected",
        "randomness frozen in a trace",
    ):
        line = f">{check}</th><td[^>]*>not looked for</td>"
        assert re.search(line, report)
        for card in json.loads(text)["cards"]:
            assert card["red_flags"][check] == "not looked for"
    # The attacks tell of their gradients.
    for card in json.loads(text)["cards"]:
        found = card["red_flags"]["zero or NaN gradients"]
        assert found in ("found", "not found")
    # It compares attacks through a defence with attacks that ignore it.
    bare, defended = json.loads(text)["cards"]
    check = "adaptive weaker than oblivious"
    assert bare["red_flags"][check] == "not looked for"
    assert defended["red_flags"][check] in ("found", "not found")


def test_run_folder_gets_records_table_and_report(evaluated):
    run_dir, shown = evaluated
    records = evaluation.read_records(run_dir / "records.jsonl")
    # Twelve examples; three attacks; classifier once, MI-OL on two seeds.
    assert len(records) == 12 * 3 * (1 + 2)
    assert {r.model for r in records} == {"mixup small_convnet"}
    assert {r.defence for r in records} == {"none", "MI-OL 0.6 x2"}
    assert {(r.attack, r.knowledge) for r in records} == {
        ("clean", "none"),
        ("pgd-2", "oblivious"),
        ("tramer2020-2x2", "adaptive"),
    }
    assert {r.pool_split for r in records} == {None, "train"}
    assert "mixup small_convnet + MI-OL 0.6 x2" in shown
    assert "oblivious" in shown and "adaptive" in shown
    assert str(run_dir / "report.html") in shown
    report = (run_dir / "report.html").read_text()
    assert "tramer2020-2x2" in report and "http" not in report
    settings = json.loads((run_dir / "evaluation.json").read_text())
    assert settings["about"] == {"dataset": "digits", "split": "test"}
    defence = settings["defences"]["MI-OL 0.6 x2"]
    assert defence["pool"].startswith("40 images of the train split, ids")
    assert (run_dir / "pictures.npz").exists()


@pytest.mark.slow
def test_queries_go_through_the_defence_and_join_the_worst_case(run_dir):
    settings = {
        "attacks": "averaged_spsa,apgd,averaged_square,tramer2020",
        "apgd_steps": 2,
        "num_queries": 3,
        "spsa_steps": 1,
        "spsa_samples": 4,
        "spsa_examples": 6,
        "worst_case": True,
        "eval_seeds": "0,1,2,3,4,5,6,7,8,9",
    }
    assert call(run_dir, **settings) == 0
    records = evaluation.read_records(run_dir / "records.jsonl")
    defended = [r for r in records if r.defence != "none"]
    rows = {(r.attack, r.knowledge, r.queries) for r in defended}
    # For every query two draws and a look at the prediction.
    assert ("spsa-1x4 of 2 draws", "adaptive", 12) in rows
    assert max(q for name, _, q in rows if name.startswith("square")) == 9
    assert ("apgd-ce-2", "oblivious", 0) in rows
    assert len({r.example_id for r in defended if "spsa" in r.attack}) == 6
    written = json.loads((run_dir / "evaluation.json").read_text())
    (worst,) = (
        entry["facts"]["settings"]
        for entry in written["columns"].values()
        if entry["facts"]["worst_case"]
    )
    # SPSA saw six examples, the others twelve.
    expected = ["apgd-ce-2", "square-3 of 2 draws", "tramer2020-2x2"]
    assert [column[0] for column in worst["attacks"]] == expected


def test_second_call_resumes_and_a_third_adds(run_dir):
    noise = {"attacks": "clean", "defences": "gaussian_noise"}
    assert call(run_dir, **noise) == 0
    whole = (run_dir / "records.jsonl").read_bytes()
    (run_dir / "records.jsonl").write_bytes(whole[:-700])
    with pytest.warns(UserWarning, match="incomplete last line"):
        assert call(run_dir, **noise) == 0
    assert (run_dir / "records.jsonl").read_bytes() == whole
    assert call(run_dir, **noise, stddev=0.1, adaptive=False) == 0
    assert (run_dir / "records.jsonl").read_bytes().startswith(whole)
    settings = json.loads((run_dir / "evaluation.json").read_text())
    assert len(settings["calls"]) == 3
    assert set(settings["defences"]) == {"noise 0.02 x2", "noise 0.1 x2"}


def test_without_the_adaptive_attack_the_table_says_so(run_dir, capsys):
    noise = {"defences": "gaussian_noise", "attacks": "clean,pgd"}
    assert call(run_dir, adaptive=False, **noise) == 0
    assert "not measured" in capsys.readouterr().out
    assert "not measured" in (run_dir / "report.html").read_text()


@pytest.mark.slow
def test_every_defence_and_both_attack_families_have_a_row(run_dir):
    # Those with an autoencoder are evaluated in test_var_defence.py.
    known = registry.names("defence")
    names = [n for n in known if not registry.accepts("defence", n, "vae")]
    changes = {
        "defences": ",".join(names),
        "attacks": "clean,pgd,cleverhans_pgd,cleverhans_spsa",
        "num_examples": 4,
        "batch_size": 4,
        "eval_seeds": 0,
        "spsa_examples": 2,
        "spsa_steps": 1,
        "spsa_samples": 2,
        "targeted": "second_most_likely",
    }
    assert call(run_dir, **changes) == 0
    records = evaluation.read_records(run_dir / "records.jsonl")
    assert len({r.defence for r in records}) == len(names) + 1
    attacks = {r.attack for r in records if r.knowledge == "oblivious"}
    suffix = " to second-most-likely"
    assert attacks == {
        "pgd-2" + suffix,
        "cleverhans-pgd-2" + suffix,
        "cleverhans-spsa-1x2" + suffix,
    }
    spsa = [r for r in records if "spsa" in r.attack]
    assert len({r.example_id for r in spsa}) == 2


def test_classifier_flag_makes_a_new_folder(trained, tmp_path):
    folder = tmp_path / "new" / "folder"
    changes = {
        "classifier": trained / "classifier.keras",
        "dataset": "digits",
        "attacks": "clean,pgd",
        "defences": "",
    }
    assert call(folder, **changes) == 0
    records = evaluation.read_records(folder / "records.jsonl")
    assert {(r.model, r.defence) for r in records} == {("classifier", "none")}
    assert {r.attack for r in records} == {"clean", "pgd-2"}


def test_several_radii_in_one_call(run_dir, capsys):
    changes = {"defences": "", "attacks": "clean,pgd", "pgd_steps": 1}
    assert call(run_dir, **changes, eps="0.02,0.5") == 0
    assert "Accuracy over eps, linf" in capsys.readouterr().out
    records = evaluation.read_records(run_dir / "records.jsonl")
    assert {r.eps for r in records} == {None, 0.02, 0.5}
    assert len(records) == 3 * 12
    found = json.loads((run_dir / "robustness_card.json").read_text())
    [curve] = found["over_eps"]
    assert [point["eps"] for point in curve["points"]] == [0.02, 0.5]
    assert "<h2>Accuracy over eps</h2>" in (run_dir / "report.html").read_text()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"eps": 8}, 'Did you mean "8'),
        ({"eps": "-1"}, "`eps` must be"),
        ({"eps": "0.1,0.1"}, "`eps` must be free of repetitions"),
        ({"eps": "0.1,0.2", "figures": "fig2"}, "`figures` show one radius"),
        ({"attacks": "clean,pdg"}, 'Did you mean "pgd"?'),
        ({"attacks": "pgd,pgd"}, "free of repetitions"),
        ({"attacks": "tramer2020", "adaptive": False}, "adaptive=False"),
        ({"defences": "mixup"}, "`defences` must be one of"),
        ({"mix_weights": 1.5}, "`mix_weights` must be"),
        ({"dataset": "digit"}, 'Did you mean "digits"?'),
        ({"dataset": "cifar10", "data_dir": "/nowhere"}, "cifar10"),
        ({"num_examples": 501}, "`num_examples` must be at most"),
        ({"pool_size": 5}, "no image of class"),
        ({"classifier": "missing.keras"}, "No classifier at missing.keras"),
        ({"strategy": "mirrored"}, "Unknown command line flag"),
        ({"eval_seeds": "0,0"}, "`eval_seeds` must be free of"),
        ({"eval_seeds": "-1"}, "`eval_seeds` must be different whole numbers"),
        ({"pgd_steps": ""}, "`pgd_steps` must be a list"),
        ({"pgd_steps": 0}, "`pgd_steps` must be"),
        ({"unknown_flag": 1}, "unknown_flag"),
        ({"stddev": 0.1}, "`stddev` has no effect"),
        ({"threshold": 0.1}, "`threshold` has no effect"),
        ({"spsa_steps": 3}, "`spsa_steps` has no effect"),
        ({"attacks": "clean", "pgd_steps": 3}, "`pgd_steps` has no effect"),
        ({"attacks": "clean", "targeted": "random"}, "`targeted` has no"),
        (
            {"attacks": "pgd", "adaptive": False, "adaptive_steps": 3},
            "`adaptive_steps` has no effect",
        ),
        (
            {"defences": "gaussian_noise", "mix_weights": 0.5},
            "`mix_weights` has no effect",
        ),
        (
            {"attacks": "tramer2020", "adaptive_inner": "apgd"},
            "`adaptive_inner` has no effect",
        ),
        ({"defences": "", "num_draws": 3}, "`num_draws` has no effect"),
        (
            {"defences": "gaussian_noise", "pool_size": 50},
            "`pool_size` has no effect",
        ),
        ({"selection_seeds": "1"}, "has no effect with worst_case=False"),
        (
            {"label_source": "predicted", "targeted": "random"},
            "label_source=predicted attacks the pred",
        ),
        ({"figures": "fig6"}, "`figures` must be one of"),
        ({"figure_examples": 3}, "`figure_examples` has no effect"),
        ({"figures": "fig2", "figure_eps": 0.1}, "`figure_eps` has no effect"),
        ({"figures": "fig2", "targeted": "random"}, "`figures` show untarg"),
        ({"worst_case": True}, "`eval_seeds` must be ten or more seeds"),
        (
            {
                "worst_case": True,
                "eval_seeds": "0,1,2,3,4,5,6,7,8,9",
                "selection_seeds": "1,1",
            },
            "`selection_seeds` must be different",
        ),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    run_dir, capsys, changes, text
):
    before = files(run_dir)
    assert call(run_dir, **changes) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and text in error
    assert files(run_dir) == before


def test_no_run_folder_and_no_classifier(tmp_path, capsys):
    assert call(tmp_path / "absent") == 2
    assert "No classifier at" in capsys.readouterr().err
    assert not (tmp_path / "absent").exists()
    assert main.exit_code("evaluate", ["evaluate"]) == 2
    assert "`run_dir`, the folder of a training run" in capsys.readouterr().err


def test_a_softmax_classifier_is_refused_with_the_remedy(run_dir, capsys):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.save(run_dir / "classifier.keras")
    before = files(run_dir)
    assert call(run_dir) == 2
    assert "Remove the final softmax" in capsys.readouterr().err
    assert files(run_dir) == before


def test_records_of_another_classifier_are_not_mixed(run_dir, capsys):
    assert call(run_dir, attacks="clean", defences="") == 0
    model = models.SmallConvNet((8, 8, 1), 10, width=4)
    model.save(run_dir / "classifier.keras")
    before = files(run_dir)
    assert call(run_dir, attacks="clean", defences="") == 2
    assert "are of another thing: models, mixup" in capsys.readouterr().err
    assert files(run_dir) == before


def test_equal_names_must_mean_equal_settings(run_dir, capsys):
    assert call(run_dir, attacks="clean") == 0
    before = files(run_dir)
    assert call(run_dir, attacks="clean", pool_size=50) == 2
    error = capsys.readouterr().err
    assert "are of another thing: defences, MI-OL 0.6 x2" in error
    (run_dir / "evaluation.json").unlink()
    assert call(run_dir) == 2
    assert "has no evaluation.json" in capsys.readouterr().err
    before.pop("evaluation.json")
    assert files(run_dir) == before


def test_slow_adaptive_attacks_may_see_fewer_examples(run_dir, capsys):
    assert call(run_dir, adaptive_examples=5) == 0
    records = evaluation.read_records(run_dir / "records.jsonl")
    seen = {
        kind: {r.example_id for r in records if r.knowledge == kind}
        for kind in ("none", "oblivious", "adaptive")
    }
    assert {kind: len(ids) for kind, ids in seen.items()} == {
        "none": 12,
        "oblivious": 12,
        "adaptive": 5,
    }
    assert seen["adaptive"] < seen["none"]
    # The sentence compares on those five and says so.
    assert "5 examples): " in capsys.readouterr().out


def test_the_pools_own_split_is_not_scored(run_dir, capsys):
    assert call(run_dir, split="train") == 2
    assert "could be mixed with itself" in capsys.readouterr().err
    assert not (run_dir / "records.jsonl").exists()


def test_another_pool_is_not_mixed_into_the_records(evaluated_dir, capsys):
    run_dir = evaluated_dir
    before = (run_dir / "records.jsonl").read_bytes()
    assert call(run_dir, seed=1) == 2
    assert "are of another thing: defences" in capsys.readouterr().err
    assert (run_dir / "records.jsonl").read_bytes() == before


def test_the_same_weights_in_another_file_go_on(evaluated_dir):
    run_dir = evaluated_dir
    before = (run_dir / "records.jsonl").read_bytes()
    path = run_dir / "classifier.keras"
    keras.saving.load_model(path, compile=False).save(path)
    assert call(run_dir) == 0
    assert (run_dir / "records.jsonl").read_bytes() == before


@pytest.mark.slow
def test_worst_case_card_and_red_flags(run_dir, capsys):
    options = {
        "worst_case": True,
        "eval_seeds": ",".join(map(str, range(10))),
        "adaptive_examples": 6,
        "probe": True,
    }
    assert call(run_dir, **options) == 0
    shown = capsys.readouterr().out
    assert "Worst case over the attacks" in shown and "Red flags:" in shown
    whole = (run_dir / "records.jsonl").read_bytes()
    records = evaluation.read_records(run_dir / "records.jsonl")
    worst = [r for r in records if r.attack == "worst-case"]
    # On the examples that the adaptive attack saw.
    assert len({r.example_id for r in worst}) == 6
    assert len(worst) == 6 * 11
    report = (run_dir / "report.html").read_text()
    assert "Worst case over the attacks" in report and "Red flags" in report
    [bare, defended] = json.loads(
        (run_dir / "robustness_card.json").read_text()
    )["cards"]
    classifier = keras.models.load_model(run_dir / "classifier.keras")
    for card in (bare, defended):
        assert card["classifier_fingerprint"] == evaluation.fingerprint(
            classifier
        )
        assert card["seeds"]["selection"] == [0, 1, 2, 3, 4]
    assert (bare["defence"], defended["defence"]) == ("none", "MI-OL 0.6 x2")
    assert defended["defence_settings"]["class"] == "MixupInferenceOL"
    [attacked] = defended["attacked"]
    assert attacked["adaptive_worst_case"]["attack"] == "worst-case"
    assert attacked["adaptive_worst_case"]["num_seeds"] == 10
    assert "re-evaluation" in (run_dir / "robustness_card.md").read_text()
    # A killed call goes on; the models are not asked again.
    probed = (run_dir / "red_flags.json").read_bytes()
    (run_dir / "records.jsonl").write_bytes(whole[:-700])
    with pytest.warns(UserWarning, match="incomplete last line"):
        assert call(run_dir, **options) == 0
    again = evaluation.read_records(run_dir / "records.jsonl")
    assert sorted(again) == sorted(records)
    assert (run_dir / "red_flags.json").read_bytes() == probed
    # Other attacks, or seeds to choose by, are another worst case.
    capsys.readouterr()
    assert call(run_dir, **options, pgd_steps="2,3") == 2
    assert "another thing: columns, worst-case" in capsys.readouterr().err
    assert call(run_dir, **options, selection_seeds="7") == 2
    assert "another thing: columns, worst-case" in capsys.readouterr().err


def test_a_flag_file_may_set_more_than_the_command_line_takes(run_dir):
    """The profile sets MI-OL and PGD, the command line takes neither."""
    assert call(run_dir, attacks="clean", defences="gaussian_noise") == 0


def test_controls_and_figures(run_dir, capsys):
    pytest.importorskip("matplotlib")
    options = {
        "controls": True,
        "figures": "fig2,fig3a,fig5",
        "figure_examples": 10,
        "figure_eps": 0.3,
    }
    assert call(run_dir, **options) == 0
    records = evaluation.read_records(run_dir / "records.jsonl")
    shrunk = [r for r in records if r.defence == "mean-image shrinkage 0.6"]
    assert {r.attack for r in shrunk} == {"clean", "pgd-2", "tramer2020-2x2"}
    # The classifier alone meets lambda eps.
    reduced = {(r.defence, r.eps) for r in records if r.eps not in (None, 0.1)}
    assert [(d, round(e, 6)) for d, e in reduced] == [("none", 0.06)]
    names = {p.name for p in (run_dir / "figures").iterdir()}
    assert names == {"models.json"} | {
        f"{name}.{kind}"
        for name in ("fig2", "fig3a", "fig5")
        for kind in ("jsonl", "png")
    }
    assert "Answers of Mixup Inference" in (run_dir / "report.html").read_text()
    rows = (run_dir / "figures" / "fig5.jsonl").read_text().splitlines()
    assert len(rows) == 10 and json.loads(rows[0])["eps"] == 0.3
    settings = json.loads((run_dir / "evaluation.json").read_text())
    assert "mean-image shrinkage 0.6" in settings["defences"]


@pytest.mark.slow
def test_figures_that_keep_their_records_go_on(run_dir):
    options = {
        "figures": "fig3b,fig4",
        "figure_examples": 10,
        "attacks": "clean",
        "eval_seeds": 0,
    }
    assert call(run_dir, **options) == 0
    before = {
        name: (run_dir / "figures" / f"{name}.jsonl").read_bytes()
        for name in ("fig3b", "fig4")
    }
    kept = run_dir / "figures" / "fig4_records.jsonl"
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-300])
    with pytest.warns(UserWarning, match="incomplete last line"):
        assert call(run_dir, **options) == 0
    assert kept.read_bytes() == whole
    for name, content in before.items():
        assert (run_dir / "figures" / f"{name}.jsonl").read_bytes() == content
