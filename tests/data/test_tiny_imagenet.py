import os

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import data
from keras_mixup.data import tiny_imagenet

# Neither sorted nor as they lie in the folder: the file's order counts.
WNIDS = ["n03", "n01", "n02"]


def write_jpeg(path, seed, channels=3):
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, channels))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    encoded = tf.io.encode_jpeg(pixels.astype(np.uint8)).numpy()
    with open(path, "wb") as file:
        file.write(encoded)
    return tf.io.decode_jpeg(encoded, channels=3).numpy()


@pytest.fixture
def source(tmp_path):
    root = str(tmp_path / "tiny-imagenet-200")
    pixels = {"train": [], "test": []}
    for number, wnid in enumerate(WNIDS):
        for k in range(4):
            name = f"train/{wnid}/images/{wnid}_{k}.JPEG"
            grey = 1 if k == 0 else 3
            image = write_jpeg(f"{root}/{name}", 10 * number + k, grey)
            pixels["train"].append(image)
    lines = []
    for k, wnid in enumerate(["n01", "n02", "n02"]):
        image = write_jpeg(f"{root}/val/images/val_{k}.JPEG", 100 + k)
        pixels["test"].append(image)
        lines.append(f"val_{k}.JPEG\t{wnid}\t0\t1\t62\t63\n")
    (tmp_path / "tiny-imagenet-200/wnids.txt").write_text("\n".join(WNIDS))
    annotations = tmp_path / "tiny-imagenet-200/val/val_annotations.txt"
    annotations.write_text("".join(lines))
    return root, pixels


def test_prepared_data_comes_back_bit_for_bit(source, tmp_path):
    root, pixels = source
    data_dir = str(tmp_path / "data")
    target = data.prepare_tiny_imagenet(root, data_dir)
    assert target == os.path.join(data_dir, "tiny_imagenet", "1.0.0")
    options = {"data_dir": data_dir, "num_validation": 3}
    train = data.load_arrays("tiny_imagenet", "train", **options)
    held = data.load_arrays("tiny_imagenet", "validation", **options)
    test = data.load_arrays("tiny_imagenet", "test", **options)
    np.testing.assert_array_equal(test.images, pixels["test"])
    assert test.labels.tolist() == [1, 2, 2]
    assert np.bincount(held.labels).tolist() == [1, 1, 1]
    assert np.bincount(train.labels).tolist() == [3, 3, 3]
    for part in (train, held):
        expected = np.stack(pixels["train"])[part.example_ids]
        np.testing.assert_array_equal(part.images, expected)
        np.testing.assert_array_equal(part.labels, part.example_ids // 4)
    assert os.listdir(data_dir) == ["tiny_imagenet"]


def test_a_second_preparation_is_refused(source, tmp_path):
    target = tmp_path / "data/tiny_imagenet/1.0.0"
    target.mkdir(parents=True)
    with pytest.raises(FileExistsError, match="must not hold Tiny-ImageNet"):
        data.prepare_tiny_imagenet(source[0], str(tmp_path / "data"))


def test_a_failed_preparation_leaves_nothing(source, tmp_path, monkeypatch):
    def fail(spec, wnids, splits, data_dir):
        os.makedirs(os.path.join(data_dir, "tiny_imagenet", "1.0.0"))
        raise OSError("disk full")

    monkeypatch.setattr(tiny_imagenet, "_store", fail)
    with pytest.raises(OSError, match="disk full"):
        data.prepare_tiny_imagenet(source[0], str(tmp_path / "data"))
    left = [str(p) for p in (tmp_path / "data").rglob("*")]
    assert left == []


@pytest.mark.parametrize(
    "part",
    ["wnids.txt", "val/val_annotations.txt", "val/images/val_1.JPEG"],
)
def test_a_missing_part_is_named(source, tmp_path, part):
    os.remove(os.path.join(source[0], part))
    with pytest.raises(FileNotFoundError, match=f"which lacks {part}"):
        data.prepare_tiny_imagenet(source[0], str(tmp_path / "data"))
    assert not (tmp_path / "data").exists()


def test_an_unknown_class_is_named(source, tmp_path):
    with open(os.path.join(source[0], "val/val_annotations.txt"), "a") as file:
        file.write("val_0.JPEG\tn99\t0\t0\t1\t1\n")
    with pytest.raises(ValueError, match="'n99'"):
        data.prepare_tiny_imagenet(source[0], str(tmp_path / "data"))


@pytest.mark.parametrize("wnid", ["../../secret", "/etc", "..", "n01/x"])
def test_a_class_outside_of_the_folder_is_refused(source, tmp_path, wnid):
    with open(os.path.join(source[0], "wnids.txt"), "a") as file:
        file.write(f"\n{wnid}\n")
    text = "`source_dir` must be a folder whose wnids.txt has plain names"
    with pytest.raises(ValueError, match=text):
        data.prepare_tiny_imagenet(source[0], str(tmp_path / "data"))


def test_an_image_outside_of_the_folder_is_refused(source, tmp_path):
    with open(os.path.join(source[0], "val/val_annotations.txt"), "a") as file:
        file.write("../images/val_0.JPEG\tn01\t0\t0\t1\t1\n")
    with pytest.raises(ValueError, match="whose val_annotations.txt has plain"):
        data.prepare_tiny_imagenet(source[0], str(tmp_path / "data"))
