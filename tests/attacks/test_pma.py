"""PMA against an eager transcription of the authors' schedule."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import ops
from keras_mixup.attacks import PMA
from keras_mixup.attacks import pma

_RNG = np.random.default_rng(0)
IMAGES = _RNG.uniform(0.2, 0.8, size=(12, 4, 4, 1)).astype("float32")
FIRST = _RNG.normal(size=(16, 24)).astype("float32")
SECOND = _RNG.normal(size=(24, 4)).astype("float32")
THREAT = ThreatModel("linf", 0.02)


def network(images):
    hidden = tf.sin(3.0 * tf.reshape(images, [-1, 16]) @ FIRST)
    return hidden @ SECOND


LABELS = network(IMAGES).numpy().argmax(axis=-1)


def probabilities_and_slope(point, loss_of):
    """The probabilities and the gradient of a loss of them, eagerly."""
    point = tf.constant(point)
    with tf.GradientTape() as tape:
        tape.watch(point)
        found = tf.nn.softmax(network(point))
        loss = tf.reduce_sum(loss_of(found))
    return found.numpy(), tape.gradient(loss, point).numpy()


def one_run(image, label, start, num_steps, second):
    """One image alone; returns (point, whether it fools the model)."""
    eps, half, point = THREAT.eps, num_steps / 2, start.copy()
    other = [c for c in range(4) if c != label]

    def loss_at(step, found):
        own = found[:, label]
        rival = tf.reduce_max(tf.gather(found, other, axis=1), axis=1)
        if step == 0:
            return own
        if step < half:
            return rival if second else -own
        return rival - own

    for step in range(num_steps):
        loss_of = functools.partial(loss_at, step)
        found, slope = probabilities_and_slope(point[None], loss_of)
        if found[0].argmax() != label:
            return point, True
        past = step - half - 1 if step > half else step - 1
        size = eps * (1 + np.cos(past / (num_steps - half) * np.pi))
        point = point + size * np.sign(slope[0])
        point = np.clip(np.clip(point, image - eps, image + eps), 0, 1)
        point = point.astype("float32")
    fooled = network(point[None]).numpy()[0].argmax() != label
    return point, fooled


def starts(seed, index):
    own = ops.fold_in(ops.seed_pair(seed), index)
    return ops.random_start(THREAT, tf.constant(IMAGES), own).numpy()


@pytest.mark.parametrize("num_steps", [1, 6, 7])
def test_both_runs_follow_the_schedule(num_steps):
    first, second = starts(3, 0), starts(3, 1)
    expected, fooled = IMAGES.copy(), np.zeros(len(IMAGES), bool)
    for row, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
        for start, last in ((first[row], False), (second[row], True)):
            point, fooled[row] = one_run(image, label, start, num_steps, last)
            if fooled[row]:
                expected[row] = point
                break
    result = PMA(THREAT, num_steps)(network, IMAGES, LABELS, seed=3)
    np.testing.assert_array_equal(result.success, fooled)
    assert 0 < fooled.sum() < len(fooled) or num_steps == 1
    np.testing.assert_allclose(
        result.images.numpy()[fooled], expected[fooled], atol=1e-5
    )


def test_the_step_sizes_are_two_cosines():
    sizes = pma.step_sizes(0.1, 100)
    # The authors' formula starts a step early, and anew after the middle.
    assert sizes[1] == pytest.approx(0.2) == sizes[51]
    assert sizes[26] == pytest.approx(0.1) == sizes[76]
    assert sizes[50] == pytest.approx(0.1 * (1 + np.cos(0.98 * np.pi)))


def test_it_ends_with_the_last_image_and_counts_what_it_spent():
    easy = ThreatModel("linf", 0.5)
    result = PMA(easy, 40)(network, IMAGES, LABELS, seed=0)
    assert result.success.numpy().all()
    spent = result.gradient_passes.numpy()
    assert spent.max() < 40 and (spent == spent[0]).all()
    assert (result.queries.numpy() == 1).all()
    still = PMA(ThreatModel("linf", 1e-4), 5, 2)(
        network, IMAGES, LABELS, seed=0
    )
    assert not still.success.numpy().any()
    assert (still.gradient_passes.numpy() == 4 * 5).all()
    assert (still.queries.numpy() == 4).all()


def test_l2_and_targets():
    threat, targets = ThreatModel("l2", 0.6), (LABELS + 1) % 4
    attack = PMA(threat, 20)
    result = attack(network, IMAGES, LABELS, targets=targets, seed=0)
    answers = network(result.images).numpy().argmax(axis=-1)
    np.testing.assert_array_equal(result.success, answers == targets)
    assert result.success.numpy().mean() > 0.5
    length = np.linalg.norm(
        (result.images.numpy() - IMAGES).reshape(12, -1), axis=1
    )
    assert length.max() <= 0.6 * (1 + 1e-5)


def test_the_probability_margin():
    logits = np.array([[1.0, 0.0, -1.0], [30.0, 0.0, 0.0]], "float32")
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = ops.probability_margin([0, 1], logits)
    expected = [p[0, 1] - p[0, 0], p[1, 0] - p[1, 1]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_saturated_softmax_is_told():
    """Its gradient is exactly zero: the attack must not look like a verdict."""
    with pytest.warns(UserWarning, match="exactly zero"):
        PMA(THREAT, 3)(lambda x: 1e4 * network(x), IMAGES, LABELS, seed=0)
