import keras
import numpy as np
import pytest

from keras_mixup import models


def test_parameters_at_full_size():
    model = models.WideResNet34((32, 32, 3), 10)
    count = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert count == 46_160_474


def test_resolutions_and_depth():
    model = models.WideResNet34((32, 32, 3), 10, width_factor=2)
    shapes = [model.get_layer(s).output.shape for s in models.stages(model)]
    assert [s[1:] for s in shapes] == [(32, 32, 32), (16, 16, 64), (8, 8, 128)]
    # 34 = 6 * 5 + 4: stem, two in each of 15 blocks, three shortcuts.
    layers = [v for v in model.layers if isinstance(v, keras.layers.Conv2D)]
    assert len(layers) == 34


def test_width_factor_is_checked():
    with pytest.raises(ValueError, match="`width_factor` must be an integer"):
        models.WideResNet34((8, 8, 3), 10, width_factor=0.5)
