"""Wide residual networks."""

from collections.abc import Sequence

import keras

from keras_mixup import _checks
from keras_mixup import _types
from keras_mixup import registry
from keras_mixup.models import blocks

_BASE_WIDTH = 16


@registry.register("model", "wide_resnet34", label="WideResNet34")
def WideResNet34(
    input_shape: Sequence[int],
    num_classes: _types.PythonOnly[int],
    width_factor: int = 10,
    mean: _types.PythonOnly[Sequence[float] | None] = None,
    std: _types.PythonOnly[Sequence[float] | None] = None,
    *,
    synchronized: _types.PythonOnly[bool] = False,
    name: _types.PythonOnly[str] = "wide_resnet34",
) -> keras.Model:
    """WideResNet-34, the usual net of adversarial training.

    A 16-channel stem, then three stages of five pre-activation blocks with
    16, 32 and 64 times `width_factor` channels, without dropout (Zagoruyko
    and Komodakis, 2016). It has 46,160,474 trainable parameters with factor
    10 at 32x32x3 and 10 classes.

    Args:
        input_shape: (height, width, channels).
        num_classes: int >= 2.
        width_factor: int >= 1, multiplies the channels of every stage.
        mean: None (no shift) or floats [channels] in [0, 1] units.
        std: None (no scaling) or floats > 0 [channels] in [0, 1] units.
        synchronized: bool, batch statistics over all replicas.
        name: str, the model's name.

    Returns:
        A functional `keras.Model`: float32 images [B, H, W, C] in [0, 1] to
        float32 logits [B, num_classes], with layers `stage_1` to `stage_3`.

    Raises:
        ValueError: for arguments out of range.
    """
    width_factor = _checks.check_integer(width_factor, "width_factor")
    _checks.check_flag(synchronized, "synchronized")
    inputs, x = blocks.classifier_input(input_shape, mean, std)
    x = blocks.convolution(x, _BASE_WIDTH, 3, 1, "stem_conv")
    block, width = blocks.preactivation_block, _BASE_WIDTH * width_factor
    x = blocks.residual_stages(
        x, block, width, (5, 5, 5), synchronized=synchronized
    )
    x = blocks.normalize_relu(x, "final", synchronized)
    return blocks.classifier(inputs, x, num_classes, name)
