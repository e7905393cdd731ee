"""The table and the curves of the adaptive benchmark, and its resuming."""

import json

import numpy as np
import pytest

from benchmarks import adaptive
from benchmarks import adaptive_report


def line(attack, scored, selected=None, part="table", batch=0, **more):
    return {
        "part": part,
        "classifier": "net",
        "defence": "MI-OL 0.5",
        "attack": attack,
        "batch": batch,
        "scored": scored,
        "selected": scored if selected is None else selected,
        "passes": 40,
        "queries": 2,
        "seconds": 1.0,
        **more,
    }


LINES = [
    line("clean", [1.0, 1.0, 0.5]),
    line("pgd", [0.2, 0.9, 0.4], selected=[0.4, 0.8, 0.6]),
    # Looks stronger on the last example where it is chosen, but is not.
    line("eot", [0.1, 0.95, 0.8], selected=[0.0, 0.8, 0.2]),
    line("fixed_draws", [0.0, 0.0, 0.0]) | {"selected": None},
    line("100x15", [0.5, 1.0], part="steps"),
    line("50x1", [0.0, 1.0], part="draws"),
]


def test_the_worst_case_is_chosen_on_other_draws_than_it_is_scored_on():
    cells = {
        kind["attack"]: [kind]
        for kind in LINES
        if kind["part"] == "table" and kind["attack"] != "fixed_draws"
    }
    (worst,) = adaptive_report.worst(cells)
    assert worst["scored"] == [0.1, 0.95, 0.8]


def test_the_worst_case_covers_the_batches_that_all_attacks_have():
    first, second = (
        [line("a", [0.5]), line("a", [0.1], batch=1)],
        [line("b", [0.2])],
    )
    (worst,) = adaptive_report.worst({"a": first, "b": second})
    assert worst["scored"] == [0.2]


def test_tables_hold_means_in_percent_and_passes():
    alone = [line("clean", [1.0] * 3, defence="none", passes=0, queries=0)]
    rows = adaptive_report.table([*alone, *LINES]).splitlines()
    head = "| accuracy (%), n = 3 | net | net MI-OL 0.5 | passes |"
    assert rows[:2] == [head, "| --- | ---: | ---: | ---: |"]
    assert rows[2] == "| clean | 100.0 | 83.3 | 42 |"
    assert rows[3] == "| pgd |  | 50.0 | 42 |"
    assert rows[-1] == "| worst | 100.0 | 61.7 |  |"
    assert len(rows) == 2 + 4 + 1
    curves = adaptive_report.curve_table(LINES).splitlines()
    assert curves[2:] == [
        "| net | MI-OL 0.5 | 100x15 | 75.0 |",
        "| net | MI-OL 0.5 | 50x1 | 50.0 |",
    ]


def test_the_figure_is_a_picture():
    pytest.importorskip("matplotlib")
    assert adaptive_report.figure(LINES).startswith(b"\x89PNG")


def test_half_a_line_of_a_killed_call_is_cut_off(tmp_path):
    path = tmp_path / adaptive.RESULTS
    assert adaptive._read(path) == []
    path.write_text(json.dumps(LINES[0]) + "\n" + json.dumps(LINES[1])[:20])
    assert adaptive._read(path) == LINES[:1]
    adaptive._append(path, LINES[2])
    assert adaptive._read(path) == [LINES[0], LINES[2]]


def test_a_task_is_scored_with_the_draws_it_was_told():
    seen = []

    class Defence:
        classifier = apply = draw = None

        def __call__(self, images, seed=None):
            seen.append(seed is not None)
            return np.eye(2, dtype="float32")[[0, 1]]

    def make(images, labels, ids):
        return images, [3], [1]

    labels, ids = np.array([0, 0]), np.array([4, 7])
    images = np.zeros((2, 2, 2, 1), "float32")
    for told in (False, True):
        task = adaptive.Task("table", "MI", "a", Defence(), make, told)
        found = adaptive.run_task(task, images, labels, ids)
        assert found["scored"] == [1.0, 0.0]
        assert (found["selected"] is None) == told
        assert (found["passes"], found["queries"]) == (3, 1)
    assert all(seen)


def test_a_longer_call_begins_with_the_same_batches():
    short = list(adaptive.batches_of(20, 20))
    images, labels, ids = short[0]
    assert images.shape == (20, 8, 8, 1)
    np.testing.assert_array_equal(np.bincount(labels), [2] * 10)
    first, *rest = list(adaptive.batches_of(50, 20))
    np.testing.assert_array_equal(first[2], ids)
    assert [len(batch[2]) for batch in rest] == [20, 10]
    together = np.concatenate([first[2], *(batch[2] for batch in rest)])
    assert len(set(together.tolist())) == 50
