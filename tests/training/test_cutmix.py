"""CutMix against a plain transcription of its paper's listing."""

import keras
import numpy as np
import pytest
import references as ref
import tensorflow as tf
import toys

from keras_mixup import ops
from keras_mixup import training


def make(classifier=None, **options):
    model = training.CutMix(classifier or toys.linear(), seed=5, **options)
    return ref.compiled(model)


def images_of(count, height, width, channels=1):
    return (
        np.random.default_rng(2)
        .uniform(size=(count, height, width, channels))
        .astype("float32")
    )


def listing(images, targets, weight, centre, order):
    """Algorithm A1 of Yun et al., lines 7 to 17, with NumPy alone."""
    height, width = images.shape[1:3]
    r_y, r_x = centre[0] * height, centre[1] * width
    r_h, r_w = height * np.sqrt(1 - weight), width * np.sqrt(1 - weight)
    x1 = int(np.round(np.clip(r_x - r_w / 2, 0, None)))
    x2 = int(np.round(np.clip(r_x + r_w / 2, None, width)))
    y1 = int(np.round(np.clip(r_y - r_h / 2, 0, None)))
    y2 = int(np.round(np.clip(r_y + r_h / 2, None, height)))
    mixed = images.copy()
    mixed[:, y1:y2, x1:x2] = images[order][:, y1:y2, x1:x2]
    kept = 1 - (x2 - x1) * (y2 - y1) / (width * height)
    return mixed, kept * targets + (1 - kept) * targets[order], kept


def numbers(draws):
    """(lambda, centre, permutation) of a batch with one box."""
    weight, centre = (np.asarray(draws[k]) for k in ("mix_weight", "centre"))
    assert np.ptp(weight) == 0 and not np.ptp(centre, axis=0).any()
    return weight[0], centre[0], np.asarray(draws["permutation"])


@pytest.mark.parametrize("size", [(4, 4), (9, 7), (1, 6)])
def test_the_batch_is_that_of_the_listing(size):
    model = make(alpha=0.7)
    images = images_of(6, *size)
    targets = ref.one_hot(np.arange(6) % toys.CLASSES)
    for seed in range(12):
        draws = model.draw(6, ops.seed_pair(seed))
        batch = model.prepare_batch(images, targets, draws)
        expected = listing(images, targets, *numbers(draws))
        np.testing.assert_array_equal(batch["images"], expected[0])
        np.testing.assert_allclose(batch["targets"], expected[1], atol=1e-6)


def test_a_step_descends_on_the_loss_of_the_listing():
    classifier = ref.staged_network()
    model = make(classifier)
    images, labels = toys.data()
    draws = ref.draws_of(model, len(images))
    mixed, targets, kept = listing(images, ref.one_hot(labels), *numbers(draws))
    assert 0.2 < kept < 0.8  # else the step says little
    ref.check_step(
        model,
        images,
        labels,
        lambda: ref.cross_entropy(targets, classifier(mixed, training=True)),
    )


def test_each_row_may_have_a_box_of_its_own():
    model = make()
    images = images_of(3, 8, 8)
    targets = np.eye(3, dtype="float32")
    order = np.array([1, 2, 0], "int32")
    weight = np.array([0.75, 0.0, 1.0], "float32")
    centre = np.array([[0.0, 1.0], [0.5, 0.5], [0.3, 0.3]], "float32")
    draws = {"permutation": order, "mix_weight": weight, "centre": centre}
    batch = model.prepare_batch(images, targets, draws)
    expected = images.copy()
    # A quarter of the image, of which the corner keeps a quarter.
    expected[0, :2, 6:] = images[1, :2, 6:]
    expected[1] = images[2]
    np.testing.assert_array_equal(batch["images"], expected)
    kept = np.array([60 / 64, 0.0, 1.0])[:, None]
    mixed = kept * targets + (1 - kept) * targets[order]
    np.testing.assert_allclose(batch["targets"], mixed, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_lambda_and_the_centre_have_their_distributions(alpha):
    model = make(alpha=alpha)

    @tf.function
    def draw(seeds):
        def one(seed):
            draws = model.draw(1, seed)
            return draws["mix_weight"][0], draws["centre"][0]

        return tf.map_fn(
            one, seeds, fn_output_signature=(tf.float32, tf.float32)
        )

    weight, centre = (v.numpy() for v in draw(ops.row_seeds(1, 2000)))
    variance = 1 / (4 * (2 * alpha + 1))
    error = 5 * np.sqrt(variance / 2000)
    assert abs(weight.mean() - 0.5) < error
    np.testing.assert_allclose(weight.var(), variance, rtol=0.1)
    np.testing.assert_allclose(centre.mean(axis=0), 0.5, atol=0.04)
    np.testing.assert_allclose(centre.var(axis=0), 1 / 12, rtol=0.1)
    pairs = np.corrcoef(np.column_stack([weight, centre]), rowvar=False)
    np.testing.assert_allclose(pairs, np.eye(3), atol=0.1)


def test_a_box_of_any_size_compiles_under_xla():
    model = make()
    images, targets = images_of(4, 6, 6), np.eye(4, dtype="float32")
    draws = model.draw(4, ops.seed_pair(3))
    run = tf.function(model.prepare_batch, jit_compile=True)
    found = run(images, targets, draws)
    true = model.prepare_batch(images, targets, draws)
    for key, value in true.items():
        np.testing.assert_allclose(found[key], value, atol=1e-6)


def test_a_saved_model_keeps_alpha(tmp_path):
    model = make(alpha=0.4)
    model.fit(*toys.data(8), epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is training.CutMix and loaded.alpha == 0.4
    assert loaded.weight_per == "batch" and int(loaded.step.numpy()) == 1
