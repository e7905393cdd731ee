"""Training on several replicas of one host, by `fit_resumable` and commands."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import toys

from keras_mixup import data
from keras_mixup import models
from keras_mixup import training

ROOT = pathlib.Path(__file__).parents[2]


def make(strategy=None, kind=training.ERM):
    def made():
        model = kind(toys.network())
        model.compile(keras.optimizers.SGD(0.1, 0.9))
        return model

    if strategy is None:
        return made()
    with strategy.scope():
        return made()


def test_the_batch_must_fall_into_equal_parts(strategy, tmp_path):
    with pytest.raises(ValueError, match="`batch_size` .* the 2 replicas"):
        training.fit_resumable(
            make(strategy), toys.data(9), tmp_path, epochs=1, batch_size=3
        )
    assert list(tmp_path.iterdir()) == []


def test_a_run_goes_on_with_as_many_replicas(strategy, tmp_path):
    options = {"epochs": 1, "batch_size": 4, "verbose": 0}
    # The last batch of the validation has one image for two replicas.
    options["validation_data"] = toys.data(5, seed=1)
    training.fit_resumable(make(strategy), toys.data(9), tmp_path, **options)
    with pytest.raises(ValueError, match="`number of replicas` must be 2, as"):
        training.fit_resumable(
            make(), toys.data(9), tmp_path, **{**options, "epochs": 2}
        )


def test_an_autoencoder_is_validated_on_a_short_last_batch(strategy):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        vae = models.MMDVAE((8, 8, 1), latent_size=2, width=2)
        model = training.MMDVAETraining(vae)
        model.compile("sgd")
    images = data.as_float(data.load_arrays("digits", "validation").images[:5])
    found = model.evaluate(images, batch_size=4, verbose=0, return_dict=True)
    alone = training.MMDVAETraining(vae)
    alone.compile("sgd")
    each = alone.evaluate(images, batch_size=5, verbose=0, return_dict=True)
    np.testing.assert_allclose(found["psnr"], each["psnr"], rtol=1e-5)
    assert np.isfinite(list(found.values())).all()


FIT = """
import sys
import numpy as np
import tensorflow as tf
count = int(sys.argv[1])
cpu = tf.config.list_physical_devices("CPU")[0]
parts = [tf.config.LogicalDeviceConfiguration()] * count
tf.config.set_logical_device_configuration(cpu, parts)
sys.path.insert(0, sys.argv[2])
import keras, toys
from keras_mixup import training
images, labels = toys.data(24)
weights = []
strategy = tf.distribute.MirroredStrategy([f"CPU:{n}" for n in range(count)])
for scope in (tf.distribute.get_strategy().scope(), strategy.scope()):
    with scope:
        model = training.ERM(toys.network())
        model.compile(keras.optimizers.SGD(0.1, 0.9))
    model.fit(images, labels, 8, epochs=2, shuffle=False, verbose=0,
              validation_data=(images[:17], labels[:17]))
    weights.append(toys.weights(model))
for a, b in zip(*weights, strict=True):
    np.testing.assert_allclose(a, b, atol=1e-6)
print("equal")
"""


def run(*arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_replicas_train_as_one_device(count):
    code, text = run("-c", FIT, str(count), str(pathlib.Path(__file__).parent))
    assert code == 0 and "equal" in text, text


TRAIN = ["-m", "apps.train", "--width=2", "--num_train=64", "--batch_size=16"]
TRAIN += ["--epochs=2", "--seed=0", "--verbose=0"]
TRAIN += ["--strategy=mirrored", "--checkpoint_every=3"]


@pytest.mark.slow
@pytest.mark.parametrize(("count", "task"), [(2, "vae"), (4, "classifier")])
def test_a_rehearsal_on_logical_devices_resumes_exactly(tmp_path, count, task):
    told = [*TRAIN, f"--logical_devices={count}", f"--task={task}"]
    code, text = run(*told, f"--run_dir={tmp_path / 'whole'}")
    assert code == 0, text
    cut = f"--run_dir={tmp_path / 'cut'}"
    code, text = run(*told, cut, "--max_minutes=0.0001")
    assert code == 75, text
    code, text = run(*told, cut, "--resume")
    assert code == 0 and "Resuming at step" in text, text
    whole, again = (
        keras.saving.load_model(tmp_path / n / "final.keras").get_weights()
        for n in ("whole", "cut")
    )
    for a, b in zip(whole, again, strict=True):
        np.testing.assert_array_equal(a, b)
    code, text = run(*told[:-2], cut, "--resume", f"--task={task}")
    assert code == 2 and f"started with logical_devices={count}" in text, text
