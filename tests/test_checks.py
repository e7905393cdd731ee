"""Argument checks: what passes, and the one form of error."""

import keras
import numpy as np
import pytest

from keras_mixup import _checks


@pytest.mark.parametrize(
    ("given", "expected"),
    [("8/255", 8 / 255), ("0.5", 0.5), (2, 2.0), ("1/4", 0.25), (0.1, 0.1)],
)
def test_parse_number_reads_numbers_and_fractions(given, expected):
    assert _checks.parse_number(given) == expected


@pytest.mark.parametrize("given", ["8/0", "a/b", "", None, [1], True, "8//2"])
def test_parse_number_refuses_anything_else(given):
    with pytest.raises(ValueError, match="`eps` must be a number or a frac"):
        _checks.parse_number(given, "eps")


def test_check_names_argument_expectation_and_value():
    with pytest.raises(
        ValueError,
        match=r"^`size` must be even\. Received: size=3\. Take 4\.$",
    ):
        _checks.check(False, "size", "even", 3, hint="Take 4.")


@pytest.mark.parametrize("given", [-0.1, 1.1, float("nan"), float("inf")])
def test_check_number_refuses_values_outside_its_range(given):
    with pytest.raises(ValueError, match=r"a number in \[0, 1\]"):
        _checks.check_number(given, "weight", 0.0, 1.0)


def test_check_number_keeps_the_ends_of_its_range():
    assert _checks.check_number(0, "weight", 0.0, 1.0) == 0.0
    assert _checks.check_number("1/1", "weight", 0.0, 1.0) == 1.0
    with pytest.raises(ValueError, match=r"a number in \(0, inf\)"):
        _checks.check_number(0, "rate", 0.0, low_open=True)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-0.5, r"values in \[-0.5, 1\]"),
        (1.5, r"values in \[0, 1.5\]"),
        (np.nan, "NaN or infinity"),
        (np.inf, "NaN or infinity"),
        (-np.inf, "NaN or infinity"),
    ],
)
def test_check_within_shows_the_range_or_what_is_no_number(value, shown):
    fine = np.float32([[0.0, 0.25], [1.0, 0.5]])
    _checks.check_within(fine, "images", "in [0, 1]")
    with pytest.raises(ValueError, match=f"must be in .0, 1.*{shown}.*Scale"):
        _checks.check_within(
            np.append(fine, value), "images", "in [0, 1]", hint="Scale them."
        )
    _checks.check_within(np.array([-0.5, 2.0]), "codes", "small", -1.0, 2.0)


@pytest.mark.parametrize("given", [0, 1.0, True, "3", None])
def test_check_integer_refuses_small_and_non_integers(given):
    with pytest.raises(ValueError, match="`steps` must be an integer >= 1"):
        _checks.check_integer(given, "steps")


def test_check_choice_lists_the_choices():
    assert _checks.check_choice("l2", "norm", ("linf", "l2")) == "l2"
    with pytest.raises(ValueError, match="one of 'linf', 'l2'. Received: no"):
        _checks.check_choice("l1", "norm", ("linf", "l2"))


@pytest.mark.parametrize("given", [0, 1, None, "True"])
def test_check_flag_takes_booleans_alone(given):
    assert _checks.check_flag(False, "flag") is False
    with pytest.raises(ValueError, match="`flag` must be True or False"):
        _checks.check_flag(given, "flag")


def test_an_error_out_of_a_keras_layer_keeps_its_text():
    class Refusing(keras.layers.Layer):
        def call(self, inputs):
            _checks.check(False, "images", "better", "worse", "Try again")
            return inputs

    text = "`images` must be better. Received: images='worse'. Try again"
    with pytest.raises(ValueError, match=text):
        Refusing()(np.zeros((1, 2), "float32"))
