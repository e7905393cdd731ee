"""A model whose probabilities are linear in the pixels: all is known."""

import keras
import numpy as np
import pytest
from evaluation_toys import SHIFT
from evaluation_toys import Down
from evaluation_toys import Fixed
from evaluation_toys import pool
from evaluation_toys import small_model as model

from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import inference
from keras_mixup.studies import mechanism


@keras.saving.register_keras_serializable("tests")
def sweep(**options):
    pixels = np.array([0.6, 0.7, 0.9], np.float32)[:, None, None, None]
    labels = np.zeros(3, int)
    found = mechanism.lambda_sweep(
        model(), pool(), Down(), pixels, labels, num_draws=3, **options
    )
    return {(row["defence"], row["mix_weight"]): row for row in found}


def test_every_number_of_a_linear_model():
    """0.6 and 0.7 are broken (0.3, 0.4); 0.9 is not (0.6)."""
    rows = sweep(mix_weights=(0.6, 1.0))
    for kind, partner in (("MI-PL", 0.2), ("MI-OL", 0.9)):
        # Clean images are of class 0, attacked ones look like class 1.
        row = rows[kind, 0.6]
        clean_partner = {0.2: 0.9, 0.9: 0.2}[partner]
        f_clean = np.mean([0.6, 0.7, 0.9])
        assert row["clean_f"] == pytest.approx(f_clean, abs=1e-5)
        mixed = 0.6 * f_clean + 0.4 * clean_partner
        assert row["clean_mi"] == pytest.approx(mixed, abs=1e-5)
        f_true = np.mean([0.3, 0.4])
        mi_true = 0.6 * f_true + 0.4 * partner
        assert row["f_true"] == pytest.approx(f_true, abs=1e-5)
        assert row["mi_true"] == pytest.approx(mi_true, abs=1e-5)
        assert row["f_predicted"] == pytest.approx(1 - f_true, abs=1e-5)
        assert row["mi_predicted"] == pytest.approx(1 - mi_true, abs=1e-5)
        assert row["change_true"] == pytest.approx(mi_true - f_true, abs=1e-5)
        # G(d; u) = -d at the true label, wherever it acts: no transfer.
        assert row["transfer_true"] == pytest.approx(0.0, abs=1e-5)
        gain = -SHIFT + 0.6 * SHIFT
        assert row["gain_true"] == pytest.approx(gain, abs=1e-5)
        assert row["shrinkage_true"] == pytest.approx(gain, abs=1e-5)
        assert row["gain_predicted"] == pytest.approx(-gain, abs=1e-5)
        assert (row["num_clean"], row["num_adversarial"]) == (3, 2)
        singles = row["values"]
        assert singles["image"] == [0, 1]
        for name in ("change_true", "change_predicted", "condition"):
            assert row[name] == pytest.approx(np.mean(singles[name]), abs=1e-6)
        fall = (1 - f_true) - (1 - mi_true) - (f_clean - mixed)
        assert row["detection_gap"] == pytest.approx(fall, abs=1e-5)
        formula = -gain - 0.4
        assert row["detection_gap_formula"] == pytest.approx(formula, abs=1e-5)
    # MI-PL pulls towards the wrong class, MI-OL away from it.
    assert rows["MI-PL", 0.6]["condition"] == 0.0
    assert rows["MI-OL", 0.6]["condition"] == 1.0
    whole = rows["MI-PL", 1.0]
    assert whole["change_true"] == pytest.approx(0.0, abs=1e-6)


def test_bounds_of_equations_12_and_15():
    rows = sweep(mix_weights=(0.25,))
    assert rows["MI-PL", 0.25]["bound_predicted"] == 0.75
    assert rows["MI-PL", 0.25]["bound_true"] == -0.75
    assert rows["MI-OL", 0.25]["bound_predicted"] == 0.0
    # (lambda - 1)(L - 2)/(L - 1) with two classes.
    assert rows["MI-OL", 0.25]["bound_true"] == 0.0
    ten = mechanism._bounds("MI-OL", 0.5, 10)
    assert ten["bound_true"] == pytest.approx(-0.5 * 8 / 9)


def test_transfer_and_shrinkage_make_the_gain():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(8, "relu")]
    net = keras.Sequential(
        [keras.Input((2, 2, 1)), *layers, keras.layers.Dense(3)]
    )
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(30, 2, 2, 1)).astype("float32")
    labels = np.asarray(net(images)).argmax(axis=1)
    held = inference.SamplePool(
        np.concatenate([images, images[:3]]),
        np.concatenate([labels, [0, 1, 2]]),
        dtype="float32",
    )
    attack = attacks.PGD(ThreatModel("linf", 0.3), step_size=0.1, num_steps=5)
    rows = mechanism.lambda_sweep(
        net,
        held,
        attack,
        images,
        labels,
        mix_weights=(0.5, 0.8, 1.0),
        num_draws=4,
    )
    assert len(rows) == 6
    # With lambda 1 nothing is mixed, and no answer improves.
    assert [rows[place]["condition"] for place in (2, 5)] == [0.0, 0.0]
    for row in rows:
        assert row["num_clean"] == 30 and row["num_adversarial"] > 0
        for component in ("true", "predicted"):
            parts = row[f"transfer_{component}"] + row[f"shrinkage_{component}"]
            assert row[f"gain_{component}"] == pytest.approx(parts, abs=1e-5)
            moved = row[f"mi_{component}"] - row[f"f_{component}"]
            assert row[f"change_{component}"] == pytest.approx(moved, abs=1e-5)


def test_no_attack_that_succeeds_gives_no_number():
    pixels = np.full((2, 1, 1, 1), 0.9, np.float32)
    rows = mechanism.lambda_sweep(
        model(),
        pool(),
        Fixed(0.9),
        pixels,
        np.zeros(2, int),
        mix_weights=(0.5,),
        num_draws=1,
        kinds=("MI-PL",),
    )
    assert rows[0]["mi_true"] is None and rows[0]["detection_gap"] is None
    assert rows[0]["num_adversarial"] == 0


def test_unknown_kind():
    with pytest.raises(ValueError, match="`kinds` must be one of"):
        sweep(kinds=("MI-XL",))
