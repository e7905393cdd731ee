"""Corrupted sets: names kept apart, seeds, layouts of the published ones."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import data
from keras_mixup.data import corruptions
from keras_mixup.data import tfds_source
from keras_mixup.metrics import STANDARD_CORRUPTIONS

EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")


def _set(shape, count=3, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, *shape), "uint8")
    labels = np.arange(count, dtype="int32") % 2
    return data.ImageSet(images, labels, np.arange(10, 10 + count))


@pytest.fixture
def package():
    return pytest.importorskip(
        "imagecorruptions", reason="imagecorruptions-imaug is not installed"
    )


def test_the_names_keep_published_and_own_sets_apart():
    assert data.corrupted_name("cifar10") == (
        "cifar10 corrupted by imagecorruptions"
    )
    assert "cifar10_c" not in data.corrupted_name("cifar10")


def test_the_standard_kinds_are_the_packages(package):
    common = package.get_corruption_names("common")
    assert tuple(common) == STANDARD_CORRUPTIONS
    assert tuple(package.get_corruption_names("validation")) == EXTRA


def test_published_sets_have_names_of_their_own():
    for name in ("cifar10", "cifar100", "tiny_imagenet"):
        assert data.published_name(name) == f"{name}_c"
        assert data.published_name(name) != data.corrupted_name(name)
    with pytest.raises(ValueError, match="`dataset` must be one of 'cifar10'"):
        data.published_name("svhn")


# glass_blur compiles for some ten seconds.
SLOW = pytest.param("glass_blur", marks=pytest.mark.slow)
KINDS = [k for k in (*STANDARD_CORRUPTIONS, *EXTRA) if k != "glass_blur"]


@pytest.mark.parametrize("kind", [*KINDS, SLOW])
def test_every_kind_works_on_32_pixels_and_repeats(package, kind):
    images = _set((32, 32, 3))
    found = data.corrupt(images, kind, 3, seed=1)
    assert found.images.shape == images.images.shape
    assert found.images.dtype == np.uint8
    assert (found.images != images.images).any()
    again = data.corrupt(images, kind, 3, seed=1)
    np.testing.assert_array_equal(found.images, again.images)


@pytest.mark.parametrize("kind", ["gaussian_noise", "impulse_noise"])
def test_noise_depends_on_seed_and_example_alone(package, kind):
    images = _set((32, 32, 3))
    whole = data.corrupt(images, kind, 2).images
    part = data.corrupt(data.ImageSet(*(v[1:] for v in images)), kind, 2)
    np.testing.assert_array_equal(part.images, whole[1:])
    other = data.corrupt(images, kind, 2, seed=1).images
    assert (other != whole).any()


def test_noise_has_the_packages_strength_and_leaves_the_global_state(package):
    grey = data.ImageSet(
        np.full((2, 64, 64, 3), 128, "uint8"), np.zeros(2), np.arange(2)
    )
    np.random.seed(3)
    expected = np.random.random(4)
    np.random.seed(3)
    found = data.corrupt(grey, "gaussian_noise", 1).images
    np.testing.assert_array_equal(np.random.random(4), expected)
    # Standard deviation 0.08 of the range, 24,576 draws.
    assert abs(found.std() / 255 - 0.08) < 0.005


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (16, 24, 3)])
def test_small_and_grey_images_keep_their_shape(package, shape):
    images = _set(shape)
    found = data.corrupt(images, "brightness", 1)
    assert found.images.shape == (3, *shape)
    assert found.images.mean() > images.images.mean()
    np.testing.assert_array_equal(found.labels, images.labels)


def test_floats_are_corrupted_as_their_uint8(package):
    images = _set((32, 32, 3))
    floats = images._replace(images=data.as_float(images.images))
    first, second = (
        data.corrupt(i, "contrast", 4).images for i in (images, floats)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"kind": "rain"}, "`kind` must be one of 'gaussian_noise'"),
        ({"severity": 6}, "`severity` must be one of 1, 2, 3, 4, 5"),
        ({"seed": -1}, "`seed` must be an integer >= 0"),
        (
            {"image_set": _set((32, 32, 4))},
            "`image_set` must be images with one or three channels",
        ),
    ],
)
def test_corrupt_refuses(arguments, text):
    given = {"image_set": _set((32, 32, 3)), "kind": "fog", "severity": 1}
    with pytest.raises(ValueError, match=text):
        data.corrupt(**{**given, **arguments})


def test_a_missing_package_is_named_with_its_install_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "imagecorruptions", None)
    with pytest.raises(ImportError, match=r"keras_mixup\[corruptions\]"):
        data.corrupt(_set((32, 32, 3)), "fog", 1)


def test_cifar10_c_comes_from_tfds(monkeypatch):
    asked = []

    def read(spec, split, data_dir, download):
        asked.append((spec.source, spec.name, split, data_dir, download))
        return _set((32, 32, 3), 10)

    monkeypatch.setattr(tfds_source, "read_tfds", read)
    found = data.load_corrupted("cifar10_c", "fog", 4, "D", num_examples=2)
    source = "cifar10_corrupted/fog_4"
    assert asked == [(source, "cifar10_c", "test", "D", False)]
    assert sorted(found.labels) == [0, 1]


def test_every_kind_and_severity_is_one_of_tfds(monkeypatch):
    import tensorflow_datasets as tfds

    asked = []

    def read(spec, *arguments):
        asked.append(spec.source)
        return _set((32, 32, 3), 10)

    monkeypatch.setattr(tfds_source, "read_tfds", read)
    for kind in (*STANDARD_CORRUPTIONS, *EXTRA):
        for severity in range(1, 6):
            data.load_corrupted("cifar10_c", kind, severity)
    known = tfds.builder_cls("cifar10_corrupted").builder_configs
    assert sorted(asked) == sorted(
        f"cifar10_corrupted/{name}" for name in known
    )


@pytest.mark.parametrize("kind", ["fog", "glass_blur", "elastic_transform"])
def test_cifar10_c_is_read_through_tfds(kind):
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=20):
        found = data.load_corrupted("cifar10_c", kind, 2)
    assert found.images.shape == (20, 32, 32, 3)
    assert found.images.dtype == np.uint8
    assert found.labels.dtype == np.int32


def test_cifar100_c_is_cut_by_severity(tmp_path):
    images = np.arange(5 * 4)[:, None, None, None] * np.ones((2, 2, 3))
    np.save(tmp_path / "fog.npy", images.astype("uint8"))
    labels = np.tile(np.arange(4), 5)
    np.save(tmp_path / "labels.npy", labels)
    found = data.load_corrupted("cifar100_c", "fog", 3, tmp_path)
    np.testing.assert_array_equal(found.images[:, 0, 0, 0], [8, 9, 10, 11])
    np.testing.assert_array_equal(found.labels, [0, 1, 2, 3])
    assert found.labels.dtype == np.int32
    np.save(tmp_path / "labels.npy", labels[:-1])
    with pytest.raises(ValueError, match="`data_dir` must be .*5 equal parts"):
        data.load_corrupted("cifar100_c", "fog", 3, tmp_path)


def test_tiny_imagenet_c_takes_labels_from_wnids(tmp_path):
    # Not in the order of the names.
    (tmp_path / "wnids.txt").write_text("n02\nn01\n")
    for wnid, level in (("n01", 10), ("n02", 200)):
        folder = tmp_path / "snow" / "5" / wnid
        folder.mkdir(parents=True)
        image = tf.fill((64, 64, 3), tf.constant(level, tf.uint8))
        content = tf.io.encode_jpeg(image, quality=100)
        tf.io.write_file(str(folder / "val_0.JPEG"), content)
    found = data.load_corrupted("tiny_imagenet_c", "snow", 5, tmp_path)
    assert found.images.shape == (2, 64, 64, 3)
    np.testing.assert_array_equal(found.labels, [0, 1])
    assert found.images[0].mean() > found.images[1].mean()


@pytest.mark.parametrize("name", sorted(corruptions.PUBLISHED))
def test_a_set_without_one_severity_of_one_kind_is_named(
    name, tmp_path, monkeypatch
):
    import tensorflow_datasets as tfds

    class Builder:
        def __init__(self, source, data_dir):
            self.place = tmp_path / source.replace("cifar10_corrupted/", "")

        def is_prepared(self):
            return self.place.exists()

    monkeypatch.setattr(tfds, "builder", Builder)
    kinds = ("fog", "snow")
    places = {
        "cifar10_c": [f"{k}_{s}" for k in kinds for s in range(1, 6)],
        "cifar100_c": [f"{k}.npy" for k in kinds],
        "tiny_imagenet_c": [f"{k}/{s}" for k in kinds for s in range(1, 6)],
    }[name]
    for place in places:
        (tmp_path / place).mkdir(parents=True)
    corruptions.check_complete(name, kinds, tmp_path)
    (tmp_path / places[-1]).rmdir()
    with pytest.raises(FileNotFoundError) as caught:
        corruptions.check_complete(name, kinds, tmp_path)
    assert places[-1].split("/")[-1] in str(caught.value)


@pytest.mark.parametrize("name", ["cifar100_c", "tiny_imagenet_c"])
def test_missing_files_are_named(name, tmp_path):
    with pytest.raises(FileNotFoundError, match="which lacks"):
        data.load_corrupted(name, "fog", 1, tmp_path)
    with pytest.raises(ValueError, match="`data_dir` must be the folder of"):
        data.load_corrupted(name, "fog", 1)
    with pytest.raises(ValueError, match="`name` must be one of 'cifar10_c'"):
        data.load_corrupted("cifar10", "fog", 1)


def test_a_class_of_tiny_imagenet_c_stays_in_its_folder(tmp_path):
    (tmp_path / "wnids.txt").write_text("../../secret")
    with pytest.raises(ValueError, match="whose wnids.txt has plain names"):
        data.load_corrupted("tiny_imagenet_c", "snow", 5, tmp_path)
