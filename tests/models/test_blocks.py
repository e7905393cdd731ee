"""What holds for every classifier, and for the shared blocks."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import models
from keras_mixup.models import blocks

TINY = {
    "SmallConvNet": {"width": 2},
    "PreActResNet18": {"width": 2},
    "ResNet34": {"width": 2},
    "ResNet50": {"width": 2},
    "MixupInferenceResNet50": {"width": 2},
    "WideResNet34": {"width_factor": 1},
}
NUM_STAGES = {
    "SmallConvNet": 3,
    "PreActResNet18": 4,
    "ResNet34": 4,
    "ResNet50": 4,
    "MixupInferenceResNet50": 3,
    "WideResNet34": 3,
}


def tiny(constructor, **options):
    build = getattr(models, constructor)
    return build((8, 8, 3), 5, **TINY[constructor], **options)


def images(count=3, shape=(8, 8, 3)):
    values = np.random.default_rng(0).random((count, *shape))
    return values.astype("float32")


@pytest.fixture
def bfloat16():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("name", TINY)
def test_stages_are_named_in_order_and_halve_the_size(name):
    model = tiny(name, name="mine")
    names = models.stages(model)
    assert names == tuple(f"stage_{i + 1}" for i in range(NUM_STAGES[name]))
    sizes = [model.get_layer(n).output.shape[1] for n in names]
    assert sizes == [8, 4, 2, 1][: len(names)]
    assert model.name == "mine"
    assert model.output_shape == (None, 5)


@pytest.mark.parametrize("name", ["SmallConvNet", "PreActResNet18", "ResNet34"])
def test_model_splits_at_a_stage(name):
    model = tiny(name)
    cut = model.get_layer("stage_2").output
    lower, upper = keras.Model(model.input, cut), keras.Model(cut, model.output)
    x = images()
    np.testing.assert_array_equal(upper(lower(x)), model(x))


@pytest.mark.parametrize("name", TINY)
def test_every_layer_is_a_stock_keras_layer(name):
    for layer in tiny(name).layers:
        assert type(layer).__module__.split(".")[0] == "keras"


def test_files_load_where_keras_mixup_does_not_exist(tmp_path):
    names = ["SmallConvNet", "PreActResNet18"]
    x = images()
    np.save(tmp_path / "x.npy", x)
    for name in names:
        model = tiny(name, mean=(0.4, 0.5, 0.6), std=(0.1, 0.2, 0.3))
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.npy", model(x))
    script = """
import sys
sys.modules["keras_mixup"] = None
import keras, numpy as np
folder, *names = sys.argv[1:]
x = np.load(folder + "/x.npy")
for name in names:
    model = keras.models.load_model(f"{folder}/{name}.keras")
    np.testing.assert_array_equal(model(x), np.load(f"{folder}/{name}.npy"))
try:
    import keras_mixup
except ImportError:
    print("absent")
