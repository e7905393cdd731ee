import numpy as np
import pytest

from keras_mixup import models


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.mark.parametrize(
    "final_norm, count", [(True, 11_172_170), (False, 11_171_146)]
)
def test_parameters_at_full_size(final_norm, count):
    model = models.PreActResNet18((32, 32, 3), 10, final_norm=final_norm)
    assert trainable(model) == count


def test_the_final_norm_is_the_default():
    names = [v.name for v in models.PreActResNet18((8, 8, 3), 10, 1).layers]
    assert "final_norm" in names


def test_resolutions_at_full_size():
    model = models.PreActResNet18((32, 32, 3), 10, width=1)
    shapes = [model.get_layer(s).output.shape for s in models.stages(model)]
    assert [s[1] for s in shapes] == [32, 16, 8, 4]
    assert [s[3] for s in shapes] == [1, 2, 4, 8]


def test_final_norm_must_be_a_flag():
    with pytest.raises(ValueError, match="`final_norm` must be True or False"):
        models.PreActResNet18((8, 8, 3), 10, final_norm="no")
