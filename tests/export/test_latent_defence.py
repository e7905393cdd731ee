"""VarMI as a SavedModel: codes and autoencoder as weights, rows as draws."""

import json
import pathlib

import export_toys as toys
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import export


@pytest.fixture(scope="module")
def defence():
    return toys.DEFENCES["var"]()


@pytest.fixture(scope="module")
def version(defence, tmp_path_factory):
    return export.export_saved_model(defence, tmp_path_factory.mktemp("var"))


def test_indices_gathers_rows_of_codes(version, defence):
    root = tf.saved_model.load(version)
    images = toys.images(4)
    draws = defence.draw(images, seed=toys.seeds(4))
    rows = draws["indices"]
    answer = root.signatures["indices"](
        image=tf.constant(images), indices=rows
    )["probabilities"]
    codes = defence.pool.images.numpy()[rows.numpy()]  # [B, N, d]
    own = defence.vae.encode(images)[0].numpy()[:, None]
    found = []
    for draw in np.moveaxis(0.6 * own + 0.4 * codes, 1, 0):
        decoded = defence.vae.decode(draw.astype("float32"))
        logits = defence.classifier(decoded, training=False)
        found.append(tf.nn.softmax(logits))
    np.testing.assert_allclose(answer, np.mean(found, axis=0), atol=1e-5)


def test_weights_are_stored_once(version, defence):
    path = f"{version}/variables/variables"
    stored = {
        name: int(np.prod(shape))
        for name, shape in tf.train.list_variables(path)
        if not name.startswith("_CHECKPOINTABLE")
    }
    parts = (defence.classifier, defence.vae)
    codes = toys.POOL_ROWS * 3
    weights = sum(part.count_params() for part in parts)
    assert sum(stored.values()) == weights + codes
    reader = tf.train.load_checkpoint(path)
    shapes = [reader.get_tensor(name).shape for name in stored]
    assert shapes.count((toys.POOL_ROWS, 3)) == 1


def test_card_names_autoencoder_and_codes(version, defence):
    path = pathlib.Path(version) / "assets.extra" / "model_card.json"
    card = json.loads(path.read_text())
    assert card["autoencoder"] == {
        "type": "MMDVAE",
        "name": "mmd_vae",
        "parameters": defence.vae.count_params(),
    }
    assert card["defence"]["average"] == "probabilities"
    assert card["defence"]["label_from"] == "input"
    assert card["pool"]["row_shape"] == [3]
    assert card["pool"]["stored_as"] == "float32"


def test_a_mix_of_logits_from_reconstructions_exports(tmp_path):
    defence = toys.inference.VarMixupInference(
        toys.classifier(),
        toys.vae(),
        toys.pool(),
        ("uniform", 0.3, 0.8),
        3,
        average="logits",
        label_from="reconstruction",
    )
    path = export.export_saved_model(
        defence, tmp_path, signatures=("seeded", "indices")
    )
    root = tf.saved_model.load(path)
    images, seeds = toys.images(2), toys.seeds(2)
    draws = defence.draw(images, seed=seeds)
    expected = np.exp(defence(images, seed=seeds))
    for name, request in (
        ("seeded", {"seed": tf.constant(seeds)}),
        ("indices", draws),
    ):
        answer = root.signatures[name](image=tf.constant(images), **request)
        np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)
