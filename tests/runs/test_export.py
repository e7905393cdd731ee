"""The export application: what it writes, prints and refuses."""

import json
import os
import shutil

import calls
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import data
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import models
from keras_mixup.cli import main
from keras_mixup.evaluation.identity import settings_of_defence
from keras_mixup.runs import exporting


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """The part of a training run's folder that the application reads."""
    folder = tmp_path_factory.mktemp("runs") / "digits_mixup"
    folder.mkdir()
    keras.utils.set_random_seed(0)
    classifier = models.SmallConvNet((8, 8, 1), 10, width=2)
    # As if it were trained.
    classifier.layers[-1].bias.assign(np.arange(10) / 10.0)
    classifier.save(folder / "classifier.keras")
    flags = {"dataset": "digits", "data_dir": None, "num_validation": None}
    (folder / "config.json").write_text(json.dumps({"flags": flags}))
    return folder


@pytest.fixture
def call(tmp_path, capsys):
    """Runs the application; returns (exit code, stdout, stderr)."""

    def run(*arguments):
        place = [f"--saved_models={tmp_path}/out"]
        if any(argument.startswith("--verify") for argument in arguments):
            place = []
        argv = ["export", *place, *arguments]
        code = main.exit_code("export", argv)
        return code, *capsys.readouterr()

    return run


def test_exports_a_run_with_its_pool(run_dir, call, tmp_path):
    code, out, _ = call(
        f"--run_dir={run_dir}",
        "--defence=mixup_inference_ol",
        "--mix_weight=0.6",
        "--num_draws=4",
        "--pool_per_class=5",
        "--name=digits",
    )
    assert code == 0
    path = tmp_path / "out" / "digits" / "1"
    lines = out.splitlines()
    assert lines[0].startswith(f"Exported {path} (")
    image = "image float32 (None, 8, 8, 1)"
    answer = "label int32 (None,), probabilities float32 (None, 10)"
    assert lines[1:] == [
        f"  encoded_images: image_bytes string (None,) -> {answer}",
        f"  indices: {image}, indices int32 (None, 4) -> {answer}",
        f"  seeded: {image}, seed int32 (None, 2) -> {answer}",
        f"  serving_default: {image} -> {answer}",
        f"  undefended: {image} -> logits float32 (None, 10)",
    ]
    settings = calls.parse(
        "export", f"--run_dir={run_dir}", "--pool_per_class=5"
    )
    pool, _ = exporting._make_pool(settings, {"dataset": "digits"})
    assert pool.class_counts == (5,) * 10
    train = {row.tobytes() for row in data.load_arrays("digits").images}
    assert {row.tobytes() for row in pool.images.numpy()} <= train
    defence = inference.MixupInferenceOL(
        keras.models.load_model(run_dir / "classifier.keras"),
        pool,
        mix_weight=0.6,
        num_draws=4,
    )
    images = data.load_arrays("digits", "test").images[:3]
    seeds = np.arange(6, dtype="int32").reshape(3, 2)
    root = tf.saved_model.load(str(path))
    received = root.signatures["seeded"](
        image=tf.constant(images), seed=tf.constant(seeds)
    )
    expected = np.exp(defence(images, seed=seeds))
    np.testing.assert_allclose(received["probabilities"], expected, atol=1e-6)


def test_flagfile_a_bare_file_and_the_next_version(run_dir, call, tmp_path):
    flagfile = tmp_path / "export.flags"
    flagfile.write_text(
        f"--classifier={run_dir}/classifier.keras\n--defence=none\n"
    )
    for version in (1, 2):
        code, out, _ = call(f"--flagfile={flagfile}")
        assert code == 0
        assert f"out/classifier/{version} (" in out
        assert "seeded" not in out
    folder = tmp_path / "out" / "classifier"
    assert sorted(os.listdir(folder)) == ["1", "2"]


