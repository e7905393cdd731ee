"""Killed exports, full disks, many threads, requests of another form."""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

import export_toys as toys
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import export
from keras_mixup.export import saved_model

HERE = pathlib.Path(__file__).parent


def files(folder):
    return {
        path.relative_to(folder): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }


def check_killed(folder, count, seed=0):
    """Kills `count` exports; each version there must be a whole one."""
    done = subprocess.run(
        [
            sys.executable,
            HERE / "killed_exports.py",
            folder,
            *(str(count), str(seed)),
        ],
        check=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=600,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    print(result)
    whole = files(folder / "whole" / "1")
    base = folder / "killed"
    versions = export.list_versions(base)
    # An export that ends by itself, right before it is killed, counts too.
    assert len(versions) >= result["finished"]
    for version in versions:
        path = base / str(version)
        assert set(files(path)) == set(whole)
        export.verify_saved_model(str(path))
    return result


def test_a_killed_export_is_no_version(tmp_path):
    check_killed(tmp_path, 2)


@pytest.mark.slow
def test_twenty_killed_exports_are_no_versions(tmp_path):
    result = check_killed(tmp_path, 20)
    # Else the moments were no random ones within the export.
    assert result["finished"] < 20


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    path = export.export_saved_model(
        toys.DEFENCES["noise"](),
        tmp_path_factory.mktemp("toy"),
        signatures=("serving_default", "undefended"),
    )
    return tf.saved_model.load(path)


def test_threads_and_calls_never_share_draws(root):
    # Four rows: rounding makes two of many answers to one row equal.
    image = tf.constant(toys.images(4))
    function = root.signatures["serving_default"]

    def work(_):
        answers = [function(image=image)["probabilities"] for _ in range(50)]
        return [answer.numpy().tobytes() for answer in answers]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = [answer for part in pool.map(work, range(8)) for answer in part]
    assert len(found) == len(set(found)) == 400


def test_rows_of_one_call_never_share_draws(root):
    image = tf.repeat(toys.images(1), 400, axis=0)
    answer = root.signatures["serving_default"](image=image)["probabilities"]
    # Rounding alone makes two equal once in a million runs, never three.
    assert len(np.unique(answer, axis=0)) >= 398


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((2, 5, 4, 1), "float32"),
        np.zeros((2, 4, 4), "float32"),
        np.zeros((2, 4, 4, 1), "float64"),
        np.zeros((2, 4, 4, 1), "uint8"),
    ],
    ids=["size", "rank", "float64", "uint8"],
)
def test_another_shape_or_type_is_tensorflows_error(root, image):
    errors = (TypeError, ValueError, tf.errors.InvalidArgumentError)
    for function in root.signatures.values():
        with pytest.raises(errors):
            function(image=tf.constant(image))


@pytest.mark.parametrize("file", ["model_card.md", "pool_labels.txt"])
def test_a_disk_that_fills_up_late_leaves_nothing(tmp_path, monkeypatch, file):
    opened = open

    def refuse(path, *arguments, **options):
        if file in os.fspath(path):  # Or its temporary name.
            raise OSError(28, "No space left on device", path)
        return opened(path, *arguments, **options)

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr("io.open", refuse)  # What pathlib opens with.
    with pytest.raises(OSError, match="No space left on device"):
        export.export_saved_model(toys.DEFENCES["ol"](), tmp_path / "toy")
    monkeypatch.undo()
    assert os.listdir(tmp_path) == []


def test_a_path_without_permission_leaves_nothing(tmp_path, monkeypatch):
    # The tests may run as root, whom no mode bits stop.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    text = "`base_path` cannot be written: no permission"
    with pytest.raises(PermissionError, match=text):
        export.export_saved_model(toys.classifier(), tmp_path / "toy")
    assert os.listdir(tmp_path) == []


def test_a_pool_without_some_class_is_refused(tmp_path):
    text = "class 1"
    with pytest.raises(ValueError, match=text):
        pool = toys.inference.SamplePool(
            toys.pool().images.numpy()[:4], [0, 2, 2, 0]
        )
        defence = toys.inference.MixupInferenceOL(toys.classifier(), pool)
        export.export_saved_model(defence, tmp_path / "toy")
    # As many classes as the pool has images of, but one less than answers.
    pool = toys.inference.SamplePool(
        toys.pool().images.numpy()[:4], [0, 1, 1, 0]
    )
    with pytest.raises(ValueError, match="classes"):
        defence = toys.inference.MixupInferenceOL(toys.classifier(), pool)
        export.export_saved_model(defence, tmp_path / "toy")
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fills_up_in_tensorflow_leaves_nothing(
    tmp_path, monkeypatch
):
    def fail(*arguments):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left")

    monkeypatch.setattr(saved_model, "write_extras", fail)
    with pytest.raises(OSError, match="cannot be written: No space left"):
        export.export_saved_model(toys.classifier(), tmp_path / "toy")
    assert os.listdir(tmp_path) == []


def test_a_classifier_as_it_was_made_is_refused(tmp_path):
    classifier = toys.keras.Sequential(
        [
            toys.keras.layers.Input(toys.SHAPE),
            toys.keras.layers.Flatten(),
            toys.keras.layers.Dense(toys.CLASSES),
        ]
    )
    assert export.looks_untrained(classifier)
    base = tmp_path / "toy"
    text = "`defence` must be around a trained .* pass allow_untrained=True"
    for given in (
        classifier,
        toys.inference.GaussianNoiseInference(classifier, 0.1),
    ):
        with pytest.raises(ValueError, match=text):
            export.export_saved_model(given, base)
    assert os.listdir(tmp_path) == []
    path = export.export_saved_model(
        classifier,
        base,
        signatures=("undefended",),
        warmup=False,
        allow_untrained=True,
    )
    assert export.list_versions(base) == [1]
    export.verify_saved_model(path)
    classifier.layers[-1].bias.assign([0.0, 1e-9, 0.0])
    assert not export.looks_untrained(classifier)
    without = toys.keras.Sequential([toys.keras.layers.Flatten()])
    without(toys.images(1))
    assert not export.looks_untrained(without)


@pytest.mark.parametrize("name", ["indices", "undefended"])
def test_another_default_signature(tmp_path, name):
    path = export.export_saved_model(
        toys.DEFENCES["ol"](),
        tmp_path,
        signatures=("undefended", "indices"),
        default_signature=name,
        warmup=False,
    )
    found = export.describe_saved_model(path).signatures
    assert set(found) == {"serving_default", "undefended", "indices"}
    assert found["serving_default"] == found[name]
    export.verify_saved_model(path)


def test_an_unknown_default_signature_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`default_signature` must be one of"):
        export.export_saved_model(
            toys.classifier(), tmp_path, default_signature="indices"
        )
    assert os.listdir(tmp_path) == []
