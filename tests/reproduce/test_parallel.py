"""Several jobs at once: the order, the share of the cores, the ends."""

import json
import os
import pathlib

import pretended
import pytest

from keras_mixup import reproduce
from keras_mixup import runs
from keras_mixup.reproduce import parallel
from keras_mixup.reproduce import running
from keras_mixup.reproduce import store as store_lib

# Two trainings, and an evaluation of each.
JOBS = pretended.plan().jobs[:4]


@pytest.fixture
def store(tmp_path, monkeypatch):
    here = str(pathlib.Path(__file__).parent)
    known = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, known]))
    monkeypatch.setattr(parallel, "_CHILD", "pretended_job")
    found = store_lib.Store(tmp_path)
    found.data = {"digits": "a digest"}
    return found


def run(store, said=None, stop=lambda: None, **asked):
    (store.path / "asked.json").write_text(json.dumps(asked))
    machine = {"data_dir": None, "threads": None}
    say = (said if said is not None else []).append
    running.run_missing(
        JOBS, store, say, stop, lambda jobs: 60.0 * len(jobs), 2, **machine
    )


def test_what_a_job_needs_precedes_it_and_two_run_at_once(store):
    said = []
    run(store, said)
    told = [
        json.loads((store.path / f"{job.key}.json").read_text()) for job in JOBS
    ]
    ends = {one["key"]: one["end"] for one in told}
    for job, one in zip(JOBS, told, strict=True):
        assert all(one["start"] > ends[need.key] for need in job.needs)
        assert one["data"] == {"digits": "a digest"}
        share = max((os.cpu_count() or 1) // 2, 1)
        assert one["machine"] == {"data_dir": None, "threads": share}
    at_once = [
        sum(o["start"] < e["end"] and e["start"] < o["end"] for o in told)
        for e in told
    ]
    assert max(at_once) >= 2
    assert len(said) == 4
    assert said[0].endswith("about 2 min left") and "[1/4]" in said[0]
    assert not list(store.path.rglob("*.log"))


def test_a_failed_job_is_named_with_its_last_line(store):
    with pytest.raises(RuntimeError, match="the disk is full") as error:
        run(store, fails=JOBS[0].label)
    assert JOBS[0].label in str(error.value)
    log = parallel.log_of(JOBS[0], store)
    assert str(log) in str(error.value) and "full" in log.read_text()


def test_a_stopped_call_ends_its_processes(store):
    begun = JOBS[0].key + ".begun"

    def stop():
        return "enough" if (store.path / begun).exists() else None

    with pytest.raises(runs.Stopped, match="with 4 jobs left .enough"):
        run(store, stop=stop, waits=True)
    assert not list(store.path.glob("*.json"))[1:]  # asked.json alone


@pytest.mark.parametrize("jobs", [0, 1.5, "2"])
def test_the_number_of_jobs_is_checked(jobs, tmp_path):
    with pytest.raises(ValueError, match="`jobs` must be an integer >= 1"):
        reproduce.reproduce(pretended.ENTRY.name, "digits", tmp_path, jobs=jobs)
