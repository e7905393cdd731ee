"""Residual networks with stems for small images."""

from collections.abc import Sequence

import keras

from keras_mixup import _checks
from keras_mixup import _types
from keras_mixup import registry
from keras_mixup.models import blocks


@registry.register("model", "resnet34", label="ResNet34")
def ResNet34(
    input_shape: Sequence[int],
    num_classes: _types.PythonOnly[int],
    width: int = 64,
    mean: _types.PythonOnly[Sequence[float] | None] = None,
    std: _types.PythonOnly[Sequence[float] | None] = None,
    *,
    synchronized: _types.PythonOnly[bool] = False,
    name: _types.PythonOnly[str] = "resnet34",
) -> keras.Model:
    """ResNet-34 with a 3x3 stem and no max-pooling.

    Stages of 3, 4, 6 and 3 basic blocks (He et al., 2016a) with `width`, 2,
    4 and 8 times `width` channels: 21,282,122 trainable parameters at
    32x32x3 and 10 classes.

    Args:
        input_shape: (height, width, channels).
        num_classes: int >= 2.
        width: int >= 1, channels of the first stage.
        mean: None (no shift) or floats [channels] in [0, 1] units.
        std: None (no scaling) or floats > 0 [channels] in [0, 1] units.
        synchronized: bool, batch statistics over all replicas.
        name: str, the model's name.

    Returns:
        A functional `keras.Model`: float32 images [B, H, W, C] in [0, 1] to
        float32 logits [B, num_classes], with layers `stage_1` to `stage_4`.

    Raises:
        ValueError: for arguments out of range.
    """
    return _resnet(
        (input_shape, mean, std),
        (width, 3),
        (blocks.basic_block, (3, 4, 6, 3)),
        (num_classes, name),
        synchronized=synchronized,
    )


@registry.register("model", "resnet50", label="ResNet50")
def ResNet50(
    input_shape: Sequence[int],
    num_classes: _types.PythonOnly[int],
    width: int = 64,
    mean: _types.PythonOnly[Sequence[float] | None] = None,
    std: _types.PythonOnly[Sequence[float] | None] = None,
    *,
    synchronized: _types.PythonOnly[bool] = False,
    name: _types.PythonOnly[str] = "resnet50",
) -> keras.Model:
    """ResNet-50 with a 3x3 stem and no max-pooling.

    Stages of 3, 4, 6 and 3 bottleneck blocks (He et al., 2016a). Their middle
    convolutions have `width`, 2, 4 and 8 times `width` channels, and their
    outputs four times as many. It has 23,520,842 trainable parameters at
    32x32x3 and 10 classes.

    Args:
        input_shape: (height, width, channels).
        num_classes: int >= 2.
        width: int >= 1, channels of the first stage's middle.
        mean: None (no shift) or floats [channels] in [0, 1] units.
        std: None (no scaling) or floats > 0 [channels] in [0, 1] units.
        synchronized: bool, batch statistics over all replicas.
        name: str, the model's name.

    Returns:
        A functional `keras.Model`: float32 images [B, H, W, C] in [0, 1] to
        float32 logits [B, num_classes], with layers `stage_1` to `stage_4`.

    Raises:
        ValueError: for arguments out of range.
    """
    return _resnet(
        (input_shape, mean, std),
        (width, 3),
        (blocks.bottleneck_block, (3, 4, 6, 3)),
        (num_classes, name),
        expansion=4,
        synchronized=synchronized,
    )


@registry.register(
    "model", "mixup_inference_resnet50", label="MixupInferenceResNet50"
)
def MixupInferenceResNet50(
    input_shape: Sequence[int],
    num_classes: _types.PythonOnly[int],
    width: int = 64,
    mean: _types.PythonOnly[Sequence[float] | None] = None,
    std: _types.PythonOnly[Sequence[float] | None] = None,
    *,
    synchronized: _types.PythonOnly[bool] = False,
    name: _types.PythonOnly[str] = "mixup_inference_resnet50",
) -> keras.Model:
    """The network that the Mixup Inference paper's code calls ResNet-50.

    Three stages of five bottleneck blocks with `width`, 2 and 4 times
    `width` channels and no expansion, a 5x5 stem and no max-pooling. It has
    4.7 million parameters at 32x32x3 and 10 classes, a fifth of `ResNet50`.
    The paper (Pang et al., 2020, section 4.1) names ResNet-50. Its released
    code (P2333/Mixup-Inference) trains this network.

    Args:
        input_shape: (height, width, channels).
        num_classes: int >= 2.
        width: int >= 1, channels of the first stage.
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
    return _resnet(
        (input_shape, mean, std),
        (width, 5),
        (blocks.bottleneck_block, (5, 5, 5)),
        (num_classes, name),
        expansion=1,
        synchronized=synchronized,
    )


def _resnet(start, stem, body, end, synchronized, **options):
    width, kernel_size = stem
    width = _checks.check_integer(width, "width")
    _checks.check_flag(synchronized, "synchronized")
    inputs, x = blocks.classifier_input(*start)
    x = blocks.convolution(x, width, kernel_size, 1, "stem_conv")
    x = blocks.normalize_relu(x, "stem", synchronized)
    block, num_blocks = body
    x = blocks.residual_stages(
        x, block, width, num_blocks, synchronized=synchronized, **options
    )
    return blocks.classifier(inputs, x, *end)
