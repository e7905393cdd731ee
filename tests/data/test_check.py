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
        ((GOOD * 255).astype(np.uint8), r"float in .*dtype uint8.*Divide"),
        (GOOD[0], r"of shape \[B, H, W, C\].*shape \(2"),
        (GOOD[:0], r".*at least one image. Received: .*shape \(0"),
        (GOOD.reshape(4, 1, 6, 1).repeat(5, 3), "of shape .*channels first"),
        (GOOD[:, :1], r"of shape \[B, 2, 3, 1\]. Received: .*\(4, 1, 3, 1\)"),
        (broken(np.nan), "float in .*NaN or infinity"),
        (broken(np.inf), "float in .*NaN or infinity"),
        (broken(-0.01), r"float in .*values in \[-0.0099999998, 0.5\]"),
        (GOOD * 255, r"float in \[0, 1\].*Divide images in 0..255 by 255"),
    ],
)
def test_bad_images_are_named(images, message):
    with pytest.raises(ValueError, match="`images` must be " + message):
        check_images(images, image_shape=(2, 3, 1))


@pytest.mark.parametrize(
    "labels, message",
    [
        (LABELS[:3], r"shape \[4\] or .*one per image.*shape \(3,\)"),
        (np.int32(1), r"shape \[4\] or .*one per image.*shape \(\)"),
        (np.array([0, 1, 2, 3]), r"in 0..2.*labels in 0..3"),
        (np.array([0, -1, 2, 1]), r"in 0..2.*labels in -1..2"),
        (LABELS.astype(float), "integers"),
        (np.float32(LABELS[:, None]), "integers"),
        (np.full((4, 2), 0.5), r"probabilities of shape \[4, 3\]"),
        (np.full((4, 3), 0.5), r"sum to 1. .* sum to 1.5..1.5"),
        (np.tile([1.5, -0.5, 0.0], (4, 1)), "rows of probabilities"),
        (np.full((4, 3), np.nan), "rows of probabilities"),
    ],
)
def test_bad_labels_are_named(labels, message):
    with pytest.raises(ValueError, match="`labels` must be .*" + message):
        check_images(GOOD, labels, num_classes=3)


def test_negative_labels_are_refused_without_a_class_count():
    with pytest.raises(ValueError, match="`labels` must be at least 0"):
        check_images(GOOD, np.array([0, -1, 2, 1]))
