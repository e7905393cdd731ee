"""The SavedModel against the layer, in other processes and on disk."""

import os
import pathlib
import subprocess
import sys

import export_toys as toys
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import export

SIGNATURE_NAMES = ("serving_default", "seeded", "undefended")

# Plays the server: Keras and this package cannot be found by an import.
SERVER = """
import sys

def hide(finder):
    original = finder.find_spec
    def find_spec(name, *arguments, **options):
        if name.split(".")[0] in ("keras", "keras_mixup", "tf_keras"):
            return None
        return original(name, *arguments, **options)
    class Finder:
        pass
    Finder.find_spec = staticmethod(find_spec)
    return Finder

sys.meta_path[:] = [
    hide(finder) for finder in sys.meta_path if hasattr(finder, "find_spec")
]
import numpy as np
import tensorflow as tf

root = tf.saved_model.load(sys.argv[1])
data = np.load(sys.argv[2])
found = {}
for rows in (1, 5):
    image = tf.constant(data["image"][:rows])
    seed = tf.constant(data["seed"][:rows])
    answer = root.signatures["seeded"](image=image, seed=seed)
    found[f"probabilities_{rows}"] = answer["probabilities"]
    found[f"label_{rows}"] = answer["label"]
    answer = root.signatures["undefended"](image=image)
    found[f"logits_{rows}"] = answer["logits"]
default = root.signatures["serving_default"]
many = tf.constant(data["many"])
for call in range(2):
    found[f"call_{call}"] = default(image=many)["probabilities"]
names = [n for n in sys.modules if n.split(".")[0] in ("keras", "keras_mixup")]
np.savez(sys.argv[3], modules=np.array(names, dtype=str), **found)
"""


@pytest.fixture(scope="module")
def defence():
    return toys.DEFENCES["ol"]()


@pytest.fixture(scope="module")
def version(defence, tmp_path_factory):
    """An export made while a global seed is set, as users' scripts do."""
    keras.utils.set_random_seed(7)
    base = tmp_path_factory.mktemp("saved_models") / "toy"
    return export.export_saved_model(defence, base)


@pytest.fixture(scope="module")
def servers(version, tmp_path_factory):
    """What two server processes answered, one after the other's start."""
    folder = tmp_path_factory.mktemp("servers")
    # One image draws the same rows of so small a pool once in 30 times.
    many = toys.images(64, seed=1)
    np.savez(
        folder / "in.npz", image=toys.images(5), seed=toys.seeds(5), many=many
    )
    outputs = [folder / "first.npz", folder / "second.npz"]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SERVER, version, folder / "in.npz", output],
            env=environment,
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        for output in outputs
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    return [dict(np.load(output)) for output in outputs]


@pytest.fixture(scope="module")
def root(version):
    return tf.saved_model.load(version)


def test_server_needs_neither_keras_nor_this_package(servers):
    for answers in servers:
        assert answers["modules"].tolist() == []


@pytest.mark.parametrize("rows", [1, 5])
def test_server_gives_the_layers_output(servers, defence, rows):
    images, seeds = toys.images(5)[:rows], toys.seeds(5)[:rows]
    expected = np.exp(defence(images, seed=seeds))
    logits = defence.classifier(images, training=False)
    for answers in servers:
        received = answers[f"probabilities_{rows}"]
        np.testing.assert_allclose(received, expected, atol=1e-6)
        np.testing.assert_array_equal(
            answers[f"label_{rows}"], expected.argmax(-1)
        )
        np.testing.assert_allclose(
            answers[f"logits_{rows}"], logits, rtol=1e-5, atol=1e-5
        )


def test_two_calls_draw_afresh(servers):
    for answers in servers:
        assert np.abs(answers["call_0"] - answers["call_1"]).max() > 1e-4


def test_two_server_starts_do_not_replay_their_draws(servers):
    first, second = servers
    for call in ("call_0", "call_1"):
        assert np.abs(first[call] - second[call]).max() > 1e-4


def test_default_answers_scatter_around_the_layers(root, defence):
    # serving_default is the same defence, with seeds of its own.
    image = tf.repeat(toys.images(1), 4000, axis=0)
    served = root.signatures["serving_default"](image=image)["probabilities"]
    layer = tf.exp(defence(image, seed=11))
    error = np.std(layer, axis=0) / np.sqrt(4000)
    difference = np.mean(served, axis=0) - np.mean(layer, axis=0)
    # Eight standard errors: not by chance.
    assert (np.abs(difference) < 8 * np.sqrt(2) * error + 1e-6).all()
    assert (np.std(layer, axis=0) > 5e-4).all()


def test_an_exports_global_seed_is_the_users_as_before(tmp_path):
    keras.utils.set_random_seed(3)
    expected = tf.random.uniform((4,))
    keras.utils.set_random_seed(3)
    export.export_saved_model(toys.classifier(), tmp_path)
    np.testing.assert_array_equal(tf.random.uniform((4,)), expected)


