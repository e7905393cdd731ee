"""VarERM, VarMixup and VarIAT against NumPy, given the same draws."""

import logging
import warnings

import keras
import numpy as np
import pytest
import references as ref
import tensorflow as tf
import toys

from keras_mixup import training

IMAGES, LABELS = toys.data(8)
TARGETS = np.eye(toys.CLASSES, dtype="float32")[LABELS]
VAE = toys.fitted_vae(toys.data(60, seed=1)[0])

# Random images have no codes: no toy autoencoder fits them.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The autoencoder seems untrained:UserWarning"
)

MAKERS = {
    "var_erm": lambda c, v: training.VarERM(c, v, seed=3),
    "var_mixup": lambda c, v: training.VarMixup(c, v, 0.7, seed=3),
    "var_mixup attacked": lambda c, v: training.VarMixup(
        c, v, attack=toys.attack(2), weight_per="batch", seed=3
    ),
    "var_iat": lambda c, v: training.VarInterpolatedAdversarialTraining(
        c, v, toys.attack(2), 0.7, seed=3
    ),
}
every = pytest.mark.parametrize("name", MAKERS)


def make(name, classifier=None, vae=VAE, **options):
    model = MAKERS[name](classifier or toys.network(), vae)
    model.compile(keras.optimizers.SGD(ref.RATE), **options)
    return model


def fit(model, images=IMAGES, labels=LABELS, **options):
    options = {"batch_size": 8, "shuffle": False, "verbose": 0, **options}
    return model.fit(images, labels, **options).history


def encode(images):
    return np.asarray(VAE.encode(images)[0], "float64")


def decode(codes):
    return np.asarray(VAE.decode(codes.astype("float32")))


def mixed(values, draws):
    """lambda v_i + (1 - lambda) v_j, row by row."""
    rows = []
    for i, j in enumerate(np.asarray(draws["permutation"])):
        weight = float(draws["mix_weight"][i])
        rows.append(weight * values[i] + (1.0 - weight) * values[j])
    return np.stack(rows)


def attacked(model, images, targets, draws):
    """Two sign steps on the cross-entropy from the attack's own start."""
    seed, threat = draws["attack_seed"], model.attack.threat
    start = toys.attack(1, threat.eps, 1e-9).perturb(
        model.classifier, images, targets, seed
    )

    def loss(point):
        return ref.cross_entropy(targets, model.classifier(point))

    return ref.climb(loss, start, threat.eps / 2, images, threat.eps, 2)


def prepared(model):
    draws = ref.draws_of(model, len(IMAGES))
    return draws, model.prepare_batch(IMAGES, tf.constant(TARGETS), draws)


def check(batch, images, targets, half=""):
    np.testing.assert_allclose(batch[f"{half}images"], images, atol=3e-6)
    np.testing.assert_allclose(batch[f"{half}targets"], targets, atol=1e-6)


def test_var_erm_trains_on_reconstructions():
    _, batch = prepared(make("var_erm"))
    images = decode(encode(IMAGES))
    check(batch, images, TARGETS)
    assert 0.01 < np.abs(images - IMAGES).mean() < 0.3


def test_var_mixup_decodes_mixed_means():
    draws, batch = prepared(make("var_mixup"))
    codes = mixed(encode(IMAGES), draws)
    check(batch, decode(codes), mixed(TARGETS, draws))
    # Decoding is not linear, or this would be mixup of reconstructions.
    linear = mixed(decode(encode(IMAGES)), draws)
    assert np.abs(batch["images"] - linear).max() > 0.01


def test_var_mixup_under_attack_trains_around_the_decoded_image():
    model = make("var_mixup attacked")
    draws, batch = prepared(model)
    weights = np.asarray(draws["mix_weight"])
    np.testing.assert_array_equal(weights, weights[0])
    images = decode(mixed(encode(IMAGES), draws))
    targets = mixed(TARGETS, draws).astype("float32")
    check(batch, attacked(model, images, targets, draws), targets)
    assert np.abs(batch["images"] - images).max() <= 0.1 + 1e-6


