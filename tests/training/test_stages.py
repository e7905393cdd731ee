"""A classifier cut in two computes what it computes in one piece."""

import keras
import numpy as np
import pytest
import toys

from keras_mixup import models
from keras_mixup.training import stages


def residual(seed=0):
    keras.utils.set_random_seed(seed)
    return models.PreActResNet18((8, 8, 1), toys.CLASSES, width=2)


def images(count=5):
    random = np.random.default_rng(0)
    return random.uniform(size=(count, 8, 8, 1)).astype("float32")


def test_every_stage_of_a_residual_net_can_be_cut():
    classifier = residual()
    names = stages.stage_names(classifier)
    assert names == ("stage_1", "stage_2", "stage_3", "stage_4")
    x = images()
    for name in ("input", *names):
        encode, decode = stages.split_at_stage(classifier, name)
        np.testing.assert_allclose(decode(encode(x)), classifier(x), atol=1e-6)
    assert encode(x).shape == (5, 1, 1, 16)  # stage 4, the last one


def test_the_halves_share_weights_and_move_each_average_once():
    whole, cut = residual(), residual()
    x = images()
    expected = whole(x, training=True)
    encode, decode = stages.split_at_stage(cut, "stage_2")
    found = decode(encode(x, training=True), training=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    averages = [v for v in whole.variables if "moving" in v.path]
    assert len(averages) == 2 * 17
    for a, b in zip(toys.weights(whole), toys.weights(cut), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_cut_classifier_is_saved_as_before(tmp_path):
    classifier = residual()
    stages.split_at_stage(classifier, "stage_1")
    path = str(tmp_path / "cut.keras")
    classifier.save(path)
    loaded = keras.models.load_model(path)
    assert len(loaded.layers) == len(classifier.layers)
    np.testing.assert_array_equal(loaded(images()), classifier(images()))


def test_a_sequential_model_is_cut_at_any_layer():
    classifier = toys.network()
    name = classifier.layers[0].name
    encode, decode = stages.split_at_stage(classifier, name)
    x, _ = toys.data()
    assert encode(x).shape == (24, 2, 2, 4)
    np.testing.assert_allclose(decode(encode(x)), classifier(x), atol=1e-6)
    assert stages.stage_names(classifier) == ()


@pytest.mark.parametrize("make", [residual, toys.network])
def test_a_loaded_model_with_shared_layers_is_cut_in_its_own_graph(
    make, tmp_path
):
    path = str(tmp_path / "model.keras")
    make().save(path)
    loaded = keras.models.load_model(path)
    shape = (5, *loaded.input_shape[1:])
    x = np.random.default_rng(0).uniform(size=shape).astype("float32")
    stage = (*stages.stage_names(loaded), loaded.layers[0].name)[0]
    for _ in range(2):  # each cut adds to what the layers are used by
        encode, decode = stages.split_at_stage(loaded, stage)
        np.testing.assert_allclose(decode(encode(x)), loaded(x), atol=1e-6)
    other = keras.Input(loaded.input_shape[1:])
    reused = keras.Model(other, loaded(other * 2.0))
    np.testing.assert_allclose(reused(x / 2.0), loaded(x), atol=1e-6)


def test_features_are_float32_under_mixed_precision():
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        classifier = residual()
    finally:
        keras.config.set_dtype_policy(policy)
    encode, decode = stages.split_at_stage(classifier, "stage_2")
    x = images()
    assert encode(x).dtype == "float32"
    np.testing.assert_allclose(decode(encode(x)), classifier(x), atol=1e-2)


class Subclassed(keras.Model):
    """A classifier without a graph of layers."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(toys.CLASSES, name="stage_1")

    def call(self, inputs):
        return self.dense(keras.ops.reshape(inputs, (-1, 16)))


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        ("stage_9", "'stage_9'. Its stages: stage_1, stage_2, stage_3, stage"),
        ("stage_2_block_1_1_conv", "which a skip connection bridges"),
        ("logits", "a layer between the input and the logits"),
        ("images", "a layer between the input and the logits"),
        (3, "`stage` must be .input. or the name of a stage"),
    ],
)
def test_a_stage_that_cannot_be_cut_is_named(stage, text):
    with pytest.raises(ValueError, match=text):
        stages.split_at_stage(residual(), stage)


def test_a_classifier_without_a_graph_is_refused():
    with pytest.raises(ValueError, match="`classifier` must be a functional"):
        stages.split_at_stage(Subclassed(), "stage_1")
    with pytest.raises(ValueError, match="Its stages: none"):
        stages.split_at_stage(toys.linear(), "stage_1")
