"""The comparison of a reloaded answer: every output, every dtype."""

import numpy as np
import pytest

from keras_mixup.export import selfcheck

ANSWER = {
    "probabilities": np.float32([[0.7, 0.2, 0.1], [0.5, 0.5, 0.0]]),
    "label": np.int32([0, 1]),
    "score": np.float32([0.4, 0.2]),
    "is_adversarial": np.array([True, False]),
    "threshold": np.float32([0.2, 0.2]),
    "count": np.int32([3, 4]),
}


def compare(repeatable=True, **replaced):
    received = {**ANSWER, **replaced}
    received = {k: v for k, v in received.items() if v is not None}
    selfcheck.compare_answers("seeded", ANSWER, received, 1e-4, repeatable)


def test_an_equal_answer_passes():
    compare()
    compare(probabilities=ANSWER["probabilities"] + np.float32(5e-5))


def test_rounding_may_turn_a_tie_and_nothing_else():
    # The second row's two labels, and its score at the threshold, are ties.
    compare(label=np.int32([0, 0]), is_adversarial=np.array([True, True]))


@pytest.mark.parametrize(
    ("replaced", "text"),
    [
        (
            {"probabilities": np.float32([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1]])},
            "seeded/probabilities: largest difference 0.1, allowed 0.0001",
        ),
        (
            {"label": np.int32([2, 1])},
            "seeded/label: row 0 is 2, expected 0",
        ),
        (
            {"is_adversarial": np.array([False, False])},
            "seeded/is_adversarial: row 0 is False, expected True",
        ),
        ({"count": np.int32([3, 5])}, "seeded/count: row 1 is 5, expected 4"),
    ],
    ids=["float", "int", "bool", "other"],
)
def test_a_difference_in_any_dtype_is_found(replaced, text):
    with pytest.raises(RuntimeError, match=text):
        compare(**replaced)
    # Of other draws nothing else can be said.
    compare(repeatable=False, **replaced)


@pytest.mark.parametrize("repeatable", [True, False])
@pytest.mark.parametrize(
    ("replaced", "text"),
    [
        ({"label": np.int64([0, 1])}, "int64 .2,., not int32"),
        ({"label": np.int32([0])}, r"int32 \(1,\), not int32 \(2,\)"),
        ({"label": None}, r"outputs \['count'"),
        ({"another": np.int32([0])}, r"outputs \['another'"),
        ({"score": np.float32([0.4, np.nan])}, "score: NaN or infinity"),
        ({"threshold": np.float32([0.2, 0.2001])}, "threshold: largest diff"),
    ],
    ids=["dtype", "shape", "missing", "extra", "nan", "threshold"],
)
def test_form_and_threshold_are_compared_always(replaced, text, repeatable):
    with pytest.raises(RuntimeError, match=text):
        compare(repeatable, **replaced)


def test_half_precision_gets_a_wider_tolerance():
    tolerance = selfcheck.TOLERANCE
    assert tolerance["float32"] < 1e-3 < tolerance["bfloat16"] < 0.1
