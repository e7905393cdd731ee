import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn import decomposition

from keras_mixup import models


def photos(count, shape=(8, 8, 1), rank=5, seed=0):
    """Random images of low rank in [0, 1]."""
    random = np.random.default_rng(seed)
    basis = random.normal(size=(rank, int(np.prod(shape))))
    values = 0.5 + 0.04 * random.normal(size=(count, rank)) @ basis
    values += 0.02 * random.normal(size=values.shape)
    return np.clip(values, 0.0, 1.0).reshape(count, *shape).astype("float32")


def psnr(images, restored):
    errors = np.mean((images - restored) ** 2, axis=(1, 2, 3))
    return np.mean(-10.0 * np.log10(errors))


@pytest.mark.parametrize(
    ("shape", "latent_size"),
    [((8, 8, 1), 24), ((32, 32, 3), 256), ((64, 64, 3), 512)],
)
def test_sizes_of_the_papers_images(shape, latent_size):
    vae = models.MMDVAE(shape, width=2)
    images = np.random.default_rng(0).random((2, *shape)).astype("float32")
    mean, log_variance = vae.encode(images)
    assert mean.shape == log_variance.shape == (2, latent_size)
    restored = vae(images)
    assert restored.shape == images.shape
    np.testing.assert_array_equal(restored, vae.decode(mean))


def test_decoded_images_stay_in_the_unit_interval():
    vae = models.MMDVAE((8, 8, 1), 4, width=2)
    codes = 1e3 * np.random.default_rng(0).normal(size=(5, 4))
    images = vae.decode(codes.astype("float32")).numpy()
    assert images.min() == 0.0 and images.max() == 1.0
    raw = vae.decoder(codes.astype("float32")).numpy()
    np.testing.assert_array_equal(np.clip(raw, 0.0, 1.0), images)


def conv(layer, x):
    strides = layer.strides[0]
    return tf.nn.conv2d(x, layer.kernel, strides, "SAME") + layer.bias


def up(layer, x):
    shape = (len(x), 2 * x.shape[1], 2 * x.shape[2], layer.filters)
    turned = tf.nn.conv2d_transpose(x, layer.kernel, shape, 2, "SAME")
    return turned + layer.bias


def dense(layer, x):
    return x @ layer.kernel + layer.bias


def of_kind(model, kind):
    return [layer for layer in model.layers if type(layer) is kind]


