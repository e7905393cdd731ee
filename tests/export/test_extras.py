"""What lies beside the graph: pool labels, batching, warm-up and card."""

import builtins
import importlib.metadata
import json
import pathlib
import platform
import re
import warnings

import export_toys as toys
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import _versions
from keras_mixup import export
from keras_mixup.export import card as card_lib

EVALUATION = {"text": "| model | clean |\n| --- | --- |\n| plain | 90.0 |\n"}


@pytest.fixture(scope="module")
def defence():
    return toys.DEFENCES["combined"]()


@pytest.fixture(scope="module")
def version(defence, tmp_path_factory):
    base = tmp_path_factory.mktemp("saved_models") / "toy"
    card = {
        "dataset": "toys",
        "threshold": "false positive rate 5 % | 40 images",
        "evaluation": EVALUATION,
    }
    path = export.export_saved_model(defence, base, card=card)
    return pathlib.Path(path)


def test_pool_labels_name_the_class_of_each_row(version, defence):
    labels = export.read_pool_labels(version)
    np.testing.assert_array_equal(labels, defence.pool.labels)
    assert labels.dtype == np.int32
    text = (version / "assets.extra" / "pool_labels.txt").read_text()
    assert text.split() == ["0", "0", "1", "1", "1", "2", "2", "2", "2"]


def test_batching_sizes_end_with_the_largest_batch(version):
    text = (version / "batching_params.pbtxt").read_text()
    sizes = [int(n) for n in re.findall(r"allowed_batch_sizes: (\d+)", text)]
    largest = int(re.search(r"max_batch_size { value: (\d+) }", text)[1])
    assert sizes == sorted(set(sizes))
    assert sizes[0] == 1
    # Else the server refuses the file.
    assert sizes[-1] == largest


def read_warmup(version):
    from tensorflow_serving.apis import prediction_log_pb2

    path = version / "assets.extra" / "tf_serving_warmup_requests"
    return [
        prediction_log_pb2.PredictionLog.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(path))
    ]


def test_warmup_calls_every_signature(version):
    pytest.importorskip("tensorflow_serving")
    root = tf.saved_model.load(str(version))
    called = []
    for log in read_warmup(version):
        request = log.predict_log.request
        assert request.model_spec.name == "toy"
        name = request.model_spec.signature_name
        inputs = {
            key: tf.constant(tf.make_ndarray(value), value.dtype)
            for key, value in request.inputs.items()
        }
        answer = root.signatures[name](**inputs)
        assert all(value.shape[0] == 1 for value in answer.values())
        called.append(name)
    assert sorted(called) == sorted(root.signatures)


def test_without_the_serving_package_one_warning(tmp_path, monkeypatch):
    plain_import = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.startswith("tensorflow_serving"):
            raise ModuleNotFoundError(name)
        return plain_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.warns(UserWarning, match=r'install "keras_mixup\[serving\]"'):
        path = export.export_saved_model(toys.classifier(), tmp_path)
    names = {p.name for p in pathlib.Path(path, "assets.extra").iterdir()}
    assert names == {"model_card.json", "model_card.md"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export.export_saved_model(toys.classifier(), tmp_path, warmup=False)


def test_card_states_what_is_served(version, defence):
    text = (version / "assets.extra" / "model_card.json").read_text()
    card = json.loads(text)
    assert card["name"] == "toy"
    assert card["dataset"] == "toys"
    assert card["classifier"]["parameters"] == defence.classifier.count_params()
    assert card["classifier"]["image_shape"] == list(toys.SHAPE)
    assert card["defence"] == {
        "type": "MixupInferenceCombined",
        "pl_weight": 0.5,
        "ol_weight": 0.4,
        "threshold": 0.2,
        "num_draws": 3,
        "fallback": "input",
        "score": "component",
        "max_inputs": 4096,
    }
    assert card["pool"]["rows_per_class"] == [2, 3, 4]
    assert card["detector"] == {
        "threshold": float(np.float32(0.2)),
        "chosen": "false positive rate 5 % | 40 images",
    }
    assert card["versions"]["tensorflow"] == tf.__version__
    signatures = export.describe_saved_model(version).signatures
    assert set(card["signatures"]) == set(signatures)
    sizes = export.describe_saved_model(version).graph_bytes
    for name, form in card["signatures"].items():
        assert form["graph_bytes"] == sizes[name] > 1000
    folder = (version / "variables").iterdir()
    assert card["variable_bytes"] == sum(f.stat().st_size for f in folder)
    seeded = card["signatures"]["seeded"]
    assert seeded["inputs"]["seed"] == ["int32", [None, 2]]
    assert seeded["outputs"]["probabilities"] == ["float32", [None, 3]]


def test_markdown_card_says_the_same(version):
    text = (version / "assets.extra" / "model_card.md").read_text()
    assert text.startswith("# toy\n")
    assert EVALUATION["text"] in text
    assert (
        "| `seeded` | image float32 [B, 4, 4, 1], seed int32 [B, 2] |" in text
    )
    sizes = export.describe_saved_model(version).graph_bytes
    (line,) = [v for v in text.splitlines() if v.startswith("| `detect` |")]
    assert line.endswith(f"| {sizes['detect'] / 1e3:.1f} |")
    # A cell's own bars do not cut the table.
    assert r"chosen: false positive rate 5 % \| 40 images |" in text
    assert "adaptive accuracy alone" in text


def test_card_of_a_plain_classifier_claims_nothing(tmp_path):
    path = export.export_saved_model(toys.classifier(), tmp_path, warmup=False)
    text = pathlib.Path(path, "assets.extra", "model_card.md").read_text()
    assert "Not measured. Nothing follows about its robustness." in text
    assert "| defence | none |" in text
    assert "adaptive accuracy alone" not in text


def test_a_robustness_card_has_its_place(tmp_path):
    text = "# Robustness\n\n## Worst case\n\nNo # heading.\n"
    extra = {
        "robustness_card": {"worst_case": 12.5, "text": text},
        "evaluation_left_out": "records.jsonl is of another classifier",
    }
    path = export.export_saved_model(
        toys.classifier(), tmp_path, warmup=False, card=extra
    )
    folder = pathlib.Path(path, "assets.extra")
    card = json.loads((folder / "model_card.json").read_text())
    assert card["robustness_card"] == extra["robustness_card"]
    shown = (folder / "model_card.md").read_text()
    assert "## Robustness card\n\n### Robustness\n" in shown
    assert "\n#### Worst case\n\nNo # heading.\n" in shown
    assert "Left out: records.jsonl is of another classifier. No" in shown
    assert "worst_case" not in shown


def test_drawn_weights_stand_in_the_card():
    defence = toys.inference.MixupInferenceOL(
        toys.classifier(), toys.pool(), ("beta", 2.0, 1.0), 3
    )
    shown = card_lib._defence(defence)
    assert shown["mix_weight"] == ["beta", 2.0, 1.0]


def test_versions_are_known_without_an_installation(monkeypatch):
    def refuse(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", refuse)
    versions = _versions.versions("keras_mixup", "keras", "no-such-package")
    assert versions["keras_mixup"] == keras_mixup.__version__
    assert versions["no-such-package"] is None
    assert versions["python"] == platform.python_version()
    assert versions["keras"] == toys.keras.__version__
