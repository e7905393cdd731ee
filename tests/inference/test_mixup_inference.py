"""MI-OL and MI-PL against Algorithm 1 in NumPy and closed forms."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.inference import MixupInferenceOL
from keras_mixup.inference import MixupInferencePL
from keras_mixup.inference import SamplePool


def _softmax(logits):
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def _algorithm_1(classifier, pool, images, indices, mix_weight):
    """The listing, one image and one execution at a time, in float64."""
    rows = np.asarray(pool.images).astype("float64") / 255
    answers = []
    for image, chosen, weights in zip(images, indices, mix_weight, strict=True):
        total = np.zeros(pool.num_classes)
        for row, weight in zip(chosen, weights, strict=True):
            mixed = weight * image + (1 - weight) * rows[row]
            logits = classifier(mixed[None].astype("float32"), training=False)
            total += _softmax(np.asarray(logits, "float64"))[0]
        answers.append(total / len(chosen))
    return np.array(answers)


def _predictions(classifier, images):
    return np.argmax(classifier(images, training=False), axis=1)


@pytest.mark.parametrize("defence_class", [MixupInferenceOL, MixupInferencePL])
@pytest.mark.parametrize("mix_weight", [0.6, ("uniform", 0.4, 0.8)])
def test_equals_algorithm_1_in_numpy(
    defence_class, mix_weight, classifier, pool, images
):
    defence = defence_class(classifier, pool, mix_weight, num_draws=4)
    draws = {k: v.numpy() for k, v in defence.draw(images, seed=0).items()}
    expected = _algorithm_1(classifier, pool, images, **draws)
    answer = defence.predict_from_draws(images, draws)
    np.testing.assert_allclose(np.exp(answer), expected, atol=1e-5)


@pytest.mark.parametrize("defence_class", [MixupInferenceOL, MixupInferencePL])
def test_full_weight_gives_the_classifier_back(
    defence_class, classifier, pool, images
):
    defence = defence_class(classifier, pool, 1.0, num_draws=3)
    expected = tf.nn.log_softmax(classifier(images, training=False))
    np.testing.assert_allclose(defence(images), expected, atol=1e-5)


def test_zero_weight_answers_for_the_pool_alone(classifier, pool, images):
    with pytest.warns(UserWarning, match="Eq. 17"):
        defence = MixupInferenceOL(classifier, pool, 0.0, num_draws=2)
    draws = defence.draw(images, seed=0)
    with tf.GradientTape() as tape:
        inputs = tf.constant(images)
        tape.watch(inputs)
        answer = defence.predict_from_draws(inputs, draws)
    rows = (
        pool.gather(draws["indices"][:, 0]),
        pool.gather(draws["indices"][:, 1]),
    )
    mean = np.mean([_softmax(classifier(r).numpy()) for r in rows], axis=0)
    np.testing.assert_allclose(np.exp(answer), mean, atol=1e-5)
    np.testing.assert_array_equal(tape.gradient(answer, inputs), 0.0)


def test_gradient_of_a_linear_classifier_is_scaled_by_lambda(pool, images):
    """d log p_y / dx = lambda E_w[W_y - sum_c p_c W_c], w by p_y of a draw."""
    linear = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(4)]
    )
    kernel = linear.layers[-1].kernel.numpy()
    defence = MixupInferenceOL(linear, pool, 0.6, num_draws=3)
    draws = defence.draw(images, seed=0)
    with tf.GradientTape() as tape:
        inputs = tf.constant(images)
        tape.watch(inputs)
        total = tf.reduce_sum(defence.predict_from_draws(inputs, draws)[:, 2])
    p = _softmax(
        np.stack([linear(x) for x in defence.apply(images, draws)])
    )  # [N, B, C]
    slope = kernel[:, 2] - p @ kernel.T
    weight = p[..., 2:3] / p[..., 2].sum(axis=0)[None, :, None]
    expected = 0.6 * (weight * slope).sum(axis=0)
    gradient = np.reshape(tape.gradient(total, inputs), (5, 36))
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_other_labels_are_uniform_over_classes_then_images(
    classifier, pool, images
):
    defence = MixupInferenceOL(classifier, pool, 0.5, num_draws=4000)
    indices = defence.draw(images, seed=1)["indices"].numpy()
    counts = np.array(pool.class_counts)
    labels = np.asarray(pool.labels)
    for row, label in zip(
        indices, _predictions(classifier, images), strict=True
    ):
        expected = np.where(labels == label, 0.0, 1 / (3 * counts[labels]))
        frequency = np.bincount(row, minlength=12) / 4000
        # Five standard deviations of a frequency of 1/3 among 4,000.
        np.testing.assert_allclose(frequency, expected, atol=0.038)
        assert not frequency[labels == label].any()


def test_predicted_label_is_uniform_over_its_images(classifier, pool, images):
    defence = MixupInferencePL(classifier, pool, 0.5, num_draws=4000)
    indices = defence.draw(images, seed=1)["indices"].numpy()
    labels = np.asarray(pool.labels)
    for row, label in zip(
        indices, _predictions(classifier, images), strict=True
    ):
        expected = (labels == label) / pool.class_counts[label]
        frequency = np.bincount(row, minlength=12) / 4000
        np.testing.assert_allclose(frequency, expected, atol=0.04)


def test_images_and_draws_do_not_share_samples(classifier):
    # Of 5 x 200 draws from 60,000 rows, a few meet by chance at most.
    rows = np.zeros((80_000, 6, 6, 1), "uint8")
    pool = SamplePool(rows, np.arange(80_000) % 4)
    defence = MixupInferenceOL(classifier, pool, 0.5, num_draws=200)
    images = np.random.default_rng(1).random((5, 6, 6, 1), dtype="float32")
    first = defence.draw(images, seed=1)["indices"].numpy()
    second = defence.draw(images, seed=2)["indices"].numpy()
    assert len(np.unique(np.stack([first, second]))) > 1900


def test_predicted_label_is_recomputed_for_each_input(pool):
    # The first pixels are the logits, so that the image says its own label.
    class Pixels(keras.layers.Layer):
        def call(self, inputs):
            return 10.0 * tf.reshape(inputs, [-1, 36])[:, :4]

    images = np.zeros((4, 36), "float32")
    images[np.arange(4), np.arange(4)] = 1.0
    defence = MixupInferencePL(Pixels(), pool, 0.5, num_draws=5)
    draws = defence.draw(images.reshape(4, 6, 6, 1), seed=0)
    labels = tf.gather(pool.labels.value, draws["indices"])
    np.testing.assert_array_equal(labels, np.arange(4)[:, None].repeat(5, 1))


def test_warns_at_one_over_the_classes_and_not_above(classifier, pool):
    with pytest.warns(UserWarning, match=r"`mix_weight`.*1 / 4 .*Eq. 17"):
        MixupInferenceOL(classifier, pool, 0.25)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MixupInferenceOL(classifier, pool, 0.26)
        MixupInferencePL(classifier, pool, 0.1)
        MixupInferenceOL(classifier, pool, ("uniform", 0.0, 0.2))


@pytest.mark.parametrize("score", ["component", "max_difference"])
def test_detection_score_is_the_drop_in_confidence(
    score, classifier, pool, images
):
    defence = MixupInferencePL(classifier, pool, 0.5, 4, score=score)
    before = _softmax(classifier(images, training=False).numpy())
    after = np.exp(defence(images, seed=6))
    label = before.argmax(axis=1)
    rows = np.arange(5)
    expected = before[rows, label] - after[rows, label]
    if score == "max_difference":
        expected = before.max(axis=1) - after.max(axis=1)
    actual = defence.detection_score(images, seed=6)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    draws = defence.draw(images, seed=6)
    answer, again = defence.predict_with_score(images, draws)
    np.testing.assert_allclose(again, actual, atol=1e-6)
    np.testing.assert_allclose(answer, np.log(after), atol=1e-5)


def _pool(shape=(6, 6, 1), classes=4, scale=1.0):
    rows = np.full((classes, *shape), scale, "float32")
    return SamplePool(rows, np.arange(classes), dtype="float32")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"pool": [1, 2]}, "`pool` must be a SamplePool"),
        ({"pool": _pool(classes=3)}, "classifier of 3 classes"),
        ({"pool": _pool((5, 6, 1))}, r"`pool`.*input shape \[6, 6, 1\]"),
        ({"pool": _pool((9,))}, r"`pool` must be rows of shape \[H, W, C\]"),
        ({"pool": _pool(scale=255.0)}, r"`pool` must be images in \[0, 1\]"),
        ({"mix_weight": 1.5}, r"`mix_weight` must be a number in \[0, 1\]"),
    ],
)
def test_refuses_what_does_not_fit(arguments, text, classifier, pool):
    with pytest.raises(ValueError, match=text):
        MixupInferenceOL(
            **{"classifier": classifier, "pool": pool, **arguments}
        )


def test_refuses_a_pool_without_another_class():
    linear = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    with pytest.raises(ValueError, match="at least 2 classes"):
        MixupInferenceOL(linear, _pool(classes=1))


def test_refuses_an_unknown_score(classifier, pool):
    with pytest.raises(ValueError, match="`score` must be one of"):
        MixupInferencePL(classifier, pool, score="auc")


def test_pool_is_stored_once_beside_the_classifier(classifier, pool):
    defence = MixupInferenceOL(classifier, pool)
    assert len(defence.weights) == len(classifier.weights) + 2
    assert defence.trainable_weights == classifier.trainable_weights