def test_var_iat_mixes_the_codes_of_clean_and_of_attacked_images():
    model = make("var_iat")
    draws, batch = prepared(model)
    worst = attacked(model, IMAGES, TARGETS, draws)
    for half, name, images in (
        ("", "adversarial", worst),
        ("clean_", "clean", IMAGES),
    ):
        codes = mixed(encode(images), draws[name])
        check(batch, decode(codes), mixed(TARGETS, draws[name]), half)


@every
def test_a_step_descends_the_loss_of_the_listing(name):
    model = make(name)
    _, batch = prepared(model)

    def loss():
        halves = [("images", "targets")]
        if name == "var_iat":
            halves.append(("clean_images", "clean_targets"))
        losses = [
            ref.cross_entropy(batch[y], model.classifier(batch[x]))
            for x, y in halves
        ]
        return tf.add_n(losses) / len(losses)

    ref.check_step(model, IMAGES, LABELS, loss)


@every
def test_the_autoencoder_is_frozen_and_outside_classifier_and_optimizer(
    name, tmp_path
):
    before = toys.weights(VAE)
    model = make(name)
    fit(model, epochs=2)
    for a, b in zip(before, toys.weights(VAE), strict=True):
        np.testing.assert_array_equal(a, b)
    own = {id(w) for w in model.classifier.trainable_variables}
    assert {id(w) for w in model.optimized_variables} == own
    path = str(tmp_path / "classifier.keras")
    training.save_atomically(model.classifier, path)
    loaded = keras.saving.load_model(path)
    assert loaded.count_params() == toys.network().count_params()


@every
def test_evaluation_is_the_classifier_on_the_images_as_they_come(name):
    model = make(name)
    loss, accuracy = model.evaluate(IMAGES, LABELS, verbose=0)
    logits = model.classifier(IMAGES)
    np.testing.assert_allclose(
        loss, np.mean(ref.cross_entropy(TARGETS, logits)), rtol=1e-5
    )
    hits = np.argmax(logits, axis=-1) == LABELS
    assert accuracy == pytest.approx(hits.mean())


@every
def test_eager_mode_equals_the_graph(name):
    first, second = make(name), make(name, run_eagerly=True)
    fit(first), fit(second)
    pairs = zip(
        toys.weights(first.classifier),
        toys.weights(second.classifier),
        strict=True,
    )
    for a, b in pairs:
        np.testing.assert_allclose(a, b, atol=2e-6)


@every
def test_keras_file_keeps_classifier_autoencoder_and_settings(name, tmp_path):
    model = make(name)
    fit(model)
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = keras.saving.load_model(path)
    for argument in set(model.argument_names()) - {"classifier", "vae"}:
        kept, saved = getattr(loaded, argument), getattr(model, argument)
        assert repr(kept) == repr(saved), argument
    np.testing.assert_array_equal(loaded.vae(IMAGES), VAE(IMAGES))
    assert fit(loaded) == fit(model)


@pytest.mark.slow
@every
def test_two_replicas_train(name, strategy):
    with strategy.scope():
        vae = toys.vae()
        vae.set_weights(VAE.get_weights())
        model = make(name, vae=vae)
    history = fit(model, *toys.data(16))
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize(
    ("name", "passes"),
    [("var_erm", 1), ("var_mixup", 1), ("var_mixup attacked", 3)]
    + [("var_iat", 4)],
)
def test_classifier_passes_per_step(name, passes):
    classifier, calls = toys.counting_network()
    model = make(name, classifier)
    fit(model)
    calls.assign(0)
    toys.one_train_step(model, IMAGES, LABELS)
    assert int(calls.numpy()) == passes


