"""The export in loaders that share no Python with the layer."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import export_toys as toys
import numpy as np
import pytest
from tensorflow.core.protobuf import saved_model_pb2

from keras_mixup import export

HERE = pathlib.Path(__file__).parent
ENVIRONMENT = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}


@pytest.fixture(scope="module")
def defence():
    return toys.DEFENCES["combined"]()


@pytest.fixture(scope="module")
def version(defence, tmp_path_factory):
    base = tmp_path_factory.mktemp("saved_models") / "toy"
    return export.export_saved_model(defence, base)


def cut(array, **replaced):
    """A copy with one entry replaced."""
    array = np.array(array)
    array.flat[replaced["at"]] = replaced["by"]
    return array


def requests(defence):
    """dict, label -> (signature, inputs)."""
    image, seed = toys.images(5), toys.seeds(5)
    # The pool is small: one image draws the same rows once in eight times.
    many = toys.images(64)
    draws = {
        name: value.numpy()
        for name, value in defence.draw(image, seed).items()
        if name.endswith("indices")
    }
    encoded, _ = toys.pngs(image)
    other = [encoded[0], b"GIF89a" + bytes(9), *encoded[2:]]
    nan = cut(image, at=7, by=np.nan)
    outside = {**draws, "pl_indices": cut(draws["pl_indices"], at=4, by=9)}
    seeded = {"image": image, "seed": seed}
    return {
        "seeded": ("seeded", seeded),
        "one": ("seeded", {"image": image[:1], "seed": seed[:1]}),
        "none": ("seeded", {"image": image[:0], "seed": seed[:0]}),
        "undefended": ("undefended", {"image": image}),
        "indices": ("indices", {"image": image, **draws}),
        "detect": ("detect", {"image": image}),
        "encoded": ("encoded_images", {"image_bytes": encoded}),
        "gif": ("encoded_images", {"image_bytes": np.array(other)}),
        "first": ("serving_default", {"image": many}),
        "second": ("serving_default", {"image": many}),
        "nan": ("seeded", {**seeded, "image": nan}),
        "row": ("indices", {"image": image, **outside}),
        "shape": ("seeded", {**seeded, "image": image[:, :1, :1]}),
        "draws": (
            "indices",
            {"image": image, **{k: v[:, :2] for k, v in draws.items()}},
        ),
        "type": ("undefended", {"image": image.astype("int32")}),
    }


@pytest.fixture(scope="module")
def answers(version, defence, tmp_path_factory):
    """dict, label -> what TensorFlow's C API answered."""
    folder = tmp_path_factory.mktemp("c_api")
    return ask_c_api(version, requests(defence), folder)


def ask_c_api(version, given, folder):
    """Returns dict, label -> dict output name -> array.

    Args:
        version: path of the export.
        given: dict, label -> (signature, inputs).
        folder: path for the files of the exchange.
    """
    message = saved_model_pb2.SavedModel()
    message.ParseFromString(
        pathlib.Path(version, "saved_model.pb").read_bytes()
    )
    definitions = message.meta_graphs[0].signature_def
    arrays, calls, labels = {}, [], []
    for label, (signature, inputs) in given.items():
        definition = definitions[signature]
        names = {n: info.name for n, info in definition.outputs.items()}
        call = {"inputs": {}, "outputs": names}
        for name, array in inputs.items():
            arrays[f"{label}/{name}"] = array
            tensor = definition.inputs[name].name
            call["inputs"][tensor] = f"{label}/{name}"
        calls.append(call)
        labels.append(label)
    np.savez(folder / "requests.npz", **arrays)
    (folder / "calls.json").write_text(json.dumps(calls))
    package = pathlib.Path(importlib.util.find_spec("tensorflow").origin)
    subprocess.run(
        [
            sys.executable,
            HERE / "c_api_loader.py",
            package.parent / "libtensorflow_cc.so.2",
            version,
            folder / "requests.npz",
            folder / "calls.json",
            folder / "answers.npz",
        ],
        check=True,
        env=ENVIRONMENT,
        timeout=120,
    )
    found = {label: {} for label in labels}
    for key, value in np.load(folder / "answers.npz").items():
        if key == "modules":
            assert value.tolist() == []
            continue
        number, _, name = key.partition("/")
        found[labels[int(number)]][name] = value
    return found


