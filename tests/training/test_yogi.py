"""Yogi against NumPy transcriptions of the paper and of pytorch-optimizer."""

import keras
import numpy as np
import pytest
import toys

from keras_mixup import training

RATE, EPSILON = 0.03, 1e-3


class Transcription:
    """torch_optimizer.Yogi in float64, one array."""

    def __init__(self, value, start=1e-6, correct=True, decay=0.0):
        self.value = np.asarray(value, "float64")
        self.first = np.full_like(self.value, start)
        self.second = np.full_like(self.value, start)
        self.correct, self.decay, self.steps = correct, decay, 0

    def step(self, gradient, rate=RATE):
        self.steps += 1
        gradient = np.asarray(gradient, "float64") + self.decay * self.value
        self.first = 0.9 * self.first + 0.1 * gradient
        square = gradient**2
        self.second -= 0.001 * np.sign(self.second - square) * square
        one = 1.0 - 0.9**self.steps if self.correct else 1.0
        two = 1.0 - 0.999**self.steps if self.correct else 1.0
        denominator = np.sqrt(self.second) / np.sqrt(two) + EPSILON
        self.value = self.value - rate / one * self.first / denominator


def gradients(steps, shape=(4, 3), seed=0):
    """Large at first, then small: v must fall as well as rise."""
    random = np.random.default_rng(seed)
    scale = np.where(np.arange(steps) < steps // 2, 3.0, 0.01)
    return [s * random.normal(size=shape).astype("float32") for s in scale]


@pytest.mark.parametrize(
    ("options", "reference"),
    [
        ({}, {}),
        (
            {"bias_correction": False, "initial_accumulator": 0.0},
            {"start": 0.0, "correct": False},
        ),
        ({"initial_accumulator": 0.1}, {"start": 0.1}),
    ],
    ids=["pytorch-optimizer", "paper", "accumulator"],
)
def test_steps_equal_the_transcription(options, reference):
    start = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")
    variable = keras.Variable(start)
    optimizer = training.Yogi(RATE, **options)
    truth = Transcription(start, **reference)
    seconds = []
    for gradient in gradients(12):
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        truth.step(gradient)
        seconds.append(truth.second.copy())
        np.testing.assert_allclose(variable.numpy(), truth.value, atol=2e-6)
    falls = np.diff(seconds, axis=0) < 0.0
    assert falls.any() and not falls.all()


def test_the_second_moment_changes_slower_than_adams():
    """After large gradients, one small step moves v by at most its square."""
    variable = keras.Variable([1.0])
    optimizer = training.Yogi(RATE, bias_correction=False)
    for _ in range(50):
        optimizer.apply([keras.ops.convert_to_tensor([10.0])], [variable])
    before = optimizer._second[0].numpy().item()
    optimizer.apply([keras.ops.convert_to_tensor([0.1])], [variable])
    after = optimizer._second[0].numpy().item()
    np.testing.assert_allclose(before - after, 0.001 * 0.01, rtol=0.1)
    assert before - after < 0.1 * (1.0 - 0.999) * before  # what Adam forgets


def test_a_weight_without_gradient_stays_even_without_epsilon():
    variable = keras.Variable([1.0, 1.0])
    optimizer = training.Yogi(RATE, epsilon=0.0, initial_accumulator=0.0)
    for _ in range(2):
        optimizer.apply([keras.ops.convert_to_tensor([0.0, 2.0])], [variable])
    still, moved = variable.numpy()
    # Equal gradients: both moments, corrected, are the gradient's.
    np.testing.assert_allclose([still, moved], [1.0, 1.0 - 2 * RATE], 1e-3)


def test_coupled_decay_in_training_is_pytorchs_weight_decay():
    images, labels = toys.data()
    model = training.ERM(toys.linear())
    model.compile(training.Yogi(RATE), l2_penalty=0.05)
    flat = images.reshape(len(images), -1).astype("float64")
    truths = [
        Transcription(w, decay=0.05) for w in toys.weights(model.classifier)
    ]
    for _ in range(4):
        logits = flat @ truths[0].value + truths[1].value
        values = np.exp(logits)
        error = values / values.sum(1, keepdims=True) - np.eye(3)[labels]
        truths[0].step(flat.T @ error / len(flat))
        truths[1].step(error.mean(axis=0))
        model.train_on_batch(images, labels)
    for found, truth in zip(
        toys.weights(model.classifier), truths, strict=True
    ):
        np.testing.assert_allclose(found, truth.value, atol=2e-5)


def test_keras_options_act_on_gradient_and_weights():
    start, gradient = np.float32([[3.0, -4.0]]), np.float32([[6.0, 8.0]])

    def after(**options):
        variable = keras.Variable(start)
        optimizer = training.Yogi(RATE, **options)
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        return variable.numpy()

    def expected(used, value=start):
        truth = Transcription(value)
        truth.step(used)
        return truth.value

    clipped = gradient / 10.0
    np.testing.assert_allclose(after(clipnorm=1.0), expected(clipped), 1e-5)
    np.testing.assert_allclose(
        after(global_clipnorm=1.0), expected(clipped), 1e-5
    )
    np.testing.assert_allclose(
        after(clipvalue=0.5), expected([[0.5, 0.5]]), 1e-5
    )
    shrunk = start * (1.0 - RATE * 0.1)
    np.testing.assert_allclose(
        after(weight_decay=0.1), expected(gradient, shrunk), 1e-5
    )


def test_a_schedule_sets_the_rate_of_each_step():
    variable = keras.Variable(np.ones((4, 3), "float32"))
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
        [1], [0.1, 0.01]
    )
    optimizer = training.Yogi(schedule)
    truth = Transcription(np.ones((4, 3)))
    for gradient, rate in zip(gradients(4), (0.1, 0.1, 0.01, 0.01)):
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        truth.step(gradient, rate)
    np.testing.assert_allclose(variable.numpy(), truth.value, atol=2e-6)


