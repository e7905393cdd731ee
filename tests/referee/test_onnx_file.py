"""The example's ONNX file under attacks by queries, and its refusals."""

import pathlib
import runpy

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import attacks

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.referee
EXAMPLE = pathlib.Path(__file__).parents[2] / "examples/evaluate_own_model.py"
WEIGHTS = np.random.default_rng(0).normal(size=(3 * 4 * 5, 7)).astype("float32")


@pytest.fixture
def path(tmp_path):
    """Flatten and a matrix product, on images [B, 3, 4, 5]."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        ],
        "linear",
        [helper.make_tensor_value_info("image", kind, ["b", 3, 4, 5])],
        [helper.make_tensor_value_info("logits", kind, ["b", 7])],
        [onnx.numpy_helper.from_array(WEIGHTS, "weights")],
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.save(made, tmp_path / "linear.onnx")
    return str(tmp_path / "linear.onnx")


def test_answers_queries_and_no_gradient(path):
    model = runpy.run_path(str(EXAMPLE))["onnx_file"](path)
    images = tf.random.stateless_uniform((6, 4, 5, 3), (1, 2))
    moved = np.moveaxis(images.numpy(), -1, 1).reshape(6, -1)
    expected = moved @ WEIGHTS
    np.testing.assert_allclose(model(images), expected, atol=1e-4)
    labels = expected.argmax(-1)
    threat = ThreatModel("linf", 0.3)
    square = attacks.Square(threat, num_queries=60)
    found = square(model, images, labels, seed=0)
    assert np.abs(found.images - images).max() <= 0.3 + 1e-6
    answers = model(found.images).numpy().argmax(-1)
    np.testing.assert_array_equal(found.success, answers != labels)
    assert found.success.numpy().any()
    # An attack by gradients says so by name, and what to take instead.
    pgd = attacks.PGD(threat, step_size=0.1, num_steps=2)
    with pytest.raises(ValueError, match="gradient.*Square, SPSA"):
        pgd(model, images, labels, seed=0)
