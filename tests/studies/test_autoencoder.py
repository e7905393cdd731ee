"""The pictures of an autoencoder."""

import numpy as np
import tensorflow as tf

from keras_mixup import models
from keras_mixup.studies import autoencoder


def test_a_grid_keeps_every_pixel_in_its_place(tmp_path):
    random = np.random.default_rng(0)
    rows = [random.random((n, 32, 32, 3)).astype("float32") for n in (2, 3)]
    autoencoder.write_grid(tmp_path / "grid.png", rows)
    picture = tf.io.decode_png((tmp_path / "grid.png").read_bytes()).numpy()
    assert picture.shape == (2 * 66 - 2, 3 * 66 - 2, 3)
    shown = picture[66:130:2, 132:196:2] / 255.0
    np.testing.assert_allclose(shown, rows[1][2], atol=0.51 / 255.0)
    assert (picture[:64, 132:] == 255).all()


def test_interpolations_start_and_end_at_the_reconstructions():
    vae = models.MMDVAE((8, 8, 1), 4, width=2)
    images = np.random.default_rng(0).random((4, 8, 8, 1)).astype("float32")
    decoded, mixed, *_ = autoencoder.interpolations(vae, images)
    np.testing.assert_allclose(decoded[0], vae(images)[0], atol=1e-6)
    np.testing.assert_allclose(decoded[-1], vae(images)[1], atol=1e-6)
    np.testing.assert_allclose(mixed[4], (images[0] + images[1]) / 2, atol=1e-6)