@pytest.mark.parametrize(
    ("defence", "flag", "attribute", "value"),
    [
        ("gaussian_noise", None, "stddev", 0.02),
        ("gaussian_noise", "--stddev=8/255", "stddev", 8 / 255),
        ("random_rotation", None, "degrees", 40.0),
        ("random_rotation", None, "interpolation", "nearest"),
        ("random_resize_pad", None, "size_range", (4, 6)),
        ("random_crop_pad", None, "size_range", (4, 6)),
        ("random_crop_resize", "--size_range=5,7", "size_range", (5, 7)),
        ("mixup_inference_pl", None, "mix_weight", 0.5),
        (
            "mixup_inference_pl",
            "--mix_weight=beta:2:1",
            "mix_weight",
            ("beta", 2.0, 1.0),
        ),
        ("mixup_inference_combined", None, "threshold", 0.2),
        (
            "mixup_inference_combined",
            "--fallback=mixup_pl",
            "fallback",
            "mixup_pl",
        ),
    ],
)
def test_flags_reach_the_defence(
    run_dir, call, monkeypatch, defence, flag, attribute, value
):
    exported = []

    def stop(built, *arguments, **options):
        exported.append(built)
        raise ValueError("stopped here")

    monkeypatch.setattr("keras_mixup.export.export_saved_model", stop)
    given = [flag] if flag else []
    call(f"--run_dir={run_dir}", f"--defence={defence}", *given)
    assert getattr(exported[0], attribute) == value
    assert exported[0].num_draws == 30
    pool = getattr(exported[0], "pool", None)
    assert pool is None or sum(pool.class_counts) == 1097


BAD = [
    ([], "A classifier is needed: `run_dir`"),
    (["--run_dir=nowhere"], "No classifier at nowhere/classifier.keras"),
    (["--classifier=config.json"], "`classifier` must be a .keras file"),
    (["--classifier=broken.keras"], "is no classifier that can be loaded"),
    (["--defence=gaussian"], 'one of none, .* Did you mean "gaussian_noise"?'),
    (
        ["--defence=none", "--num_draws=5"],
        "`num_draws` has no effect with defence=none",
    ),
    (["--stddev=0.1"], "`stddev` has no effect with defence=mixup_inf"),
    (["--mix_weight=1.5"], "`mix_weight` must be .* 1.5"),
    (["--mix_weight=beta"], "`mix_weight` must be a number"),
    (["--num_draws=0"], "num_draws=0"),
    (["--dataset=digit"], 'Did you mean "digits"?'),
    (["--dataset=cifar10", "--data_dir=nowhere"], "cifar10"),
    (["--pool_per_class=999"], "`pool_per_class` must be at most 106"),
    (["--threshold=0.1"], "`threshold` has no effect with defence=mixup_inf"),
    (
        ["--threshold_fpr=0.1", "--defence=none"],
        "`threshold_fpr` has no effect",
    ),
    (
        [
            "--defence=mixup_inference_pl",
            "--threshold=0.1",
            "--threshold_fpr=0.1",
        ],
        "threshold and threshold_fpr exclude each other",
    ),
    (
        ["--defence=mixup_inference_pl", "--threshold=1.5"],
        "`threshold` must be a number in [-1, 1]",
    ),
    (
        ["--default_signature=detects", "--defence=none"],
        'Did you mean "detect"?',
    ),
    (
        ["--default_signature=seeded", "--defence=none"],
        "`default_signature` must be one of 'serving_default', 'undefended'",
    ),
    (["--verify=nowhere"], "nowhere holds no exported version"),
    (["--list", "--saved_models=nowhere"], "No folder nowhere"),
    (["--list", "--name=toy"], "`name` must be left out beside --list"),
    (["--verify=x", "--list"], "`list` must be left out beside --verify"),
    (["--verify=x", "--saved_models=y"], "`saved_models` must be left out"),
    (["--name=../escape"], "`name` must be the name of one folder"),
    (["--name="], "`name` must be the name of one folder"),
    (["--version=0"], "version=0"),
    (["--no_such_flag=1"], "Unknown command line flag 'no_such_flag'"),
    (["--saved_models=file"], "`base_path` cannot be written"),
    (["--defence=random_crop_resize", "--size_range=9,12"], "`size_range`"),
]


