"""What apps.export puts into a card, and what it leaves out with a reason."""

import hashlib
import json

import keras
import numpy as np
import pytest

from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import models
from keras_mixup import runs
from keras_mixup.evaluation.identity import settings_of_defence
from keras_mixup.runs import _card
from keras_mixup.runs import _defences

CONFIG = {"dataset": "digits", "algorithm": "erm", "seed": 0}
# What a card does not repeat.
UNSET = {"augment": None, "resume": True, "attacks": [], "download": False}
POOL_TEXT = "30 images of the train split, ids sha256 0123"
LABEL = "MI-OL 0.6 x4"


def make_classifier(bias):
    keras.utils.set_random_seed(0)
    classifier = models.SmallConvNet((8, 8, 1), 10, width=2)
    classifier.layers[-1].bias.assign(np.full(10, bias))
    return classifier


def make_defence(classifier, **options):
    images = np.random.default_rng(0).uniform(size=(30, 8, 8, 1))
    pool = inference.SamplePool(images, np.arange(30) % 10, dtype="float32")
    options = {"mix_weight": 0.6, "num_draws": 4, **options}
    return inference.MixupInferenceOL(classifier, pool, **options)


def record(example, defence, knowledge):
    attack = "clean" if knowledge == "none" else "pgd-10"
    ball = (None, None, None) if knowledge == "none" else ("linf", 0.1, 0)
    row = (example, 0, "erm", defence, attack, knowledge, *ball)
    return evaluation.Record(*row, 0, 0, 1.0, 10, 0, "train")


@pytest.fixture(scope="module")
def trained():
    return make_classifier(0.1)


@pytest.fixture
def run(tmp_path, trained):
    """A run folder, evaluated: bare, under MI-OL 0.6 and under MI-OL 0.8."""
    folder = tmp_path / "run"
    folder.mkdir()
    trained.save(folder / "classifier.keras")
    flags = {**CONFIG, **UNSET}
    (folder / "config.json").write_text(json.dumps({"flags": flags}))
    defences = {
        LABEL: make_defence(trained),
        "MI-OL 0.8 x4": make_defence(trained, mix_weight=0.8),
    }
    settings = {
        "classifier": {
            "file": "any",
            "sha256": evaluation.identity.former_fingerprint(trained),
        },
        "data": {"dataset": "digits", "split": "test"},
        "defences": {
            label: settings_of_defence(defence, POOL_TEXT)
            for label, defence in defences.items()
        },
    }
    (folder / "evaluation.json").write_text(json.dumps(settings))
    records = [
        record(example, defence, knowledge)
        for example in range(3)
        for defence in ("none", *defences)
        for knowledge in ("none", "oblivious", "adaptive")
        if (defence, knowledge) != ("none", "adaptive")
    ]
    evaluation.write_records(f"{folder}/records.jsonl", records)
    return folder


def make_card(run, layer, path=None, pool_text=POOL_TEXT, **flags):
    path = path or run / "classifier.keras"
    settings = runs.ExportSettings(run_dir=str(run), **flags)
    config = {**CONFIG, **UNSET}
    return _card.model_card(settings, config, path, layer, pool_text, None)


def test_the_exported_defences_own_evaluation_is_in_the_card(run, trained):
    card = make_card(run, make_defence(trained, max_inputs=8))
    assert "evaluation_left_out" not in card
    assert _card.notices(card) == []
    cells = card["evaluation"]["cells"]
    assert {cell["defence"] for cell in cells} == {"none", LABEL}
    assert "adaptive" in card["evaluation"]["text"]
    assert "0.8" not in card["evaluation"]["text"]
    assert card["training"]["flags"] == CONFIG


def test_a_bare_export_shows_the_bare_classifier_alone(run, trained):
    card = make_card(run, trained, pool_text="", defence="none")
    cells = card["evaluation"]["cells"]
    assert {cell["defence"] for cell in cells} == {"none"}


def test_another_classifier_gets_neither_evaluation_nor_training(run, tmp_path):
    other = make_classifier(0.2)
    other.save(tmp_path / "other.keras")
    card = make_card(run, make_defence(other), tmp_path / "other.keras")
    assert "evaluation" not in card
    assert "training" not in card
    reason = "records.jsonl is of another classifier"
    assert card["evaluation_left_out"] == reason
    notice = f"The card has no evaluation: {reason}."
    assert _card.notices(card) == [notice]


@pytest.mark.parametrize(
    "options", [{"mix_weight": 0.7}, {"num_draws": 5}], ids=str
)
def test_other_settings_get_no_evaluation(run, trained, options):
    card = make_card(run, make_defence(trained, **options))
    assert "evaluation" not in card
    assert "no defence with the exported sett" in card["evaluation_left_out"]


def test_another_pool_gets_no_evaluation(run, trained):
    card = make_card(run, make_defence(trained), pool_text="9 images")
    assert "no defence with the exported sett" in card["evaluation_left_out"]


def test_another_dataset_gets_no_evaluation(run, trained):
    card = make_card(run, make_defence(trained), dataset="svhn")
    assert card["evaluation_left_out"] == "records.jsonl is of digits"


def test_records_without_their_settings_are_left_out(run, trained):
    (run / "evaluation.json").unlink()
    card = make_card(run, make_defence(trained))
    assert "run has no evaluation.json" in card["evaluation_left_out"]


