"""Local linearity error against closed forms and random search."""

import functools
import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ops
from keras_mixup.metrics import local_linearity_error

SHAPE = (4, 3, 3, 1)
WIDE = (-9.0, 9.0)


def _first_value(labels, outputs):
    del labels
    return outputs[:, 0]


def _quadratic(curvature):
    """x -> sum of curvature x^2 / 2, plus something linear."""

    def function(images):
        value = 0.5 * curvature * images**2 + 0.3 * images
        return tf.reduce_sum(value, axis=[1, 2, 3])[:, None]

    return function


@pytest.mark.parametrize(
    ("sign", "norm"), [(1, "linf"), (-1, "linf"), (1, "l2")]
)
def test_quadratic_has_a_closed_form(sign, norm):
    generator = np.random.default_rng(0)
    images = generator.random(SHAPE, dtype="float32")
    curvature = sign * generator.uniform(0.5, 2.0, (1, 3, 3, 1))
    found = local_linearity_error(
        _quadratic(curvature.astype("float32")),
        images,
        np.zeros(4, "int32"),
        0.2,
        norm=norm,
        bounds=WIDE,
        num_steps=60,
        loss_fn=_first_value,
    )
    # At a corner of the cube; on the ball along the largest curvature.
    size = np.abs(curvature).sum() if norm == "linf" else curvature.max()
    np.testing.assert_allclose(found, 0.5 * 0.2**2 * size, rtol=2e-2)


def test_linear_loss_has_no_error():
    images = np.random.default_rng(0).random(SHAPE, dtype="float32")
    labels = np.zeros(4, "int32")
    found = local_linearity_error(
        _quadratic(0.0), images, labels, "8/255", loss_fn=_first_value
    )
    np.testing.assert_allclose(found, 0.0, atol=1e-6)


class _Jump:
    """Linear, but for an offset that follows the sign of the first pixel."""

    def draw(self, images, seed):
        first = images[:, 0, 0, 0]
        return {"offset": tf.where(first > 0.5, 1.0, 0.0) + 0.0 * seed}

    def predict_from_draws(self, images, draws):
        return (
            tf.reduce_sum(images, [1, 2, 3])[:, None] + draws["offset"][:, None]
        )

    def __call__(self, images):
        return self.predict_from_draws(images, self.draw(images, 0))


def test_draws_of_the_image_are_held():
    images = np.full(SHAPE, 0.49, "float32")
    options = {"loss_fn": _first_value, "num_steps": 6, "num_starts": 1}
    given = (_Jump(), images, np.zeros(4, "int32"), 0.1)
    np.testing.assert_allclose(
        local_linearity_error(*given, **options), 1.0, atol=1e-5
    )
    held = local_linearity_error(*given, draws_seed=0, **options)
    np.testing.assert_allclose(held, 0.0, atol=1e-5)


def test_held_draws_need_a_defence():
    given = np.full(SHAPE, 0.49, "float32"), np.zeros(4, "int32"), 0.1
    with pytest.raises(ValueError, match="`model_fn` must be a defence with"):
        local_linearity_error(_quadratic(1.0), *given, draws_seed=0)


