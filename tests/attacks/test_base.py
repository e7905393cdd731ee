"""The shared border: what is refused, traced once, projected and judged."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup.attacks import PGD
from keras_mixup.attacks import Attack
from keras_mixup.attacks import base
from keras_mixup.attacks._functions import as_function

THREAT = ThreatModel("linf", 0.1)
IMAGES = np.random.default_rng(0).uniform(size=(4, 3, 3, 1)).astype("float32")
LABELS = np.array([0, 1, 2, 1])
WEIGHTS = np.random.default_rng(1).normal(size=(9, 3)).astype("float32")


def linear(images):
    return tf.reshape(images, [-1, 9]) @ WEIGHTS


class Outside(Attack):
    """An attack that leaves the ball and the bounds, and counts its work."""

    def run(self, model_fn, images, labels, targets, seed):
        counts = tf.range(tf.shape(images)[0])
        return images + 7.0, 3, counts


def test_result_is_projected_counted_and_judged_by_the_model():
    result = Outside(THREAT)(linear, IMAGES, LABELS, seed=0)
    expected = np.minimum(IMAGES + np.float32(0.1), 1.0)
    np.testing.assert_allclose(result.images, expected, atol=1e-7)
    predicted = linear(result.images).numpy().argmax(axis=-1)
    np.testing.assert_array_equal(result.success, predicted != LABELS)
    assert result.images.dtype == tf.float32
    assert result.success.dtype == tf.bool
    np.testing.assert_array_equal(result.gradient_passes, [3, 3, 3, 3])
    np.testing.assert_array_equal(result.queries, [0, 1, 2, 3])
    assert result.gradient_passes.dtype == tf.int32


def test_targeted_success_is_reaching_the_target():
    predicted = linear(np.minimum(IMAGES + 0.1, 1.0)).numpy().argmax(-1)
    targets = predicted.copy()
    targets[0] = (targets[0] + 1) % 3
    result = Outside(THREAT)(linear, IMAGES, (targets + 1) % 3, targets=targets)
    np.testing.assert_array_equal(result.success, [False, True, True, True])


def test_one_hot_labels_give_what_integers_give():
    attack = PGD(THREAT, step_size=0.02, num_steps=3)
    integers = attack(linear, IMAGES, LABELS, seed=1)
    one_hot = attack(linear, IMAGES, np.eye(3)[LABELS], seed=1)
    np.testing.assert_allclose(one_hot.images, integers.images, atol=1e-7)
    np.testing.assert_array_equal(one_hot.success, integers.success)


def _with(value):
    images = IMAGES.copy()
    images[1, 0, 0, 0] = value
    return images


def _softmax(images):
    return tf.nn.softmax(linear(images))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"images": (255 * IMAGES).astype("uint8")}, "must be float in.*uint8"),
        ({"images": IMAGES[0]}, r"`images` must be of shape \[B, H, W, C\]"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "at least one image"),
        ({"images": _with(np.nan)}, "`images` must be float in.*NaN"),
        ({"images": _with(1.5)}, r"float in \[0, 1\].*1\.5"),
        ({"images": _with(-0.5)}, r"float in \[0, 1\].*-0\.5"),
        ({"labels": LABELS[:3]}, r"shape \[4\].*one per image.*\(3,\)"),
        ({"labels": LABELS + 1.0}, r"`labels` must be integers of shape"),
        ({"labels": np.eye(3)[LABELS] * 2}, "probabilities, .* sum to 1"),
        ({"labels": LABELS + 1}, r"`labels` must be in 0\.\.2.*1\.\.3"),
        ({"labels": LABELS - 1}, r"`labels` must be at least 0.*-1\.\.1"),
        ({"labels": np.eye(4)[LABELS]}, r"\[B, 3\], as wide as the model"),
        ({"targets": LABELS[:2]}, r"`targets` must be .*one per image"),
        ({"targets": LABELS + 1}, r"`targets` must be in 0\.\.2"),
        ({"targets": np.eye(3)[LABELS]}, "`targets` must be integers"),
        ({"model_fn": "resnet"}, "`model_fn` must be a callable"),
        ({"model_fn": lambda x: linear(x)[0]}, "3 rows for 4 images"),
        ({"model_fn": lambda x: linear(x) / 0.0}, "finite outputs"),
        ({"model_fn": _softmax}, "logits, not of probabilities"),
    ],
)
def test_bad_input_is_named_before_any_work(change, match):
    def run(*_):
        raise AssertionError("the attack started")

    attack = PGD(THREAT, step_size=0.02, num_steps=2)
    attack.run = run
    call = {"model_fn": linear, "images": IMAGES, "labels": LABELS, **change}
    with pytest.raises(ValueError, match=match):
        attack(**call)


def test_outputs_that_turn_nan_under_attack_are_refused():
    def fragile(images):
        return tf.math.log(0.05 - tf.abs(images[:, 0, 0] - 0.5)) * [[1.0, 2.0]]

    images = np.full((2, 1, 1, 1), 0.5, "float32")
    with pytest.raises(ValueError, match="finite outputs"):
        Outside(THREAT)(fragile, images, [0, 1])


def test_a_threat_of_another_type_is_refused():
    with pytest.raises(ValueError, match="`threat` must be a keras_mixup.Thr"):
        PGD(0.1)


def test_an_attack_without_run_says_so():
    with pytest.raises(TypeError, match="Attack must define `run`"):
        Attack(THREAT)(linear, IMAGES, LABELS)


def test_inside_a_graph_the_checked_form_is_refused():
    attack = PGD(THREAT, num_steps=1)
    function = tf.function(lambda x: attack(linear, x, LABELS).images)
    with pytest.raises(RuntimeError, match="Inside a graph use `PGD.perturb"):
        function(IMAGES)


def test_seed_decides_the_result_and_none_is_fresh():
    attack = PGD(THREAT, step_size=0.001, num_steps=1)
    results = [
        attack(linear, IMAGES, LABELS, seed=seed).images.numpy()
        for seed in (3, tf.constant([3, 0]), 4, None, None)
    ]
    np.testing.assert_array_equal(results[0], results[1])
    for other in range(2, 5):
        assert not np.array_equal(results[other - 1], results[other])


def test_equal_shapes_and_model_trace_once():
    traces = []

    def counted(images):
        traces.append(images.shape)
        return linear(images)

    attack = PGD(THREAT, step_size=0.02, num_steps=3)
    attack(counted, IMAGES, LABELS, seed=0)
    first = len(traces)
    for seed in (1, 2, None):
        attack(counted, IMAGES, LABELS, seed=seed)
        attack(counted, IMAGES, LABELS.astype("int64"), seed=seed)
    assert len(traces) == first
    attack(counted, IMAGES[:3], LABELS[:3])
    second = len(traces)
    assert second > first
    # From here on the batch size is open: no other length traces again.
    for length in (1, 2, 3, 4):
        attack(counted, IMAGES[:length], LABELS[:length])
    assert len(traces) == second


def test_keras_models_and_methods_trace_once():
    traces = []

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, images):
            traces.append(1)
            return self.dense(tf.reshape(images, [-1, 9]))

        def scaled(self, images):
            return 2.0 * self(images)

    model = Model()
    attack = PGD(THREAT, step_size=0.02, num_steps=2)
    attack(model, IMAGES, LABELS)
    attack(model.scaled, IMAGES, LABELS)
    count = len(traces)
    for _ in range(3):
        attack(model, IMAGES, LABELS)
        attack(model.scaled, IMAGES, LABELS)
    assert len(traces) == count


def test_batch_norm_and_dropout_stay_in_inference_mode():
    model = keras.Sequential(
        [
            keras.Input((3, 3, 1)),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.9),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    before = [weight.numpy() for weight in model.weights]
    attack = PGD(THREAT, step_size=0.02, num_steps=4)
    first = attack(model, IMAGES, LABELS, seed=0)
    again = attack(model, IMAGES, LABELS, seed=0)
    np.testing.assert_array_equal(first.images, again.images)
    for old, new in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_as_function_does_not_keep_a_model_alive():
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    assert as_function(model) is as_function(model)
    assert as_function(linear) is linear
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def test_a_method_of_an_object_without_weak_references_works():
    class Slotted:
        __slots__ = ()

        def logits(self, images):
            return linear(images)

    result = PGD(THREAT, step_size=0.02, num_steps=1)(
        Slotted().logits, IMAGES, LABELS, seed=0
    )
    expected = PGD(THREAT, step_size=0.02, num_steps=1)(
        linear, IMAGES, LABELS, seed=0
    )
    np.testing.assert_array_equal(result.images, expected.images)


def test_calls_leave_the_settings_alone():
    attack = PGD(THREAT, step_size=0.02, num_steps=2)
    before = repr(attack)
    attack(linear, IMAGES, LABELS, targets=(LABELS + 1) % 3)
    assert repr(attack) == before


def test_traces_of_fresh_callables_are_bounded_and_said(monkeypatch):
    """The functions that were traced are freed, but for a few."""
    monkeypatch.setattr(base, "_MOST_TRACES", 4)
    attack = PGD(THREAT, 0.1, num_steps=1)
    images, labels = tf.fill([2, 2, 2, 1], 0.5), [0, 1]
    alive = weakref.WeakSet()

    def once():
        def fresh(x):
            return 3.0 * tf.reshape(x, [-1, 4])[:, :2]

        alive.add(fresh)
        attack(fresh, images, labels, seed=0)

    match = "traced 4 times.*one lasting"
    with pytest.warns(UserWarning, match=match) as found:
        for _ in range(10):
            once()
    assert len(found) == 1
    gc.collect()
    assert len(alive) <= 4


def test_one_callable_never_reaches_the_bound(monkeypatch):
    monkeypatch.setattr(base, "_MOST_TRACES", 4)
    attack = PGD(THREAT, 0.1, num_steps=1)

    def network(x):
        return 3.0 * tf.reshape(x, [-1, 4])[:, :2]

    for count in range(1, 8):
        images = tf.fill([count, 2, 2, 1], 0.5)
        attack(network, images, [0] * count, seed=0)
