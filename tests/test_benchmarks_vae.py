"""The table and the picture of autoencoders."""

import json

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import program
from benchmarks import vae as benchmark
from keras_mixup import data
from keras_mixup import models


@pytest.fixture(scope="module")
def images():
    found = data.load_arrays("digits", "test", num_examples=40)
    return data.as_float(found.images)


def linear(images):
    """An autoencoder that is the whitened PCA, without convolutions."""
    vae = models.MMDVAE((8, 8, 1), 6, width=2)
    vae.start_from_pca(images)
    return vae


def test_a_linear_decoder_does_not_bend_and_whitened_codes_have_spread_1(
    images,
):
    vae = linear(images)
    assert benchmark.spread(vae, images) == pytest.approx(1.0, abs=1e-3)
    # Clipping to [0, 1] is all that is not linear.
    middle = 0.4 + 0.2 * images
    assert benchmark.bend(linear(middle), middle) == pytest.approx(0, abs=0.01)
    plain = models.MMDVAE((8, 8, 1), 6, width=2, linear_path=False)
    assert benchmark.spread(plain, images) != pytest.approx(1.0, abs=0.1)


def test_the_picture_has_pixels_first_and_then_each_autoencoder(images):
    vaes = [linear(images), linear(images[20:])]
    rows = benchmark.mixed(vaes, images[:4])
    assert [len(row) for row in rows] == [9] * 6
    for pair, place in ((0, 0), (2, 3)):
        ends = images[pair : pair + 2]
        pixels, *decoded = rows[place : place + 3]
        np.testing.assert_allclose(pixels[[0, 8]], ends, atol=1e-6)
        np.testing.assert_allclose(pixels[4], ends.mean(axis=0), atol=1e-6)
        for vae, row in zip(vaes, decoded, strict=True):
            np.testing.assert_allclose(row[[0, 8]], vae(ends), atol=1e-5)


def test_the_command_writes_rows_and_picture(tmp_path, images, capsys):
    linear(images).save(tmp_path / "vae.keras")
    argv = [
        "vae",
        "--dataset=digits",
        f"--vaes={tmp_path}",
        "--num_examples=20",
        "--attacked=4",
        "--num_steps=1",
        f"--picture={tmp_path / 'pairs.png'}",
        "--pairs=2",
        f"--json={tmp_path / 'rows.json'}",
    ]
    assert program.exit_code(benchmark.main, benchmark.FLAGS, argv) == 0
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [set(row) for row in rows] == [
        {"name", "psnr"},
        {"name", "psnr"},
        {"name", "psnr", "attacked", "bend", "spread"},
    ]
    assert "| bend, % | spread |" in capsys.readouterr().out
    picture = tf.io.decode_png((tmp_path / "pairs.png").read_bytes())
    assert picture.shape == (4 * 66 - 2, 9 * 66 - 2, 1)
