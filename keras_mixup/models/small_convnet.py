"""A three-convolution network for small images and quick runs."""

from collections.abc import Sequence

import keras
from keras import layers

from keras_mixup import _checks
from keras_mixup import _types
from keras_mixup import registry
from keras_mixup.models import blocks


@registry.register("model", "small_convnet", label="SmallConvNet")
def SmallConvNet(
    input_shape: Sequence[int],
    num_classes: _types.PythonOnly[int],
    width: int = 32,
    mean: _types.PythonOnly[Sequence[float] | None] = None,
    std: _types.PythonOnly[Sequence[float] | None] = None,
    name: _types.PythonOnly[str] = "small_convnet",
) -> keras.Model:
    """Three 3x3 convolutions with ReLU, global average, logits.

    They have `width` channels, 2 `width` at half the resolution and 4 `width`
    at a quarter. There is no BatchNormalization, so training and inference
    compute the same function.

    Args:
        input_shape: (height, width, channels).
        num_classes: int >= 2.
        width: int >= 1, channels of the first convolution.
        mean: None (no shift) or floats [channels] in [0, 1] units.
        std: None (no scaling) or floats > 0 [channels] in [0, 1] units.
        name: str, the model's name.

    Returns:
        A functional `keras.Model`: float32 images [B, H, W, C] in [0, 1] to
        float32 logits [B, num_classes], with layers `stage_1` to `stage_3`.

    Raises:
        ValueError: for arguments out of range.

    Example:

    >>> SmallConvNet((8, 8, 1), 10).output_shape
    (None, 10)
    """
    width = _checks.check_integer(width, "width")
    inputs, x = blocks.classifier_input(input_shape, mean, std)
    for number, (factor, strides) in enumerate(((1, 1), (2, 2), (4, 2)), 1):
        label = f"stage_{number}_conv"
        x = blocks.convolution(x, factor * width, 3, strides, label, True)
        x = layers.ReLU(name=f"stage_{number}")(x)
    return blocks.classifier(inputs, x, num_classes, name)