@pytest.mark.parametrize("kind", [training.VarERM, training.VarMixup])
def test_cached_codes_train_like_their_images(kind):
    def trained(inputs, **options):
        model = kind(toys.network(), VAE, seed=3, **options)
        model.compile(keras.optimizers.SGD(ref.RATE))
        history = fit(model, inputs, validation_data=(IMAGES, LABELS))
        return history, toys.weights(model.classifier)

    codes = training.latent_codes(VAE, IMAGES, batch_size=3)
    assert codes.shape == (8, 3) and codes.dtype == np.float32
    np.testing.assert_allclose(codes, encode(IMAGES), atol=1e-5)
    history, first = trained(IMAGES)
    cached, second = trained(codes, from_codes=True)
    assert cached["val_loss"] == pytest.approx(history["val_loss"], rel=1e-4)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_latent_codes_reads_bytes():
    raw = (255.0 * IMAGES).astype("uint8")
    codes = training.latent_codes(VAE, raw)
    expected = encode(raw.astype("float32") / 255.0)
    np.testing.assert_allclose(codes, expected, atol=1e-5)


def test_encoding_many_data_sets_warns_of_no_traces(caplog):
    """TensorFlow would say, in its log, that a function is made in a loop."""
    with caplog.at_level("WARNING", "tensorflow"):
        logger = logging.getLogger("tensorflow")
        logger.addHandler(caplog.handler)
        for _ in range(8):
            training.latent_codes(VAE, IMAGES)
            training.reconstruction_psnr(VAE, IMAGES)
        logger.removeHandler(caplog.handler)
    assert not caplog.messages


@pytest.mark.parametrize("side", [2, 8])
def test_an_autoencoder_of_another_resolution_is_bridged(side):
    def resized(images, size):
        shrinks = size < images.shape[1]
        return tf.image.resize(images, (size, size), antialias=shrinks)

    vae = toys.fitted_vae(resized(IMAGES, side).numpy())
    model = training.VarERM(toys.network(), vae, seed=3)
    _, batch = prepared(model)
    codes, _ = vae.encode(resized(IMAGES, side))
    expected = resized(vae.decode(codes), 4)
    np.testing.assert_allclose(batch["images"], expected, atol=1e-6)
    codes = training.latent_codes(vae, IMAGES)
    cached = training.VarERM(toys.network(), vae, from_codes=True)
    decoded = cached.prepare_batch(codes, TARGETS, ref.draws_of(cached, 8))
    np.testing.assert_allclose(decoded["images"], expected, atol=1e-5)


@every
def test_an_untrained_autoencoder_warns_with_its_error(name):
    with pytest.warns(UserWarning, match="seems untrained.*error is 0.*--task"):
        fit(make(name, vae=toys.vae(seed=1)))
    vae = toys.vae(seed=1)
    vae.start_from_pca(IMAGES)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fit(make(name, vae=vae))


def test_autoencoders_that_do_not_fit_are_refused():
    colour = toys.vae(shape=(4, 4, 3))
    with pytest.raises(ValueError, match="`vae` must be .* with 1 channels"):
        training.VarMixup(toys.network(), colour)
    with pytest.raises(ValueError, match="`vae` must be a model with encode"):
        training.VarERM(toys.network(), toys.network())
    iat = training.VarInterpolatedAdversarialTraining
    with pytest.raises(ValueError, match="`vae` must be .* with 1 channels"):
        iat(toys.network(), colour, toys.attack())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, r"`alpha` must be a number in \(0"),
        ({"mix_weight": 2.0}, r"`mix_weight` must be a number in \[0, 1"),
        ({"weight_per": "pixel"}, "`weight_per` must be one of"),
        ({"attack": "pgd"}, "`attack` must be an attack"),
        ({"from_codes": 1}, "`from_codes` must be True or False"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        training.VarMixup(toys.network(), VAE, **options)


def test_images_where_codes_are_expected_are_refused():
    model = training.VarMixup(toys.network(), VAE, from_codes=True)
    model.compile("sgd")
    with pytest.raises(ValueError, match=r"codes \[B, 3\], made by latent_cod"):
        fit(model)
    codes = np.full((8, 3), np.nan, "float32")
    with pytest.raises(ValueError, match="finite codes"):
        fit(model, codes)