@pytest.mark.parametrize(
    ("arguments", "text"), BAD, ids=[" ".join(row[0]) for row in BAD]
)
def test_bad_input_is_one_line_and_writes_nothing(
    run_dir, tmp_path, monkeypatch, capsys, arguments, text
):
    monkeypatch.chdir(tmp_path)
    for name in ("file", "config.json", "broken.keras"):
        (tmp_path / name).write_text("")
    before = sorted(os.listdir(tmp_path))
    own = ("--run_dir", "--classifier", "--list", "--verify")
    named = any(a.startswith(own) for a in arguments)
    source = [] if named or not arguments else [f"--run_dir={run_dir}"]
    code = main.exit_code("export", ["export", *source, *arguments])
    out, error = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert len(error.splitlines()) == 1
    assert error.startswith("error: ")
    assert _matches(text, error)
    assert sorted(os.listdir(tmp_path)) == before


def _matches(text, error):
    first, _, second = text.partition(".*")
    return first.strip() in error and second.strip() in error


def test_an_existing_version_is_refused_before_loading(
    run_dir, call, tmp_path, monkeypatch
):
    (tmp_path / "out" / "digits" / "3").mkdir(parents=True)
    monkeypatch.setattr(
        keras.models, "load_model", lambda *a, **k: pytest.fail("was loaded")
    )
    code, _, error = call(
        f"--run_dir={run_dir}", "--name=digits", "--version=3"
    )
    assert code == 2
    assert "Version 3 exists already" in error
    assert os.listdir(tmp_path / "out" / "digits") == ["3"]


def test_a_failed_export_is_one_line_and_leaves_nothing(
    run_dir, call, tmp_path, monkeypatch
):
    def fail(*arguments, **options):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    code, _, error = call(f"--run_dir={run_dir}", "--defence=none")
    assert code == 2
    assert error == ("error: The SavedModel cannot be written: No space left\n")
    assert os.listdir(tmp_path) == []


def test_pool_leaves_the_runs_validation_images_out(run_dir, monkeypatch):
    asked = {}
    load_arrays = data.load_arrays

    def record(*arguments, **options):
        asked.update(options)
        return load_arrays("digits", "train")

    monkeypatch.setattr(data, "load_arrays", record)
    settings = calls.parse("export", f"--run_dir={run_dir}")
    exporting._make_pool(settings, {"dataset": "digits", "num_validation": 300})
    assert asked["num_validation"] == 300


def test_a_defence_with_an_autoencoder_needs_it(run_dir, call):
    arguments = (f"--run_dir={run_dir}", "--defence=var_mixup_inference")
    code, _, error = call(*arguments)
    assert code == 2
    assert "defence=var_mixup_inference needs `vae`" in error
    code, _, error = call(f"--run_dir={run_dir}", "--vae=runs/vae")
    assert code == 2
    assert "`vae` has no effect with defence=mixup_inference_ol" in error


def test_help_names_every_defence(capsys):
    code = main.exit_code("export", ["export", "--help"])
    out = capsys.readouterr().out
    assert code == 0
    for name in ("none", "mixup_inference_combined", "random_crop_resize"):
        assert name in out


def evaluated(folder, target):
    """Copies the run, with what an evaluation wrote beside it."""
    shutil.copytree(folder, target)
    records = [
        evaluation.Record(
            example, 0, "small", *row, 8 / 255, 0, 0, 0, 1.0, 10, 0, "train"
        )
        for example in range(4)
        for row in (
            ("none", "pgd", "oblivious", "linf"),
            ("MI-OL 0.6 x30", "pgd", "oblivious", "linf"),
        )
    ]
    evaluation.write_records(f"{target}/records.jsonl", records)
    classifier = keras.models.load_model(target / "classifier.keras")
    settings = {
        "classifier": {"sha256": evaluation.fingerprint(classifier)},
        "data": {"dataset": "digits"},
        "defences": {},
    }
    (target / "evaluation.json").write_text(json.dumps(settings))
    return target


