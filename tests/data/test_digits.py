import numpy as np
from sklearn import datasets

from keras_mixup import data


def test_sizes_and_classes_of_the_three_splits():
    expected = {"train": 1097, "validation": 200, "test": 500}
    for split, size in expected.items():
        loaded = data.load_arrays("digits", split)
        assert loaded.images.shape == (size, 8, 8, 1)
        assert loaded.images.dtype == np.float32
        counts = np.bincount(loaded.labels, minlength=10)
        assert np.abs(counts - size / 10).max() <= size * 0.005 + 0.5


def test_every_example_is_in_one_split_with_its_own_pixels():
    bunch = datasets.load_digits()
    ids = []
    for split in ("train", "validation", "test"):
        loaded = data.load_arrays("digits", split)
        rows = loaded.example_ids
        np.testing.assert_array_equal(loaded.labels, bunch.target[rows])
        np.testing.assert_array_equal(
            loaded.images[..., 0] * 16, bunch.images[rows]
        )
        ids += rows.tolist()
    assert sorted(ids) == list(range(1797))


def test_specification_has_the_train_moments():
    images = data.load_arrays("digits", "train").images
    spec = data.DATASETS["digits"]
    np.testing.assert_allclose(images.mean(), spec.mean[0], atol=2e-4)
    np.testing.assert_allclose(images.std(), spec.std[0], atol=2e-4)
