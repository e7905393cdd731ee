"""The common base: passes, chunks, seeds, graphs, saving, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import inference
from keras_mixup import models
from keras_mixup import ops
from keras_mixup import registry


def _vae():
    """Four principal components of noise: untrained beyond those."""
    keras.utils.set_random_seed(2)
    vae = models.MMDVAE((6, 6, 1), latent_size=4, width=2)
    images = np.random.default_rng(5).random((20, 6, 6, 1), dtype="float32")
    vae.start_from_pca(images)
    return vae


# name -> how to make it from (classifier, pool, num_draws, more arguments).
DEFENCES = {
    "ol": lambda c, p, n, **k: inference.MixupInferenceOL(
        c, p, ("uniform", 0.3, 0.9), n, **k
    ),
    "pl": lambda c, p, n, **k: inference.MixupInferencePL(
        c, p, ("beta", 2.0, 1.0), n, score="max_difference", **k
    ),
    "combined": lambda c, p, n, **k: inference.MixupInferenceCombined(
        c, p, 0.5, 0.6, threshold=0.01, num_draws=n, fallback="mixup_pl", **k
    ),
    "noise": lambda c, p, n, **k: inference.GaussianNoiseInference(
        c, 0.1, n, **k
    ),
    "smoothing": lambda c, p, n, **k: inference.RandomizedSmoothing(
        c, 0.1, n, **k
    ),
    "rotation": lambda c, p, n, **k: inference.RandomRotationInference(
        c, (-20, 40), n, **k
    ),
    "resize_pad": lambda c, p, n, **k: inference.RandomResizePadInference(
        c, (3, 6), n, **k
    ),
    "nearest_rotation": lambda c, p, n, **k: inference.RandomRotationInference(
        c, 40, n, interpolation="nearest", **k
    ),
    "crop_pad": lambda c, p, n, **k: inference.RandomCropPadInference(
        c, (3, 6), n, **k
    ),
    "crop_resize": lambda c, p, n, **k: inference.RandomCropResizeInference(
        c, (3, 5), n, **k
    ),
    "var": lambda c, p, n, **k: inference.VarMixupInference(
        c, _vae(), p, 0.7, n, label_from="reconstruction", **k
    ),
    "var_logits": lambda c, p, n, **k: inference.VarMixupInference(
        c, _vae(), p, ("uniform", 0.3, 0.9), n, average="logits", **k
    ),
}
every_defence = pytest.mark.parametrize("name", DEFENCES)


def test_the_table_holds_every_registered_defence(classifier, pool):
    """A new defence needs a row here."""
    made = (make(classifier, pool, 3) for make in DEFENCES.values())
    found = {defence.registered_name for defence in made}
    lacking = set(registry.names("defence")) - found
    text = f"{lacking} need a row in DEFENCES, tests/inference/test_base.py"
    assert not lacking, text
    assert found == set(registry.names("defence"))


def _row_seeds(count):
    return ops.row_seeds(7, count).numpy()


def _answer_and_gradient(function, images):
    images = tf.convert_to_tensor(images)
    with tf.GradientTape() as tape:
        tape.watch(images)
        answer = function(images)
        total = tf.reduce_sum(answer[:, 0])
    return answer, tape.gradient(total, images)


class _Recorder(keras.layers.Layer):
    """Notes the batch size of each eager pass and gives linear logits."""

    def __init__(self):
        super().__init__()
        self.passes = []

    def call(self, inputs):
        if tf.executing_eagerly():
            self.passes.append(int(inputs.shape[0]))
        flat = tf.reshape(inputs, [-1, 36])
        return flat[:, :4] * 3.0


@every_defence
def test_keras_file_gives_equal_answers_for_equal_seeds(
    name, classifier, pool, images, tmp_path
):
    defence = DEFENCES[name](classifier, pool, 3)
    image = keras.Input((6, 6, 1))
    seed = keras.Input((2,), dtype="int32")
    model = keras.Model([image, seed], defence(image, seed=seed))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    again = loaded.layers[-1]
    assert type(again) is type(defence)
    plain = lambda d: {  # noqa: E731
        k: v for k, v in d.get_config().items() if k != "classifier"
    }
    assert plain(again) == plain(defence)
    inputs = [images, _row_seeds(5)]
    np.testing.assert_allclose(loaded(inputs), model(inputs), atol=1e-6)


@every_defence
def test_answers_are_log_probabilities(name, classifier, pool, images):
    answer = DEFENCES[name](classifier, pool, 3)(images, seed=0)
    assert answer.shape == (5, 4)
    assert answer.dtype == tf.float32
    np.testing.assert_allclose(np.exp(answer).sum(axis=1), 1.0, atol=1e-5)


@every_defence
def test_call_is_draw_then_predict(name, classifier, pool, images):
    defence = DEFENCES[name](classifier, pool, 3)
    draws = defence.draw(images, seed=3)
    assert {tuple(d.shape[:2]) for d in draws.values()} == {(5, 3)}
    np.testing.assert_allclose(
        defence.predict_from_draws(images, draws),
        defence(images, seed=3),
        atol=1e-6,
    )


# MI-Combined's answer selects between two means, see test_combined.py; the
# mean of logits has its own test, too.
@pytest.mark.parametrize(
    "name", sorted(set(DEFENCES) - {"combined", "var_logits"})
)
def test_average_is_the_mean_softmax_of_the_applied_inputs(
    name, classifier, pool, images
):
    defence = DEFENCES[name](classifier, pool, 3)
    draws = defence.draw(images, seed=3)
    inputs = defence.apply(images, draws)
    assert inputs.shape == (3, 5, 6, 6, 1)
    mean = np.mean(
        [keras.ops.softmax(classifier(x, training=False)) for x in inputs],
        axis=0,
    )
    answer = np.exp(defence(images, seed=3))
    np.testing.assert_allclose(answer, mean, atol=1e-5)


@every_defence
def test_seeds_decide_the_draws(name, classifier, pool, images):
    defence = DEFENCES[name](classifier, pool, 3)
    flat = lambda seed: np.concatenate(  # noqa: E731
        [np.ravel(v) for v in defence.draw(images, seed).values()]
    )
    np.testing.assert_array_equal(flat(1), flat(1))
    assert (flat(1) != flat(2)).any()
    assert (flat(None) != flat(None)).any()


@every_defence
def test_a_row_does_not_depend_on_its_neighbours(
    name, classifier, pool, images
):
    defence = DEFENCES[name](classifier, pool, 3)
    seeds = _row_seeds(5)
    whole = defence(images, seed=seeds).numpy()
    order = [4, 1, 0, 2, 3]
    moved = defence(images[order], seed=seeds[order])
    np.testing.assert_allclose(moved, whole[order], atol=1e-6)
    part = defence(images[1:3], seed=seeds[1:3])
    np.testing.assert_allclose(part, whole[1:3], atol=1e-6)


@every_defence
def test_fresh_seeds_differ_between_calls_of_one_graph(
    name, classifier, pool, images
):
    tf.random.set_seed(None)
    defence = DEFENCES[name](classifier, pool, 3)
    draw = tf.function(lambda x: next(iter(defence.draw(x).values())))
    assert (draw(images).numpy() != draw(images).numpy()).any()


@every_defence
def test_graph_of_dynamic_batch_equals_eager(name, classifier, pool, images):
    defence = DEFENCES[name](classifier, pool, 3)
    eager = _answer_and_gradient(
        lambda x: defence(x, seed=_row_seeds(5)), images
    )
    signature = [
        tf.TensorSpec((None, 6, 6, 1)),
        tf.TensorSpec((None, 2), tf.int32),
    ]
    graph = tf.function(
        lambda x, s: _answer_and_gradient(lambda y: defence(y, seed=s), x),
        input_signature=signature,
    )
    for rows in (5, 2):
        compiled = graph(images[:rows], _row_seeds(5)[:rows])
        for left, right in zip(compiled, eager, strict=True):
            np.testing.assert_allclose(left, right[:rows], atol=1e-5)


@every_defence
@pytest.mark.parametrize("compiled", [False, True])
def test_chunks_change_neither_answer_nor_gradient(
    name, compiled, classifier, pool, images
):
    whole = DEFENCES[name](classifier, pool, 5, max_inputs=None)
    # Two draws of five images fit, so that the last chunk holds one.
    chunked = DEFENCES[name](classifier, pool, 5, max_inputs=10)
    expected = _answer_and_gradient(lambda x: whole(x, seed=2), images)
    run = lambda x: _answer_and_gradient(  # noqa: E731
        lambda y: chunked(y, seed=2), x
    )
    actual = tf.function(run)(images) if compiled else run(images)
    for left, right in zip(actual, expected, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)


@every_defence
def test_gradient_equals_central_differences(name, classifier, pool):
    # A smooth classifier, so that a finite step crosses no kink.
    smooth = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(8, activation="tanh"),
            keras.layers.Dense(4),
        ]
    )
    defence = DEFENCES[name](smooth, pool, 3)
    if name == "combined":
        # The answer jumps where the score passes the threshold.
        defence.threshold = -0.9
    image = tf.fill((1, 6, 6, 1), 0.4) + tf.random.stateless_uniform(
        (1, 6, 6, 1), (0, 1), 0.0, 0.2
    )
    draws = defence.draw(image, seed=1)
    value = lambda x: defence.predict_from_draws(x, draws)  # noqa: E731
    _, gradient = _answer_and_gradient(value, image)
    random = np.random.default_rng(0)
    for _ in range(3):
        step = 0.02 * random.normal(size=image.shape).astype("float32")
        change = value(image + step)[0, 0] - value(image - step)[0, 0]
        predicted = 2 * np.sum(gradient * step)
        np.testing.assert_allclose(change, predicted, rtol=0.03, atol=2e-4)


@every_defence
def test_empty_batch_gives_an_empty_answer(name, classifier, pool, images):
    defence = DEFENCES[name](classifier, pool, 3)
    assert defence(images[:0]).shape == (0, 4)
    graph = tf.function(
        defence.__call__, input_signature=[tf.TensorSpec((None, 6, 6, 1))]
    )
    assert graph(images[:0]).shape == (0, 4)


@every_defence
def test_huge_logits_stay_finite_with_finite_gradients(name, pool, images):
    outer = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(4),
            keras.layers.Rescaling(1e4),
        ]
    )
    for max_inputs in (None, 5):
        defence = DEFENCES[name](outer, pool, 3, max_inputs=max_inputs)
        answer, gradient = _answer_and_gradient(
            lambda x, d=defence: d(x, seed=0), images
        )
        assert np.abs(answer).max() > 1e3
        assert np.isfinite(answer).all()
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("name", "clean", "means"),
    [("ol", 1, 1), ("pl", 1, 1), ("combined", 1, 2), ("noise", 0, 1)],
)
def test_number_of_classifier_inputs(name, clean, means, pool, images):
    recorder = _Recorder()
    defence = DEFENCES[name](recorder, pool, 6)
    defence(images, seed=0)
    assert recorder.passes == [5] * clean + [30] * means
    logits = recorder(images)
    recorder.passes.clear()
    draws = defence.draw(images, seed=0, logits=logits)
    defence.predict_from_draws(images, draws, logits)
    assert recorder.passes == [30] * means


@pytest.mark.parametrize(
    ("max_inputs", "passes"),
    [(30, [30]), (29, [25, 5]), (14, [10, 10, 10]), (3, [5] * 6)],
)
def test_passes_hold_at_most_max_inputs(max_inputs, passes, images):
    recorder = _Recorder()
    defence = inference.GaussianNoiseInference(
        recorder, 0.1, 6, max_inputs=max_inputs
    )
    defence(images)
    assert recorder.passes == passes


@every_defence
def test_inputs_stay_float32_under_a_mixed_policy(
    name, classifier, pool, images
):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        defence = DEFENCES[name](classifier, pool, 3)
        draws = defence.draw(images, seed=0)
        inputs = defence.apply(tf.constant(images), draws)
        mixed = defence(images, seed=0)
    finally:
        keras.config.set_dtype_policy(policy)
    plain = DEFENCES[name](classifier, pool, 3)
    assert inputs.dtype == tf.float32
    np.testing.assert_allclose(mixed, plain(images, seed=0), atol=1e-6)


class _HiddenSoftmax(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(4)

    def call(self, inputs):
        return tf.nn.softmax(self.dense(tf.reshape(inputs, [-1, 36])))


def _softmax_models(classifier):
    activated = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )
    layer = keras.Sequential([classifier, keras.layers.Softmax()])
    nested = keras.Sequential([keras.Input((6, 6, 1)), activated])
    return activated, layer, nested


@pytest.mark.parametrize("which", [0, 1, 2])
def test_softmax_classifier_is_refused_with_the_remedy(which, classifier):
    model = _softmax_models(classifier)[which]
    with pytest.raises(ValueError, match="Remove the final softmax"):
        inference.GaussianNoiseInference(model, 0.1)


def test_hidden_softmax_is_seen_in_its_values(images):
    defence = inference.GaussianNoiseInference(_HiddenSoftmax(), 0.1, 2)
    with pytest.raises(ValueError, match="not of probabilities"):
        defence(images)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda x: x * 2, r"`images` must be finite, in \[0, 1\]"),
        (lambda x: x * np.nan, "NaN or infinity"),
        (lambda x: (x * 255).astype("uint8"), "Divide by 255"),
        (lambda x: x[0], r"of shape \[B, H, W, C\]"),
        (lambda x: x[:, :5], r"input shape \[6, 6, 1\]"),
    ],
)
def test_bad_images_are_refused(change, text, classifier, images):
    defence = inference.GaussianNoiseInference(classifier, 0.1, 2)
    with pytest.raises(ValueError, match=text):
        defence(change(images))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"num_draws": 0}, "`num_draws` must be an integer >= 1"),
        ({"max_inputs": 0}, "`max_inputs` must be an integer >= 1"),
        ({"classifier": np.tanh}, "`classifier` must be a keras.Model"),
    ],
)
def test_bad_arguments_are_refused(arguments, text, classifier):
    given = {"classifier": classifier, "stddev": 0.1, **arguments}
    with pytest.raises(ValueError, match=text):
        inference.GaussianNoiseInference(**given)


@pytest.mark.parametrize(
    ("seed", "text"),
    [
        (np.zeros((3, 2), "int32"), "`seed` must be one per row"),
        (np.zeros((5, 3), "int32"), "must be None, an int, or int32"),
    ],
)
def test_bad_seeds_are_refused(seed, text, classifier, images):
    defence = inference.GaussianNoiseInference(classifier, 0.1, 2)
    with pytest.raises(ValueError, match=text):
        defence(images, seed=seed)


def test_a_subclassed_classifier_works_before_it_was_built(images, pool):
    class Logits(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(4)

        def call(self, inputs):
            return self.dense(tf.reshape(inputs, [-1, 36]))

    model = Logits()
    defence = inference.MixupInferenceOL(model, pool, 1.0, 2, max_inputs=5)
    answer = defence(images)
    expected = tf.nn.log_softmax(model(images))
    np.testing.assert_allclose(answer, expected, atol=1e-5)
    noise = inference.GaussianNoiseInference(model, 0.0, 3, max_inputs=5)
    np.testing.assert_allclose(noise(images), expected, atol=1e-5)
