"""Attacks on models that this library did not make.

    python examples/evaluate_own_model.py

Each function returns a callable from images in [0, 1], float32 [B, H, W, C],
to logits [B, classes]. `main` attacks a few untrained networks; replace them
by your own. Whatever passes gradients on takes every attack. A model that
cannot, such as an ONNX file, takes attacks by queries alone (`attacks.Square`,
`attacks.SPSA`), which are weak: they may show that a model is not robust, and
never that it is.
"""

import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import evaluation
from keras_mixup import models
from keras_mixup.reporting import tables


def keras_file(path):
    """A .keras file; import the module with its own classes first."""
    return keras.models.load_model(path, compile=False)


def saved_model(path):
    """The folder of a SavedModel."""
    return models.from_saved_model(path)


def torch_module(module):
    """A PyTorch module on images [B, C, H, W], with its gradients."""
    import torch

    def bridge(images):
        inputs = torch.tensor(np.moveaxis(images.numpy(), -1, 1).copy())
        logits = module(inputs.requires_grad_())

        def back(upstream):
            found = torch.tensor(np.asarray(upstream))
            (inner,) = torch.autograd.grad(logits, inputs, found)
            return np.moveaxis(inner.numpy(), 1, -1)

        return logits.detach().numpy(), back

    return eager_bridge(bridge)


def onnx_file(path, channels_first=True):
    """An ONNX file on images [B, C, H, W] or [B, H, W, C]; no gradients."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    name = session.get_inputs()[0].name

    def answer(images):
        inputs = np.moveaxis(images, -1, 1) if channels_first else images
        return session.run(None, {name: np.ascontiguousarray(inputs)})[0]

    return lambda images: tf.numpy_function(answer, [images], tf.float32)


def eager_bridge(bridge):
    """Makes images -> (logits, upstream -> gradient) a differentiable call."""

    @tf.custom_gradient
    def call(images):
        logits = tf.py_function(lambda x: bridge(x)[0], [images], tf.float32)

        def back(upstream):
            pair = [images, upstream]
            ask = tf.py_function(lambda x, u: bridge(x)[1](u), pair, tf.float32)
            return tf.ensure_shape(ask, images.shape)

        return logits, back

    return call


def main():
    """Prints a table of two models, and of a PyTorch one if it is there."""
    few = data.load_arrays("digits", "test", num_examples=40)
    network = models.SmallConvNet((8, 8, 1), 10, width=4)
    found = {"network": network}
    with tempfile.TemporaryDirectory() as folder:
        network.save(f"{folder}/mine.keras")
        network.export(f"{folder}/mine", verbose=False)
        found["keras file"] = keras_file(f"{folder}/mine.keras")
        found["SavedModel"] = saved_model(f"{folder}/mine")
        try:
            import torch
        except ImportError:
            print("Without PyTorch: pip install torch")
        else:
            layers = torch.nn.Flatten(), torch.nn.Linear(64, 10)
            found["PyTorch"] = torch_module(torch.nn.Sequential(*layers))
        threat = ThreatModel("linf", 0.1)
        attack = attacks.PGD(threat, step_size=0.025, num_steps=5)
        columns = [("clean", None, "none"), ("pgd-5", attack, "oblivious")]
        for name, model in found.items():
            records = evaluation.evaluate(
                {name: model}, columns, few.images, few.labels, verbose=False
            )
            print(tables.to_text(tables.accuracy_table(records)))


if __name__ == "__main__":
    main()
