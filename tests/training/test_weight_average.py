"""EMA and SWA: what is evaluated and saved are the averages."""

import shutil

import keras
import numpy as np
import pytest
import toys

from keras_mixup import _files
from keras_mixup import data
from keras_mixup import training

STEPS = 4
FIT = {"batch_size": 6, "verbose": 0, "shuffle": False}


def make(average=None, network=toys.network, attack=False, **options):
    if attack:
        kind = training.AdversarialTraining
        model = kind(network(), toys.attack(1), seed=3)
    else:
        model = training.Mixup(network(), seed=3)
    model.compile(
        keras.optimizers.SGD(0.5, 0.9), weight_average=average, **options
    )
    return model


class Watch(keras.callbacks.Callback):
    """Copies the weights of training after each step."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(toys.weights(self.model.classifier))


def fitted(average, epochs=3, network=toys.network, **options):
    """(model, its weights before, its weights after each step)."""
    model, watch = make(average, network), Watch()
    before = toys.weights(model.classifier)
    model.fit(*toys.data(), epochs=epochs, callbacks=[watch], **FIT, **options)
    return model, before, watch.seen


def equal(first, second, atol=0.0):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


def ema(before, seen, decay):
    """The recurrence of Rebuffi et al., in plain NumPy."""
    average = before
    for t, weights in enumerate(seen):
        d = min(decay, (1 + t) / (10 + t))
        average = [
            d * a + (1 - d) * w for a, w in zip(average, weights, strict=True)
        ]
    return average


def swa(seen, start, every):
    """The mean of the weights at `start`, `start` + `every`, ..."""
    chosen = seen[start - 1 :: every]
    return [np.mean(values, axis=0) for values in zip(*chosen, strict=True)]


@pytest.mark.parametrize("decay", [0.5, 0.995])
def test_fit_ends_with_the_moving_average(decay):
    model, before, seen = fitted(training.EMA(decay))
    equal(toys.weights(model.classifier), ema(before, seen, decay), 1e-6)


@pytest.mark.parametrize(("start", "every"), [(4, 4), (5, 2), (11, 3)])
def test_fit_ends_with_the_mean_of_some_steps(start, every):
    model, _, seen = fitted(training.SWA(start, every))
    equal(toys.weights(model.classifier), swa(seen, start, every), 1e-6)


def test_before_its_start_the_average_is_the_network():
    model, _, seen = fitted(training.SWA(99))
    equal(toys.weights(model.classifier), seen[-1])


def test_training_does_not_see_the_average():
    """Validation after each epoch, and a second `fit`, change nothing."""
    images, labels = toys.data()
    plain, _, expected = fitted(None, epochs=3)
    model, watch = make(training.EMA(0.9)), Watch()
    options = {"validation_data": (images, labels), "callbacks": [watch]}
    model.fit(images, labels, epochs=2, **options, **FIT)
    model.evaluate(images, labels, verbose=0)
    model.fit(images, labels, epochs=1, **options, **FIT)
    for ours, theirs in zip(watch.seen, expected, strict=True):
        equal(ours, theirs)


def test_single_batches_train_the_weights_of_training():
    images, labels = toys.data()
    plain, model = make(), make(training.EMA(0.9))
    for each in (plain, model):
        each.fit(images, labels, **FIT)
        each.train_on_batch(images, labels)
        each.evaluate(images, labels, verbose=0)
        each.train_on_batch(images, labels)
    equal(toys.weights(model.classifier), toys.weights(plain.classifier))
    fresh = make(training.SWA(0), normalizing)
    with pytest.raises(ValueError, match="`batch_norm_images` must be train"):
        fresh.train_on_batch(images, labels)
    assert int(fresh.step) == 0


def test_validation_and_best_model_see_the_average(tmp_path):
    images, labels = toys.data()
    path = str(tmp_path / "best.keras")
    robust = training.RobustValidation(toys.attack(1), images, labels)
    model, before, seen = fitted(
        training.EMA(0.9),
        epochs=1,
        validation_data=(images, labels),
    )
    model = make(training.EMA(0.9))
    best = training.BestModel(path, "val_loss", "min")
    history = model.fit(
        images,
        labels,
        validation_data=(images, labels),
        callbacks=[robust, best],
        **FIT,
    ).history
    average = ema(before, seen, 0.9)
    equal(toys.weights(keras.saving.load_model(path)), average, 1e-6)
    judge = toys.network()
    judge.set_weights(average)
    judge.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    loss = judge.evaluate(images, labels, verbose=0)
    np.testing.assert_allclose(history["val_loss"], [loss], rtol=1e-5)
    other = training.ERM(judge, seed=3)
    other.compile("sgd")
    robust.set_model(other)
    np.testing.assert_allclose(
        history["val_robust_accuracy"], [robust.measure(0)]
    )


def statistics(model):
    norm = next(x for x in model.layers if "batch_norm" in x.name)
    return [norm.moving_mean.numpy(), norm.moving_variance.numpy()]


def test_ema_keeps_the_statistics_of_training():
    model, _, seen = fitted(training.EMA(0.9), network=toys.noisy_network)
    last = toys.noisy_network()
    last.set_weights(seen[-1])
    equal(statistics(model.classifier), statistics(last))


def test_swa_estimates_the_statistics_of_the_averaged_network():
    images, _ = toys.data()
    average = training.SWA(4, 4)
    model, _, seen = fitted(average, network=toys.noisy_network)
    net = model.classifier
    first = net.layers[0](images).numpy()
    expected = [f(first, axis=(0, 1, 2)) for f in (np.mean, np.var)]
    equal(statistics(net), expected, 1e-5)
    # Two batches of unequal size: their means by their sizes.
    training.estimate_batch_norm(net, images, batch_size=18)
    parts = [first[:18], first[18:]]
    mean, variance = (
        np.average([f(p, axis=(0, 1, 2)) for p in parts], 0, [18, 6])
        for f in (np.mean, np.var)
    )
    equal(statistics(net), [mean, variance], 1e-5)


def test_estimation_moves_no_random_state():
    model = make(network=toys.noisy_network)
    net = model.classifier
    seeds = [v for v in net.non_trainable_variables if "seed" in v.path]
    before = [v.numpy() for v in seeds]
    training.estimate_batch_norm(net, toys.data()[0])
    assert seeds
    equal([v.numpy() for v in seeds], before)
    momenta = [getattr(layer, "momentum", 0.99) for layer in net.layers]
    assert set(momenta) == {0.99}


def test_swa_without_images_is_refused():
    images, labels = toys.data()
    batches = data.evaluation_dataset(data.image_set(images, labels), 6)
    model = make(training.SWA(2), toys.noisy_network)
    with pytest.raises(ValueError, match="`batch_norm_images` must be train"):
        model.fit(batches, verbose=0)
    model.batch_norm_images = images
    model.fit(batches, verbose=0)


def normalizing():
    """A net whose BatchNormalization sees the images themselves."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.BatchNormalization(), keras.layers.Flatten()]
    layers = [keras.Input(toys.SHAPE), *layers, keras.layers.Dense(3)]
    return keras.Sequential(layers)


