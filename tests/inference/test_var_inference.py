"""VarMI against Eq. 14 in NumPy, its cost, its controls, its refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import models
from keras_mixup.inference import MixupInferenceOL
from keras_mixup.inference import SamplePool
from keras_mixup.inference import VarMixupInference


class LinearVAE(keras.Model):
    """Matrices whose products NumPy can repeat; counts eager passes."""

    def __init__(self, side=6, channels=1, latent_size=3, **kwargs):
        super().__init__(**kwargs)
        generator = np.random.default_rng(3)
        values = side * side * channels
        self.shape = (side, side, channels)
        self.down, _ = np.linalg.qr(
            generator.normal(size=(values, latent_size))
        )
        self.up = self.down.T
        self.encoded, self.decoded = [], []
        self.built = True

    def encode(self, images):
        if tf.executing_eagerly():
            self.encoded.append(images.shape[0])
        flat = keras.ops.reshape(images, (-1, self.down.shape[0]))
        codes = (flat - 0.5) @ keras.ops.cast(self.down, "float32")
        return codes, keras.ops.zeros_like(codes)

    def decode(self, codes):
        if tf.executing_eagerly():
            self.decoded.append(codes.shape[0])
        flat = 0.5 + codes @ keras.ops.cast(self.up, "float32")
        images = keras.ops.reshape(flat, (-1, *self.shape))
        return keras.ops.clip(images, 0.0, 1.0)


class Recorder(keras.layers.Layer):
    """Notes the batch size of each pass; the first pixels are logits."""

    def __init__(self):
        super().__init__()
        self.passes = []

    def call(self, inputs):
        if tf.executing_eagerly():
            self.passes.append(inputs.shape[0])
        return 3.0 * tf.reshape(inputs, [-1, 36])[:, :4]


@pytest.fixture
def vae():
    return LinearVAE()


def _softmax(logits):
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def _equation_14(classifier, vae, pool, images, draws, average):
    """One image and one draw at a time, in float64."""
    rows = np.asarray(pool.images).astype("float64") / 255
    encode = lambda x: (x.reshape(-1) - 0.5) @ vae.down  # noqa: E731
    answers = []
    pairs = zip(draws["indices"], draws["mix_weight"], strict=True)
    for image, (chosen, weights) in zip(images, pairs, strict=True):
        found = []
        for row, weight in zip(chosen, weights, strict=True):
            code = weight * encode(image) + (1 - weight) * encode(rows[row])
            decoded = np.clip(0.5 + code @ vae.up, 0, 1).reshape(1, 6, 6, 1)
            logits = classifier(decoded.astype("float32"), training=False)
            found.append(np.asarray(logits, "float64")[0])
        if average == "logits":
            answers.append(_softmax(np.mean(found, axis=0)))
        else:
            answers.append(np.mean([_softmax(f) for f in found], axis=0))
    return np.array(answers)


@pytest.mark.parametrize("average", ["probabilities", "logits"])
@pytest.mark.parametrize("mix_weight", [0.6, ("uniform", 0.4, 0.8)])
@pytest.mark.parametrize("max_inputs", [4096, 7])
def test_equals_equation_14_in_numpy(
    average, mix_weight, max_inputs, classifier, vae, pool, images
):
    defence = VarMixupInference(
        classifier,
        vae,
        pool,
        mix_weight,
        num_draws=4,
        average=average,
        max_inputs=max_inputs,
    )
    draws = {k: v.numpy() for k, v in defence.draw(images, seed=0).items()}
    expected = _equation_14(classifier, vae, pool, images, draws, average)
    answer = defence.predict_from_draws(images, draws)
    np.testing.assert_allclose(np.exp(answer), expected, atol=1e-5)


def test_the_two_averages_differ(vae, pool, images):
    defence = VarMixupInference(Recorder(), vae, pool, num_draws=8)
    literal = VarMixupInference(
        Recorder(), vae, pool, num_draws=8, average="logits"
    )
    first, second = (np.exp(d(images, seed=0)) for d in (defence, literal))
    assert np.abs(first - second).max() > 1e-4


def test_full_weight_is_decode_encode_only(classifier, vae, pool, images):
    defence = VarMixupInference(classifier, vae, pool, 1.0, num_draws=3)
    restored = vae.decode(vae.encode(images)[0])
    expected = tf.nn.log_softmax(classifier(restored, training=False))
    np.testing.assert_allclose(defence(images), expected, atol=1e-5)
    assert np.abs(expected - tf.nn.log_softmax(classifier(images))).max() > 1e-3


def test_partners_have_other_labels_drawn_as_mi_ol_draws_them(
    classifier, vae, pool, images
):
    defence = VarMixupInference(classifier, vae, pool, num_draws=20)
    same = MixupInferenceOL(classifier, pool, num_draws=20)
    draws, expected = defence.draw(images, 5), same.draw(images, 5)
    np.testing.assert_array_equal(draws["indices"], expected["indices"])
    predicted = np.argmax(classifier(images, training=False), axis=1)
    labels = np.asarray(pool.labels)[draws["indices"]]
    assert (labels != predicted[:, None]).all()


@pytest.mark.filterwarnings("ignore:The autoencoder seems untrained")
def test_label_from_reconstruction(vae, pool):
    # Every image is decoded to one whose first pixels name class 2.
    class Constant(LinearVAE):
        def decode(self, codes):
            one = np.zeros((1, 36), "float32")
            one[0, 2] = 1.0
            one = tf.constant(one.reshape(1, 6, 6, 1))
            return tf.tile(one, [tf.shape(codes)[0], 1, 1, 1])

    image = np.zeros((1, 6, 6, 1), "float32")
    image[0, 0, 0, 0] = 1.0
    for source, predicted in (("input", 0), ("reconstruction", 2)):
        defence = VarMixupInference(
            Recorder(), Constant(), pool, num_draws=300, label_from=source
        )
        labels = np.asarray(pool.labels)
        # Logits of F(x) do not replace those of the reconstruction.
        for logits in (None, defence.classify(image)):
            drawn = labels[defence.draw(image, 0, logits)["indices"]]
            assert set(drawn[0]) == {0, 1, 2, 3} - {predicted}


@pytest.mark.parametrize("source", ["input", "reconstruction"])
def test_cost_is_one_classify_one_encode_and_n_decodes(
    source, vae, pool, images
):
    recorder = Recorder()
    defence = VarMixupInference(
        recorder, vae, pool.encode(vae.encode), num_draws=6, label_from=source
    )
    for counts in (recorder.passes, vae.encoded, vae.decoded):
        counts.clear()
    defence(images, seed=0)
    assert recorder.passes == [5, 30]
    assert vae.encoded == [5]
    assert vae.decoded == ([30] if source == "input" else [5, 30])


def test_pool_is_encoded_once_and_holds_codes(classifier, vae, pool, images):
    codes = pool.encode(vae.encode, batch_size=5)
    assert vae.encoded == [5, 5, 2]
    assert codes.sample_shape == (3,)
    assert codes.storage_dtype == "float32"
    assert codes.class_counts == pool.class_counts
    np.testing.assert_array_equal(codes.labels, pool.labels)
    rows = pool.gather(np.arange(12)).numpy().reshape(12, -1)
    expected = (rows - 0.5) @ vae.down
    np.testing.assert_allclose(codes.images, expected, atol=1e-6)
    given = VarMixupInference(classifier, vae, codes, num_draws=3)
    made = VarMixupInference(classifier, vae, pool, num_draws=3)
    np.testing.assert_allclose(
        given(images, seed=1), made(images, seed=1), atol=1e-6
    )


def test_pool_encode_takes_a_plain_function(pool):
    doubled = pool.encode(lambda rows: 2.0 * rows)
    assert doubled.sample_shape == (6, 6, 1)
    expected = 2.0 * pool.gather(np.arange(12))
    np.testing.assert_allclose(doubled.images, expected, atol=1e-6)
    with pytest.raises(ValueError, match="`images` must be 12 rows"):
        pool.encode(lambda rows: rows[:1])
    with pytest.raises(ValueError, match="`batch_size` must be an integer"):
        pool.encode(lambda rows: rows, batch_size=0)


def test_gradient_flows_through_encoder_and_decoder(vae, pool, images):
    linear = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(4)]
    )
    defence = VarMixupInference(linear, vae, pool, 0.6, num_draws=1)
    draws = defence.draw(images, seed=0)
    with tf.GradientTape() as tape:
        inputs = tf.constant(images)
        tape.watch(inputs)
        answer = defence.predict_from_draws(inputs, draws)
        total = tf.reduce_sum(answer[:, 1])
    decoded = defence.apply(images, draws)[0].numpy().reshape(5, 36)
    kernel = linear.layers[-1].kernel.numpy()
    p = np.exp(answer)
    at_image = kernel[:, 1] - p @ kernel.T
    inside = (decoded > 0.0) & (decoded < 1.0)
    # Eq. 15 with the log probability's gradient at u: lambda dv/dx du/dv.
    expected = 0.6 * (at_image * inside) @ vae.up.T @ vae.down.T
    gradient = np.reshape(tape.gradient(total, inputs), (5, 36))
    np.testing.assert_allclose(gradient, expected, atol=1e-5)
    assert np.abs(expected).max() > 1e-3


def test_transfer_models_offer_the_path_without_draws(
    classifier, vae, pool, images
):
    defence = VarMixupInference(classifier, vae, pool)
    models_by_name = defence.transfer_models()
    assert list(models_by_name) == ["reconstruction"]
    restored = vae.decode(vae.encode(images)[0])
    expected = classifier(restored, training=False)
    actual = models_by_name["reconstruction"](images)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ("tramer2020", {"num_draws": 2}),
        ("bpda", {"num_draws": 2}),
        ("transfer", {"selection_draws": 2}),
    ],
)
def test_adaptive_attacks_go_through(
    recipe, options, classifier, vae, pool, images
):
    defence = VarMixupInference(classifier, vae, pool, num_draws=2)
    attack = attacks.MixupInferenceAttack(
        ThreatModel("linf", 0.2), recipe=recipe, num_steps=2, **options
    )
    labels = np.argmax(classifier(images, training=False), axis=1)
    result = attack(defence, images, labels, seed=0)
    moved = np.abs(result.images - images)
    assert moved.max() <= 0.2 + 1e-6
    # All three go by the sign of a gradient: nearly every pixel moves.
    assert (moved > 1e-3).mean() > 0.5


def test_keras_file_round_trip_with_the_real_autoencoder(
    classifier, pool, images, tmp_path
):
    vae = models.MMDVAE((6, 6, 1), latent_size=4, width=2)
    vae.start_from_pca(pool.gather(np.arange(12)))
    defence = VarMixupInference(
        classifier, vae, pool, 0.7, 3, "logits", "reconstruction"
    )
    image = keras.Input((6, 6, 1))
    seed = keras.Input((2,), dtype="int32")
    model = keras.Model([image, seed], defence(image, seed=seed))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    again = loaded.layers[-1]
    for name in ("mix_weight", "num_draws", "average", "label_from"):
        assert getattr(again, name) == getattr(defence, name)
    np.testing.assert_allclose(
        again(images, seed=1), defence(images, seed=1), atol=1e-6
    )
    count = len(classifier.weights) + len(vae.weights) + 2
    assert len(defence.weights) == count


def test_autoencoder_of_another_size_is_bridged_by_resizing(pool, images):
    classifier = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(4)]
    )
    vae = models.MMDVAE((8, 8, 1), latent_size=4, width=2)
    larger = tf.image.resize(pool.gather(np.arange(12)), (8, 8))
    vae.start_from_pca(larger)
    defence = VarMixupInference(classifier, vae, pool, 1.0, 2)
    codes = vae.encode(tf.image.resize(images, (8, 8)))[0]
    restored = tf.image.resize(vae.decode(codes), (6, 6), antialias=True)
    expected = tf.nn.log_softmax(classifier(restored))
    np.testing.assert_allclose(defence(images), expected, atol=1e-5)


def _wide_pool(shape):
    rows = np.random.default_rng(0).random((4, *shape), dtype="float32")
    return SamplePool(rows, np.arange(4), dtype="float32")


class _Broken(LinearVAE):
    def decode(self, codes):
        return keras.ops.reshape(codes, (-1, 5, 5, 1))


class _Flat(LinearVAE):
    def decode(self, codes):
        return codes


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"vae": keras.layers.Dense(3)}, "`vae` must be .*encode"),
        ({"vae": "vae.keras"}, "`vae` must be .*encode"),
        ({"vae": LinearVAE(side=7)}, r"`vae` must be .*\[6, 6, 1\]"),
        ({"vae": _Broken()}, r"`vae` must be .*It fails with"),
        ({"vae": _Flat()}, r"`vae` must be "),
        (
            {"vae": models.MMDVAE((6, 6, 3), 4, 2)},
            "`vae` must be .*images with 1 channels",
        ),
        ({"pool": _wide_pool((4,))}, r"`pool` must be rows of shape \[3\]"),
        ({"pool": [1, 2]}, "`pool` must be a SamplePool"),
        ({"average": "votes"}, "`average` must be one of 'probabilities'"),
        ({"label_from": "pool"}, "`label_from` must be one of 'input'"),
        ({"mix_weight": 1.5}, r"`mix_weight` must be a number in \[0, 1\]"),
    ],
)
def test_refuses_what_does_not_fit(arguments, text, classifier, vae, pool):
    given = {"classifier": classifier, "vae": vae, "pool": pool, **arguments}
    with pytest.raises(ValueError, match=text):
        VarMixupInference(**given)


@pytest.mark.parametrize("width", [2, 16])
def test_warns_of_an_untrained_autoencoder(width, classifier, pool, recwarn):
    keras.utils.set_random_seed(0)
    vae = models.MMDVAE((6, 6, 1), latent_size=4, width=width)
    with pytest.warns(UserWarning, match=r"seems untrained.*error is 0\.\d+"):
        VarMixupInference(classifier, vae, pool)
    # A pool of codes has no images: what the codes decode to stands in.
    codes = pool.encode(vae.encode)
    with pytest.warns(UserWarning, match=r"seems untrained.*error is \d"):
        VarMixupInference(classifier, vae, codes)
    recwarn.clear()
    vae.start_from_pca(pool.gather(np.arange(12)))
    defence = VarMixupInference(classifier, vae, pool.encode(vae.encode))
    # Codes that are yet to be loaded say nothing.
    VarMixupInference.from_config(defence.get_config())
    assert not [w for w in recwarn if "untrained" in str(w.message)]