@pytest.mark.parametrize("name", toys.DEFENCES)
def test_every_defence_exports(tmp_path, name):
    defence = toys.DEFENCES[name]()
    path = export.export_saved_model(defence, tmp_path)
    root = tf.saved_model.load(path)
    images, seeds = toys.images(2), toys.seeds(2)
    answer = root.signatures["seeded"](
        image=tf.constant(images), seed=tf.constant(seeds)
    )
    expected = np.exp(defence(images, seed=seeds))
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)


def test_a_rows_answer_does_not_depend_on_its_neighbours(root):
    image, seed = tf.constant(toys.images(5)), tf.constant(toys.seeds(5))
    seeded = root.signatures["seeded"]
    together = seeded(image=image, seed=seed)["probabilities"]
    backwards = seeded(image=image[::-1], seed=seed[::-1])["probabilities"]
    np.testing.assert_allclose(backwards[::-1], together, atol=1e-6)


def test_each_variable_is_stored_once(version, defence):
    stored = {
        name: int(np.prod(shape))
        for name, shape in tf.train.list_variables(
            f"{version}/variables/variables"
        )
        if not name.startswith("_CHECKPOINTABLE")
    }
    weights = defence.classifier.count_params()
    pool = toys.POOL_ROWS * int(np.prod(toys.SHAPE))
    assert sum(stored.values()) == weights + pool
    reader = tf.train.load_checkpoint(f"{version}/variables/variables")
    kept = [
        reader.get_tensor(n)
        for n in stored
        if reader.get_tensor(n).dtype == np.uint8
    ]
    assert len(kept) == 1
    np.testing.assert_array_equal(kept[0], defence.pool.images)


def test_large_pool_is_a_variable_and_no_constant(tmp_path):
    generator = np.random.default_rng(0)
    rows = generator.integers(0, 256, (6000, *toys.SHAPE), dtype="uint8")
    pool = toys.inference.SamplePool(rows, np.arange(6000) % toys.CLASSES)
    defence = toys.inference.MixupInferenceOL(toys.classifier(), pool, 0.6, 2)
    path = pathlib.Path(export.export_saved_model(defence, tmp_path))
    sizes = [f.stat().st_size for f in (path / "variables").iterdir()]
    exact = rows.nbytes + 4 * defence.classifier.count_params()
    assert exact <= sum(sizes) <= exact + 64 * 1024
    # The graph does not grow with the pool.
    assert rows.tobytes()[:64] not in (path / "saved_model.pb").read_bytes()


def test_random_state_of_the_classifier_stays_out(version):
    # Dropout's seed generator is a variable that no signature reads.
    shapes = [
        s for _, s in tf.train.list_variables(f"{version}/variables/variables")
    ]
    assert [2] not in shapes


def test_plain_classifier_has_no_seeded_signature(tmp_path):
    classifier = toys.classifier()
    path = export.export_saved_model(classifier, tmp_path)
    root = tf.saved_model.load(path)
    expected = {"serving_default", "undefended", "encoded_images"}
    assert set(root.signatures) == expected
    image = toys.images(3)
    answer = root.signatures["serving_default"](image=tf.constant(image))
    expected = keras.ops.softmax(classifier.predict(image, verbose=0))
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)
    np.testing.assert_array_equal(answer["label"], np.argmax(expected, -1))


def test_signatures_can_be_chosen(tmp_path, defence):
    names = ("undefended", "serving_default")
    path = export.export_saved_model(defence, tmp_path, signatures=names)
    assert set(export.describe_saved_model(path).signatures) == set(names)


def test_exports_under_mixed_precision(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        classifier = toys.classifier()
    finally:
        keras.config.set_dtype_policy("float32")
    defence = toys.inference.GaussianNoiseInference(classifier, 0.1, 3)
    path = export.export_saved_model(defence, tmp_path)
    outputs = export.describe_saved_model(path).signatures["undefended"][1]
    assert outputs["logits"].dtype == tf.float32


def test_exports_a_classifier_built_under_a_strategy(tmp_path, strategy):
    with strategy.scope():
        classifier = toys.classifier()
    path = export.export_saved_model(classifier, tmp_path)
    checkpoint = f"{path}/variables/variables"
    stored = sum(
        int(np.prod(shape))
        for name, shape in tf.train.list_variables(checkpoint)
        if not name.startswith("_CHECKPOINTABLE")
    )
    assert stored == classifier.count_params()
    root = tf.saved_model.load(path)
    image = toys.images(2)
    answer = root.signatures["undefended"](image=tf.constant(image))
    expected = classifier(image, training=False)
    np.testing.assert_allclose(answer["logits"], expected, rtol=1e-5)


class Subclassed(keras.Model):
    """A user's model without a symbolic input."""

    def __init__(self):
        super().__init__()
        self.flatten = keras.layers.Flatten()
        self.dense = keras.layers.Dense(toys.CLASSES)

    def call(self, inputs, training=None):
        return self.dense(self.flatten(inputs))


def test_subclassed_classifier_needs_its_image_shape(tmp_path):
    classifier = Subclassed()
    classifier(toys.images(1))
    with pytest.raises(ValueError, match="`image_shape` must be"):
        export.export_saved_model(classifier, tmp_path / "toy")
    path = export.export_saved_model(
        classifier,
        tmp_path / "toy",
        image_shape=toys.SHAPE,
        allow_untrained=True,
    )
    inputs = export.describe_saved_model(path).signatures["undefended"][0]
    assert inputs["image"].shape.as_list() == [None, *toys.SHAPE]


@pytest.mark.parametrize(
    "shape", [4, (4, 4), (4, -1, 1), (4.0, 4, 1), "441"], ids=str
)
def test_bad_image_shape_is_refused(tmp_path, shape):
    with pytest.raises(
        ValueError,
        match="`image_shape` must be three positive integers .height, wid",
    ):
        export.export_saved_model(
            toys.classifier(), tmp_path / "toy", image_shape=shape
        )
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: "model.keras", "`defence` must be a keras.Model"),
        (Subclassed, "built classifier.*Train it"),
        (
            lambda: keras.Sequential(
                [toys.classifier(), keras.layers.Softmax()]
            ),
            "must be a model of logits.*Remove the final",
        ),
    ],
)
def test_bad_classifier_is_refused_and_nothing_written(tmp_path, make, text):
    with pytest.raises(ValueError, match=text):
        export.export_saved_model(make(), tmp_path / "toy")
    assert os.listdir(tmp_path) == []