def assert_statistics_of(model, images):
    expected = [f(images, axis=(0, 1, 2)) for f in (np.mean, np.var)]
    equal(statistics(model.classifier), expected, 1e-5)


@pytest.mark.parametrize("positional", [False, True])
def test_held_out_images_give_no_statistics(positional):
    images, labels = toys.data(21)
    split = {"validation_split": 0.4}
    given = (8, 1, 0, None, 0.4) if positional else (8,)
    options = {"shuffle": False} if positional else split | FIT
    options.pop("batch_size", None)
    model = make(training.SWA(0), normalizing)
    model.fit(images, labels, *given, **options)
    assert_statistics_of(model, images[:12])
    # Keras holds nothing out beside validation images.
    options = {**split, "validation_data": (images, labels)}
    model.fit(images, labels, **options, **FIT)
    assert_statistics_of(model, images)


def test_each_fit_has_the_statistics_of_its_own_images(tmp_path):
    images, labels = toys.data()
    model = make(training.SWA(0), normalizing)
    model.fit(images, labels, **FIT)
    assert model.batch_norm_images is None
    model.fit(images / 2, labels, **FIT)
    assert_statistics_of(model, images / 2)
    options = {"epochs": 1, "batch_size": 6, "verbose": 0}
    training.fit_resumable(model, (images, labels), tmp_path / "a", **options)
    assert_statistics_of(model, images)
    again = make(training.SWA(0), normalizing)
    training.fit_resumable(again, (images, labels), tmp_path / "b", **options)
    pair = images / 2, labels
    training.fit_resumable(again, pair, tmp_path / "c", **options)
    assert_statistics_of(again, images / 2)
    batches = data.evaluation_dataset(data.image_set(images, labels), 6)
    with pytest.raises(ValueError, match="`batch_norm_images` must be train"):
        again.fit(batches, verbose=0)
    # What the user sets stays.
    again.batch_norm_images = images / 4
    again.fit(images, labels, **FIT)
    assert_statistics_of(again, images / 4)


