"""SamplePool: order, storage, saving, and what it refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.inference import SamplePool


def _rows(count, dtype="uint8"):
    random = np.random.default_rng(0)
    rows = random.integers(0, 256, (count, 4, 4, 1), dtype="uint8")
    return rows if dtype == "uint8" else rows.astype("float32") / 255


def _saved_and_loaded(pool, path):
    indices = keras.Input((3,), dtype="int32")
    model = keras.Model(indices, pool(indices))
    model.save(path)
    return keras.saving.load_model(path).layers[-1]


def test_sorts_by_class_and_keeps_the_order_within():
    images, labels = _rows(6), [2, 0, 1, 2, 0, 2]
    pool = SamplePool(images, labels)
    np.testing.assert_array_equal(pool.images, images[[1, 4, 2, 0, 3, 5]])
    np.testing.assert_array_equal(pool.labels, [0, 0, 1, 2, 2, 2])
    assert pool.class_counts == (2, 1, 3)
    assert pool.offsets == (0, 2, 3)


def test_one_hot_labels_mean_the_same():
    images, labels = _rows(4), np.array([1, 0, 1, 1])
    one_hot = SamplePool(images, np.eye(2, dtype="float32")[labels])
    np.testing.assert_array_equal(
        one_hot.images, SamplePool(images, labels).images
    )


@pytest.mark.parametrize("given", ["uint8", "float32"])
@pytest.mark.parametrize("stored", ["uint8", "float32"])
def test_gather_gives_float_images_whatever_is_stored(given, stored):
    pool = SamplePool(_rows(4, given), [0, 0, 1, 1], dtype=stored)
    rows = pool.gather([[3, 0], [1, 1]])
    expected = _rows(4, "float32")[[[3, 0], [1, 1]]]
    assert rows.dtype == tf.float32
    assert keras.backend.standardize_dtype(pool.images.dtype) == stored
    np.testing.assert_allclose(rows, expected, atol=1e-7)


def test_holds_latent_codes_as_they_are():
    codes = np.random.default_rng(0).normal(size=(5, 7)).astype("float32")
    pool = SamplePool(codes, [0, 1, 1, 0, 1], dtype="float32")
    assert pool.sample_shape == (7,)
    np.testing.assert_array_equal(pool.gather([0, 1]), codes[[0, 3]])


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_keras_file_restores_rows_and_dtype(dtype, tmp_path):
    pool = SamplePool(_rows(5, dtype), [1, 0, 1, 2, 2], dtype=dtype)
    again = _saved_and_loaded(pool, tmp_path / "pool.keras")
    assert again.get_config() == pool.get_config()
    assert again.class_counts == pool.class_counts
    assert again.offsets == pool.offsets
    np.testing.assert_array_equal(again.images, pool.images)
    np.testing.assert_array_equal(again.labels, pool.labels)


def test_config_holds_counts_and_no_rows():
    pool = SamplePool(_rows(3), [0, 1, 1], name="pool")
    assert pool.get_config() == {
        "name": "pool",
        "dtype": "uint8",
        "class_counts": [1, 2],
        "sample_shape": [4, 4, 1],
    }


def test_weights_are_not_trained_and_saved_once():
    pool = SamplePool(_rows(3), [0, 1, 1])
    assert not pool.trainable_weights
    assert [w.name for w in pool.weights] == ["images", "labels"]


def test_mixed_precision_scope_does_not_round_the_rows():
    values = np.full((2, 2, 2, 1), 1.0 - 1 / 300, "float32")
    pool = SamplePool(values, [0, 1], dtype="float32")
    inputs = keras.Input((1,), dtype="int32")

    class Outer(keras.layers.Layer):
        def __init__(self):
            super().__init__(dtype="mixed_bfloat16")
            self.pool = pool

        def call(self, indices):
            return self.pool.gather(indices)

    rows = keras.Model(inputs, Outer()(inputs))(np.zeros((1, 1), "int32"))
    np.testing.assert_array_equal(rows[0, 0], values[0])


def test_from_dataset_keeps_the_first_of_each_class():
    labels = np.array([1, 1, 0, 1, 0, 0, 1])
    images = _rows(7)
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).repeat()
    pool = SamplePool.from_dataset(dataset, num_classes=2, per_class=2)
    np.testing.assert_array_equal(pool.images, images[[2, 4, 0, 1]])


def test_from_dataset_keeps_everything_by_default():
    labels = np.array([1, 0, 1])
    dataset = tf.data.Dataset.from_tensor_slices((_rows(3, "f"), labels))
    pool = SamplePool.from_dataset(dataset, num_classes=2)
    np.testing.assert_array_equal(pool.images, _rows(3)[[1, 0, 2]])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((_rows(3), [0, 2, 2]), "no image of class 1"),
        ((_rows(3), [0, 1, 1], "uint8", 4), "no image of class 2, 3"),
        ((_rows(3), [0, 1]), "`images` must be 2 rows, one per label"),
        ((_rows(3), [0, 1, -1]), "`labels` must be at least 0"),
        ((_rows(3), [0.0, 1.0, 1.0]), "`labels` must be integers"),
        ((_rows(3).astype("int64"), [0, 1, 1]), "`images` must be uint8, or"),
        ((_rows(3).astype("float32"), [0, 1, 1]), r"float in \[0, 1\]"),
        ((np.full((2, 2), np.nan), [0, 1]), "NaN or infinity"),
        ((_rows(3), [0, 1, 1], "int8"), "`dtype` must be one of 'uint8'"),
    ],
)
def test_refuses_bad_input_by_name(arguments, text):
    with pytest.raises(ValueError, match=text):
        SamplePool(*arguments)


def test_values_between_the_levels_are_refused_with_the_remedy():
    sixteenths = np.full((2, 4, 4, 1), 1 / 16, "float32")
    with pytest.raises(ValueError, match='Pass dtype="float32"'):
        SamplePool(sixteenths, [0, 1])
    pool = SamplePool(sixteenths, [0, 1], dtype="float32")
    np.testing.assert_array_equal(pool.gather([0]), sixteenths[:1])


def test_from_dataset_names_the_class_that_is_too_small():
    dataset = tf.data.Dataset.from_tensor_slices((_rows(3), [0, 1, 0]))
    with pytest.raises(ValueError, match="2 images of class 1"):
        SamplePool.from_dataset(dataset, num_classes=2, per_class=2)
