"""A table from nothing, with real runs, stopped and continued."""

import json

import pytest

from keras_mixup import reproduce
from keras_mixup import runs
from keras_mixup.reproduce import lookup
from keras_mixup.reproduce import scales

NAME = "varmixup/table2_cifar"
ROWS = ("AT", "VarMixup", "VarMixup + VarMI")


@pytest.fixture
def tiny(monkeypatch):
    """Three rows at a scale of an epoch and ten images."""
    entry = reproduce.find(NAME)
    rows = tuple(row for row in entry.rows if row.label in ROWS)
    own = entry._replace(rows=rows, claims=())
    monkeypatch.setattr(lookup, "entries", lambda: {NAME: own})
    digits = scales.find("digits")
    scale = digits._replace(
        training={**digits.training, "epochs": 1, "num_train": 100},
        vae={"epochs": 1},
        # Steps of one batch: fewer leave it worse than a uniform image.
        plain_vae={"epochs": 40},
        evaluation={
            **digits.evaluation,
            "num_examples": 10,
            "adaptive_examples": 10,
            "adaptive_steps": 2,
            "num_draws": 2,
        },
        reasons={**digits.reasons, "num_train": "tiny", "num_draws": "tiny"},
    )
    monkeypatch.setattr(scales, "SCALES", {"digits": scale})


@pytest.mark.slow
def test_a_table_is_made_stopped_and_continued(tiny, tmp_path):
    said = []

    def stop():
        return "enough" if len(said) >= 3 else None

    where = (NAME, "digits", tmp_path)
    with pytest.raises(runs.Stopped):
        reproduce.reproduce(*where, progress=said.append, stop=stop)
    begun = len(list((tmp_path / "jobs").iterdir()))
    assert 1 <= begun < 5
    result = reproduce.reproduce(*where, yes=True)
    path = tmp_path / "digits" / "varmixup-table2_cifar.json"
    told = json.loads(path.read_text())
    assert len(told["jobs"]) == 5
    assert all(job["finished"] for job in told["jobs"].values())
    assert {cell["row"] for cell in told["cells"]} == set(ROWS)
    for cell in told["cells"]:
        assert cell["measured"]["num_examples"] == 10
    assert result.results[0].finished == 5
    times = [p.stat().st_mtime_ns for p in tmp_path.glob("jobs/*/job.json")]
    reproduce.reproduce(*where)
    again = [p.stat().st_mtime_ns for p in tmp_path.glob("jobs/*/job.json")]
    assert again == times


@pytest.mark.slow
def test_two_jobs_at_once_give_the_same_numbers(tiny, tmp_path):
    pages = []
    for jobs in (1, 2):
        where = (NAME, "digits", tmp_path / str(jobs))
        reproduce.reproduce(*where, yes=True, threads=1, jobs=jobs)
        path = where[2] / "digits" / "varmixup-table2_cifar.json"
        pages.append(json.loads(path.read_text())["cells"])
    assert pages[0] == pages[1]
