"""The threshold for a false positive rate, against counting."""

import export_toys as toys
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import export
from keras_mixup.metrics import _thresholds


class Scores:
    """Stands for a detector: its score is the image's only pixel."""

    def detection_score(self, images, seed=None):
        assert seed.shape == (len(images), 2)
        return tf.reshape(images, [-1])


def clean(count):
    values = np.random.default_rng(0).permutation(count) / count
    return values.astype("float32").reshape(count, 1, 1, 1)


@pytest.mark.parametrize(
    ("rate", "alarms"),
    [
        *[(0.0, 0), (0.05, 5), (0.059, 5), (0.5, 50), (0.99, 99)],
        *[(0.29, 29), (0.57, 57), ("58/100", 58)],
    ],
)
def test_as_many_alarms_as_the_rate_allows(rate, alarms):
    images = clean(100)
    threshold = export.choose_threshold(Scores(), images, rate, batch_size=7)
    assert np.sum(images > threshold) == alarms


@pytest.mark.parametrize("count", [1, 7, 60, 100, 365])
def test_it_is_the_lowest_at_every_rate(count):
    """Products such as 0.29 * 100 = 28.999...96 lose no alarm."""
    scores = np.arange(count, dtype=np.float64)
    for alarms in range(count):
        # What another number of images rounds to is below or above.
        rate = alarms / count
        assert _thresholds.lowest_threshold(scores, rate) == count - alarms - 1
        near = np.nextafter(rate, [0.0, 1.0])
        for rate, fewer in zip(near, (1, 0), strict=True):
            found = _thresholds.lowest_threshold(scores, max(rate, 0.0))
            fewer *= alarms > 0
            assert found == count - (alarms - fewer) - 1
    below = np.nextafter(1.0, 0.0)
    assert _thresholds.lowest_threshold(scores, below) == 0.0


def test_a_score_that_is_nan_is_refused():
    """Sorted, it would be the highest one, and the threshold at rate 0."""
    scores = tf.constant([0.1, np.nan, 0.3])
    with pytest.raises(ValueError, match="`scores` must be free of NaN"):
        _thresholds.lowest_threshold(scores, 0.0)


def test_ties_raise_fewer_alarms_and_never_more():
    images = np.repeat(clean(10), 10, axis=0)
    threshold = export.choose_threshold(Scores(), images, 0.15)
    assert np.mean(images > threshold) == pytest.approx(0.1)


def test_a_detectors_rate_is_kept_by_its_export(tmp_path):
    defence = toys.DEFENCES["pl"]()
    images = toys.images(200)
    threshold = export.choose_threshold(defence, images, 0.2)
    assert export.choose_threshold(defence, images, 0.2, 0, 33) == threshold
    path = export.export_saved_model(defence, tmp_path, threshold=threshold)
    root = tf.saved_model.load(path)
    answer = root.signatures["detect"](image=tf.constant(images))
    assert answer["threshold"][0] == np.float32(threshold)
    # Other draws than those it was chosen with, but not by chance: about the
    # same rate.
    answer = root.signatures["seeded"](
        image=tf.constant(images), seed=tf.constant(toys.seeds(200))
    )
    assert np.mean(answer["is_adversarial"]) == pytest.approx(0.2, abs=0.1)


def test_combined_exports_its_own_threshold_alone(tmp_path):
    defence = toys.DEFENCES["combined"]()
    with pytest.raises(ValueError, match="`threshold` must be None, or the de"):
        export.export_saved_model(defence, tmp_path, threshold=0.3)
    with pytest.raises(ValueError, match="None for a defence without a detec"):
        export.export_saved_model(toys.classifier(), tmp_path, threshold=0.3)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((Scores(), clean(3), 1.0), "`false_positive_rate` must be below 1"),
        ((Scores(), clean(3), -0.1), "`false_positive_rate` must be a number"),
        (
            (Scores(), clean(0), 0.1),
            "`images` must be .* at least one",
        ),
        ((toys.DEFENCES["ol"], clean(3), 0.1), "`defence` must be one with a"),
    ],
)
def test_bad_input_is_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        export.choose_threshold(*arguments)
