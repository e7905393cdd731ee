"""The parts that all classifiers share: input, blocks, stages, logits.

The last layers of the stages are called `stage_1`, `stage_2`, and so on. All
later layers depend on that layer's output alone, so a model can be split
there.
"""

import re

import keras
from keras import layers

from keras_mixup import _checks


def classifier_input(input_shape, mean, std):
    """Starts a classifier: the input and its normalised images.

    Args:
        input_shape: (height, width, channels).
        mean: None (0), or one float per channel, in [0, 1] units.
        std: None (1), or one float > 0 per channel, in [0, 1] units.

    Returns:
        (inputs, normalised images), both float32 under every precision
        policy. bfloat16 has steps of 1/256 near 1. Casting before the
        normalisation would therefore erase a perturbation of a few 1/255.

    Raises:
        ValueError: for another shape, or a mean or std of another length.
    """
    channels = _checks.check_image_shape(input_shape)[-1]
    mean = _per_channel(mean, "mean", channels, 0.0)
    std = _per_channel(std, "std", channels, 1.0, low=0.0)
    inputs = keras.Input(input_shape, dtype="float32", name="images")
    images = layers.Normalization(
        mean=mean,
        variance=[value**2 for value in std],
        # A mean for every pixel: broadcasting three numbers in every call
        # takes five times as long on a CPU.
        axis=(1, 2, 3),
        dtype="float32",
        name="normalization",
    )(inputs)
    return inputs, images


def _per_channel(values, name, channels, default, low=None):
    if values is None:
        return [default] * channels
    try:
        listed = [float(value) for value in values]
    except TypeError:
        listed = []
    expected = f"None or {channels} numbers, one per channel"
    _checks.check(len(listed) == channels, name, expected, values)
    for value in listed:
        _checks.check_number(value, name, low=low, low_open=True)
    return listed


def classifier(inputs, features, num_classes, name):
    """Ends a classifier: global average, then logits, both in float32.

    Args:
        inputs: the tensor from `classifier_input`.
        features: [B, h, w, c], the last stage's output.
        num_classes: int >= 2.
        name: str, the model's name.

    Returns:
        A functional `keras.Model` from images to logits [B, num_classes].
    """
    num_classes = _checks.check_integer(num_classes, "num_classes", minimum=2)
    features = layers.GlobalAveragePooling2D(
        dtype="float32", name="global_average"
    )(features)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(features)
    return keras.Model(inputs, logits, name=name)


def convolution(x, filters, kernel_size, strides, name, use_bias=False):
    """A convolution with He initialisation and "same" padding.

    With stride 2, Keras pads an even size on the right and below, and PyTorch
    on the left and above. Ported weights need a shift by one pixel.
    """
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=use_bias,
        kernel_initializer="he_normal",
        name=name,
    )(x)


def normalize(x, name, synchronized):
    """BatchNormalization with PyTorch's constants, as in the papers' code."""
    return layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, synchronized=synchronized, name=name
    )(x)


def normalize_relu(x, name, synchronized):
    """BatchNormalization, then ReLU."""
    x = normalize(x, f"{name}_norm", synchronized)
    return layers.ReLU(name=f"{name}_relu")(x)


def preactivation_block(x, filters, strides, name, output_name, synchronized):
    """Two 3x3 convolutions, each behind norm and ReLU (He et al., 2016b).

    Where the shape changes, the shortcut is a 1x1 convolution of the
    activated input; otherwise it is the raw input.
    """
    active = normalize_relu(x, f"{name}_1", synchronized)
    shortcut = x
    if strides != 1 or x.shape[-1] != filters:
        shortcut = convolution(active, filters, 1, strides, f"{name}_shortcut")
    x = convolution(active, filters, 3, strides, f"{name}_1_conv")
    x = normalize_relu(x, f"{name}_2", synchronized)
    x = convolution(x, filters, 3, 1, f"{name}_2_conv")
    return layers.Add(name=output_name)([x, shortcut])


def basic_block(x, filters, strides, name, output_name, synchronized):
    """Two 3x3 convolutions and a shortcut, ReLU last (He et al., 2016a)."""
    shortcut = _projection(x, filters, strides, name, synchronized)
    x = convolution(x, filters, 3, strides, f"{name}_1_conv")
    x = normalize_relu(x, f"{name}_1", synchronized)
    x = convolution(x, filters, 3, 1, f"{name}_2_conv")
    x = normalize(x, f"{name}_2_norm", synchronized)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=output_name)(x)


def bottleneck_block(
    x, filters, strides, name, output_name, synchronized, expansion
):
    """1x1, 3x3 (with the stride) and 1x1 convolutions, ReLU last.

    The output has `expansion * filters` channels (He et al., 2016a).
    """
    shortcut = _projection(x, expansion * filters, strides, name, synchronized)
    x = convolution(x, filters, 1, 1, f"{name}_1_conv")
    x = normalize_relu(x, f"{name}_1", synchronized)
    x = convolution(x, filters, 3, strides, f"{name}_2_conv")
    x = normalize_relu(x, f"{name}_2", synchronized)
    x = convolution(x, expansion * filters, 1, 1, f"{name}_3_conv")
    x = normalize(x, f"{name}_3_norm", synchronized)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=output_name)(x)


def _projection(x, filters, strides, name, synchronized):
    # The shortcut: the input, or its 1x1 convolution if the shape changes.
    if strides == 1 and x.shape[-1] == filters:
        return x
    x = convolution(x, filters, 1, strides, f"{name}_shortcut")
    return normalize(x, f"{name}_shortcut_norm", synchronized)


def _stage(x, block, number, filters, num_blocks, strides, **options):
    """Chains `num_blocks` blocks; the last output is called `stage_<number>`.

    The first block has the strides; the others keep the size.
    """
    for index in range(1, num_blocks + 1):
        name = f"stage_{number}_block_{index}"
        last = index == num_blocks
        x = block(
            x,
            filters,
            strides if index == 1 else 1,
            name=name,
            output_name=f"stage_{number}" if last else f"{name}_output",
            **options,
        )
    return x


def residual_stages(x, block, width, num_blocks, **options):
    """Chains stages of twice the width and half the size of the one before.

    Args:
        x: [B, h, w, c].
        block: one of this module's block functions.
        width: int, the first stage's filters; it keeps the size of `x`.
        num_blocks: ints, the blocks of each stage.
        **options: given to every block.
    """
    for index, count in enumerate(num_blocks):
        filters, strides = width * 2**index, 2 if index else 1
        x = _stage(x, block, index + 1, filters, count, strides, **options)
    return x


def stages(model: keras.Model) -> tuple[str, ...]:
    """Returns the names of the layers that end a stage, in order.

    Args:
        model: a `keras.Model`.

    Returns:
        A tuple such as ("stage_1", "stage_2"); empty if there is none.

    Raises:
        ValueError: for something else than a model.
    """
    _checks.check_instance(model, "model", keras.Model, "a keras.Model")
    names = (layer.name for layer in model.layers)
    found = [name for name in names if re.fullmatch(r"stage_\d+", name)]
    return tuple(sorted(found, key=lambda name: int(name.split("_")[1])))
