"""MI-Combined: who answers, the score, and where gradients flow."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.inference import MixupInferenceCombined
from keras_mixup.inference import MixupInferenceOL
from keras_mixup.inference import MixupInferencePL


def _parts(defence, images, seed):
    """Both means and the clean answer, each by its own layer."""
    draws = defence.draw(images, seed=seed)
    pair = lambda p: {  # noqa: E731
        "indices": draws[f"{p}_indices"],
        "mix_weight": draws[f"{p}_mix_weight"],
    }
    classifier, pool = defence.classifier, defence.pool
    same = MixupInferencePL(classifier, pool)
    other = MixupInferenceOL(classifier, pool)
    clean = tf.nn.log_softmax(classifier(images, training=False))
    return (
        clean.numpy(),
        same.predict_from_draws(images, pair("pl")).numpy(),
        other.predict_from_draws(images, pair("ol")).numpy(),
    )


@pytest.mark.parametrize("fallback", ["input", "mixup_pl"])
@pytest.mark.parametrize("score", ["component", "max_difference"])
def test_the_score_decides_row_by_row(
    fallback, score, classifier, pool, images
):
    make = lambda threshold: MixupInferenceCombined(  # noqa: E731
        classifier,
        pool,
        num_draws=4,
        fallback=fallback,
        score=score,
        threshold=threshold,
    )
    clean, same, other = _parts(make(0.0), images, seed=3)
    before, after = np.exp(clean), np.exp(same)
    label = before.argmax(axis=1)
    drop = (before - after)[np.arange(5), label]
    if score == "max_difference":
        drop = before.max(axis=1) - after.max(axis=1)
    # Between the middle scores: some rows are detected, some are not.
    threshold = float(np.mean(np.sort(drop)[2:4]))
    defence = make(threshold)
    plain = clean if fallback == "input" else same
    expected = np.where(drop[:, None] > threshold, other, plain)
    np.testing.assert_allclose(defence(images, seed=3), expected, atol=1e-5)
    np.testing.assert_allclose(
        defence.detection_score(images, seed=3), drop, atol=1e-5
    )


@pytest.mark.parametrize("threshold", [-1.0, 1.0])
def test_gradient_flows_through_the_answering_branch(
    threshold, classifier, pool, images
):
    defence = MixupInferenceCombined(
        classifier, pool, num_draws=2, threshold=threshold
    )
    draws = defence.draw(images, seed=0)
    other = MixupInferenceOL(classifier, pool)
    ol_draws = {
        "indices": draws["ol_indices"],
        "mix_weight": draws["ol_mix_weight"],
    }
    inputs = tf.constant(images)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        answer = defence.predict_from_draws(inputs, draws)[:, 1]
        if threshold < 0:
            expected = other.predict_from_draws(inputs, ol_draws)[:, 1]
        else:
            logits = classifier(inputs, training=False)
            expected = tf.nn.log_softmax(logits)[:, 1]
    np.testing.assert_allclose(
        tape.gradient(answer, inputs),
        tape.gradient(expected, inputs),
        atol=1e-5,
    )


def test_apply_gives_both_sets_of_inputs(classifier, pool, images):
    defence = MixupInferenceCombined(classifier, pool, 0.9, 0.4, num_draws=3)
    draws = defence.draw(images, seed=0)
    inputs = defence.apply(tf.constant(images), draws)
    assert inputs.shape == (6, 5, 6, 6, 1)
    row = pool.gather(draws["pl_indices"][2, 1])
    np.testing.assert_allclose(
        inputs[1, 2], 0.9 * images[2] + 0.1 * row, atol=1e-6
    )
    row = pool.gather(draws["ol_indices"][2, 1])
    np.testing.assert_allclose(
        inputs[4, 2], 0.4 * images[2] + 0.6 * row, atol=1e-6
    )


def test_both_parts_draw_from_their_own_classes(classifier, pool, images):
    defence = MixupInferenceCombined(classifier, pool, num_draws=50)
    draws = defence.draw(images, seed=0)
    label = np.argmax(classifier(images, training=False), axis=1)[:, None]
    of = lambda name: tf.gather(pool.labels.value, draws[name])  # noqa: E731
    assert (of("pl_indices").numpy() == label).all()
    assert (of("ol_indices").numpy() != label).all()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"fallback": "x"}, "`fallback` must be one of 'input', 'mixup_pl'"),
        ({"score": "x"}, "`score` must be one of 'component'"),
        ({"threshold": 2.0}, r"`threshold` must be a number in \[-1, 1\]"),
        ({"pl_weight": -1}, "`pl_weight` must be"),
        ({"ol_weight": ("beta", 1)}, "`ol_weight` must be"),
    ],
)
def test_refuses_bad_arguments(arguments, text, classifier, pool):
    with pytest.raises(ValueError, match=text):
        MixupInferenceCombined(classifier, pool, **arguments)


def test_warns_of_a_small_weight_of_the_answering_part(classifier, pool):
    with pytest.warns(UserWarning, match=r"`ol_weight`.*Eq. 17"):
        MixupInferenceCombined(classifier, pool, ol_weight=0.2)
