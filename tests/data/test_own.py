"""A user's own data: what is read, how it is split, what is refused."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_mixup.data import own
from keras_mixup.data import own_sources

OPTIONS = own.OwnOptions()


def arrays(n=30, size=4, classes=3, dtype="uint8"):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (n, size, size, 1)).astype("uint8")
    labels = np.arange(n) % classes
    if dtype != "uint8":
        images = (images / 255).astype(dtype)
    return images, labels


def write_png(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tf.io.encode_png(image).numpy())


@pytest.fixture
def folder(tmp_path):
    """Three class folders with ten images each."""
    images, labels = arrays()
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        write_png(tmp_path / "set" / f"kind_{label}" / f"{i:02}.png", image)
    return tmp_path / "set"


def prepared(parts, **options):
    return own.prepare(parts, own.OwnOptions(**options))


@pytest.mark.parametrize(
    ("names", "has_test"),
    [
        (("images", "labels"), False),
        (("x_train", "y_train", "x_test", "y_test"), True),
        (("train_images", "train_labels", "test_images", "test_labels"), True),
    ],
)
def test_arrays_by_each_of_their_names(tmp_path, names, has_test):
    images, labels = arrays()
    values = [images, labels] * 2
    np.savez(tmp_path / "a.npz", **dict(zip(names, values, strict=False)))
    parts = own_sources.from_npz(tmp_path / "a.npz")
    assert (parts.test is not None) == has_test
    found = own.prepare(parts, OPTIONS)
    assert len(found.train.labels) == (30 if has_test else 24)
    assert len(found.test.labels) == (30 if has_test else 6)
    kept = images[found.train.example_ids]
    np.testing.assert_array_equal(found.train.images, kept)


def test_splits_are_disjoint_stratified_and_the_same_again(folder):
    found = own.prepare(own_sources.from_folder(folder), OPTIONS)
    again = own.prepare(own_sources.from_folder(folder), OPTIONS)
    splits = [
        own.split_of(found, split, 6)
        for split in ("train", "validation", "test")
    ]
    assert [len(s.labels) for s in splits] == [18, 6, 6]
    ids = np.concatenate([s.example_ids for s in splits])
    assert len(set(ids.tolist())) == 30
    for split in splits:
        assert len(set(np.bincount(split.labels))) == 1
    np.testing.assert_array_equal(found.test.images, again.test.images)
    other = prepared(own_sources.from_folder(folder), split_seed=1)
    assert set(other.test.example_ids) != set(found.test.example_ids)


def test_a_folder_keeps_its_splits_under_another_name(folder, tmp_path):
    before = own.prepare(own_sources.from_folder(folder), OPTIONS)
    folder.rename(tmp_path / "moved")
    after = own.prepare(own_sources.from_folder(tmp_path / "moved"), OPTIONS)
    assert after.class_names == ("kind_0", "kind_1", "kind_2")
    for one, two in zip(before.test, after.test, strict=True):
        np.testing.assert_array_equal(one, two)


def test_train_and_test_folders_are_the_splits(folder, tmp_path):
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        for name in ("cat", "dog"):
            for i in range(count):
                image = np.full((5, 5, 3), 10 * count + i, "uint8")
                write_png(tmp_path / "two" / split / name / f"{i}.png", image)
    found = own.prepare(own_sources.from_folder(tmp_path / "two"), OPTIONS)
    parts = (found.train, found.validation, found.test)
    assert [len(p.labels) for p in parts] == [8, 4, 6]
    assert found.class_names == ("cat", "dog")
    assert set(found.test.images[:, 0, 0, 0]) == {30, 31, 32}
    with pytest.raises(ValueError, match="`num_validation` must be None"):
        own.split_of(found, "train", 3)
    with pytest.raises(ValueError, match="`test_share` must be None"):
        prepared(own_sources.from_folder(tmp_path / "two"), test_share=0.5)


def test_sizes_and_channels_are_brought_together(tmp_path):
    grey = np.full((6, 4, 1), 100, "uint8")
    colour = np.full((8, 8, 3), (30, 60, 90), "uint8")
    for name, image in (("a", grey), ("b", colour)):
        for i in range(3):
            write_png(tmp_path / name / f"{i}.png", image + i)
    with pytest.raises(ValueError, match="images of one size.*image_size"):
        own.prepare(own_sources.from_folder(tmp_path), OPTIONS)
    parts = own_sources.from_folder(tmp_path)
    found = prepared(parts, image_size=(5, 7), channels=1)
    assert found.train.images.shape[1:] == (5, 7, 1)
    # ITU-R BT.601: 0.2989 R + 0.587 G + 0.114 B.
    grey_level = 0.2989 * 30 + 0.587 * 60 + 0.114 * 90
    levels = np.concatenate([found.train.images, found.test.images]).astype(int)
    for level in np.unique(levels):
        nearest = min(abs(level - 100), abs(level - grey_level))
        assert nearest <= 3
    three = prepared(parts, image_size=(5,), channels=3)
    assert three.train.images.shape[1:] == (5, 5, 3)


def test_floats_are_taken_in_0_to_1_alone():
    images, labels = arrays(dtype="float32")
    parts = own_sources.from_arrays({"x": images, "y": labels}, "here")
    found = own.prepare(parts, OPTIONS)
    assert found.train.images.dtype == np.float32
    parts = own_sources.from_arrays({"x": 255 * images, "y": labels}, "here")
    with pytest.raises(ValueError, match="train images of dataset.*by 255"):
        own.prepare(parts, OPTIONS)


def test_statistics_are_those_of_the_training_images():
    images, labels = arrays(size=6)
    parts = own_sources.from_arrays({"x": images, "y": labels}, "here")
    found = own.prepare(parts, OPTIONS)
    spec = own.specify("mine", found)
    scaled = found.train.images / 255
    np.testing.assert_allclose(spec.mean, [scaled.mean()], atol=5e-5)
    np.testing.assert_allclose(spec.std, [scaled.std()], atol=5e-5)
    assert (spec.image_shape, spec.num_classes) == ((6, 6, 1), 3)


def test_a_function_gives_what_a_file_holds():
    images, labels = arrays()
    found = own_sources.from_function(lambda: (images, labels), "m:f")
    np.testing.assert_array_equal(found.train.images, images)
    wrong = "a function that returns .images, labels.*returns int"
    with pytest.raises(ValueError, match=wrong):
        own_sources.from_function(lambda: 3, "m:f")


def test_a_tfds_set_by_its_name(tmp_path):
    with tfds.testing.mock_data(num_examples=40):
        parts = own_sources.from_tfds("mnist", tmp_path)
    found = own.prepare(parts, own.OwnOptions(image_size=(8,)))
    assert found.train.images.shape == (40, 8, 8, 1)
    assert len(found.test.labels) == 40
    assert found.class_names == tuple("0123456789")
    with pytest.raises(FileNotFoundError, match="tfds:no_such_set"):
        own_sources.from_tfds("no_such_set", tmp_path)


def test_an_npz_without_the_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", pictures=np.zeros(3))
    with pytest.raises(ValueError, match="x_train and y_train.*with pictures"):
        own_sources.from_npz(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_text("no numbers")
    with pytest.raises(ValueError, match="must be an .npz file"):
        own_sources.from_npz(tmp_path / "b.npz")
    with pytest.raises(FileNotFoundError, match="no file.*c.npz"):
        own_sources.from_npz(tmp_path / "c.npz")


@pytest.mark.parametrize("left", ["x_test", "y_val", "test_images"])
def test_an_array_without_its_partner_is_not_passed_over(left):
    images, labels = arrays()
    given = {"x_train": images, "y_train": labels, left: images}
    with pytest.raises(ValueError, match=f"`dataset`.*{left} would not be"):
        own_sources.from_arrays(given, "a.npz")


def test_pickled_objects_are_not_loaded(tmp_path):
    labels = np.array([0, 1], object)
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 4, 4, 1)), labels=labels)
    with pytest.raises(ValueError, match="an .npz file of numbers"):
        own_sources.from_npz(tmp_path / "a.npz")


def test_what_is_wrong_with_a_folder_is_named(folder, tmp_path):
    (folder / "kind_0" / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"images in each class.*notes\.txt"):
        own_sources.from_folder(folder)
    (folder / "kind_0" / "notes.txt").unlink()
    (folder / "kind_0" / "bad.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"can be read.*bad\.png"):
        own_sources.from_folder(folder)
    (folder / "kind_0" / "bad.png").unlink()
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match="empty without any image"):
        own_sources.from_folder(folder)
    with pytest.raises(ValueError, match="each of two classes or more"):
        own_sources.from_folder(folder / "kind_0")
    with pytest.raises(FileNotFoundError, match="no folder"):
        own_sources.from_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("what", ["image", "class"])
def test_a_link_does_not_lead_out_of_the_folder(folder, tmp_path, what):
    outside = tmp_path / "outside"
    write_png(outside / "secret.png", np.zeros((4, 4, 1), "uint8"))
    if what == "class":
        (folder / "kind_9").symlink_to(outside)
    else:
        (folder / "kind_0" / "x.png").symlink_to(outside / "secret.png")
    with pytest.raises(ValueError, match="links stay inside it.*outside"):
        own_sources.from_folder(folder)


@pytest.mark.parametrize(
    ("labels", "names", "match"),
    [
        (np.zeros(30, int), (), "two classes or more.*classes .0."),
        (np.arange(30) % 2 * 2, (), "an image of each class.*class 1"),
        (np.arange(30) % 3, ("a", "b"), "3 names, one for each class"),
        (np.arange(30) % 3, ("a", "b", "b"), "`class_names` must be 3 names"),
        (np.arange(29) % 3, (), "train labels of dataset"),
        (np.arange(30) % 3 - 1, (), "train labels of dataset.*at least 0"),
    ],
)
def test_labels_that_do_not_fit(labels, names, match):
    images, _ = arrays()
    parts = own_sources.from_arrays({"x": images, "y": labels}, "here")
    with pytest.raises(ValueError, match=match):
        prepared(parts, class_names=names)


@pytest.mark.parametrize("share", [0.0, 1.0, 0.97])
def test_a_share_that_leaves_nothing(share):
    images, labels = arrays()
    parts = own_sources.from_arrays({"x": images, "y": labels}, "here")
    with pytest.raises(ValueError, match="`test_share` must be"):
        prepared(parts, test_share=share)
