"""Accuracy per kind and severity, of models and of defences."""

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import data
from keras_mixup import metrics
from keras_mixup.inference import GaussianNoiseInference
from keras_mixup.studies import corruption_accuracies
from keras_mixup.studies import corruption_means


class Brightest(keras.layers.Layer):
    """The class is the brighter half of the image."""

    def call(self, images):
        halves = tf.reduce_mean(images, axis=[1, 3])
        return 5.0 * tf.reduce_sum(tf.reshape(halves, [-1, 2, 2]), axis=-1)


def _make_set(kind, severity):
    """Of five images as many are wrong as the severity minus one."""
    labels = np.array([0, 1, 0, 1, 0])
    shown = labels.copy()
    if kind != "brightness":
        shown[: severity - 1] = 1 - shown[: severity - 1]
    images = np.zeros((5, 4, 4, 1), "float32")
    for image, half in zip(images, shown, strict=True):
        image[:, 2 * half : 2 * half + 2] = 1.0
    return data.ImageSet(images, labels, np.arange(5))


def test_accuracies_are_those_of_the_sets_and_make_the_mean():
    model = Brightest()
    models = {"plain": model, "noisy": GaussianNoiseInference(model, 0.01, 3)}
    found = corruption_accuracies(models, _make_set, eval_seeds=(0, 1))
    assert list(found) == ["plain", "noisy"]
    for cells in found.values():
        assert len(cells) == 75
        assert cells["fog", 1] == 1.0
        np.testing.assert_allclose(cells["snow", 4], 0.4)
        assert cells["brightness", 5] == 1.0
        expected = (14 * np.mean([1.0, 0.8, 0.6, 0.4, 0.2]) + 1.0) / 15
        mean = metrics.corruption_accuracy(cells)
        np.testing.assert_allclose(mean, expected)


def test_kinds_can_be_chosen():
    found = corruption_accuracies(
        {"plain": Brightest()}, _make_set, kinds=("fog",)
    )
    assert set(found["plain"]) == {("fog", s) for s in range(1, 6)}


def test_known_cells_are_not_computed_and_new_ones_told():
    asked, told = [], []

    def make_set(kind, severity):
        asked.append((kind, severity))
        return _make_set(kind, severity)

    cells = {("plain", "fog", s): 0.25 for s in (1, 2, 3)}
    found = corruption_accuracies(
        {"plain": Brightest()},
        make_set,
        kinds=("fog",),
        known=cells,
        note=lambda *cell: told.append(cell),
    )
    assert asked == [("fog", 4), ("fog", 5)]
    assert [cell[:3] for cell in told] == [
        ("plain", "fog", 4),
        ("plain", "fog", 5),
    ]
    np.testing.assert_allclose([cell[3] for cell in told], [0.4, 0.2])
    values = [found["plain"]["fog", s] for s in range(1, 6)]
    np.testing.assert_allclose(values, [0.25, 0.25, 0.25, 0.4, 0.2])


def test_means_need_all_standard_cells_and_no_others():
    rows = [
        {
            "set": "digits corrupted by imagecorruptions",
            "model": model,
            "kind": kind,
            "severity": severity,
            "accuracy": severity / 10,
        }
        for model in ("plain", "short")
        for kind in (*metrics.STANDARD_CORRUPTIONS, "spatter")
        for severity in range(1, 6)
        if (model, kind, severity) != ("short", "snow", 2)
    ]
    for row in rows:
        if row["kind"] == "spatter":
            row["accuracy"] = 1.0
    found = corruption_means(rows)
    name = "digits corrupted by imagecorruptions"
    assert found == {
        (name, "plain"): found[name, "plain"],
        (name, "short"): None,
    }
    np.testing.assert_allclose(found[name, "plain"], 0.3)
