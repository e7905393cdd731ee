import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.data import check_images

GOOD = np.full((4, 2, 3, 1), 0.5, np.float32)
LABELS = np.array([0, 1, 2, 1])


def broken(value):
    images = GOOD.copy()
    images[1, 0, 0, 0] = value
    return images


@pytest.mark.parametrize("kind", [np.asarray, tf.constant])
def test_good_input_passes(kind):
    check_images(kind(GOOD))
    check_images(kind(GOOD), kind(LABELS), (2, 3, 1), 3)
    one_hot = np.eye(3, dtype=np.float32)[LABELS]
    check_images(kind(GOOD), kind(one_hot), num_classes=3)
    check_images(kind(broken(0.0)))
    check_images(kind(broken(1.0)))


@pytest.mark.parametrize(
    "images, message",
    [
        ((GOOD * 255).astype(np.uint8), r"float32 .*'dtype uint8'\. Convert"),
        (GOOD.astype(np.float64), "float32 .*'dtype float64'"),
        (GOOD[0], r"of shape \[B, H, W, C\]. Received: images='shape \(2"),
        (GOOD[:0], r"at least one image. Received: images='shape \(0"),
        (GOOD[:, :1], r"of shape \[B, 2, 3, 1\]. Received: .*\(4, 1, 3, 1\)"),
        (broken(np.nan), "finite.* Received: images='NaN or infinity'"),
        (broken(np.inf), "finite.* Received: images='NaN or infinity'"),
        (broken(-0.01), r"finite, in \[0, 1\]. Received: .* in \[-0.01, 0.5\]"),
        (GOOD * 255, r"finite, in \[0, 1\]. Received: .* Divide 0..255 by 255"),
    ],
)
def test_bad_images_are_named(images, message):
    with pytest.raises(ValueError, match="`images` must be " + message):
        check_images(images, image_shape=(2, 3, 1))


@pytest.mark.parametrize(
    "labels, message",
    [
        (LABELS[:3], r"one per image, 4. Received: .* of shape \(3,\)"),
        (np.int32(1), r"one per image, 4. Received: .* of shape \(\)"),
        (np.array([0, 1, 2, 3]), r"at most 2. Received: .* in \[0, 3\]"),
        (np.array([0, -1, 2, 1]), r"at most 2. Received: .* in \[-1, 2\]"),
        (LABELS.astype(float), "integers"),
        (LABELS[:, None], "integers"),
        (np.full((4, 2), 0.5), r"integers \[B\] or probabilities \[B, 3\]"),
        (np.full((4, 3), 0.5), r"rows that sum to 1. .* in \[1.5, 1.5\]"),
        (np.tile([1.5, -0.5, 0.0], (4, 1)), "non-negative rows"),
        (np.full((4, 3), np.nan), "non-negative rows"),
    ],
)
def test_bad_labels_are_named(labels, message):
    with pytest.raises(ValueError, match="`labels` must be .*" + message):
        check_images(GOOD, labels, num_classes=3)


def test_negative_labels_are_refused_without_a_class_count():
    with pytest.raises(ValueError, match="`labels` must be at least 0"):
        check_images(GOOD, np.array([0, -1, 2, 1]))
