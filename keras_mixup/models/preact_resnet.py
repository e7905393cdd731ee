"""Pre-activation residual networks for small images."""

from collections.abc import Sequence

import keras

from keras_mixup import _checks
from keras_mixup import _types
from keras_mixup import registry
from keras_mixup.models import blocks


@registry.register("model", "preact_resnet18", label="PreActResNet18")
def PreActResNet18(
    input_shape: Sequence[int],
    num_classes: _types.PythonOnly[int],
    width: int = 64,
    mean: _types.PythonOnly[Sequence[float] | None] = None,
    std: _types.PythonOnly[Sequence[float] | None] = None,
    *,
    final_norm: bool = True,
    synchronized: _types.PythonOnly[bool] = False,
    name: _types.PythonOnly[str] = "preact_resnet18",
) -> keras.Model:
    """PreActResNet-18 with a 3x3 stem and no max-pooling.

    Four stages of two pre-activation blocks with `width`, 2, 4 and 8 times
    `width` channels (He et al., "Identity Mappings in Deep Residual
    Networks", 2016). At 32x32x3 and 10 classes it has 11,172,170 trainable
    parameters with the final BatchNormalization, as in the study of robust
    overfitting (Rice et al., 2020), and 11,171,146 without.

    Args:
        input_shape: (height, width, channels).
        num_classes: int >= 2.
        width: int >= 1, channels of the first stage.
        mean: None (no shift) or floats [channels] in [0, 1] units.
        std: None (no scaling) or floats > 0 [channels] in [0, 1] units.
        final_norm: bool, BatchNormalization and ReLU behind the last stage.
        synchronized: bool, batch statistics over all replicas.
        name: str, the model's name.

    Returns:
        A functional `keras.Model`: float32 images [B, H, W, C] in [0, 1] to
        float32 logits [B, num_classes], with layers `stage_1` to `stage_4`.

    Raises:
        ValueError: for arguments out of range.
    """
    width = _checks.check_integer(width, "width")
    _checks.check_flag(final_norm, "final_norm")
    _checks.check_flag(synchronized, "synchronized")
    inputs, x = blocks.classifier_input(input_shape, mean, std)
    x = blocks.convolution(x, width, 3, 1, "stem_conv")
    block, counts = blocks.preactivation_block, (2, 2, 2, 2)
    x = blocks.residual_stages(
        x, block, width, counts, synchronized=synchronized
    )
    if final_norm:
        x = blocks.normalize_relu(x, "final", synchronized)
    return blocks.classifier(inputs, x, num_classes, name)
