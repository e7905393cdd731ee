import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.data import augment


def images(count):
    values = np.random.default_rng(0).integers(0, 256, (count, 8, 9, 3))
    return values.astype(np.uint8)


@pytest.mark.parametrize(
    ("padding", "mode"), [("reflect", "reflect"), ("zeros", "constant")]
)
def test_apply_equals_numpy_row_by_row(padding, mode):
    x = images(6)
    draws = {
        "top": np.array([0, 4, 8, 3, 4, 1], np.int32),
        "left": np.array([8, 4, 0, 5, 4, 2], np.int32),
        "flip": np.array([0, 0, 1, 1, 1, 0], bool),
    }
    border = ((0, 0), (4, 4), (4, 4), (0, 0))
    padded = np.pad(x, border, mode=mode)
    expected = []
    rows = zip(padded, *draws.values(), strict=True)
    for row, top, left, flip in rows:
        crop = row[top : top + 8, left : left + 9]
        expected.append(crop[:, ::-1] if flip else crop)
    tensors = {k: tf.constant(v) for k, v in draws.items()}
    result = augment.apply(tf.constant(x), tensors, padding)
    assert result.dtype == tf.uint8
    np.testing.assert_array_equal(result, expected)


def test_the_middle_crop_gives_the_image_back():
    x = tf.constant(images(2))
    four = tf.constant([4, 4])
    np.testing.assert_array_equal(
        augment.apply(x, {"top": four, "left": four}), x
    )


def test_no_augmentation_draws_and_changes_nothing():
    x = tf.constant(images(2))
    assert augment.draw(None, 2, tf.constant([0, 1])) == {}
    assert augment.apply(x, {}) is x


def test_draws_cover_their_range_evenly_and_independently():
    draws = augment.draw("crop_flip", 9000, tf.constant([3, 4]))
    for name in ("top", "left"):
        counts = np.bincount(draws[name], minlength=9)
        assert len(counts) == 9
        assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000)
    flip = draws["flip"].numpy().astype(float)
    assert abs(flip.mean() - 0.5) < 5 * 0.5 / np.sqrt(9000)
    table = np.corrcoef([draws["top"], draws["left"], flip])
    assert np.abs(table - np.eye(3)).max() < 0.05


def test_crop_does_not_flip():
    assert set(augment.draw("crop", 2, tf.constant([0, 1]))) == {"top", "left"}