def fit(model, epochs=2):
    images, labels = toys.data(32)
    options = {"batch_size": 8, "shuffle": False, "verbose": 0}
    return model.fit(images, labels, epochs=epochs, **options).history


def make():
    model = training.Mixup(toys.network(), seed=2)
    rate = training.make_schedule(0.01, 4, 4, "cosine")
    model.compile(
        training.Yogi(rate, epsilon=1e-4, initial_accumulator=1e-5),
        l2_penalty=5e-4,
    )
    return model


def test_saved_and_loaded_it_goes_on_alike(tmp_path):
    model = make()
    fit(model)
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert loaded.optimizer.epsilon == 1e-4
    assert fit(loaded) == fit(model)
    for a, b in zip(toys.weights(model), toys.weights(loaded), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


@pytest.mark.slow
def test_two_replicas_equal_one_device(strategy):
    def train(model):
        model.compile(training.Yogi(0.01), l2_penalty=5e-4)
        history = fit(model)
        return history, toys.weights(model)

    alone, weights = train(training.ERM(toys.network()))
    with strategy.scope():
        model = training.ERM(toys.network())
        together, other = train(model)
    np.testing.assert_allclose(alone["loss"], together["loss"], rtol=2e-5)
    for a, b in zip(weights, other, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_bfloat16_training_keeps_float32_moments():
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = make()
        losses = fit(model, epochs=3)["loss"]
    finally:
        keras.config.set_dtype_policy(policy)
    assert np.isfinite(losses).all()
    assert {v.dtype for v in model.optimizer._second} == {"float32"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta_1": 1.0}, r"`beta_1` must be a number in \[0, 1\)"),
        ({"beta_2": -0.1}, "`beta_2` must be"),
        ({"epsilon": -1.0}, "`epsilon` must be"),
        ({"initial_accumulator": -1.0}, "`initial_accumulator` must be"),
        ({"bias_correction": "yes"}, "`bias_correction` must be True or False"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        training.Yogi(0.1, **options)
