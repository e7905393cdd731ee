"""Learning rates at hand-computed steps."""

import keras
import numpy as np
import pytest

from keras_mixup import training


def rates(schedule, steps):
    return [float(schedule(np.int64(step))) for step in steps]


def test_constant_is_the_number_itself():
    assert training.make_schedule(0.1, 10, 5) == 0.1


def test_piecewise_by_epoch_drops_at_the_first_step_after_it():
    schedule = training.make_schedule(
        0.01, 10, 200, "piecewise", drops=[100, 150]
    )
    found = rates(schedule, [0, 999, 1000, 1499, 1500, 1999])
    expected = [0.01, 0.01, 0.001, 0.001, 0.0001, 0.0001]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_piecewise_by_fraction_of_the_run():
    schedule = training.make_schedule(
        0.003, 7, 100, "piecewise", drops=[0.7, 0.9]
    )
    found = rates(schedule, [489, 490, 629, 630])
    np.testing.assert_allclose(
        found, [0.003, 0.0003, 0.0003, 0.00003], rtol=1e-6
    )


def test_cosine_is_half_way_down_in_the_middle_and_zero_at_the_end():
    schedule = training.make_schedule(0.2, 10, 10, "cosine")
    np.testing.assert_allclose(
        rates(schedule, [0, 50, 100]), [0.2, 0.1, 0.0], atol=1e-8
    )


def test_warm_up_is_linear_and_then_out_of_the_way():
    schedule = training.make_schedule(0.4, 4, 10, warmup_epochs=1)
    found = rates(schedule, [0, 1, 2, 3, 4, 30])
    np.testing.assert_allclose(found, [0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


def test_warm_up_survives_an_optimizers_config():
    schedule = training.make_schedule(0.4, 4, 10, "cosine", warmup_epochs=1)
    optimizer = keras.optimizers.SGD(schedule)
    config = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(config)
    again.iterations.assign(1)
    optimizer.iterations.assign(1)
    assert float(again.learning_rate) == float(optimizer.learning_rate)
    assert 0.0 < float(again.learning_rate) < 0.21


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "linear"}, "`kind` must be one of"),
        ({"kind": "piecewise"}, "`drops` must be increasing"),
        ({"kind": "piecewise", "drops": [8, 4]}, "`drops` must be increasing"),
        ({"kind": "piecewise", "drops": [10]}, "within 10 epochs"),
        ({"kind": "cosine", "drops": [5]}, "empty for the cosine schedule"),
        ({"warmup_epochs": -1}, "`warmup_epochs` must be"),
    ],
)
def test_bad_schedules_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        training.make_schedule(0.1, 10, 10, **options)


def test_rate_must_be_positive():
    with pytest.raises(ValueError, match="`learning_rate` must be"):
        training.make_schedule(0.0, 10, 10)