def test_another_classifiers_evaluation_is_left_out_and_the_user_told(
    run_dir, call, tmp_path
):
    run = evaluated(run_dir, tmp_path / "run")
    other = models.SmallConvNet((8, 8, 1), 10, width=2)
    other.layers[-1].bias.assign(np.arange(10) / 5.0)
    other.save(tmp_path / "other.keras")
    options = ("--defence=none", "--name=digits", "--nowarmup")
    code, out, error = call(
        f"--run_dir={run}", f"--classifier={tmp_path}/other.keras", *options
    )
    assert code == 0, error
    reason = "records.jsonl is of another classifier"
    assert out.splitlines()[-1] == f"The card has no evaluation: {reason}."
    extra = tmp_path / "out" / "digits" / "1" / "assets.extra"
    card = json.loads((extra / "model_card.json").read_text())
    assert "evaluation" not in card
    text = (extra / "model_card.md").read_text()
    assert f"Left out: {reason}" in text
    assert "| adaptive |" not in text


def test_a_path_without_permission_is_one_line(
    run_dir, call, tmp_path, monkeypatch
):
    # The tests may run as root, whom no mode bits stop.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    code, out, error = call(f"--run_dir={run_dir}", "--defence=none")
    assert (code, out) == (2, "")
    text = "error: `base_path` cannot be written: no permission: "
    assert error.startswith(text)
    assert len(error.splitlines()) == 1
    assert os.listdir(tmp_path) == []


def test_a_pool_without_some_class_is_one_line(
    run_dir, call, tmp_path, monkeypatch
):
    load_arrays = data.load_arrays

    def without_seven(*arguments, **options):
        rows = load_arrays(*arguments, **options)
        return data.ImageSet(*(v[rows.labels != 7] for v in rows))

    monkeypatch.setattr(data, "load_arrays", without_seven)
    code, out, error = call(f"--run_dir={run_dir}")
    assert (code, out) == (2, "")
    assert len(error.splitlines()) == 1
    assert "class" in error
    assert "7" in error
    assert os.listdir(tmp_path) == []


def add_pl_defence(run, label):
    """Says that the records under `label` are of the exported MI-PL."""
    settings = calls.parse("export", f"--run_dir={run}", "--pool_per_class=3")
    pool, text = exporting._make_pool(settings, {"dataset": "digits"})
    classifier = keras.models.load_model(run / "classifier.keras")
    defence = inference.MixupInferencePL(classifier, pool, num_draws=2)
    file = run / "evaluation.json"
    settings = json.loads(file.read_text())
    config = settings_of_defence(defence, text)
    settings["defences"][label] = config
    file.write_text(json.dumps(settings))


def test_a_chosen_threshold_and_the_evaluation_are_in_the_card(
    run_dir, call, tmp_path
):
    run = evaluated(run_dir, tmp_path / "run")
    add_pl_defence(run, "MI-OL 0.6 x30")
    code, _, error = call(
        f"--run_dir={run}",
        "--defence=mixup_inference_pl",
        "--num_draws=2",
        "--pool_per_class=3",
        "--threshold_fpr=0.1",
        "--threshold_images=50",
        "--name=digits",
        "--nowarmup",
    )
    assert code == 0, error
    extra = tmp_path / "out" / "digits" / "1" / "assets.extra"
    assert not (extra / "tf_serving_warmup_requests").exists()
    card = json.loads((extra / "model_card.json").read_text())
    text = "false positive rate 0.1 on 50 validation images"
    assert card["detector"]["chosen"] == text
    root = tf.saved_model.load(str(extra.parent))
    images = data.load_arrays("digits", "validation").images
    # Given seeds: the rate on 50 images, and its draws, are not by chance.
    seeds = np.arange(2 * len(images), dtype="int32").reshape(-1, 2)
    answer = root.signatures["seeded"](
        image=tf.constant(images), seed=tf.constant(seeds)
    )
    assert answer["threshold"][0] == np.float32(card["detector"]["threshold"])
    assert np.mean(answer["is_adversarial"]) == pytest.approx(0.1, abs=0.1)
    assert card["dataset"] == "digits"
    assert card["training"]["flags"] == {"dataset": "digits"}
    assert len(card["evaluation"]["cells"]) == 2
    markdown = (extra / "model_card.md").read_text()
    # An oblivious number never stands without the adaptive one's place.
    assert "| adaptive | not measured |" not in markdown
    assert "not measured" in markdown
    assert "Nothing follows about its robustness" in markdown