"""
    command = [sys.executable, "-c", script, str(tmp_path), *names]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["absent"]


@pytest.mark.parametrize("name", ["SmallConvNet", "PreActResNet18"])
def test_mixed_precision_computes_in_bfloat16_and_ends_in_float32(
    name, bfloat16, tmp_path
):
    model = tiny(name)
    x = images()
    logits = model(x)
    assert logits.dtype == tf.float32
    assert model.get_layer("stage_1").output.dtype == "bfloat16"
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded(x), logits)


def test_small_perturbations_survive_the_normalization(bfloat16):
    # Near 1 a bfloat16 has steps of 1/256: it cannot tell these apart.
    low, high = 0.987, 0.987 + 8 / 255 / 32
    rounded = tf.cast([low, high], tf.bfloat16)
    assert rounded[0] == rounded[1]
    model = tiny("SmallConvNet", mean=(0.5,) * 3, std=(0.25,) * 3)
    normalized = keras.Model(model.input, model.get_layer("stage_1_conv").input)
    x = np.stack([np.full((8, 8, 3), v, "float32") for v in (low, high)])
    expected = (x - 0.5) / 0.25
    result = normalized(x)
    assert result.dtype == tf.float32
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    assert (result[1] > result[0]).numpy().all()


def test_eight_levels_of_a_quarter_stay_apart_in_every_model(bfloat16):
    x = np.full((2, 8, 8, 3), 1 - 8 / 255 / 4, "float32")
    x[1] += np.float32(8 / 255 / 4)
    for name in TINY:
        model = tiny(name)
        first = keras.Model(
            model.input, model.get_layer("normalization").output
        )
        np.testing.assert_array_equal(first(x), x)


def test_the_mean_is_spread_over_the_pixels_once():
    mean, std = (0.5, 0.4, 0.3), (0.25, 0.2, 0.5)
    model = tiny("SmallConvNet", mean=mean, std=std)
    layer = model.get_layer("normalization")
    assert layer.mean.shape == (1, 8, 8, 3)
    # Spread again from three numbers when it is loaded.
    assert layer.get_config()["mean"] == list(mean)
    again = keras.Sequential.from_config(
        keras.Sequential([keras.Input((8, 8, 3)), layer]).get_config()
    )
    x = images(2)
    np.testing.assert_allclose(again(x), (x - mean) / std, rtol=1e-5)


def test_default_normalization_changes_nothing():
    model = tiny("SmallConvNet")
    first = keras.Model(model.input, model.get_layer("normalization").output)
    np.testing.assert_array_equal(first(images()), images())


def test_preactivation_block_with_zero_convolutions_is_the_identity():
    inputs = keras.Input((4, 4, 6))
    output = blocks.preactivation_block(inputs, 6, 1, "b", "out", False)
    model = keras.Model(inputs, output)
    for layer in model.layers:
        if layer.name.endswith("conv"):
            layer.kernel.assign(tf.zeros_like(layer.kernel))
    x = images(2, (4, 4, 6)) - 0.5
    np.testing.assert_array_equal(model(x), x)


@pytest.mark.parametrize(
    "block, options",
    [(blocks.basic_block, {}), (blocks.bottleneck_block, {"expansion": 1})],
    ids=["basic", "bottleneck"],
)
def test_residual_block_with_zero_convolutions_is_a_relu(block, options):
    inputs = keras.Input((4, 4, 6))
    output = block(inputs, 6, 1, "b", "out", False, **options)
    model = keras.Model(inputs, output)
    for layer in model.layers:
        if layer.name.endswith("conv"):
            layer.kernel.assign(tf.zeros_like(layer.kernel))
    x = images(2, (4, 4, 6)) - 0.5
    np.testing.assert_array_equal(model(x), np.maximum(x, 0))


def test_preactivation_shortcut_reads_the_activated_input():
    inputs = keras.Input((4, 4, 2))
    output = blocks.preactivation_block(inputs, 2, 2, "b", "out", False)
    model = keras.Model(inputs, output)
    model.get_layer("b_2_conv").kernel.assign(tf.zeros((3, 3, 2, 2)))
    model.get_layer("b_shortcut").kernel.assign(tf.eye(2)[None, None])
    x = images(2, (4, 4, 2)) - 0.5
    # A fresh norm divides by sqrt(1 + epsilon).
    expected = np.maximum(x, 0)[:, ::2, ::2] / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(model(x), expected, rtol=1e-6)


def test_batch_statistics_move_like_pytorch_with_momentum_a_tenth():
    inputs = keras.Input((2, 2, 1))
    model = keras.Model(inputs, blocks.normalize(inputs, "norm", False))
    model(np.full((4, 2, 2, 1), 3.0, "float32"), training=True)
    norm = model.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean, [0.3], rtol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, [0.9], rtol=1e-6)


@pytest.mark.parametrize("synchronized, expected", [(True, 0.2), (False, 0.1)])
def test_synchronized_statistics_span_the_replicas(
    strategy, synchronized, expected
):
    with strategy.scope():
        inputs = keras.Input((2, 2, 1))
        output = blocks.normalize(inputs, "norm", synchronized)
        model = keras.Model(inputs, output)

    @tf.function(jit_compile=False)
    def step():
        def replica():
            context = tf.distribute.get_replica_context()
            value = 1.0 + 2.0 * tf.cast(
                context.replica_id_in_sync_group, tf.float32
            )
            model(tf.fill((4, 2, 2, 1), value), training=True)

        strategy.run(replica)

    step()
    # Replica 0 sees 1, replica 1 sees 3: their common mean is 2.
    moving = strategy.experimental_local_results(
        model.get_layer("norm").moving_mean.value
    )[0]
    np.testing.assert_allclose(moving, [expected], rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in TINY if n != "SmallConvNet"])
def test_synchronized_reaches_every_norm(name):
    norms = [
        layer.synchronized
        for layer in tiny(name, synchronized=True).layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert len(norms) >= 17 - (name == "PreActResNet18")
    assert all(norms)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"input_shape": (8, 8)}, r"`input_shape` must be three positive"),
        ({"input_shape": (8, 8, 0)}, r"`input_shape` must be three positive"),
        ({"num_classes": 1}, r"`num_classes` must be an integer >= 2"),
        ({"width": 0}, r"`width` must be an integer >= 1"),
        ({"mean": (0.5,)}, r"`mean` must be None or 3 numbers"),
        ({"mean": 0.5}, r"`mean` must be None or 3 numbers"),
        ({"std": (0.1, 0.0, 0.1)}, r"`std` must be a number in \(0, inf\)"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    arguments = {"input_shape": (8, 8, 3), "num_classes": 5, **arguments}
    for constructor in (models.SmallConvNet, models.ResNet34):
        with pytest.raises(ValueError, match=message):
            constructor(**arguments)


def test_a_model_without_stages_has_none():
    assert models.stages(keras.Sequential([keras.layers.Dense(2)])) == ()
