"""The export in OpenVINO, which reads the signature serving_default alone."""

import export_toys as toys
import numpy as np
import pytest
import tensorflow as tf

openvino = pytest.importorskip(
    "openvino", reason="make referee installs openvino"
)

from keras_mixup import export

pytestmark = pytest.mark.referee
ROWS = 3


@pytest.mark.parametrize("name", ["ol", "pl", "combined"])
def test_indices(name, tmp_path):
    defence = toys.DEFENCES[name]()
    version = export.export_saved_model(
        defence, tmp_path, default_signature="indices"
    )
    # Its own default on some processors is bfloat16.
    compiled = openvino.Core().compile_model(
        openvino.convert_model(version),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32"},
    )
    images = toys.images(ROWS)
    draws = defence.draw(images, toys.seeds(ROWS))
    given = {"image": images, **{k: v.numpy() for k, v in draws.items()}}
    feeds = {}
    for port in compiled.inputs:
        (key,) = [k for k in given if any(k in n for n in port.names)]
        feeds[port] = given[key]
    answers = compiled(feeds)
    outputs = {
        key: answers[port]
        for port in compiled.outputs
        for key in ("probabilities", "score")
        if key in port.names
    }
    logits = defence.classify(tf.constant(images))
    expected = np.exp(defence.predict_from_draws(images, draws, logits))
    difference = np.abs(outputs["probabilities"] - expected).max()
    print(f"OpenVINO, indices of {name}: max difference {difference:.1e}")
    assert difference <= 1e-5
    if hasattr(defence, "predict_with_score"):
        score = defence.predict_with_score(images, draws, logits)[1]
        np.testing.assert_allclose(outputs["score"], score, atol=1e-5)
