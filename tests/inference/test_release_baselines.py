"""The baselines against the image operations of the MI authors' code.

The released code transforms 8-bit images with Pillow, by way of torchvision:
`crop`, `expand`, `resize` and `rotate`. The noise it adds to images in [-1, 1].
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import inference

pil_image = pytest.importorskip("PIL.Image")
SIDE = 32


@pytest.fixture(scope="module")
def classifier():
    image = keras.Input((SIDE, SIDE, 3))
    logits = keras.layers.Dense(10)(keras.layers.Flatten()(image))
    return keras.Model(image, logits)


def _pixels(count=6):
    random = np.random.default_rng(3)
    return random.integers(0, 256, (count, SIDE, SIDE, 3), dtype="uint8")


def _pairs(defence, transform):
    """Yields (ours, theirs) in 1/255 for each image and draw."""
    pixels = _pixels()
    images = (pixels / 255.0).astype("float32")
    draws = defence.draw(images, seed=1)
    made = 255.0 * defence.apply(images, draws).numpy()
    draws = {name: value.numpy() for name, value in draws.items()}
    for row, own in enumerate(pixels):
        for draw in range(defence.num_draws):
            given = {k: v[row, draw].item() for k, v in draws.items()}
            theirs = transform(pil_image.fromarray(own), **given)
            yield made[draw, row], np.asarray(theirs, "float32")


def _crop(image, size, top, left):
    return image.crop((left, top, left + size, top + size))


def test_crop_pad_is_their_xie_row(classifier):
    def theirs(image, size, top, left, pad_top, pad_left):
        canvas = pil_image.new("RGB", (SIDE, SIDE), 0)
        canvas.paste(_crop(image, size, top, left), (pad_left, pad_top))
        return canvas

    settings = inference.paper_settings("cifar10", "iat")["random_crop_pad"]
    settings["num_draws"] = 4
    defence = inference.RandomCropPadInference(classifier, **settings)
    for ours, expected in _pairs(defence, theirs):
        np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_resize_pad_is_not(classifier):
    """What bore the name of the row before: it keeps the whole image."""

    def theirs(image, size, top, left):
        small = _crop(image, size, top, left)
        canvas = pil_image.new("RGB", (SIDE, SIDE), 0)
        canvas.paste(small, (left, top))
        return canvas

    defence = inference.RandomResizePadInference(classifier, (20, 28), 4)
    gaps = [np.abs(a - b).mean() for a, b in _pairs(defence, theirs)]
    assert min(gaps) > 20.0


def test_crop_resize_is_their_guo_row(classifier):
    def theirs(image, size, top, left):
        crop = _crop(image, size, top, left)
        return crop.resize((SIDE, SIDE), pil_image.Resampling.BILINEAR)

    settings = inference.paper_settings("cifar10", "mixup")
    options = {**settings["random_crop_resize"], "num_draws": 4}
    defence = inference.RandomCropResizeInference(classifier, **options)
    for ours, expected in _pairs(defence, theirs):
        # Theirs is rounded to 8 bits after each of two passes.
        np.testing.assert_allclose(ours, expected, atol=1.01)


def test_rotation_is_theirs_but_for_ties(classifier):
    settings = inference.paper_settings("cifar10", "mixup")["random_rotation"]
    settings["num_draws"] = 8
    defence = inference.RandomRotationInference(classifier, **settings)
    shares = [
        np.isclose(ours, expected, atol=1e-3).all(axis=-1).mean()
        for ours, expected in _pairs(
            defence, lambda image, degrees: image.rotate(degrees)
        )
    ]
    assert min(shares) > 0.995  # Pillow rounds places to 1/65536.


@pytest.mark.parametrize(
    ("dataset", "training", "printed"),
    [
        ("cifar10", "mixup", 0.04),
        ("cifar10", "iat", 0.075),
        ("cifar100", "mixup", 0.025),
        ("cifar100", "iat", 0.06),
    ],
)
def test_noise_has_the_printed_deviation_in_their_units(
    classifier, dataset, training, printed
):
    settings = inference.paper_settings(dataset, training)["gaussian_noise"]
    defence = inference.GaussianNoiseInference(classifier, **settings)
    images = tf.fill((4, SIDE, SIDE, 3), 0.5)
    noisy = defence.apply(images, defence.draw(images, seed=0))
    theirs = 2.0 * noisy.numpy() - 1.0  # Their images are in [-1, 1].
    np.testing.assert_allclose(theirs.std(), printed, rtol=0.01)
