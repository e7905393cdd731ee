"""One reader of labels and images, and the entrances that use it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import _inputs
from keras_mixup import attacks
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import metrics
from keras_mixup import ops
from keras_mixup import training

CLASSES = np.array([2, 0, 1, 2])
FORMS = {
    "list": CLASSES.tolist(),
    "uint8 [n, 1]": CLASSES.astype("uint8")[:, None],
    "tensor [n, 1]": tf.constant(CLASSES[:, None]),
    "bool one-hot": np.eye(3, dtype=bool)[CLASSES],
    "int one-hot": np.eye(3, dtype="int32")[CLASSES],
    "bfloat16 one-hot": tf.one_hot(CLASSES, 3, dtype=tf.bfloat16),
}
every = pytest.mark.parametrize("form", FORMS)
IMAGES = np.random.default_rng(0).uniform(size=(4, 6, 6, 1))
THREAT = ThreatModel("linf", 0.1)


@pytest.fixture(scope="module")
def classifier():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(3)]
    return keras.Sequential([keras.Input((6, 6, 1)), *layers])


@every
def test_every_entrance_reads_the_same_classes(form, classifier):
    labels = FORMS[form]
    np.testing.assert_array_equal(_inputs.read_classes(labels, 4, 3), CLASSES)
    np.testing.assert_array_equal(ops.label_indices(labels), CLASSES)
    rows = ops.label_probabilities(labels, 3)
    np.testing.assert_array_equal(rows, np.eye(3)[CLASSES])
    pool = inference.SamplePool(IMAGES, labels, "float32")
    assert pool.class_counts == (1, 1, 2)
    attack = attacks.PGD(THREAT, 0.02, 2)
    found = attack(classifier, IMAGES, labels, seed=0)
    same = attack(classifier, IMAGES.astype("float32"), CLASSES, seed=0)
    np.testing.assert_array_equal(found.images, same.images)
    records = evaluation.evaluate(
        {"net": classifier},
        [("pgd", attack, "oblivious")],
        IMAGES,
        labels,
        verbose=False,
    )
    assert [r.label for r in records] == CLASSES.tolist()
    robust = training.RobustValidation(attack, IMAGES, labels)
    assert len(robust.labels) == 4
    assert metrics.robust_accuracy(labels, [CLASSES]) == 1.0


def test_a_pool_of_a_data_set_takes_labels_with_an_axis_of_one():
    data = tf.data.Dataset.from_tensor_slices((IMAGES, CLASSES[:, None]))
    pool = inference.SamplePool.from_dataset(data, 3, dtype="float32")
    assert pool.class_counts == (1, 1, 2)


def test_pixels_outside_by_rounding_are_clipped_and_others_refused(classifier):
    ones = tf.ones((2, 7, 7, 1))
    images = tf.image.resize(ones, (6, 6), method="area").numpy()
    images[0] = 1.0000013
    assert _inputs.read_images(images).max() == 1.0
    attack = attacks.PGD(THREAT, 0.02, 1)
    assert attack(classifier, images, [0, 1], seed=0).images.numpy().max() <= 1
    records = evaluation.evaluate(
        {"net": classifier}, [("clean", None, "none")], images, [0, 1]
    )
    assert len(records) == 2
    pool = inference.SamplePool(images, [0, 1])
    assert pool.images.numpy().max() == 255
    with pytest.raises(ValueError, match=r"values in \[0, 1.0000499\]"):
        _inputs.read_images(np.float64([[[[0.0, 1.00005]]]]))


@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (2, 1, 28, 28)])
def test_channels_first_are_refused_where_they_are_evident(shape):
    images = np.full(shape, 0.5, "float32")
    attack = attacks.Square(THREAT, 3)
    layer = inference.GaussianNoiseInference(keras.layers.Flatten(), 2)
    entrances = (
        lambda: attack(lambda x: x[:, 0, 0], images, [0, 1]),
        lambda: evaluation.evaluate(
            {"net": lambda x: x[:, 0, 0]},
            [("clean", None, "none")],
            images,
            [0, 1],
        ),
        lambda: layer(images),
    )
    for entrance in entrances:
        with pytest.raises(ValueError, match="channels first.*moveaxis"):
            entrance()


@pytest.mark.parametrize("shape", [(2, 1, 2, 1), (2, 3, 4, 8), (2, 3, 9, 4)])
def test_narrow_images_and_features_are_no_channels_first(shape):
    _inputs.check_layout(shape)
    _inputs.check_layout((None, None, None, 3))


class Pairs(keras.utils.PyDataset):
    """Two batches of two."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        rows = slice(2 * index, 2 * index + 2)
        return IMAGES[rows], CLASSES[rows]