def _network():
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((3, 3, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(
                16,
                "tanh",
                kernel_initializer=keras.initializers.Orthogonal(3.0),
            ),
            keras.layers.Dense(
                3, kernel_initializer=keras.initializers.Orthogonal(3.0)
            ),
        ]
    )


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_never_below_a_thousand_random_points(norm):
    network = _network()
    generator = np.random.default_rng(1)
    images = generator.random((12, 3, 3, 1), dtype="float32")
    labels = generator.integers(0, 3, 12)
    eps = 0.3
    found = local_linearity_error(
        network, images, labels, eps, norm=norm, batch_size=5
    )
    with tf.GradientTape() as tape:
        inputs = tf.constant(images)
        tape.watch(inputs)
        base = ops.cross_entropy(labels, network(inputs))
    slope = tape.gradient(base, inputs).numpy()
    delta = generator.uniform(-eps, eps, (12, 1000, 9)).astype("float32")
    if norm == "l2":
        length = np.linalg.norm(delta, axis=-1, keepdims=True)
        radius = eps * generator.uniform(size=(12, 1000, 1)) ** (1 / 9)
        delta = (delta / length * radius).astype("float32")
    flat = images.reshape(12, 1, 9)
    points = np.clip(flat + delta, 0.0, 1.0)
    along = ((points - flat) * slope.reshape(12, 1, 9)).sum(axis=-1)
    logits = network(points.reshape(-1, 3, 3, 1))
    loss = ops.cross_entropy(labels.repeat(1000), logits)
    gaps = np.reshape(loss, (12, 1000)) - np.reshape(base, (12, 1)) - along
    highest = np.abs(gaps).max(axis=1)
    assert highest.min() > 1e-3
    assert (found >= highest).all()


def test_repeats_and_grows_with_the_radius():
    network = _network()
    images = np.random.default_rng(1).random((5, 3, 3, 1), dtype="float32")
    labels = np.arange(5) % 3
    small, large, again = (
        local_linearity_error(network, images, labels, eps, num_steps=6)
        for eps in (0.01, 0.2, 0.2)
    )
    np.testing.assert_array_equal(large, again)
    assert small.dtype == np.float32
    assert (large > small).all()


def test_a_model_is_traced_once_whatever_radius_and_last_batch():
    network, traced = _network(), []

    def model(images):
        traced.append(images.shape)
        return network(images)

    images = np.random.default_rng(1).random((5, 3, 3, 1), dtype="float32")
    options = {"num_steps": 3, "num_starts": 1, "batch_size": 3}
    run = functools.partial(
        local_linearity_error, model, images, np.arange(5) % 3, **options
    )
    first = run(eps=0.1)
    count = len(traced)
    assert count and all(shape[0] is None for shape in traced)
    second = run(eps=0.2)
    assert len(traced) == count
    # The compiled function takes the radius of the call.
    assert (second > first).all()
    # Another model of the same code is another trace.
    other = local_linearity_error(
        lambda x: 2.0 * network(x), images, np.arange(5) % 3, 0.1, **options
    )
    assert (np.abs(other - first) > 1e-4).any()


def test_what_is_compiled_does_not_keep_the_model_alive():
    network = _network()
    images = np.zeros((2, 3, 3, 1), "float32")
    local_linearity_error(
        network, images, [0, 1], 0.1, num_steps=3, num_starts=1
    )
    reference = weakref.ref(network)
    del network
    keras.backend.clear_session()
    gc.collect()
    assert reference() is None


def test_callables_without_weak_references_work():
    class Halved:
        __slots__ = ()

        def __call__(self, images):
            return _quadratic(1.0)(images)

    found = local_linearity_error(
        Halved(),
        np.full(SHAPE, 0.5, "float32"),
        np.zeros(4, "int32"),
        0.1,
        loss_fn=_first_value,
    )
    np.testing.assert_allclose(found, 0.5 * 0.1**2 * 9, rtol=2e-2)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"eps": 0.0}, "`eps` must be a number > 0"),
        ({"num_steps": 2}, "`num_steps` must be an integer >= 3"),
        ({"num_starts": 0}, "`num_starts` must be an integer >= 1"),
        ({"labels": [0]}, r"`labels` must be .* shape \[2\]"),
        ({"labels": [0, 7]}, r"`labels` must be in 0\.\.2, the classes"),
        ({"labels": np.eye(4)[:2]}, r"`labels` must be .* \[N, 3\]"),
        ({"norm": "l1"}, "`norm` must be one of"),
    ],
)
def test_refusals(arguments, text):
    given = {"images": np.zeros((2, 3, 3, 1)), "labels": [0, 1], "eps": 0.1}
    with pytest.raises(ValueError, match=text):
        local_linearity_error(_network(), **{**given, **arguments})
