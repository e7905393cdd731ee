"""Algorithms 2 and 3 of the adversarially optimized mixup paper."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import toys

from keras_mixup import training

RATE = 0.5
KINDS = {
    "mix_attack": training.MixThenAttack,
    "attack_mix": training.AttackThenMix,
}


def make(kind, classifier=None, **options):
    options.setdefault("attack", toys.attack())
    model = kind(classifier or toys.network(), seed=5, **options)
    model.compile(keras.optimizers.SGD(RATE))
    return model


def step(model, images, labels):
    logs = model.train_on_batch(images, labels, return_dict=True)
    return logs, toys.weights(model.classifier)


def step_draws(model, count):
    return model.draw(count, model.step_seed())


def mixed(values, draws):
    weight = np.asarray(draws["mix_weight"], "float64")
    weight = weight.reshape(-1, *[1] * (values.ndim - 1))
    partner = values[np.asarray(draws["permutation"])]
    return weight * values + (1.0 - weight) * partner


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def linear_pgd(kernel, bias, images, targets, start, eps=0.1, steps=3):
    """PGD on a linear model in closed form; `attack(...)` of the listings."""
    shape, point = images.shape, start.astype("float64")
    for _ in range(steps):
        flat = point.reshape(len(point), -1)
        error = softmax(flat @ kernel + bias) - targets
        slope = (error @ kernel.T).reshape(shape)
        delta = np.clip(point + np.sign(slope) * eps / 2 - images, -eps, eps)
        point = np.clip(images + delta, 0.0, 1.0)
    return point


def linear_step(kernel, bias, images, targets):
    """(loss, new kernel, new bias) of one SGD step in closed form."""
    flat = images.reshape(len(images), -1)
    predicted = softmax(flat @ kernel + bias)
    loss = -(targets * np.log(predicted)).sum(axis=-1).mean()
    error = (predicted - targets) / len(flat)
    return loss, kernel - RATE * flat.T @ error, bias - RATE * error.sum(0)


def start_of(model, centre, draws):
    """Where PGD starts: on a flat loss it stays there."""

    def flat(x):
        return tf.zeros((len(x), toys.CLASSES)) * tf.reduce_sum(x)

    labels, seed = np.zeros(len(centre), "int32"), draws["attack_seed"]
    return model.attack.perturb(flat, centre, labels, seed).numpy()


def check_step(model, images, labels, inputs, targets):
    kernel, bias = (w.astype("float64") for w in toys.weights(model.classifier))
    loss, *expected = linear_step(kernel, bias, inputs, targets)
    logs, found = step(model, images, labels)
    np.testing.assert_allclose(logs["loss"], loss, rtol=1e-5)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.parametrize("weight_per", ["sample", "batch"])
def test_mix_then_attack_is_algorithm_2(weight_per):
    images, labels = toys.data()
    model = make(training.MixThenAttack, toys.linear(), weight_per=weight_per)
    draws = step_draws(model, len(images))
    weights = np.unique(np.asarray(draws["mix_weight"]))
    assert len(weights) == (len(images) if weight_per == "sample" else 1)
    x = mixed(images, draws)
    y = mixed(np.eye(toys.CLASSES)[labels], draws)
    start = start_of(model, x.astype("float32"), draws)
    assert 0.05 < np.abs(start - x).max() <= 0.1 + 1e-6
    attacked = linear_pgd(*toys.weights(model.classifier), x, y, start)
    check_step(model, images, labels, attacked, y)


def test_attack_then_mix_is_algorithm_3():
    images, labels = toys.data()
    model = make(training.AttackThenMix, toys.linear())
    draws = step_draws(model, len(images))
    y = np.eye(toys.CLASSES)[labels]
    start = start_of(model, images, draws)
    attacked = linear_pgd(*toys.weights(model.classifier), images, y, start)
    pairs = draws["adversarial"]
    check_step(model, images, labels, mixed(attacked, pairs), mixed(y, pairs))


def test_mix_then_attack_with_a_clean_loss_adds_plain_mixup():
    images, labels = toys.data()
    model = make(training.MixThenAttack, toys.linear(), clean_weight=0.5)
    draws = step_draws(model, len(images))
    x = mixed(images, draws)
    y = mixed(np.eye(toys.CLASSES)[labels], draws)
    start = start_of(model, x.astype("float32"), draws)
    weights = [w.astype("float64") for w in toys.weights(model.classifier)]
    attacked = linear_pgd(*weights, x, y, start)
    worst = linear_step(*weights, attacked, y)
    clean = linear_step(*weights, x, y)
    expected = [(a + 0.5 * b) / 1.5 for a, b in zip(worst, clean)]
    logs, found = step(model, images, labels)
    np.testing.assert_allclose(logs["loss"], expected[0], rtol=1e-5)
    for a, b in zip(found, expected[1:], strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.parametrize("name", KINDS)
def test_eps_zero_is_plain_mixup(name):
    images, labels = toys.data()
    model = make(KINDS[name], attack=toys.attack(eps=0.0, step_size=0.05))
    draws = step_draws(model, len(images))
    plain = training.Mixup(toys.network())
    plain.compile(keras.optimizers.SGD(RATE))
    plain.draw = lambda *_: draws.get("adversarial", draws)
    (first_logs, first), (logs, second) = (
        step(m, images, labels) for m in (model, plain)
    )
    np.testing.assert_allclose(first_logs["loss"], logs["loss"], rtol=1e-6)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_weight_one_is_adversarial_training(name):
    images, labels = toys.data()
    mixing = make(KINDS[name], mix_weight=1.0)
    plain = make(training.AdversarialTraining)
    _, first = step(mixing, images, labels)
    _, second = step(plain, images, labels)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


def test_attack_then_mix_with_its_clean_half_is_interpolated_training():
    images, labels = toys.data()
    mixing = make(training.AttackThenMix, alpha=1.0, clean_weight=1.0)
    both = make(training.InterpolatedAdversarialTraining)
    _, first = step(mixing, images, labels)
    _, second = step(both, images, labels)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("clean_weight", [0.0, 1.0])
@pytest.mark.parametrize("name", KINDS)
def test_classifier_passes_are_steps_plus_one_or_two(name, clean_weight):
    classifier, calls = toys.counting_network()
    model = make(KINDS[name], classifier, clean_weight=clean_weight)
    images, labels = toys.data()
    step(model, images, labels)  # traces and checks the first batch
    calls.assign(0)
    toys.one_train_step(model, images, labels)
    assert int(calls) == 3 + 1 + clean_weight


@pytest.mark.parametrize("name", KINDS)
def test_a_batch_of_one_is_defined(name):
    images, labels = toys.data(1)
    logs, weights = step(make(KINDS[name]), images, labels)
    assert np.isfinite(logs["loss"])
    assert all(np.isfinite(w).all() for w in weights)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_two_replicas_train_reproducibly(name, strategy):
    images, labels = toys.data(16)

    def run():
        with strategy.scope():
            model = make(KINDS[name])
        options = {"batch_size": 8, "verbose": 0, "shuffle": False}
        return model.fit(images, labels, **options).history

    first = run()
    assert first == run()
    assert np.isfinite(first["loss"]).all()


@pytest.mark.parametrize("name", KINDS)
def test_bfloat16_step_stays_close_to_float32(name):
    images, labels = toys.data()
    policy = keras.config.dtype_policy()
    before = toys.weights(toys.network())
    _, exact = step(make(KINDS[name]), images, labels)
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        _, after = step(make(KINDS[name]), images, labels)
    finally:
        keras.config.set_dtype_policy(policy)
    moved = np.concatenate([(b - a).ravel() for a, b in zip(before, after)])
    true = np.concatenate([(b - a).ravel() for a, b in zip(before, exact)])
    cosine = moved @ true / np.linalg.norm(moved) / np.linalg.norm(true)
    assert cosine > 0.98


@pytest.mark.parametrize("name", KINDS)
def test_keras_file_keeps_every_argument(name, tmp_path):
    images, labels = toys.data()
    options = {"alpha": 0.4, "mix_weight": ("beta", 2.0, 1.0)}
    if name == "mix_attack":
        options["weight_per"] = "batch"
    model = make(KINDS[name], clean_weight=0.5, attack_training=True, **options)
    step(model, images, labels)
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = keras.saving.load_model(path)
    for argument in set(model.argument_names()) - {"classifier"}:
        kept, saved = getattr(loaded, argument), getattr(model, argument)
        assert repr(kept) == repr(saved)
    assert step(loaded, images, labels)[0] == step(model, images, labels)[0]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"alpha": 0.0}, "`alpha` must be"),
        ({"clean_weight": -1.0}, "`clean_weight` must be"),
        ({"mix_weight": 2.0}, "`mix_weight` must be"),
        ({"attack": "pgd"}, "`attack` must be"),
    ],
)
def test_bad_arguments_are_named(name, options, text):
    with pytest.raises(ValueError, match=text):
        make(KINDS[name], **options)
