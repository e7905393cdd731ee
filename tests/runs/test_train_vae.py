"""--task=vae, and --vae=PATH of the algorithms that need an autoencoder."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from calls import built
from calls import check_error
from calls import train as run
from calls import visible

from keras_mixup import models
from keras_mixup import training


@pytest.fixture(scope="module")
def vae_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae") / "run"
    assert run(folder, task="vae", latent_size=6) == 0
    return folder


def test_the_run_folder_has_models_numbers_and_pictures(vae_run):
    assert visible(vae_run) == {
        "checkpoints",
        "config.json",
        "final.keras",
        "interpolations.png",
        "metrics.jsonl",
        "reconstructions.png",
        "report.md",
        "samples.png",
        "vae.keras",
    }
    rows = training.read_metrics(str(vae_run / "metrics.jsonl"))
    assert [row["step"] for row in rows] == [4, 8]
    assert {"psnr", "mmd", "val_psnr", "val_mmd", "val_loss"} <= set(rows[0])
    vae = keras.saving.load_model(str(vae_run / "vae.keras"))
    assert isinstance(vae, models.MMDVAE) and vae.latent_size == 6
    text = (vae_run / "report.md").read_text()
    assert f"| {rows[-1]['val_psnr']:.2f} dB |" in text
    # 2 rows of ten 8x8 images, enlarged 8 times, 2 pixels apart.
    picture = tf.io.decode_png((vae_run / "reconstructions.png").read_bytes())
    assert picture.shape == (2 * 66 - 2, 10 * 66 - 2, 1)


def read(folder):
    return training.read_metrics(str(folder / "metrics.jsonl"))


@pytest.mark.slow
def test_a_resumed_run_ends_the_same(tmp_path):
    flags = {"task": "vae", "latent_size": 6, "num_steps": 2}
    assert run(tmp_path / "whole", **flags) == 0
    folder = tmp_path / "killed"
    assert run(folder, **flags) == 0
    before = read(folder)[0]
    # As if killed after the checkpoint of step 6, in the second epoch.
    for name in ("final.keras", "vae.keras", "report.md"):
        (folder / name).unlink()
    for path in (folder / "checkpoints").glob("step-8*"):
        path.unlink()
    state = folder / "checkpoints" / "checkpoint"
    state.write_text('model_checkpoint_path: "step-6"\n')
    assert training.latest_step(str(folder / "checkpoints")) == 6
    assert run(folder, **flags, resume=True) == 0
    # It went on from there: the first epoch's line, with its seconds, is old.
    assert read(folder)[0] == before
    assert [row["step"] for row in read(folder)] == [4, 8]
    first, second = (
        keras.saving.load_model(str(f / "final.keras"))
        for f in (tmp_path / "whole", folder)
    )
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "algorithm",
    [pytest.param("var_erm", marks=pytest.mark.slow), "var_mixup"],
)
def test_a_classifier_is_trained_through_the_autoencoder(
    algorithm, vae_run, tmp_path, capsys
):
    flags = {"algorithm": algorithm, "vae": vae_run}
    assert run(tmp_path / "run", **flags) == 0
    out = capsys.readouterr().out
    assert "latent size 6, PSNR" in out and "200 validation images" in out
    path = str(tmp_path / "run" / "classifier.keras")
    assert keras.saving.load_model(path).output_shape == (None, 10)
    cached = tmp_path / "cached"
    assert run(cached, **flags, cache_latents=True) == 0
    first, second = (
        keras.saving.load_model(str(f / "final.keras")).get_weights()
        for f in (tmp_path / "run", cached)
    )
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_the_attack_of_a_var_algorithm_is_a_choice(vae_run):
    vae = f"--vae={vae_run}"
    assert built(vae, "--algorithm=var_mixup", "--alpha=0.4").attack is None
    attacked = built(vae, "--algorithm=var_mixup", "--num_steps=3", "--eps=0.2")
    assert (attacked.attack.num_steps, attacked.attack.threat.eps) == (3, 0.2)
    name = "var_interpolated_adversarial_training"
    assert built(vae, f"--algorithm={name}").attack.num_steps == 10


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        ({"task": "vae", "latent_size": 0}, ("`latent_size`", "1 or more")),
        ({"task": "vae", "batch_size": 1}, ("`batch_size`", "The MMD")),
        ({"task": "vae", "gamma": -1}, ("`gamma` must be",)),
        (
            {"task": "vae", "algorithm": "erm"},
            ("`algorithm` has no effect with task=vae",),
        ),
        ({"task": "vae", "monitor": "val_accuracy"}, ("`monitor` must be",)),
        ({"latent_size": 3}, ("`latent_size` has no effect", "task=vae")),
        ({"monitor": "val_psnr"}, ("`monitor` must be",)),
        ({"algorithm": "var_mixup"}, ("needs `vae`", "task=vae")),
        ({"vae": "x.keras"}, ("`vae` has no effect with algorithm=mixup",)),
        (
            {"cache_latents": True},
            ("`cache_latents` has no effect", "algorithm=var_erm"),
        ),
        (
            {"algorithm": "var_mixup", "vae": "missing/vae.keras"},
            ("no autoencoder at missing/vae.keras", "task=vae"),
        ),
    ],
)
def test_bad_requests_are_one_line(flags, parts, tmp_path, capsys):
    check_error(capsys, run(tmp_path / "run", **flags), *parts)
    assert not (tmp_path / "run").exists()


def test_an_autoencoder_that_does_not_fit_is_one_line(tmp_path, capsys):
    colour = models.MMDVAE((8, 8, 3), 4, width=2)
    path = tmp_path / "colour.keras"
    colour.save(str(path))
    flags = {"algorithm": "var_mixup", "vae": path}
    check_error(capsys, run(tmp_path / "run", **flags), "`vae`", "1 channels")
    classifier = models.SmallConvNet((8, 8, 1), 10, width=2)
    classifier.save(str(path))
    check_error(capsys, run(tmp_path / "run", **flags), "an MMDVAE")
    assert not (tmp_path / "run").exists()


def test_a_border_without_crops_is_refused(tmp_path, capsys):
    code = run(tmp_path / "run", algorithm="erm", crop_padding="zeros")
    parts = ("`crop_padding` must be left out", "crops no image of digits")
    check_error(capsys, code, *parts)
    code = run(
        tmp_path / "run",
        algorithm="erm",
        crop_padding="zeros",
        augment="crop",
        epochs=1,
    )
    assert code == 0


def test_cached_codes_need_images_as_they_are(vae_run, tmp_path, capsys):
    flags = {"algorithm": "var_mixup", "vae": vae_run, "augment": "crop"}
    code = run(tmp_path / "run", **flags, cache_latents=True)
    check_error(capsys, code, "augment=none")


def test_an_untrained_autoencoder_is_warned_of(tmp_path):
    keras.utils.set_random_seed(1)
    path = tmp_path / "vae.keras"
    models.MMDVAE((8, 8, 1), 4, width=2).save(str(path))
    with pytest.warns(UserWarning, match="seems untrained"):
        code = run(tmp_path / "run", algorithm="var_erm", vae=path, epochs=1)
    assert code == 0
