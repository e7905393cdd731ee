"""The report of a trained autoencoder: pictures and numbers."""

import numpy as np
import tensorflow as tf

from keras_mixup import _files
from keras_mixup import data
from keras_mixup import training

_COLUMNS = 10
_STEPS = 9
_GAP = 2


def write_report(run_dir, vae, validation, seed):
    """Writes pictures and report.md of an autoencoder into its run folder.

    Args:
        run_dir: `pathlib.Path`, with metrics.jsonl.
        vae: `models.MMDVAE`.
        validation: `ImageSet`, images cut from the training split.
        seed: int, of the samples from the prior and of the shown images.

    Returns:
        float, the PSNR on the validation images in dB.
    """
    images = data.as_float(validation.images)
    random = np.random.default_rng(seed)
    chosen = images[random.permutation(len(images))[: 2 * _COLUMNS]]
    grids = {
        "reconstructions": reconstructions(vae, chosen[:_COLUMNS]),
        "samples": samples(vae, random),
        "interpolations": interpolations(vae, chosen[:10]),
    }
    for name, rows in grids.items():
        write_grid(run_dir / f"{name}.png", rows)
    value = training.reconstruction_psnr(vae, images)
    text = _text(vae, run_dir, value, len(images))
    _files.write_text(run_dir / _files.VAE_REPORT, text)
    return value


def reconstructions(vae, images):
    """Returns two rows: images, and decode(mean) of each."""
    return [images, vae(images).numpy()]


def samples(vae, random):
    """Returns rows of decoded draws from the prior."""
    shape = (4 * _COLUMNS, vae.latent_size)
    codes = random.standard_normal(shape, "float32")
    images = vae.decode(codes).numpy()
    return [images[i : i + _COLUMNS] for i in range(0, len(images), _COLUMNS)]


def interpolations(vae, images):
    """Returns two rows for each pair: decoded mixed codes, mixed images.

    The weights run from 0 to 1, both included. The upper row is VarMixup,
    the lower row mixup of the same pair.
    """
    weights = np.linspace(0.0, 1.0, _STEPS, dtype="float32")
    codes = vae.encode(images)[0].numpy()
    rows = []
    for first in range(0, len(images) - 1, 2):
        mixed = weights[:, None] * codes[first + 1]
        mixed += (1.0 - weights[:, None]) * codes[first]
        rows.append(vae.decode(mixed).numpy())
        weight = weights[:, None, None, None]
        rows.append(weight * images[first + 1] + (1 - weight) * images[first])
    return rows


def write_grid(path, rows):
    """Writes rows of images as one PNG, enlarged by an integer factor.

    Args:
        path: `pathlib.Path` ending in .png.
        rows: list of float arrays [n, H, W, C] in [0, 1], C 1 or 3.
    """
    height, width, channels = rows[0].shape[1:]
    scale = max(1, 64 // height)
    longest = max(len(row) for row in rows)
    down, across = height * scale + _GAP, width * scale + _GAP
    shape = (len(rows) * down - _GAP, longest * across - _GAP, channels)
    canvas = np.ones(shape, "float32")
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            large = image.repeat(scale, axis=0).repeat(scale, axis=1)
            top, left = i * down, j * across
            canvas[top : top + len(large), left : left + large.shape[1]] = large
    pixels = np.round(255.0 * canvas.clip(0.0, 1.0)).astype("uint8")
    _files.write_bytes(path, tf.io.encode_png(pixels).numpy())


def _text(vae, run_dir, value, count):
    rows = _files.read_lines(run_dir / _files.METRICS)
    best = max(rows, key=lambda row: row["val_psnr"])
    return f"""# Autoencoder

Images {vae.input_shape}, latent size {vae.latent_size}, {vae.count_params():,}
weights, {rows[-1]["epoch"]} epochs. All numbers are of {count} validation
images, which are no training images.

| | |
|---|---|
| PSNR of decode(mean), vae.keras | {value:.2f} dB |
| highest PSNR of an epoch | {best["val_psnr"]:.2f} dB (epoch {best["epoch"]}) |
| MMD^2 of codes and prior, last epoch | {rows[-1]["val_mmd"]:.5f} |

Images (upper row) and their reconstructions (lower row):

![reconstructions](reconstructions.png)

Interpolations of pairs: the decoded mixed codes of VarMixup (upper row) and
the mixed images of mixup (lower row):

![interpolations](interpolations.png)

Samples from the prior:

![samples](samples.png)
"""
