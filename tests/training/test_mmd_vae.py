"""The training of the MMD-VAE against its equations in NumPy."""

import keras
import numpy as np
import pytest
import references as ref
import tensorflow as tf
import toys

from keras_mixup import data
from keras_mixup import models
from keras_mixup import training

RATE = 0.2
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def make(vae=None, optimizer=None, run_eagerly=False, **options):
    model = training.MMDVAETraining(vae or toys.vae(), seed=5, **options)
    model.compile(
        optimizer or keras.optimizers.SGD(RATE), run_eagerly=run_eagerly
    )
    return model


def fit(model, count=24, **options):
    images, labels = toys.data(count)
    options = {"batch_size": 8, "shuffle": False, "verbose": 0, **options}
    return model.fit(images, labels, **options).history


def kernel(x, y):
    """The mean of the inverse multiquadrics of two codes, float64."""
    distance = np.sum((x - y) ** 2)
    bandwidths = [2.0 * len(x) * scale for scale in SCALES]
    return np.mean([c / (c + distance) for c in bandwidths])


def mmd_squared(codes, prior):
    """Every pair but those of a code with itself."""
    codes, prior = codes.astype("float64"), prior.astype("float64")

    def within(rows):
        n = len(rows)
        pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
        return np.mean([kernel(rows[i], rows[j]) for i, j in pairs])

    across = np.mean([kernel(a, b) for a in codes for b in prior])
    return within(codes) + within(prior) - 2.0 * across


def numpy_loss(model, images, inputs, draws):
    """Eq. 11 with its sign mended, from the means and variances."""
    mean, log_variance = (np.asarray(v) for v in model.vae.encode(inputs))
    codes = mean + np.exp(log_variance / 2.0) * np.asarray(draws["noise"])
    restored = np.asarray(model.vae.decoder(codes), "float64")
    errors = np.mean((restored - images) ** 2, axis=(1, 2, 3))
    mmd = mmd_squared(codes, np.asarray(draws["prior"]))
    return errors + model.gamma * mmd, mmd, restored.clip(0.0, 1.0)


def numpy_psnr(images, restored):
    errors = np.mean((restored - images) ** 2, axis=(1, 2, 3))
    return np.mean(-10.0 * np.log10(errors))


def test_loss_psnr_and_mmd_equal_a_transcription():
    images, _ = toys.data(8)
    model = make(gamma=3.0)
    draws = ref.draws_of(model, 8)
    losses, mmd, restored = numpy_loss(model, images, images, draws)
    logs = model.train_on_batch(images, return_dict=True)
    np.testing.assert_allclose(logs["loss"], losses.mean(), rtol=1e-5)
    np.testing.assert_allclose(logs["mmd"], mmd, atol=2e-6)
    expected = numpy_psnr(images, restored)
    np.testing.assert_allclose(logs["psnr"], expected, rtol=1e-5)


def test_a_step_descends_the_gradient_of_the_loss():
    images, _ = toys.data(8)
    model = make(gamma=3.0)
    draws = ref.draws_of(model, 8)
    weights = model.vae.trainable_variables
    before = [w.numpy() for w in weights]
    with tf.GradientTape() as tape:
        mean, log_variance = model.vae.encoder(images)
        codes = mean + tf.exp(log_variance / 2.0) * draws["noise"]
        squares = (model.vae.decoder(codes) - images) ** 2
        rows = tf.concat([codes, draws["prior"]], 0)
        squared = tf.reduce_sum((rows[:, None] - rows[None]) ** 2, -1)
        values = tf.add_n([6.0 * s / (6.0 * s + squared) for s in SCALES]) / 7.0
        # +1/56 for a pair within a sample, -1/64 for each across.
        sign = np.kron([[1.0 / 56, -1.0 / 64], [-1.0 / 64, 1.0 / 56]], 1.0)
        signs = np.repeat(np.repeat(sign, 8, 0), 8, 1) * (1.0 - np.eye(16))
        mmd = tf.reduce_sum(values * signs.astype("float32"))
        loss = tf.reduce_mean(squares) + 3.0 * mmd
    gradients = tape.gradient(loss, [w.value for w in weights])
    model.train_on_batch(images)
    moved = 0.0
    for old, slope, weight in zip(before, gradients, weights, strict=True):
        np.testing.assert_allclose(
            weight.numpy(), old - RATE * slope, atol=1e-6
        )
        moved = max(moved, np.abs(weight.numpy() - old).max())
    assert moved > 1e-3