@pytest.mark.parametrize("given", [["--threshold=0.3"], []])
def test_the_threshold_of_mi_pl_is_the_exports(
    run_dir, call, monkeypatch, given
):
    passed = {}

    def stop(built, *arguments, **options):
        passed.update(options)
        raise ValueError("stopped here")

    monkeypatch.setattr("keras_mixup.export.export_saved_model", stop)
    call(f"--run_dir={run_dir}", "--defence=mixup_inference_pl", *given)
    assert passed["threshold"] == (0.3 if given else None)
    assert passed["warmup"] is True


def test_combined_answers_by_the_threshold_that_was_chosen(
    run_dir, call, monkeypatch
):
    built = []

    def stop(defence, *arguments, **options):
        built.append((defence.threshold, options["threshold"]))
        raise ValueError("stopped here")

    monkeypatch.setattr("keras_mixup.export.export_saved_model", stop)
    monkeypatch.setattr(
        "keras_mixup.export.choose_threshold", lambda *arguments: 0.125
    )
    name = "--defence=mixup_inference_combined"
    call(f"--run_dir={run_dir}", name, "--threshold_fpr=0.1")
    assert built == [(0.125, None)]


def test_list_and_verify_say_what_lies_there(run_dir, call, tmp_path):
    (tmp_path / "out" / "empty" / "3").mkdir(parents=True)
    options = ("--defence=none", "--default_signature=undefended")
    assert call(f"--run_dir={run_dir}", "--name=toy", *options)[0] == 0
    code, out, _ = call("--list")
    assert code == 0
    first, second = out.splitlines()
    assert first == f"{tmp_path}/out/empty/3: no SavedModel"
    assert second.startswith(f"{tmp_path}/out/toy/1 (")
    names = "encoded_images, serving_default, undefended"
    assert second.endswith(f" MB): {names}")
    code, out, _ = call(f"--verify={tmp_path}/out/toy")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith(f"{tmp_path}/out/toy/1: ")
    assert [line.split()[0] for line in lines[2:-1]] == names.split(", ")
    for line in lines[2:-1]:
        assert all(float(number) > 0 for number in line.split()[1:])
    index = tmp_path / "out" / "toy" / "1" / "variables" / "variables.index"
    index.unlink()
    code, _, error = call("--verify", f"{tmp_path}/out/toy/1")
    assert code == 2
    assert "cannot be loaded" in error
    (tmp_path / "out" / "toy" / "1" / "saved_model.pb").write_bytes(b"")
    code, _, error = call("--verify", f"{tmp_path}/out/toy")
    assert code == 2
    text = "saved_model.pb is no SavedModel: it holds no graph"
    assert error.strip().endswith(text)
    code, out, _ = call("--list")
    assert code == 0
    assert out.splitlines()[1].endswith(text)


def test_an_untrained_classifier_is_refused(call, tmp_path):
    path = tmp_path / "fresh.keras"
    models.SmallConvNet((8, 8, 1), 10, width=2).save(path)
    arguments = (f"--classifier={path}", "--defence=none", "--name=fresh")
    code, _, error = call(*arguments)
    assert code == 2
    assert "fresh.keras looks untrained" in error
    assert os.listdir(tmp_path) == ["fresh.keras"]
    assert call(*arguments, "--allow_untrained")[0] == 0
