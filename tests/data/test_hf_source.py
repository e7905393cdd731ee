"""A data set of Hugging Face's `datasets` on disk."""

import sys

import numpy as np
import pytest

from keras_mixup import runs
from keras_mixup.data import hf_source
from keras_mixup.data import own
from keras_mixup.runs import _data

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 6, 5, 3), np.uint8)
LABELS = np.arange(30) % 3
NAMES = ["cat", "dog", "owl"]


def test_without_the_package_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r'keras_mixup\[hf\]"'):
        hf_source.from_disk(tmp_path)


@pytest.fixture
def datasets():
    return pytest.importorskip("datasets")


def made(datasets, images=IMAGES, **columns):
    from PIL import Image

    columns = columns or {"label": LABELS.tolist()}
    first = {"image": [Image.fromarray(i) for i in images], **columns}
    told = datasets.Dataset.from_dict(first)
    told = told.cast_column("image", datasets.Image())
    kind = datasets.ClassLabel(names=NAMES)
    return told.cast_column(next(iter(columns)), kind)


@pytest.mark.referee
def test_images_labels_and_names_come_back(datasets, tmp_path):
    found = made(datasets)
    found.save_to_disk(tmp_path / "one")
    both = {"train": found, "test": found.select(range(9))}
    datasets.DatasetDict(both).save_to_disk(tmp_path / "two")
    for folder, held in (("one", None), ("two", 9)):
        parts = hf_source.from_disk(tmp_path / folder)
        np.testing.assert_array_equal(parts.train.images, IMAGES)
        np.testing.assert_array_equal(parts.train.labels, LABELS)
        assert parts.class_names == ("cat", "dog", "owl")
        assert (parts.test and len(parts.test.labels)) == held
        own.prepare(parts, own.OwnOptions())
    settings = runs.TrainSettings(dataset=f"hf:{tmp_path / 'two'}")
    source = _data.of_training(settings)
    assert source.spec.class_names == ("cat", "dog", "owl")
    assert source.load("test").images.shape == (9, 6, 5, 3)


@pytest.mark.referee
def test_grey_images_and_other_columns(datasets, tmp_path):
    columns = {"fine": LABELS.tolist(), "note": ["x"] * 30}
    made(datasets, IMAGES[..., 0], **columns).save_to_disk(tmp_path / "grey")
    parts = hf_source.from_disk(tmp_path / "grey")
    found = own.prepare(parts, own.OwnOptions(channels=1))
    assert found.train.images.shape[1:] == (6, 5, 1)
    rows = datasets.Dataset.from_dict({"text": ["a", "b"]})
    rows.save_to_disk(tmp_path / "text")
    with pytest.raises(ValueError, match="column of images.*text .Value"):
        hf_source.from_disk(tmp_path / "text")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        hf_source.from_disk(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="hf:"):
        hf_source.from_disk(tmp_path)