def test_codes_give_no_statistics():
    """Said before the first step, not after the last one."""
    images, labels = toys.data()
    vae = toys.fitted_vae(images)
    model = training.VarERM(normalizing(), vae, from_codes=True)
    model.compile("sgd", weight_average=training.SWA(0))
    codes = training.latent_codes(vae, images)
    for chosen in (None, codes):
        model.batch_norm_images = chosen
        with pytest.raises(ValueError, match="`batch_norm_images` must be tr"):
            model.fit(codes, labels, **FIT)
        assert int(model.step) == 0
    model.batch_norm_images = images
    model.fit(codes, labels, **FIT)
    assert_statistics_of(model, images)


@pytest.mark.parametrize("average", [training.EMA(0.9), training.SWA(2, 3)])
def test_a_saved_algorithm_goes_on(average, tmp_path):
    images, labels = toys.data()
    model = make(average)
    model.fit(images, labels, epochs=2, **FIT)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert repr(loaded.weight_average) == repr(average)
    equal(toys.weights(loaded.classifier), toys.weights(model.classifier))
    for each in (model, loaded):
        each.fit(images, labels, epochs=1, **FIT)
    equal(toys.weights(loaded), toys.weights(model), 1e-6)


def resumable(folder, average, callbacks=()):
    images, labels = toys.data(4 * STEPS + 1)
    examples = data.image_set(images, labels)
    model = make(
        average, toys.noisy_network, attack=True, weight_perturbation=0.01
    )
    training.fit_resumable(
        model,
        examples,
        folder,
        epochs=3,
        batch_size=4,
        extra=(images[::-1], labels[::-1]),
        extra_share=0.5,
        validation_data=(images[:7], labels[:7]),
        checkpoint_every=2,
        callbacks=callbacks,
        verbose=0,
    )
    return model


@pytest.mark.filterwarnings("ignore:On .* rows the gradient")
@pytest.mark.parametrize("average", [training.EMA(0.9), training.SWA(3, 2)])
def test_a_killed_run_ends_as_an_undisturbed_one(average, tmp_path):
    """With weight perturbation and a second source of images as well."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    copies = toys.CopiesAt(whole, tmp_path / "copies", (5, 8))
    expected = resumable(whole, average, [copies])
    for left in copies.left.values():
        shutil.rmtree(cut, ignore_errors=True)
        shutil.copytree(left, cut)
        found = resumable(cut, average)
        equal(toys.weights(found), toys.weights(expected))
        rows = [_files.read_lines(f / _files.METRICS) for f in (whole, cut)]
        for row in [*rows[0], *rows[1]]:
            row.pop("seconds")
        assert rows[0] == rows[1]


@pytest.mark.slow
@pytest.mark.parametrize("average", [training.EMA(0.9), training.SWA(2, 1)])
def test_two_replicas_average_alike(average, strategy):
    images, labels = toys.data()

    def run():
        model = training.ERM(toys.network(), seed=3)
        model.compile(keras.optimizers.SGD(0.3), weight_average=average)
        return model

    alone = run()
    with strategy.scope():
        together = run()
    found = []
    for model in (alone, together):
        history = model.fit(
            images, labels, epochs=2, validation_data=(images, labels), **FIT
        ).history
        found.append((toys.weights(model.classifier), history["val_loss"]))
    equal(found[0][0], found[1][0], 2e-6)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5)


@pytest.mark.parametrize(
    ("make_average", "match"),
    [
        (lambda: training.EMA(1.0), "`decay` must be below 1"),
        (lambda: training.SWA(-1), "`start` must be an integer >= 0"),
        (lambda: training.SWA(1, 0), "`every` must be an integer >= 1"),
        (lambda: make("ema"), "`weight_average` must be None, training.EMA"),
    ],
)
def test_bad_values_are_named(make_average, match):
    with pytest.raises(ValueError, match=match):
        make_average()
