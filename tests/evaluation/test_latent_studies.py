"""Sweeps read from records; samples against their definition."""

import numpy as np
import pytest

from keras_mixup import models
from keras_mixup.evaluation import Record
from keras_mixup.evaluation import figures
from keras_mixup.evaluation import latent_studies


def _record(number, defence, prediction, attack="pgd-10", seed=0):
    return Record(
        example_id=number,
        label=1,
        model="var_mixup",
        defence=defence,
        attack=attack,
        knowledge="oblivious",
        norm="linf",
        eps=0.1,
        attack_seed=0,
        eval_seed=seed,
        prediction=prediction,
        loss=0.5,
        gradient_passes=10,
        queries=0,
        pool_split="train",
    )


def _records():
    found = [_record(n, "none", 1, seed=None) for n in range(4)]
    for weight, hits in (("0.5", 1), ("0", 0), ("1", 3)):
        for seed in (0, 1):
            found += [
                _record(
                    n, f"VarMI {weight} x30", int(n < hits + seed), seed=seed
                )
                for n in range(4)
            ]
    found += [_record(n, "noise 0.04 stddev x30", 1) for n in range(4)]
    return found


def test_sweep_is_read_from_the_names_of_the_defences():
    rows = latent_studies.weight_sweep_rows(_records())
    assert [row["value"] for row in rows] == [0.0, 0.5, 1.0]
    assert {row["method"] for row in rows} == {"var_mixup + VarMI"}
    means = [row["accuracy"] for row in rows]
    np.testing.assert_allclose(means, [0.125, 0.375, 0.875])
    np.testing.assert_allclose(rows[0]["std"], np.std([0, 0.25], ddof=1))


def test_sweep_figure_has_a_line_per_method():
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    rows = latent_studies.weight_sweep_rows(_records())
    other = [{**row, "method": "mixup + MI-OL"} for row in rows]
    figure = latent_studies.sweep_figure(rows + other)
    (axis,) = figure.axes
    assert len(axis.containers) == 2
    x, y = axis.containers[0].lines[0].get_data()
    np.testing.assert_allclose(x, [0.0, 0.5, 1.0])
    np.testing.assert_allclose(y, [12.5, 37.5, 87.5])
    assert latent_studies.sweep_figure([]) is None


def test_mixed_samples_are_what_they_are_called():
    generator = np.random.default_rng(0)
    first, second = generator.random((2, 3, 8, 8, 1), dtype="float32")
    vae = models.MMDVAE((8, 8, 1), latent_size=4, width=2)
    larger = models.MMDVAE((16, 16, 1), latent_size=4, width=2)
    vae.start_from_pca(np.concatenate([first, second]))
    found = latent_studies.mixed_samples(
        first, second, {"VarMixup": vae, "larger": larger}, 0.25
    )
    titles = ["first image", "second image", "mixup", "VarMixup", "larger"]
    assert list(found) == titles
    np.testing.assert_allclose(found["mixup"], 0.25 * first + 0.75 * second)
    codes = [vae.encode(images)[0] for images in (first, second)]
    expected = vae.decode(0.25 * codes[0] + 0.75 * codes[1])
    np.testing.assert_allclose(found["VarMixup"], expected, atol=1e-6)
    assert found["larger"].shape == first.shape


def test_mixed_samples_can_be_drawn():
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    images = np.zeros((2, 8, 8, 1), "float32")
    figure = figures.image_grid(
        latent_studies.mixed_samples(images, images, {})
    )
    assert len(figure.axes) == 6


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"second": np.zeros((2, 4, 4, 1))}, "`second` must be of shape"),
        ({"mix_weight": 1.5}, r"`mix_weight` must be a number in \[0, 1\]"),
    ],
)
def test_refusals(arguments, text):
    given = {"first": np.zeros((3, 4, 4, 1)), "second": np.zeros((3, 4, 4, 1))}
    with pytest.raises(ValueError, match=text):
        latent_studies.mixed_samples(**{**given, **arguments}, vaes={})
