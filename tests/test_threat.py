"""The threat model's units, errors and configuration."""

import keras
import numpy as np
import pytest

from keras_mixup import ThreatModel


def test_fraction_is_read_in_pixel_units():
    assert ThreatModel("linf", "8/255").eps == 8 / 255


def test_eps_in_255ths_is_refused_with_the_likely_meaning():
    with pytest.raises(ValueError, match='Did you mean "8/255"'):
        ThreatModel("linf", 8)


def test_wide_eps_is_allowed_in_l2_and_on_request():
    assert ThreatModel("l2", 8).eps == 8.0
    assert ThreatModel("linf", 8, unbounded=True).eps == 8.0
    assert ThreatModel("linf", 8, bounds=(0, 255)).eps == 8.0


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("l1", 0.1), "`norm` must be one of 'linf', 'l2'"),
        (("linf", -0.1), "`eps` must be a number in"),
        (("linf", float("nan")), "`eps` must be a number in"),
        (("linf", "8:255"), "`eps` must be a number or a fraction"),
        (("linf", 0.1, (1.0, 0.0)), r"`bounds` must be a pair \(low, high\)"),
        (("linf", 0.1, 1.0), "`bounds` must be a pair"),
        (("linf", 0.1, (0.0, float("inf"))), "`bounds` must be .*finite.*inf"),
        (("l2", 0.1, (float("-inf"), 1)), "`bounds` must be .*finite.*inf"),
        (("l2", 0.1, (0, 1e39)), "`bounds` must be .*finite"),
        (("l2", 0.1, (0, float("nan"))), "`bounds` must be .*finite"),
        (("linf", 0.1, (0, 1), "yes"), "`unbounded` must be True or False"),
    ],
)
def test_bad_arguments_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        ThreatModel(*arguments)


@pytest.mark.parametrize(
    "threat",
    [
        ThreatModel("linf", "8/255"),
        ThreatModel("l2", 2, bounds=(-1, 1)),
        ThreatModel("linf", 3, unbounded=True),
    ],
    ids=repr,
)
def test_config_round_trip(threat):
    stored = keras.saving.serialize_keras_object(threat)
    restored = keras.saving.deserialize_keras_object(stored)
    assert restored == threat
    assert hash(restored) == hash(threat)
    assert restored.bounds == threat.bounds


def test_threats_differ_in_every_field():
    threat = ThreatModel("linf", 0.1)
    assert threat != ThreatModel("l2", 0.1)
    assert threat != ThreatModel("linf", 0.2)
    assert threat != ThreatModel("linf", 0.1, bounds=(0.0, 0.5))
    assert threat != ThreatModel("linf", 0.1, unbounded=True)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_how_far_images_leave_it(norm):
    threat = ThreatModel(norm, 0.1)
    clean = np.full((2, 2, 2, 1), 0.5, np.float32)
    inside, outside = clean.copy(), clean.copy()
    inside[1, 0, 0] += 0.1
    outside[1, 0, 0] += 0.3
    assert threat.excess(clean, inside) is None
    ball, bounds = threat.excess(clean, outside)
    np.testing.assert_allclose([ball, bounds], [0.2, -0.2], atol=1e-6)
    ball, bounds = threat.excess(clean, clean - 0.6)
    assert bounds == pytest.approx(0.1, abs=1e-6) and ball > 0.4
    assert threat.excess(clean, clean * np.nan) is not None