def test_equals_its_equations():
    vae = models.MMDVAE((4, 4, 2), 3, width=2)
    vae.start_from_pca(photos(20, (4, 4, 2)))
    random = np.random.default_rng(0)
    for layer in vae.encoder.layers + vae.decoder.layers:
        values = [random.normal(size=w.shape) for w in layer.get_weights()]
        layer.set_weights(values)
    x = photos(3, (4, 4, 2), seed=1)
    # Encoder: two convolutions, two heads, and the linear path.
    first, second = of_kind(vae.encoder, keras.layers.Conv2D)
    hidden = tf.reshape(
        tf.nn.relu(conv(second, tf.nn.relu(conv(first, x)))), [3, -1]
    )
    layer = vae.encoder.get_layer
    mean = dense(layer("mean_convolved"), hidden)
    mean += dense(layer("mean_linear"), tf.reshape(x, [3, -1]))
    log_variance = dense(layer("log_variance"), hidden)
    given = vae.encode(x)
    np.testing.assert_allclose(given[0], mean, atol=1e-4)
    np.testing.assert_allclose(
        given[1], tf.clip_by_value(log_variance, -12.0, 4.0), atol=1e-4
    )
    # Decoder: the linear image and what the convolutions add to it.
    layer = vae.decoder.get_layer
    linear = tf.reshape(dense(layer("image_linear"), mean), x.shape)
    (start,) = (
        d
        for d in of_kind(vae.decoder, keras.layers.Dense)
        if d.name != "image_linear"
    )
    down, middle = of_kind(vae.decoder, keras.layers.Conv2D)
    assert down.strides == (2, 2) and middle.strides == (1, 1)
    hidden = tf.nn.relu(tf.reshape(dense(start, mean), [3, 2, 2, 2]))
    hidden = tf.nn.relu(conv(middle, hidden + tf.nn.relu(conv(down, linear))))
    image = linear + up(layer("image_convolved"), hidden)
    np.testing.assert_allclose(vae.decoder(mean), image, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(
        vae(x), np.clip(image, 0.0, 1.0), rtol=1e-4, atol=1e-3
    )


def test_start_from_pca_is_the_pca_of_scikit_learn():
    images, others = photos(200), photos(50, seed=1)
    vae = models.MMDVAE((8, 8, 1), 5)
    vae.start_from_pca(images)
    pca = decomposition.PCA(5).fit(images.reshape(200, -1))
    flat = others.reshape(50, -1)
    expected = pca.inverse_transform(pca.transform(flat)).clip(0.0, 1.0)
    np.testing.assert_allclose(
        vae(others), expected.reshape(others.shape), atol=2e-5
    )
    codes = vae.encode(images)[0].numpy()
    np.testing.assert_allclose(codes.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(np.cov(codes.T, ddof=0), np.eye(5), atol=1e-4)


def test_start_from_pca_copes_with_constant_pixels():
    images = photos(30, rank=3)
    images[:, :4] = 0.0
    vae = models.MMDVAE((8, 8, 1), 30)
    vae.start_from_pca(images)
    restored = vae(images).numpy()
    assert np.isfinite(restored).all()
    assert psnr(images, restored) > 40.0


def test_start_from_pca_with_few_images_fills_what_they_have():
    images = photos(4)
    vae = models.MMDVAE((8, 8, 1), 20, width=2)
    vae.start_from_pca(images)
    codes = vae.encode(images)[0].numpy()
    np.testing.assert_array_equal(codes[:, 3:], 0.0)
    np.testing.assert_allclose(vae(images), images, atol=1e-4)


def test_the_linear_path_is_silent_and_never_trained():
    vae = models.MMDVAE((8, 8, 1), 4, width=2)
    names = {w.path for w in vae.trainable_variables}
    assert not any("linear" in name for name in names)
    for part in (vae.encoder, vae.decoder):
        (layer,) = (x for x in part.layers if "linear" in x.name)
        for weight in layer.get_weights():
            np.testing.assert_array_equal(weight, 0.0)


def test_without_a_linear_path_there_is_none():
    vae = models.MMDVAE((8, 8, 1), 4, width=2, linear_path=False)
    parts = vae.encoder.layers + vae.decoder.layers
    assert not any("linear" in layer.name for layer in parts)
    with pytest.raises(ValueError, match="`linear_path` must be True"):
        vae.start_from_pca(photos(20))


def test_keras_file_keeps_everything(tmp_path):
    vae = models.MMDVAE((8, 8, 1), 5, width=3)
    vae.start_from_pca(photos(60))
    path = str(tmp_path / "vae.keras")
    vae.save(path)
    loaded = keras.saving.load_model(path)
    assert isinstance(loaded, models.MMDVAE)
    assert loaded.get_config() == vae.get_config()
    images = photos(4, seed=1)
    np.testing.assert_array_equal(loaded(images), vae(images))
    for a, b in zip(loaded.encode(images), vae.encode(images), strict=True):
        np.testing.assert_array_equal(a, b)


def test_images_and_codes_stay_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        vae = models.MMDVAE((8, 8, 1), 5, width=2)
    finally:
        keras.config.set_dtype_policy("float32")
    images = photos(60)
    vae.start_from_pca(images)
    mean, log_variance = vae.encode(images)
    kinds = {mean.dtype, log_variance.dtype, vae(images).dtype}
    assert kinds == {tf.float32}
    # A bfloat16 near 0.5 has steps of 1/512.
    moved = vae.encode(images + 1e-4)[0]
    assert np.abs(moved - mean).max() > 1e-5


def test_eager_equals_graph_and_gradients_reach_the_images():
    vae = models.MMDVAE((8, 8, 1), 5, width=2)
    vae.start_from_pca(photos(60))
    images = tf.constant(photos(4, seed=1))
    graph = tf.function(vae, jit_compile=False)
    np.testing.assert_allclose(graph(images), vae(images), atol=1e-6)
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = tf.reduce_sum(vae(images) ** 2)
    assert np.abs(tape.gradient(value, images)).max() > 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent_size": 0}, "`latent_size` must be an integer >= 1"),
        ({"input_shape": (8, 8)}, "`input_shape` must be three positive"),
        ({"input_shape": (8, 7, 1)}, "multiples of 2"),
        ({"input_shape": (64, 60, 3)}, "multiples of 8"),
        ({"width": 0}, "`width` must be an integer >= 1"),
        ({"linear_path": 1}, "`linear_path` must be True or False"),
    ],
)
def test_bad_arguments_are_named(options, message):
    arguments = {"input_shape": (8, 8, 1), "latent_size": 4, **options}
    with pytest.raises(ValueError, match=message):
        models.MMDVAE(**arguments)


@pytest.mark.parametrize("images", [photos(1), photos(9, (4, 4, 1))])
def test_start_from_pca_refuses_other_images(images):
    vae = models.MMDVAE((8, 8, 1), 4, width=2)
    with pytest.raises(ValueError, match="`images` must be at least 2 images"):
        vae.start_from_pca(images)