def compare(received, expected):
    difference = np.abs(received - np.asarray(expected)).max()
    print(f"largest difference {difference:g}")
    assert difference < 1e-5


def test_c_api_gives_the_layers_output(answers, defence):
    image, seed = toys.images(5), toys.seeds(5)
    expected = np.exp(defence(image, seed=seed))
    score = defence.detection_score(image, seed=seed)
    for label in ("seeded", "indices"):
        compare(answers[label]["probabilities"], expected)
        compare(answers[label]["score"], score)
        assert answers[label]["is_adversarial"].dtype == np.bool_
        np.testing.assert_array_equal(
            answers[label]["label"], expected.argmax(-1)
        )
    compare(answers["one"]["probabilities"], expected[:1])
    logits = defence.classifier(image, training=False)
    compare(answers["undefended"]["logits"], logits)


def test_c_api_draws_afresh(answers):
    first, second = answers["first"], answers["second"]
    assert np.abs(first["score"] - second["score"]).max() > 1e-4
    for label, rows in (("first", 64), ("detect", 5), ("encoded", 5)):
        assert answers[label]["score"].shape == (rows,)
        np.testing.assert_array_equal(
            answers[label]["threshold"], np.full(rows, 0.2, "float32")
        )


def test_c_api_decodes_as_the_layer_sees(tmp_path):
    defence = toys.drawless()
    version = export.export_saved_model(
        defence, tmp_path / "toy", signatures=("encoded_images",)
    )
    files, images = toys.pngs(toys.images(5))
    given = {"encoded": ("encoded_images", {"image_bytes": files})}
    answer = ask_c_api(version, given, tmp_path)["encoded"]
    expected = np.exp(defence(images, seed=0))
    compare(answer["probabilities"], expected)
    np.testing.assert_array_equal(answer["label"], expected.argmax(-1))
    # Otherwise any constant would do.
    assert np.ptp(expected, axis=0).max() > 1e-3


def test_c_api_answers_nothing_with_nothing(answers):
    shapes = {name: value.shape for name, value in answers["none"].items()}
    assert shapes.pop("probabilities") == (0, toys.CLASSES)
    assert set(shapes.values()) == {(0,)}


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("nan", "`image` must be finite and in [0, 1]"),
        ("row", "`pl_indices` must be rows of the pool, in [0, 8]"),
        ("shape", "is not compatible with expected shape"),
        ("draws", "is not compatible with expected shape"),
        ("type", "int32"),
        ("gif", "these rows are not:] [1]"),
    ],
)
def test_c_api_refuses_a_bad_request(answers, label, text):
    assert list(answers[label]) == ["error"]
    assert text in str(answers[label]["error"])


def test_saved_model_cli_gives_the_layers_output(version, defence, tmp_path):
    image, seed = toys.images(2), toys.seeds(2)
    np.save(tmp_path / "image.npy", image)
    np.save(tmp_path / "seed.npy", seed)
    subprocess.run(
        [
            pathlib.Path(sys.executable).parent / "saved_model_cli",
            "run",
            *("--dir", version, "--tag_set", "serve"),
            *("--signature_def", "seeded", "--outdir", tmp_path),
            "--inputs",
            f"image={tmp_path}/image.npy;seed={tmp_path}/seed.npy",
        ],
        check=True,
        env=ENVIRONMENT,
        capture_output=True,
        timeout=120,
    )
    expected = np.exp(defence(image, seed=seed))
    compare(np.load(tmp_path / "probabilities.npy"), expected)
    score = defence.detection_score(image, seed=seed)
    compare(np.load(tmp_path / "score.npy"), score)