SINGLE = tf.data.Dataset.from_tensor_slices((IMAGES, CLASSES[:, None]))
DATA_SETS = {
    "tf.data": lambda: SINGLE.batch(3),
    "tf.data of single images": lambda: SINGLE,
    "PyDataset": Pairs,
}


@pytest.mark.parametrize("form", DATA_SETS)
def test_every_entrance_takes_a_data_set(form, classifier, tmp_path):
    attack, make = attacks.PGD(THREAT, 0.02, 2), DATA_SETS[form]
    found = attack(classifier, make(), seed=0)
    same = attack(classifier, IMAGES, CLASSES, seed=0)
    np.testing.assert_array_equal(found.images, same.images)
    specs = [("clean", None, "none")]
    net = {"net": classifier}
    records = evaluation.evaluate(net, specs, make(), verbose=False)
    assert [r.label for r in records] == CLASSES.tolist()
    again = evaluation.evaluate(net, specs, IMAGES, CLASSES, verbose=False)
    assert [r.loss for r in records] == [r.loss for r in again]
    pool = inference.SamplePool(make(), dtype="float32")
    assert pool.class_counts == (1, 1, 2)
    robust = training.RobustValidation(attack, make())
    np.testing.assert_array_equal(robust.images, np.float32(IMAGES))


def test_fit_resumable_takes_a_data_set(classifier, tmp_path):
    model = training.ERM(classifier)
    model.compile("sgd")
    batches, each = SINGLE.batch(3), {"epochs": 1, "batch_size": 2}
    training.fit_resumable(
        model, batches, tmp_path, validation_data=batches, verbose=0, **each
    )
    assert int(model.step.numpy()) == 2


@pytest.mark.parametrize(
    ("images", "labels", "match"),
    [
        (SINGLE.batch(2).repeat(), None, "`images` must be a data set with an"),
        (SINGLE.batch(2), CLASSES, "`labels` must be None beside a"),
        (SINGLE.map(lambda x, y: (x, y, y)), None, "pairs .*tuples of 3"),
        (SINGLE.map(lambda x, y: x), None, "`images` must be a data set of p"),
        (SINGLE.take(0), None, "a data set that is not empty"),
        (IMAGES, None, "`labels` must be given with images"),
    ],
)
def test_other_data_sets_are_refused(images, labels, match, classifier):
    for entrance in (
        lambda: attacks.PGD(THREAT)(classifier, images, labels),
        lambda: inference.SamplePool(images, labels),
    ):
        with pytest.raises(ValueError, match=match):
            entrance()


def test_images_of_every_float_dtype_make_a_pool():
    levels = np.round(IMAGES * 255) / 255
    pools = [
        inference.SamplePool(np.asarray(tf.cast(levels, d)), CLASSES, "float32")
        for d in (tf.float64, tf.float32, tf.bfloat16)
    ]
    first, second, rounded = (pool.images.numpy() for pool in pools)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(rounded, first, atol=2**-8)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_labels_beyond_int32_are_no_other_classes(dtype, classifier):
    wrapped = CLASSES.astype(dtype) + np.array(2**32, dtype)
    match = r"`labels` must be in 0\.\.2147483647\. .*4294967296"
    with pytest.raises(ValueError, match=match):
        _inputs.read_labels(wrapped)
    attack = attacks.PGD(THREAT, 0.02, 2)
    with pytest.raises(ValueError, match=match):
        attack(classifier, IMAGES, wrapped)
    asked = [("pgd", attack, "oblivious")]
    with pytest.raises(ValueError, match=match):
        evaluation.evaluate({"net": classifier}, asked, IMAGES, wrapped)
    with pytest.raises(ValueError, match=match):
        metrics.robust_accuracy(wrapped, CLASSES)
    most = np.array([0, 2**31 - 1], dtype)
    np.testing.assert_array_equal(_inputs.read_labels(most), most)
