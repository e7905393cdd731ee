"""Each algorithm's step against a reference written from its listing."""

import keras
import numpy as np
import pytest
import references as ref
import tensorflow as tf
import toys

from keras_mixup import training

RATE = 0.5


def make(name, classifier, **options):
    kinds = {
        "erm": training.ERM,
        "mixup": training.Mixup,
        "at": training.AdversarialTraining,
        "iat": training.InterpolatedAdversarialTraining,
    }
    if name in ("at", "iat"):
        options.setdefault("attack", toys.attack())
    model = kinds[name](classifier, seed=5, **options)
    model.compile(keras.optimizers.SGD(RATE))
    return model


def one_step(model, images, labels):
    before = toys.weights(model.classifier)
    model.train_on_batch(images, labels)
    return before, toys.weights(model.classifier)


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def linear_gradient(kernel, bias, images, targets):
    """Closed form: d/dW of the mean cross-entropy of a linear model."""
    flat = images.reshape(len(images), -1).astype("float64")
    error = softmax(flat @ kernel + bias) - targets
    return flat.T @ error / len(flat), error.mean(axis=0)


def check_linear_step(model, images, labels, mixed_images, mixed_targets):
    before, after = one_step(model, images, labels)
    slopes = linear_gradient(*before, mixed_images, mixed_targets)
    for old, new, slope in zip(before, after, slopes, strict=True):
        np.testing.assert_allclose(new, old - RATE * slope, atol=2e-6)


def step_draws(model, count):
    """The draws of step 0, as the train step makes them."""
    return model.draw(count, model.step_seed())


def mixed(values, draws):
    weight = np.asarray(draws["mix_weight"], "float64")
    weight = weight.reshape(-1, *[1] * (values.ndim - 1))
    partner = values[np.asarray(draws["permutation"])]
    return weight * values + (1.0 - weight) * partner


def test_erm_step_is_the_closed_form_gradient_of_a_linear_model():
    images, labels = toys.data()
    targets = np.eye(toys.CLASSES)[labels]
    model = make("erm", toys.linear())
    check_linear_step(model, images, labels, images, targets)


@pytest.mark.parametrize("weight_per", ["sample", "batch"])
def test_mixup_step_is_the_closed_form_on_the_mixed_batch(weight_per):
    images, labels = toys.data()
    targets = np.eye(toys.CLASSES)[labels]
    model = make("mixup", toys.linear(), weight_per=weight_per)
    draws = step_draws(model, len(images))
    distinct = len(np.unique(np.asarray(draws["mix_weight"])))
    assert distinct == (len(images) if weight_per == "sample" else 1)
    check_linear_step(
        model, images, labels, mixed(images, draws), mixed(targets, draws)
    )


def test_mixup_with_a_fixed_weight_uses_it_for_every_pair():
    model = make("mixup", toys.linear(), mix_weight=0.6)
    draws = step_draws(model, 50)
    np.testing.assert_array_equal(draws["mix_weight"], np.float32(0.6))
    assert sorted(np.asarray(draws["permutation"])) == list(range(50))


def test_adversarial_training_step_is_the_gradient_at_its_attack():
    images, labels = toys.data()
    classifier = toys.linear()
    model = make("at", classifier)
    seed = step_draws(model, len(images))["attack_seed"]
    found = model.attack.perturb(classifier, images, labels, seed).numpy()
    assert 0.09 < np.abs(found - images).max() <= 0.1 + 1e-6
    targets = np.eye(toys.CLASSES)[labels]
    check_linear_step(model, images, labels, found, targets)


def test_one_to_one_adversarial_training_averages_both_gradients():
    images, labels = toys.data()
    classifier = toys.linear()
    model = make("at", classifier, clean_weight=1.0)
    seed = step_draws(model, len(images))["attack_seed"]
    found = model.attack.perturb(classifier, images, labels, seed).numpy()
    both = np.concatenate([images, found])
    targets = np.eye(toys.CLASSES)[np.concatenate([labels, labels])]
    check_linear_step(model, images, labels, both, targets)


