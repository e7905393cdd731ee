"""`load` and `load_arrays`, with tfds' mock data and the real CIFAR-10."""

import os

import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_mixup import data

REAL = os.environ.get("KERAS_MIXUP_DATA_DIR", "no-data")
needs_cifar10 = pytest.mark.skipif(
    not os.path.isdir(os.path.join(REAL, "cifar10")),
    reason="no CIFAR-10 in KERAS_MIXUP_DATA_DIR",
)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "svhn"])
def test_tfds_sets_have_their_specified_shape(name, tmp_path):
    spec = data.DATASETS[name]
    with tfds.testing.mock_data(num_examples=40):
        train = data.load_arrays(name, "train", tmp_path, num_validation=10)
        held = data.load_arrays(name, "validation", tmp_path, num_validation=10)
        test = data.load_arrays(name, "test", tmp_path)
    assert [len(s.labels) for s in (train, held, test)] == [30, 10, 40]
    for loaded in (train, held, test):
        assert loaded.images.shape[1:] == spec.image_shape
        assert loaded.images.dtype == np.uint8
        assert loaded.labels.dtype == np.int32
        assert loaded.example_ids.dtype == np.int64
        assert loaded.labels.max() < spec.num_classes
    together = np.concatenate([train.example_ids, held.example_ids])
    assert sorted(together.tolist()) == list(range(40))


def test_specifications_are_complete():
    for name, spec in data.DATASETS.items():
        assert spec.name == name
        assert len(spec.mean) == len(spec.std) == spec.image_shape[-1]
    augment = {name: spec.augment for name, spec in data.DATASETS.items()}
    assert augment == {
        "digits": None,
        "cifar10": "crop_flip",
        "cifar100": "crop_flip",
        "svhn": "crop",
        "tiny_imagenet": "crop_flip",
    }


def test_load_gives_the_arrays_one_by_one():
    arrays = data.load_arrays("digits", "validation")
    dataset = data.load("digits", "validation")
    images, labels = zip(*dataset.as_numpy_iterator(), strict=True)
    np.testing.assert_array_equal(np.stack(images), arrays.images)
    np.testing.assert_array_equal(labels, arrays.labels)
    image, label = dataset.element_spec
    assert (image.shape, image.dtype) == ((8, 8, 1), "float32")
    assert (label.shape, label.dtype) == ((), "int32")


def test_load_scales_bytes(tmp_path):
    with tfds.testing.mock_data(num_examples=3):
        arrays = data.load_arrays("cifar10", "test", tmp_path)
        images = [x for x, _ in data.load("cifar10", "test", tmp_path)]
    expected = arrays.images.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(np.stack(images), expected)


def test_subsets_are_balanced():
    subset = data.load_arrays("digits", "train", num_examples=100, seed=4)
    assert np.abs(np.bincount(subset.labels) - 10).max() <= 1
    whole = data.load_arrays("digits", "train").example_ids
    assert set(subset.example_ids.tolist()) <= set(whole.tolist())


@pytest.mark.parametrize("name", ["cifar10", "tiny_imagenet"])
def test_missing_data_names_the_place_and_the_remedy(name, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        data.load_arrays(name, data_dir=str(tmp_path))
    text = str(caught.value)
    assert "\n" not in text
    assert f"data_dir={str(tmp_path)!r}" in text
    assert repr(name) in text
    remedy = {"cifar10": "--download", "tiny_imagenet": "prepare_tiny_imagenet"}
    assert remedy[name] in text


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "mnist"}, "`name` must be one of 'digits', 'cifar10'"),
        ({"split": "val"}, "`split` must be one of 'train', 'validation'"),
        ({"num_validation": 100}, "`num_validation` must be None or 200"),
        (
            {"num_validation": 0, "split": "validation"},
            '`num_validation` must be 1 or more for split="validation"',
        ),
        ({"num_examples": 5000}, "`num_examples` must be at most 1097"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.load_arrays(**{"name": "digits", **arguments})


def test_validation_must_leave_something_to_train_on(tmp_path):
    with tfds.testing.mock_data(num_examples=40):
        for split in ("train", "validation"):
            with pytest.raises(
                ValueError, match="`num_validation` .* below 40"
            ):
                data.load_arrays("cifar10", split, tmp_path, num_validation=40)


@needs_cifar10
def test_real_cifar10_test_split():
    loaded = data.load_arrays("cifar10", "test", REAL)
    assert loaded.images.shape == (10000, 32, 32, 3)
    assert np.bincount(loaded.labels).tolist() == [1000] * 10


@needs_cifar10
@pytest.mark.slow
def test_real_cifar10_train_and_validation():
    train = data.load_arrays("cifar10", "train", REAL)
    held = data.load_arrays("cifar10", "validation", REAL)
    assert np.bincount(train.labels).tolist() == [4500] * 10
    assert np.bincount(held.labels).tolist() == [500] * 10
    together = np.concatenate([train.example_ids, held.example_ids])
    assert sorted(together.tolist()) == list(range(50000))
    spec = data.DATASETS["cifar10"]
    # Lossy copies shift the colours by a little.
    mean = train.images.mean((0, 1, 2), dtype=np.float64) / 255
    np.testing.assert_allclose(mean, spec.mean, atol=0.01)
