import keras
import numpy as np
import pytest

from keras_mixup import models


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.mark.parametrize(
    "name, count",
    [("ResNet34", 21_282_122), ("ResNet50", 23_520_842)],
)
def test_parameters_at_full_size(name, count):
    assert trainable(getattr(models, name)((32, 32, 3), 10)) == count


def test_mixup_inference_net_is_a_fifth_of_resnet50():
    model = models.MixupInferenceResNet50((32, 32, 3), 10)
    kernels = [
        layer.kernel.shape
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    stages = 5 * 11 * (64**2 + 128**2 + 256**2)
    # A stage's first 1x1 reads half the channels; its shortcut the rest.
    convolutions = 25 * 3 * 64 + stages
    assert sum(int(np.prod(k)) for k in kernels) == convolutions
    # stem, 3 x 5 x 3 norms and two projections, each with scale and shift
    norms = 2 * (64 + 15 * (64 + 128 + 256) + 128 + 256)
    assert trainable(model) == convolutions + norms + 256 * 10 + 10
    assert kernels[0] == (5, 5, 3, 64)
    assert model.get_layer("global_average").output.shape == (None, 256)


@pytest.mark.parametrize(
    "name, widths",
    [
        ("ResNet34", [2, 4, 8, 16]),
        ("ResNet50", [8, 16, 32, 64]),
        ("MixupInferenceResNet50", [2, 4, 8]),
    ],
)
def test_resolutions_at_full_size(name, widths):
    model = getattr(models, name)((32, 32, 3), 10, width=2)
    shapes = [model.get_layer(s).output.shape for s in models.stages(model)]
    assert [s[3] for s in shapes] == widths
    assert [s[1] for s in shapes] == [32, 16, 8, 4][: len(widths)]
