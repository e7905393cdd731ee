"""The PyTorch bridge of the example against PyTorch's own gradients."""

import pathlib
import runpy

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import attacks

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.referee,
    # PyTorch's build with CUDA on a machine without.
    pytest.mark.filterwarnings("ignore:CUDA initialization"),
]
EXAMPLE = pathlib.Path(__file__).parents[2] / "examples/evaluate_own_model.py"


def test_answers_gradients_and_attacked_images():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.Tanh(),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 4 * 5, 7),
    )
    model = runpy.run_path(str(EXAMPLE))["torch_module"](module)
    images = tf.random.stateless_uniform((5, 6, 7, 3), (1, 2))
    inputs = torch.tensor(np.moveaxis(images.numpy(), -1, 1).copy())
    native = module(inputs.requires_grad_())
    labels = np.array([0, 1, 2, 3, 4])
    loss = torch.nn.functional.cross_entropy(native, torch.tensor(labels))
    loss.backward()
    expected = np.moveaxis(inputs.grad.numpy(), 1, -1)
    for function in (model, tf.function(model)):
        with tf.GradientTape() as tape:
            tape.watch(images)
            logits = function(images)
            value = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            )
        np.testing.assert_allclose(logits, native.detach(), atol=1e-5)
        gradient = tape.gradient(value, images)
        np.testing.assert_allclose(gradient, expected, atol=1e-6)
    attack = attacks.FGSM(ThreatModel("linf", 0.1))
    found = attack(model, images, labels, seed=0).images
    step = np.clip(images + 0.1 * np.sign(expected), 0, 1)
    # Where a gradient is nearly zero, rounding may turn its sign.
    sure = np.abs(expected) > 1e-6
    np.testing.assert_allclose(found.numpy()[sure], step[sure], atol=1e-5)