def test_classifier_with_nan_is_refused_and_nothing_written(tmp_path):
    classifier = toys.classifier()
    classifier.layers[-1].bias.assign([0.0, np.nan, 0.0])
    with pytest.raises(ValueError, match="must be a model with finite outputs"):
        export.export_saved_model(classifier, tmp_path / "toy")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"version": "1"}, "`version` must be an integer >= 1"),
        ({"version": 0}, "`version` must be an integer >= 1"),
        ({"version": True}, "`version` must be an integer >= 1"),
        ({"signatures": ("serve",)}, "one of 'serving_default', 'seeded'"),
        ({"signatures": "undefended"}, "`signatures` must be a sequence"),
        ({"signatures": ()}, "`signatures` must be a sequence"),
    ],
)
def test_bad_argument_is_refused(tmp_path, defence, options, text):
    with pytest.raises(ValueError, match=text):
        export.export_saved_model(defence, tmp_path / "toy", **options)
    assert os.listdir(tmp_path) == []


def test_plain_classifier_refuses_the_seeded_signature(tmp_path):
    text = "one of 'serving_default', 'undefended', 'enc.*Received.*'seeded'"
    with pytest.raises(ValueError, match=text):
        export.export_saved_model(
            toys.classifier(), tmp_path, signatures=SIGNATURE_NAMES
        )


def test_existing_version_is_never_overwritten(tmp_path):
    classifier = toys.classifier()
    path = export.export_saved_model(classifier, tmp_path, version=4)
    before = pathlib.Path(path, "saved_model.pb").read_bytes()
    with pytest.raises(FileExistsError, match="Version 4 exists already"):
        export.export_saved_model(toys.classifier(1), tmp_path, version=4)
    assert pathlib.Path(path, "saved_model.pb").read_bytes() == before
    assert export.export_saved_model(classifier, tmp_path).endswith("/5")


def test_wrong_values_on_disk_never_become_a_version(tmp_path, monkeypatch):
    classifier = toys.classifier()
    save = tf.saved_model.save

    def save_other_values(*arguments, **options):
        kept = classifier.layers[-1].kernel.numpy()
        classifier.layers[-1].kernel.assign(kept + 0.1)
        save(*arguments, **options)
        classifier.layers[-1].kernel.assign(kept)

    monkeypatch.setattr(tf.saved_model, "save", save_other_values)
    with pytest.raises(RuntimeError, match="disagrees with the layer in"):
        export.export_saved_model(classifier, tmp_path / "toy")
    assert os.listdir(tmp_path) == []


def test_full_disk_is_one_clear_error(tmp_path, monkeypatch):
    def fail(root, folder, **options):
        pathlib.Path(folder, "saved_model.pb").write_text("half")
        raise tf.errors.ResourceExhaustedError(None, None, "No space left")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="cannot be written: No space left"):
        export.export_saved_model(toys.classifier(), tmp_path / "toy")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("fail", "text"),
    [
        ("load", "was written, but cannot be reloaded: .*gone"),
        ("run", "undefended fails once reloaded: out of memory"),
    ],
)
def test_a_failing_self_check_is_no_full_disk(
    tmp_path, monkeypatch, fail, text
):
    load = tf.saved_model.load

    def refuse(**inputs):
        raise tf.errors.ResourceExhaustedError(None, None, "out of memory")

    class Reloaded:
        signatures = {"undefended": refuse}

    def broken(folder):
        load(folder)
        if fail == "load":
            raise OSError("gone")
        return Reloaded()

    monkeypatch.setattr(tf.saved_model, "load", broken)
    with pytest.raises(RuntimeError, match=text):
        export.export_saved_model(
            toys.classifier(), tmp_path / "toy", signatures=("undefended",)
        )
    assert os.listdir(tmp_path) == []
