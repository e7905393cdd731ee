"""Residual networks with stems for small images."""

from keras_mixup import _checks
from keras_mixup import registry
from keras_mixup.models import blocks


@registry.register("model", "resnet34", label="ResNet34")
def ResNet34(
    input_shape,
    num_classes,
    width: int = 64,
    mean=None,
    std=None,
    *,
    synchronized=False,
    name="resnet34",
):
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
        input_shape,
        num_classes,
        mean,
        std,
        name,
        stem=(width, 3),
        num_blocks=(3, 4, 6, 3),
        block=blocks.basic_block,
        synchronized=synchronized,
    )


@registry.register("model", "resnet50", label="ResNet50")
def ResNet50(
    input_shape,
    num_classes,
    width: int = 64,
    mean=None,
    std=None,
    *,
    synchronized=False,
    name="resnet50",
):
    """ResNet-50 with a 3x3 stem and no max-pooling.

    Stages of 3, 4, 6 and 3 bottleneck blocks (He et al., 2016a) whose middle
    has `width`, 2, 4 and 8 times `width` channels and whose output has four
    times as many: 23,520,842 trainable parameters at 32x32x3, 10 classes.

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
        input_shape,
        num_classes,
        mean,
        std,
        name,
        stem=(width, 3),
        num_blocks=(3, 4, 6, 3),
        block=blocks.bottleneck_block,
        expansion=4,
        synchronized=synchronized,
    )


@registry.register(
    "model", "mixup_inference_resnet50", label="MixupInferenceResNet50"
)
def MixupInferenceResNet50(
    input_shape,
    num_classes,
    width: int = 64,
    mean=None,
    std=None,
    *,
    synchronized=False,
    name="mixup_inference_resnet50",
):
    """The net behind "ResNet-50" in the Mixup Inference paper's code.

    Three stages of five bottleneck blocks with `width`, 2 and 4 times
    `width` channels and no expansion, a 5x5 stem and no max-pooling: at
    32x32x3 and 10 classes 4.7 million parameters, a fifth of `ResNet50`.
    The paper (Pang et al., 2020, section 4.1) says ResNet-50; its released
    code (P2333/Mixup-Inference) trains this one.

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
        input_shape,
        num_classes,
        mean,
        std,
        name,
        stem=(width, 5),
        num_blocks=(5, 5, 5),
        block=blocks.bottleneck_block,
        expansion=1,
        synchronized=synchronized,
    )


def _resnet(
    input_shape,
    num_classes,
    mean,
    std,
    name,
    stem,
    num_blocks,
    block,
    **options,
):
    width, kernel_size = stem
    width = _checks.check_integer(width, "width")
    synchronized = options["synchronized"]
    _checks.check_flag(synchronized, "synchronized")
    inputs, x = blocks.classifier_input(input_shape, mean, std)
    x = blocks.convolution(x, width, kernel_size, 1, "stem_conv")
    x = blocks.normalize_relu(x, "stem", synchronized)
    for number, count in enumerate(num_blocks, 1):
        x = blocks.stage(
            x,
            block,
            number,
            filters=width * 2 ** (number - 1),
            num_blocks=count,
            strides=1 if number == 1 else 2,
            **options,
        )
    return blocks.classifier(inputs, x, num_classes, name)