def test_interpolated_step_mixes_either_half_with_its_own_draws():
    images, labels = toys.data()
    classifier = toys.linear()
    model = make("iat", classifier)
    draws = step_draws(model, len(images))
    seed = draws["attack_seed"]
    found = model.attack.perturb(classifier, images, labels, seed).numpy()
    targets = np.eye(toys.CLASSES)[labels]
    clean, attacked = draws["clean"], draws["adversarial"]
    assert not np.allclose(clean["mix_weight"], attacked["mix_weight"])
    both = np.concatenate([mixed(images, clean), mixed(found, attacked)])
    labels_of_both = np.concatenate(
        [mixed(targets, clean), mixed(targets, attacked)]
    )
    check_linear_step(model, images, labels, both, labels_of_both)


@pytest.mark.parametrize("name", ["at", "iat"])
def test_a_joint_batch_shares_the_statistics_of_batch_norm(name):
    images, labels = toys.data()
    classifier = ref.staged_network(batch_norm={"momentum": 0.0})
    options = {"clean_weight": 1.0} if name == "at" else {}
    model = make(name, classifier, joint_batch=True, **options)
    draws = step_draws(model, len(images))
    found = model.attack.perturb(
        lambda x: classifier(x, training=False),
        images,
        labels,
        draws["attack_seed"],
    ).numpy()
    targets = np.eye(toys.CLASSES)[labels]
    halves = [(found, targets), (images, targets)]
    if name == "iat":
        pairs = (draws["adversarial"], draws["clean"])
        halves = [
            [mixed(values, pair) for values in half]
            for half, pair in zip(halves, pairs, strict=True)
        ]
    both, wanted = (np.concatenate(v).astype("float32") for v in zip(*halves))
    state = [v.numpy() for v in classifier.non_trainable_variables]
    passes = []

    def loss():
        losses = ref.cross_entropy(wanted, classifier(both, training=True))
        norms = classifier.non_trainable_variables
        passes.append([v.numpy() for v in norms])
        for variable, value in zip(norms, state, strict=True):
            variable.assign(value)  # The step starts from the same state.
        return losses

    ref.check_step(model, images, labels, loss)
    averages = classifier.non_trainable_variables
    for after, expected in zip(averages, passes[0], strict=True):
        np.testing.assert_allclose(after, expected, atol=1e-5)


def test_a_joint_batch_without_batch_norm_changes_nothing():
    images, labels = toys.data()
    weights = [
        one_step(make("iat", toys.network(), joint_batch=b), images, labels)[1]
        for b in (False, True)
    ]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_joint_batch_needs_a_clean_loss():
    with pytest.raises(ValueError, match="`joint_batch` must be False without"):
        make("at", toys.network(), joint_batch=True)


def test_interpolated_with_weight_one_is_one_to_one_training():
    images, labels = toys.data()
    interpolated = make("iat", toys.network(), mix_weight=1.0)
    plain = make("at", toys.network(), clean_weight=1.0)
    _, first = one_step(interpolated, images, labels)
    _, second = one_step(plain, images, labels)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "options", "passes"),
    [
        ("erm", {}, 1),
        ("mixup", {}, 1),
        ("at", {}, 4),
        ("at", {"clean_weight": 1.0}, 5),
        ("iat", {}, 5),
        ("iat", {"joint_batch": True}, 4),
    ],
)
def test_classifier_passes_of_a_step(name, options, passes):
    calls = tf.Variable(0, dtype=tf.int32)

    @keras.saving.register_keras_serializable("keras_mixup_tests")
    class Counting(keras.layers.Layer):
        def call(self, inputs):
            calls.assign_add(1)
            return inputs

    inner = toys.network()
    inputs = keras.Input(toys.SHAPE)
    classifier = keras.Model(inputs, inner(Counting()(inputs)))
    model = make(name, classifier, **options)
    images, labels = toys.data()
    model.train_on_batch(images, labels)  # traces and checks the first batch
    calls.assign(0)
    one = tf.data.Dataset.from_tensors((images, labels))
    iterator = iter(
        model.distribute_strategy.experimental_distribute_dataset(one)
    )
    model.train_function(iterator)
    assert int(calls) == passes