def test_labels_are_not_looked_at():
    images, labels = toys.data(16)
    options = {"batch_size": 8, "shuffle": False, "verbose": 0}
    first, second = make(), make()
    first.fit(images, labels, **options)
    second.fit(images, **options)
    for a, b in zip(toys.weights(first), toys.weights(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_test_step_measures_reconstructions_from_the_mean():
    images, _ = toys.data(12)
    vae = toys.fitted_vae(toys.data(40, seed=1)[0])
    model = make(vae)
    logs = model.evaluate(images, batch_size=12, verbose=0, return_dict=True)
    expected = numpy_psnr(images, np.asarray(vae(images)))
    np.testing.assert_allclose(logs["psnr"], expected, rtol=1e-5)
    # Batches of 12 and of 11 + 1: the single image has no MMD.
    short = model.evaluate(images, batch_size=11, verbose=0, return_dict=True)
    np.testing.assert_allclose(short["psnr"], expected, rtol=1e-5)
    assert set(logs) == {"loss", "psnr", "mmd"}
    first = model.evaluate(
        images[:11], batch_size=11, verbose=0, return_dict=True
    )
    np.testing.assert_allclose(short["mmd"], first["mmd"], atol=1e-7)


def test_validation_is_repeatable_and_sees_a_wrong_prior():
    images, _ = toys.data(24)
    model = make(toys.fitted_vae(images))
    near = model.evaluate(images, verbose=0, return_dict=True)
    assert near == model.evaluate(images, verbose=0, return_dict=True)
    layer = model.vae.encoder.get_layer("mean_linear")
    layer.set_weights([3.0 * w for w in layer.get_weights()])
    far = model.evaluate(images, verbose=0, return_dict=True)
    assert far["mmd"] > near["mmd"] + 0.1


def test_the_attack_climbs_the_error_against_the_clean_image():
    images, _ = toys.data(8)
    model = make(attack=toys.attack(3, 0.1, 0.04))
    seed = ref.draws_of(model, 8)["attack_seed"]

    def error(point):
        mean, _ = model.vae.encoder(point)
        squares = (model.vae.decoder(mean) - images) ** 2
        return tf.reduce_mean(squares, (1, 2, 3))

    no_step = toys.attack(1, 0.1, 1e-9)
    start = make(model.vae, attack=no_step).perturb(images, seed)
    assert np.abs(start - images).max() > 0.08  # the random start
    expected = ref.climb(error, start, 0.04, images, 0.1, 3)
    found = model.perturb(images, seed)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.all(error(found) > error(images))
    draws = ref.draws_of(model, 8)
    losses, mmd, restored = numpy_loss(model, images, found.numpy(), draws)
    logs = model.train_on_batch(images, return_dict=True)
    np.testing.assert_allclose(logs["loss"], losses.mean(), rtol=1e-5)
    np.testing.assert_allclose(
        logs["psnr"], numpy_psnr(images, restored), rtol=1e-5
    )


def structured(count, seed):
    """Images of two components with noise, whose codes an attack can move."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:4, :4] / 3.0 - 0.5
    values = random.uniform(-0.5, 0.5, (count, 2, 1, 1))
    images = 0.5 + values[:, 0] * rows + values[:, 1] * columns
    images += 0.05 * random.normal(size=images.shape)
    return images[..., None].clip(0.0, 1.0).astype("float32")


@pytest.mark.slow
def test_adversarial_training_lowers_the_error_under_attack():
    train, held_out = structured(256, 1), structured(128, 2)

    def trained(attack):
        keras.utils.set_random_seed(0)
        vae = models.MMDVAE(toys.SHAPE, 12, width=16, linear_path=False)
        model = make(vae, keras.optimizers.Adam(0.01), gamma=0.1, attack=attack)
        model.fit(train, batch_size=64, epochs=30, verbose=0, shuffle=False)
        return model

    def attacked_error(model):
        # One stronger attack of the same kind for both.
        judge = make(model.vae, attack=toys.attack(10, 0.2, 0.04))
        found = judge.perturb(held_out, tf.constant([1, 2]))
        return float(np.mean((model.vae(found) - held_out) ** 2))

    regular = attacked_error(trained(None))
    robust = attacked_error(trained(toys.attack(2, 0.2, 0.1)))
    # About 0.55 of it.
    assert robust < 0.8 * regular


def test_training_raises_the_validation_psnr():
    images = structured(256, 1)
    model = make(optimizer=keras.optimizers.Adam(0.01), gamma=0.1)
    history = model.fit(
        images,
        batch_size=32,
        epochs=12,
        verbose=0,
        validation_data=(structured(50, 2),),
    ).history
    assert set(history) == {
        f"{split}{name}"
        for split in ("", "val_")
        for name in ("loss", "psnr", "mmd")
    }
    assert history["val_psnr"][-1] > history["val_psnr"][0] + 5.0
    assert model.traces == {"train": 1, "test": 1}


@pytest.mark.parametrize("attack", [None, toys.attack(2)])
def test_eager_mode_equals_the_graph(attack):
    first, second = make(attack=attack), make(attack=attack, run_eagerly=True)
    one, two = fit(first), fit(second)
    assert one["loss"] == pytest.approx(two["loss"], rel=1e-5)
    for a, b in zip(toys.weights(first), toys.weights(second), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.parametrize("attack", [None, toys.attack(2)])
def test_keras_file_keeps_weights_config_optimizer_and_step(attack, tmp_path):
    model = make(None, keras.optimizers.Adam(0.01), attack=attack, gamma=2.0)
    fit(model)
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = keras.saving.load_model(path)
    for argument in set(model.argument_names()) - {"vae"}:
        kept, saved = getattr(loaded, argument), getattr(model, argument)
        assert repr(kept) == repr(saved), argument
    assert int(loaded.step.numpy()) == 3
    assert fit(loaded) == fit(model)
    for a, b in zip(toys.weights(model), toys.weights(loaded), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


def test_two_replicas_are_reproducible_and_draw_apart(strategy):
    def run():
        with strategy.scope():
            model = make(attack=toys.attack(2))
        seeds = strategy.run(model.step_seed)
        first, second = strategy.experimental_local_results(seeds)
        assert not np.array_equal(first, second)
        return fit(model), toys.weights(model)

    (first, weights), (second, again) = run(), run()
    assert first == second
    assert np.isfinite(first["loss"]).all()
    for a, b in zip(weights, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_mixed_precision_trains_in_float32_where_it_matters():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = make(attack=toys.attack(2), gamma=2.0)
        history = fit(model, epochs=2)
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(history["loss"]).all()
    assert model.vae.encode(toys.data(2)[0])[0].dtype == tf.float32


def run(folder, last=()):
    images, labels = toys.data(24)
    examples = data.ImageSet(images, labels, np.arange(24))
    start = training.latest_step(str(folder / "checkpoints"))
    model = make(None, keras.optimizers.Adam(0.01), attack=toys.attack(2))
    epoch, model.skip = training.resume_position(start, 3)
    best = training.BestModel(
        str(folder / "vae.keras"), monitor="val_loss", mode="min"
    )
    model.fit(
        data.training_dataset(examples, 8, seed=4, start_step=start),
        initial_epoch=epoch,
        epochs=3,
        steps_per_epoch=3,
        validation_data=data.evaluation_dataset(examples, 8),
        callbacks=[
            training.StopOnNaN(),
            training.Checkpoint(str(folder / "checkpoints"), 2, [best.best]),
            training.RetraceGuard(),
            best,
            *last,
        ],
        verbose=0,
    )
    return model


def test_a_killed_run_ends_with_the_same_weights(tmp_path):
    copies = toys.CopiesAt(tmp_path / "whole", tmp_path, [5])
    whole = run(tmp_path / "whole", [copies])
    resumed = run(copies.left[5])
    for a, b in zip(toys.weights(whole), toys.weights(resumed), strict=True):
        np.testing.assert_array_equal(a, b)
    best = keras.saving.load_model(str(tmp_path / "whole" / "vae.keras"))
    assert best.encode(toys.data(2)[0])[0].shape == (2, 3)


def test_a_batch_of_one_is_refused():
    with pytest.raises(ValueError, match="at least 2 examples"):
        make().train_on_batch(toys.data(1)[0])
    with pytest.raises(ValueError, match="`batch_size` must be 2 or more"):
        fit(make(), batch_size=1)
    # Nine images: the last batch has one, which shows in the graph only.
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="at least 2 examples"
    ):
        fit(make(), count=9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gamma": -1.0}, r"`gamma` must be a number in \[0"),
        ({"attack": "pgd"}, "`attack` must be an attack with step_size"),
        ({"kernel": "flat"}, "`kernel` must be one of"),
        ({"scales": ()}, "`scales` must be a sequence"),
        ({"vae": toys.linear()}, "`vae` must be a model with encoder"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        training.MMDVAETraining(**{"vae": toys.vae(), **options})


def test_images_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"images \[B, 4, 4, 1\]"):
        make().fit(np.zeros((8, 8, 8, 1), "float32"), verbose=0)
    with pytest.raises(ValueError, match=r"float in \[0, 1\]"):
        make().fit(255.0 * toys.data(8)[0], verbose=0)


def test_images_of_later_batches_are_checked_in_the_graph():
    images = toys.data()[0]
    images[17] = np.nan
    model = training.MMDVAETraining(toys.vae())
    model.compile("adam")
    with pytest.raises(tf.errors.InvalidArgumentError, match="`x` must be"):
        model.fit(images, batch_size=8, shuffle=False, verbose=0)
    assert int(model.step) == 2
