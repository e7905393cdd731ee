"""The export in ONNX Runtime, converted by tf2onnx."""

import subprocess
import sys

import export_toys as toys
import numpy as np
import pytest
import tensorflow as tf

pytest.importorskip("tf2onnx", reason="make referee installs tf2onnx")
onnxruntime = pytest.importorskip(
    "onnxruntime", reason="make referee installs onnxruntime"
)

from keras_mixup import export

pytestmark = pytest.mark.referee
ROWS = 3


@pytest.fixture(scope="module", params=["ol", "pl", "combined"])
def defence(request):
    return toys.DEFENCES[request.param]()


@pytest.fixture(scope="module")
def version(defence, tmp_path_factory):
    return export.export_saved_model(defence, tmp_path_factory.mktemp("toy"))


def convert(version, signature, folder):
    """Returns the ONNX Runtime session of one signature."""
    path = str(folder / f"{signature}.onnx")
    command = [sys.executable, "-m", "tf2onnx.convert"]
    options = ["--saved-model", version, "--output", path]
    names = ["--signature_def", signature, "--tag", "serve"]
    done = subprocess.run(
        [*command, *options, *names], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return onnxruntime.InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )


def run(session, inputs):
    """Returns a dict output name -> array."""
    feeds = {n.name: inputs[n.name] for n in session.get_inputs()}
    names = [node.name for node in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds)))


def draws_of(defence, images):
    """The layer's own draws; their rows are what a client would send."""
    draws = defence.draw(images, toys.seeds(len(images)))
    return {name: value.numpy() for name, value in draws.items()}


def test_undefended(defence, version, tmp_path):
    images = toys.images(ROWS)
    received = run(convert(version, "undefended", tmp_path), {"image": images})
    expected = defence.classifier(images, training=False)
    difference = np.abs(received["logits"] - expected).max()
    print(f"ONNX, undefended: max difference {difference:.1e}")
    np.testing.assert_allclose(
        received["logits"], expected, rtol=1e-5, atol=1e-5
    )


def test_indices(defence, version, tmp_path):
    images = toys.images(ROWS)
    draws = draws_of(defence, images)
    session = convert(version, "indices", tmp_path)
    received = run(session, {"image": images, **draws})
    draws = {name: tf.constant(value) for name, value in draws.items()}
    logits = defence.classify(tf.constant(images))
    answer = defence.predict_from_draws(images, draws, logits)
    difference = np.abs(received["probabilities"] - np.exp(answer)).max()
    print(f"ONNX, indices: max difference {difference:.1e}")
    assert difference <= 1e-5
    if hasattr(defence, "predict_with_score"):
        score = defence.predict_with_score(images, draws, logits)[1]
        np.testing.assert_allclose(received["score"], score, atol=1e-5)