@pytest.mark.parametrize("name", ["erm", "mixup", "at", "iat"])
def test_one_hot_and_integer_labels_train_alike(name):
    images, labels = toys.data()
    hot = np.eye(toys.CLASSES, dtype="float32")[labels]
    _, first = one_step(make(name, toys.network()), images, labels)
    _, second = one_step(make(name, toys.network()), images, hot)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["erm", "mixup", "at", "iat"])
def test_eager_mode_equals_the_graph(name):
    images, labels = toys.data()
    graph, eager = make(name, toys.network()), make(name, toys.network())
    eager.compile(keras.optimizers.SGD(RATE), run_eagerly=True)
    _, first = one_step(graph, images, labels)
    _, second = one_step(eager, images, labels)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("name", ["erm", "mixup", "at", "iat"])
def test_draws_change_with_the_step_and_repeat_with_the_seed(name):
    images, labels = toys.data()

    def run():
        model = make(name, toys.network())
        logs = model.fit(
            images, labels, batch_size=8, epochs=2, shuffle=False, verbose=0
        )
        return model, logs.history["loss"]

    first, losses = run()
    second, again = run()
    assert losses == again
    for a, b in zip(toys.weights(first), toys.weights(second), strict=True):
        np.testing.assert_array_equal(a, b)
    if name == "erm":
        return
    model = make(name, toys.network())
    early = model.step_seed()
    model.step.assign(1)
    assert not np.array_equal(early, model.step_seed())


@pytest.mark.parametrize("name", ["erm", "mixup", "at", "iat"])
def test_bfloat16_step_stays_close_to_float32(name):
    images, labels = toys.data()
    policy = keras.config.dtype_policy()
    _, exact = one_step(make(name, toys.network()), images, labels)
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = make(name, toys.network())
        before, after = one_step(model, images, labels)
    finally:
        keras.config.set_dtype_policy(policy)
    step = np.concatenate([(b - a).ravel() for a, b in zip(before, after)])
    true = np.concatenate([(b - a).ravel() for a, b in zip(before, exact)])
    cosine = step @ true / np.linalg.norm(step) / np.linalg.norm(true)
    assert cosine > 0.98


def test_l2_penalty_is_pytorchs_l2_with_momentum():
    images, labels = toys.data()
    targets = np.eye(toys.CLASSES)[labels]
    model = training.ERM(toys.linear())
    model.compile(keras.optimizers.SGD(0.1, 0.9), l2_penalty=0.01)
    kernel, bias = (w.astype("float64") for w in toys.weights(model.classifier))
    velocity = [0.0, 0.0]
    for _ in range(3):
        slopes = linear_gradient(kernel, bias, images, targets)
        # torch.optim.SGD: g += decay w; v = 0.9 v + g; w -= lr v.
        slopes = [s + 0.01 * w for s, w in zip(slopes, (kernel, bias))]
        velocity = [0.9 * v + s for v, s in zip(velocity, slopes)]
        kernel, bias = (w - 0.1 * v for w, v in zip((kernel, bias), velocity))
        model.train_on_batch(images, labels)
    found = toys.weights(model.classifier)
    np.testing.assert_allclose(found[0], kernel, atol=1e-6)
    np.testing.assert_allclose(found[1], bias, atol=1e-6)


def test_a_layers_own_regularizer_is_part_of_the_loss():
    images, labels = toys.data()
    inputs = keras.Input(toys.SHAPE)
    dense = keras.layers.Dense(
        toys.CLASSES,
        kernel_initializer="zeros",
        use_bias=False,
        kernel_regularizer=keras.regularizers.L1(0.25),
    )
    classifier = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
    dense.kernel.assign(np.full((16, 3), 2.0))
    model = make("erm", classifier)
    before, after = one_step(model, images, labels)
    slope = linear_gradient(
        before[0], 0.0, images, np.eye(toys.CLASSES)[labels]
    )[0]
    expected = before[0] - RATE * (slope + 0.25)
    np.testing.assert_allclose(after[0], expected, atol=1e-5)
