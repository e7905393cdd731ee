"""Sweeps read from records; samples against their definition."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import metrics
from keras_mixup import models
from keras_mixup import studies as latent_studies
from keras_mixup.evaluation import Record
from keras_mixup.studies import drawing as figures


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
    # Defences without a fixed mixing weight.
    for other in ("noise 0.04 x30", "rotation 40 x30", "MI-OL 0.4-0.6 x30"):
        found += [_record(n, other, 1) for n in range(4)]
    return evaluation.Records(found, defences=SETTINGS)


def _settings(weight, draws=30, **other):
    return {
        "class": "VarMixupInference",
        "mix_weight": weight,
        "num_draws": draws,
        "average": "probabilities",
        "label_from": "input",
        **other,
    }


SETTINGS = {
    "noise 0.04 x30": {
        "class": "GaussianNoiseInference",
        "stddev": 0.04,
        "num_draws": 30,
    },
    "MI-OL 0.4-0.6 x30": {
        "class": "MixupInferenceOL",
        "mix_weight": ["uniform", 0.4, 0.6],
        "num_draws": 30,
    },
    "VarMI 0 x30": _settings(0),
    "VarMI 0.5 x30": _settings(0.5),
    "VarMI 1 x30": _settings(1.0),
    "VarMI 0.5 x5": _settings(0.5, 5),
    "VarMI 0.5 logits x30": _settings(0.5, average="logits"),
    "VarMI 0.5 logits reconstruction x30": _settings(
        0.5, average="logits", label_from="reconstruction"
    ),
}


def test_sweep_is_read_from_the_settings_of_the_defences():
    rows = latent_studies.weight_sweep_rows(_records())
    assert [row["value"] for row in rows] == [0.0, 0.5, 1.0]
    assert {row["method"] for row in rows} == {"var_mixup + VarMI x30"}
    means = [row["accuracy"] for row in rows]
    np.testing.assert_allclose(means, [0.125, 0.375, 0.875])
    np.testing.assert_allclose(rows[0]["std"], np.std([0, 0.25], ddof=1))


FORMS = (
    (" x30", 1),
    (" x5", 0),
    (" logits x30", 0),
    (" logits reconstruction x30", 1),
)


def test_a_renamed_defence_keeps_its_place_in_the_sweep():
    names = {name: f"d{i}" for i, name in enumerate(SETTINGS)}
    renamed = [
        r._replace(defence=names.get(r.defence, r.defence)) for r in _records()
    ]
    settings = {names[name]: value for name, value in SETTINGS.items()}
    found = evaluation.Records(renamed, defences=settings)
    assert latent_studies.weight_sweep_rows(
        found
    ) == latent_studies.weight_sweep_rows(_records())


def test_nothing_is_swept_without_settings():
    assert latent_studies.weight_sweep_rows(list(_records())) == []


def test_sweep_keeps_forms_and_radii_apart():
    records = [
        _record(n, f"VarMI 0.5{how}", hit)._replace(eps=eps)
        for how, hit in FORMS
        for eps in (0.1, 0.2)
        for n in range(2)
    ]
    records = evaluation.Records(records, defences=SETTINGS)
    rows = latent_studies.weight_sweep_rows(records)
    found = [(r["method"], r["eps"], r["accuracy"]) for r in rows]
    assert found == [
        (f"var_mixup + VarMI{how}", eps, hit)
        for how, hit in sorted(FORMS)
        for eps in (0.1, 0.2)
    ]


def test_eta_sweep_joins_the_records_of_several_networks():
    def records(hits):
        clean = _record(0, "none", 1, "clean", None)
        return [
            clean._replace(knowledge="none", norm=None, eps=None),
            *(_record(n, "none", int(n < hits), seed=None) for n in range(4)),
            *(_record(n, "VarMI 0.5 x30", int(n < hits)) for n in range(4)),
        ]

    rows = latent_studies.eta_sweep_rows([(2.0, records(3)), (0.5, records(1))])
    found = {
        (r["method"], r["attack"], r["value"]): r["accuracy"] for r in rows
    }
    assert found == {
        ("var_mixup", "clean", 0.5): 1.0,
        ("var_mixup", "clean", 2.0): 1.0,
        ("var_mixup", "pgd-10", 0.5): 0.25,
        ("var_mixup", "pgd-10", 2.0): 0.75,
        ("var_mixup + VarMI 0.5 x30", "pgd-10", 0.5): 0.25,
        ("var_mixup + VarMI 0.5 x30", "pgd-10", 2.0): 0.75,
    }
    etas = [r["value"] for r in rows if r["method"] == "var_mixup"]
    assert etas == [0.5, 2.0, 0.5, 2.0]


class Bent(keras.layers.Layer):
    """Logits whose cross-entropy bends in the first pixel alone."""

    def call(self, images):
        pixel = tf.reshape(images, [-1, 16])[:, :1]
        return tf.concat([4.0 * pixel, 2.0 - 4.0 * pixel], axis=1)


def test_linearity_rows_are_the_metric_over_models_and_radii():
    images = np.random.default_rng(0).random((6, 4, 4, 1), dtype="float32")
    labels = np.arange(6) % 2
    model = Bent()
    noisy = inference.GaussianNoiseInference(model, 0.05, 3)
    options = {"num_steps": 6, "num_starts": 1}
    rows = latent_studies.linearity_rows(
        {"bent": model, "noisy": noisy},
        images,
        labels,
        (0.1, "2/10"),
        **options,
    )
    places = [(r["model"], r["eps"], r["num_examples"]) for r in rows]
    assert places == [
        (name, eps, 6) for name in ("bent", "noisy") for eps in (0.1, 0.2)
    ]
    for row, answer in (
        (rows[1], model),
        (rows[2], lambda x: noisy(x, seed=0)),
    ):
        expected = metrics.local_linearity_error(
            answer, images, labels, row["eps"], **options
        )
        np.testing.assert_allclose(row["error"], expected.mean(), rtol=1e-5)
        np.testing.assert_allclose(row["values"], expected, rtol=1e-5)
    assert rows[0]["error"] < rows[1]["error"]


def test_distance_rows_name_features_and_counts():
    random = np.random.default_rng(0)
    first, second = random.random((2, 30, 4, 4, 1), dtype="float32")
    inputs = keras.Input((4, 4, 1))
    network = keras.Model(inputs, keras.layers.Flatten()(inputs), name="pixels")
    sets = {"other": second, "half": 0.5 * first[:20]}
    with pytest.warns(UserWarning, match="images are few for 16 features"):
        rows = latent_studies.distance_rows(network, first, sets)
    assert [r["samples"] for r in rows] == ["other", "half"]
    assert [r["num_images"] for r in rows] == [30, 20]
    with pytest.warns(UserWarning, match="30 and 30 images are few"):
        expected = metrics.feature_distances(network, first, second)
    values = rows[0].pop("values")
    np.testing.assert_allclose(np.mean(values), expected.kernel_distance)
    assert len(values) == 30 and "values" not in rows[1]
    assert rows[0] == {
        "samples": "other",
        "features": "pixels",
        "frechet_distance": expected.frechet_distance,
        "kernel_distance": expected.kernel_distance,
        "num_images": 30,
    }
    assert rows[1]["frechet_distance"] > rows[0]["frechet_distance"]


def test_sample_rows_are_what_is_shown():
    images = np.random.default_rng(0).random((5, 4, 4, 1))
    rows = latent_studies.sample_rows({"mixup": images}, num_shown=3)
    assert rows[0]["title"] == "mixup"
    np.testing.assert_allclose(rows[0]["images"], images[:3], atol=1e-4)
    json.dumps(rows)


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
    # The theme's own colours, which are no names to be looked up later.
    for theme in ("light", "dark"):
        figure = latent_studies.sweep_figure(rows, theme=theme)
        line = figure.axes[0].containers[0].lines[0]
        assert line.get_color() == figures.THEMES[theme]["lines"][0]


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


def test_each_pair_may_have_a_weight_of_its_own():
    first, second = np.random.default_rng(0).random((2, 3, 8, 8, 1), "float32")
    vae = models.MMDVAE((8, 8, 1), latent_size=4, width=2)
    vae.start_from_pca(np.concatenate([first, second]))
    weights = (0.0, 0.25, 1.0)
    found = latent_studies.mixed_samples(first, second, {"v": vae}, weights)
    for row, weight in enumerate(weights):
        pair = first[row : row + 1], second[row : row + 1]
        alone = latent_studies.mixed_samples(*pair, {"v": vae}, weight)
        for title in ("mixup", "v"):
            np.testing.assert_allclose(
                found[title][row], alone[title][0], atol=1e-5
            )


def test_partners_are_held_at_the_image_and_also_drawn_anew():
    """Between two partners of linear models all curvature is a label flip."""
    images = np.full((2, 4, 4, 1), 0.5, "float32")
    images[:, 0, 0] = 0.51
    labels = np.zeros(2, "int32")
    chosen = np.stack([np.zeros((4, 4, 1)), np.ones((4, 4, 1))])
    pool = inference.SamplePool(
        chosen.astype("float32"), np.arange(2), dtype="float32"
    )

    class Sign(keras.layers.Layer):
        def call(self, inputs):
            pixel = inputs[:, 0, 0, 0]
            return tf.stack([pixel - 0.5, 0.5 - pixel], axis=1)

    defence = inference.MixupInferenceOL(Sign(), pool, 0.6, 1)
    rows = latent_studies.linearity_rows(
        {"mi": defence}, images, labels, [0.1], num_steps=6, num_starts=1
    )
    error = {row["draws"]: row["error"] for row in rows}
    # l(z) = log(1 + exp(-2 z)), z = 0.6 pixel + 0.4 partner - 0.5: held, the
    # partner is 1 and the gap is the curvature; l'' <= 1.
    assert 0.0 < error["held"] < 0.5 * 0.06**2
    # Drawn anew the partner turns from 1 to 0, and z falls by 0.4.
    assert error["redrawn"] > 0.3


def test_mixed_samples_can_be_drawn():
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    images = np.zeros((2, 8, 8, 1), "float32")
    figure = figures.image_grid(
        latent_studies.mixed_samples(images, images, {})
    )
    assert len(figure.axes) == 6


def test_a_mixed_sample_needs_the_channels_of_the_images():
    images = np.zeros((2, 8, 8, 1), "float32")
    colour = models.MMDVAE((8, 8, 3), latent_size=4, width=2)
    with pytest.raises(ValueError, match="`VarMixup` must be .* 1 channels"):
        latent_studies.mixed_samples(images, images, {"VarMixup": colour})


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"second": np.zeros((2, 4, 4, 1))}, "`second` must be of shape"),
        ({"mix_weight": 1.5}, r"`mix_weight` must be a number in \[0, 1\]"),
        ({"mix_weight": [0.5]}, "`mix_weight` must be .* each of the 3 pairs"),
        ({"mix_weight": [0, 1, 2]}, "`mix_weight` must be numbers in"),
    ],
)
def test_refusals(arguments, text):
    given = {"first": np.zeros((3, 4, 4, 1)), "second": np.zeros((3, 4, 4, 1))}
    with pytest.raises(ValueError, match=text):
        latent_studies.mixed_samples(**{**given, **arguments}, vaes={})


@pytest.mark.parametrize("name", evaluation._MOVED)
def test_the_former_place_leads_to_the_new_one(name):
    with pytest.warns(DeprecationWarning, match="has moved to"):
        found = getattr(evaluation, name)
    last = found.__name__.rpartition(".")[2]
    assert last == ("studies" if name == "latent_studies" else name)


def test_calibration_rows_of_answers_that_are_known():
    """Sure of 0.6 and of 0.9, each right on every other image."""
    images = np.zeros((8, 1, 1, 1), np.float32)
    images[4:] = 1.0

    def model(pixels):
        sure = 0.6 + 0.3 * tf.reshape(pixels, [-1, 1])
        return tf.math.log(tf.concat([sure, 1.0 - sure], axis=1))

    (row,) = latent_studies.calibration_rows(
        {"two": model}, images, np.arange(8) % 2, num_bins=4, batch_size=3
    )
    assert row["error"] == pytest.approx((0.1 + 0.4) / 2, abs=1e-6)
    assert (row["accuracy"], row["num_examples"]) == (0.5, 8)
    assert row["values"]["right"] == [True, False] * 4
    assert [count for count, _, _ in row["bins"]] == [4, 4]
    assert latent_studies.find("calibration").draw([row]) is not None


def test_calibration_of_no_bins_is_refused():
    with pytest.raises(ValueError, match="`num_bins` must be"):
        latent_studies.calibration_rows(
            {"two": Bent()}, np.zeros((2, 4, 4, 1)), [0, 1], num_bins=0
        )