def test_settings_of_another_form_are_left_out(run, trained):
    file = run / "evaluation.json"
    settings = json.loads(file.read_text())
    for key, text in (
        ("defences", "no defence with the exported settings"),
        ("data", "is of None"),
        ("classifier", "is of another classifier"),
    ):
        del settings[key]
        file.write_text(json.dumps(settings))
        card = make_card(run, make_defence(trained))
        assert text in card["evaluation_left_out"]


def test_a_run_that_was_never_evaluated_has_nothing_to_leave_out(run, trained):
    (run / "records.jsonl").unlink()
    card = make_card(run, make_defence(trained))
    assert not card.keys() & {"evaluation", "evaluation_left_out"}
    assert _card.notices(card) == []


def test_a_defence_that_was_not_run_is_named(run, trained):
    records = [record(0, "none", "none")]
    evaluation.write_records(f"{run}/records.jsonl", records)
    card = make_card(run, make_defence(trained))
    reason = "records.jsonl has no record of the exported defence"
    assert card["evaluation_left_out"] == reason


def write_robustness(run, **replaced):
    content = (run / "classifier.keras").read_bytes()
    card = {
        "model": "erm",
        "defence": LABEL,
        "classifier_sha256": hashlib.sha256(content).hexdigest(),
        "worst_case": 12.5,
        **replaced,
    }
    (run / "robustness_card.json").write_text(json.dumps(card))
    (run / "robustness_card.md").write_text("# Robustness\n\nWorst: 12.5\n")
    return card


def test_a_matching_robustness_card_is_embedded(run, trained):
    written = write_robustness(run)
    card = make_card(run, make_defence(trained))
    text = "# Robustness\n\nWorst: 12.5\n"
    assert card["robustness_card"] == {**written, "text": text}
    (run / "robustness_card.md").unlink()
    card = make_card(run, make_defence(trained))
    assert card["robustness_card"] == {**written, "text": ""}


def test_the_card_of_the_exported_defence_is_found_among_several(run, trained):
    one = write_robustness(run, defence="none", text="# Bare\n")
    settings = settings_of_defence(make_defence(trained), POOL_TEXT)
    two = {**one, "defence": LABEL, "text": "# MI\n"}
    two["defence_settings"] = settings
    file = run / "robustness_card.json"
    file.write_text(json.dumps({"cards": [one, two]}))
    card = make_card(run, make_defence(trained, max_inputs=8))
    assert card["robustness_card"] == two
    card = make_card(run, trained, pool_text="", defence="none")
    assert card["robustness_card"] == one
    # The same name, another pool.
    card = make_card(run, make_defence(trained), pool_text="9 images")
    assert "robustness_card" not in card


@pytest.mark.parametrize(
    "replaced",
    [{"defence": "none"}, {"classifier_sha256": "0"}, {"defence": None}],
    ids=str,
)
def test_another_robustness_card_is_not(run, trained, replaced):
    write_robustness(run, **replaced)
    assert "robustness_card" not in make_card(run, make_defence(trained))


@pytest.mark.parametrize("text", ["{", "[]"])
@pytest.mark.parametrize("name", ["robustness_card", "evaluation"])
def test_a_broken_file_is_named(run, trained, name, text):
    (run / f"{name}.json").write_text(text)
    with pytest.raises(ValueError, match=f"{name}.json"):
        make_card(run, make_defence(trained))


def test_labels_are_those_of_the_evaluation(trained):
    pool = make_defence(trained).pool
    combined = inference.MixupInferenceCombined(trained, pool, num_draws=3)
    label = _defences.label(combined)
    assert label == "MI-Combined 0.5 0.4 0.2 x3"
    padded = inference.RandomResizePadInference(trained, (4, 6), 3)
    label = _defences.label(padded)
    assert label == "resize-pad 4-6 x3"
    drawn = make_defence(trained, mix_weight=("beta", 2.0, 1.0))
    assert _defences.label(drawn) == "MI-OL beta-2.0-1.0 x4"


def test_the_same_weights_saved_again_keep_the_robustness_card(
    run, trained, tmp_path
):
    print_ = evaluation.fingerprint(trained)
    written = write_robustness(
        run, classifier_fingerprint=print_, classifier_sha256=None
    )
    again = tmp_path / "again.keras"
    # Other bytes, the same configuration and weights.
    again.write_bytes((run / "classifier.keras").read_bytes() + b"\0")
    card = make_card(run, make_defence(trained), again)
    text = "# Robustness\n\nWorst: 12.5\n"
    assert card["robustness_card"] == {**written, "text": text}
    assert "robustness_left_out" not in card


def test_a_robustness_card_left_out_is_named(run, trained):
    write_robustness(run, classifier_fingerprint="0", classifier_sha256="0")
    card = make_card(run, make_defence(trained))
    reason = "robustness_card.json is of another classifier"
    assert card["robustness_left_out"] == reason
    assert f"The card has no robustness card: {reason}." in _card.notices(card)


def test_another_models_numbers_do_not_get_into_the_card(run, trained):
    """Two models may have been scored into one file."""
    path = run / "records.jsonl"
    records = list(evaluation.read_records(path))
    others = [r._replace(model="other", prediction=1) for r in records]
    evaluation.write_records(str(path), records + others)
    told = json.loads((run / "evaluation.json").read_text())
    prints = {"erm": evaluation.fingerprint(trained), "other": "0" * 64}
    told["models"] = {name: {"sha256": p} for name, p in prints.items()}
    (run / "evaluation.json").write_text(json.dumps(told))
    card = make_card(run, make_defence(trained))
    assert {c["model"] for c in card["evaluation"]["cells"]} == {"erm"}
