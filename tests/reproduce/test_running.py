"""Running jobs: resumed, stopped, refused; the runs themselves pretended."""

import json
import shutil

import pretended
import pytest

from keras_mixup import reproduce
from keras_mixup import runs
from keras_mixup.cli import main
from keras_mixup.reproduce import images
from keras_mixup.reproduce import lookup
from keras_mixup.reproduce import planned
from keras_mixup.reproduce import reproducing
from keras_mixup.reproduce import running
from keras_mixup.reproduce import scales
from keras_mixup.reproduce import store as store_lib

JOBS = pretended.plan().jobs
NAME = pretended.ENTRY.name


@pytest.fixture
def few(monkeypatch):
    """A catalogue of two entries."""
    found = {name: reproduce.find(name) for name in (NAME, "varmixup/table4")}
    monkeypatch.setattr(lookup, "entries", lambda: found)


@pytest.fixture
def done(monkeypatch, few):
    """The runs that were called, which only leave files."""
    called = []

    def run(kind):
        def pretend(settings, run_dir, resume=False, stop=None):
            called.append(run_dir.name)
            store = store_lib.Store(run_dir.parent.parent)
            (job,) = (j for j in JOBS if j.key == run_dir.name)
            assert job.kind == kind
            assert settings.dataset in (None, "digits")
            pretended.finish(job, store)

        return pretend

    # Slow beside what other tests hold.
    monkeypatch.setattr(running, "_forget", lambda: None)
    monkeypatch.setattr(runs, "train", run("train"), raising=False)
    monkeypatch.setattr(runs, "evaluate", run("evaluate"), raising=False)
    return called


def missing(store, **options):
    said = []
    running.run_missing(
        JOBS, store, said.append, options.pop("stop", lambda: None), **options
    )
    return said


def test_each_job_is_done_once_and_in_order(tmp_path, done):
    store = store_lib.Store(tmp_path / "results")
    said = missing(store, left=lambda jobs: 60.0 * len(jobs))
    assert done == [job.key for job in JOBS]
    assert said[0].startswith("[1/6] train: attack wrn34; about 6 min left")
    missing(store)
    assert len(done) == len(JOBS)


def test_a_stopped_call_goes_on_where_it_was(tmp_path, done):
    store = store_lib.Store(tmp_path)
    with pytest.raises(runs.Stopped, match="before job 3 of 6"):
        missing(store, stop=lambda: "enough" if len(done) == 2 else None)
    assert done == [job.key for job in JOBS[:2]]
    missing(store)
    assert done == [job.key for job in JOBS]


def test_a_job_that_was_killed_is_done_again(tmp_path, done, monkeypatch):
    store = store_lib.Store(tmp_path)

    def killed(settings, run_dir, resume=False, stop=None):
        run_dir.mkdir(parents=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs, "train", killed)
        with pytest.raises(KeyboardInterrupt):
            missing(store)
    assert not store.finished(JOBS[0]) and store.known(JOBS[0])
    missing(store)
    assert done == [job.key for job in JOBS]
    assert store.known(JOBS[0])["seconds"] >= 2.0


def test_results_of_other_settings_are_refused(tmp_path):
    store = store_lib.Store(tmp_path)
    pretended.finish(JOBS[0], store)
    assert store.finished(JOBS[0])
    path = store.folder(JOBS[0]) / store_lib.JOB
    told = json.loads(path.read_text())
    told["settings"]["epochs"] = 7
    path.write_text(json.dumps(told))
    with pytest.raises(ValueError, match="epochs=7, wanted epochs=120"):
        store.finished(JOBS[0])


def test_a_damaged_description_is_named(tmp_path):
    store = store_lib.Store(tmp_path)
    pretended.finish(JOBS[0], store)
    path = store.folder(JOBS[0]) / store_lib.JOB
    told = json.loads(path.read_text())
    del told["settings"]
    path.write_text(json.dumps(told))
    for read in (lambda: store.finished(JOBS[0]), store.all_known):
        with pytest.raises(ValueError, match=f"{path} is damaged: it lacks se"):
            read()


def test_pages_of_a_single_job_of_other_images_are_refused(tmp_path, few):
    store = store_lib.Store(tmp_path)
    store.data = {"digits": "these"}
    pretended.finish(JOBS[0], store)
    with pytest.raises(ValueError, match="other images of digits, these"):
        reproduce.write_pages("digits", tmp_path)


def test_images_that_are_not_here_are_said(tmp_path, few, monkeypatch):
    def absent(name, data_dir):
        raise FileNotFoundError(name)

    monkeypatch.setattr(images, "_digest", absent)
    pretended.finish(JOBS[0], store_lib.Store(tmp_path))
    said = []
    reproduce.write_pages("digits", tmp_path, progress=said.append)
    assert said == ["The images of digits are not here, and not checked."]


def published(name):
    """The evaluation of corrupted images that stands for VarMixup's."""
    plan = planned.plan(reproduce.find("varmixup/table4"), scales.find(name))
    return [job for job in plan.jobs if job.reads_corrupted]


def test_absent_corrupted_images_are_found_before_any_work(tmp_path):
    wanted = published("cifar10_cpu")
    assert {images.dataset_of(job) for job in wanted} == {"cifar10"}
    with pytest.raises(FileNotFoundError, match="the data set 'cifar10_c'"):
        images.check_corrupted(wanted, data_dir=str(tmp_path))
    wanted = [j for j in published("paper") if j.corrupted_folder]
    read = {images.dataset_of(j): j.corrupted_folder for j in wanted}
    assert read == {
        "cifar100": "CIFAR-100-C",
        "tiny_imagenet": "Tiny-ImageNet-C",
    }
    with pytest.raises(ValueError, match="`corruption_dir` must be the unpack"):
        images.check_corrupted(wanted)
    with pytest.raises(FileNotFoundError, match="which lacks"):
        images.check_corrupted(wanted, corruption_dir=str(tmp_path))
    key = wanted[0].key
    found = wanted[0].made(corruption_dir="c").corruption_dir
    assert found == f"c/{wanted[0].corrupted_folder}"
    assert wanted[0].key == key


def test_a_folder_of_corrupted_images_that_nothing_reads_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`corruption_dir` must be left out"):
        reproduce.reproduce(NAME, "digits", tmp_path, corruption_dir="c")
    assert not list(tmp_path.iterdir())


def test_results_under_another_key_are_refused(tmp_path):
    store = store_lib.Store(tmp_path)
    first, other = [j for j in JOBS if j.kind == "train"][:2]
    pretended.finish(first, store)
    shutil.copytree(store.folder(first), store.folder(other))
    with pytest.raises(ValueError, match="results of other|another job"):
        store.finished(other)


def test_results_of_other_images_are_refused(tmp_path):
    store = store_lib.Store(tmp_path)
    store.data = {"digits": "these"}
    pretended.finish(JOBS[0], store)
    other = store_lib.Store(tmp_path)
    assert other.finished(JOBS[0])  # Which images is not asked yet.
    assert other.data == {"digits": "these"}
    other.data = {"digits": "those"}
    with pytest.raises(ValueError, match="other images of digits, these"):
        other.finished(JOBS[0])


def test_data_that_are_not_there_are_named_before_any_work(tmp_path):
    with pytest.raises(FileNotFoundError, match="cifar10"):
        reproduce.reproduce(
            NAME, "paper", tmp_path / "results", data_dir=str(tmp_path)
        )
    assert not (tmp_path / "results").exists()


def test_attacks_on_another_network_are_refused(tmp_path):
    store = store_lib.Store(tmp_path)
    for job in JOBS[:2]:
        pretended.finish(job, store)
    assert store.finished(JOBS[1])
    (store.folder(JOBS[1]) / "final.keras").write_text("another")
    with pytest.raises(ValueError, match="attacks on another network"):
        store.finished(JOBS[1])


def test_an_unknown_entry_is_refused_with_the_list(tmp_path):
    with pytest.raises(ValueError, match='mean "mixup_inference/table2"'):
        reproduce.reproduce("mixup_inference/tabel2", "digits", tmp_path)
    with pytest.raises(ValueError, match="one of digits, cifar10_cpu, paper"):
        reproduce.reproduce(NAME, "imagenet", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_hours_of_work_are_asked_for(tmp_path, monkeypatch, done):
    monkeypatch.setattr(
        reproducing.costs_lib, "time_pass", lambda job, **machine: 10.0
    )
    with pytest.raises(ValueError, match="6 jobs at the scale digits.*`yes`"):
        reproduce.reproduce(NAME, "digits", tmp_path)
    assert done == []
    result = reproduce.reproduce(NAME, "digits", tmp_path, yes=True)
    assert result.files[0] == tmp_path / "digits" / "index.md"
    assert NAME in result.text


def test_a_stopped_call_writes_what_is_there(tmp_path, monkeypatch, done):
    monkeypatch.setattr(
        reproducing.costs_lib, "time_pass", lambda job, **machine: 1e-6
    )

    def stop():
        return "enough" if len(done) == 2 else None

    with pytest.raises(runs.Stopped):
        reproduce.reproduce(NAME, "digits", tmp_path, stop=stop)
    page = tmp_path / "digits" / "adversarial_mixup-table3.md"
    text = page.read_text("utf-8")
    assert "2 of 6 jobs are finished" in text and "not yet" in text


def test_the_list_has_costs_after_jobs_of_the_kind(tmp_path, few):
    store = store_lib.Store(tmp_path)
    pretended.finish(JOBS[0], store)
    (line,) = (
        line
        for line in reproduce.listing(tmp_path).splitlines()
        if line.startswith(NAME)
    )
    assert "1 of 6 jobs, about" in line and "cost unknown" in line


def test_some_rows_are_computed_and_the_others_left_for_later(
    tmp_path, monkeypatch, done
):
    monkeypatch.setattr(
        reproducing.costs_lib, "time_pass", lambda job, **machine: 1e-6
    )
    rows = ("Ours, Alg. 4+5+6", "Baseline")
    found = reproduce.reproduce(NAME, "digits", tmp_path, rows=rows)
    own = pretended.plan().jobs_of(*rows)
    assert done == [job.key for job in own] and len(own) == 4
    text = found.files[0].with_name("adversarial_mixup-table3.md").read_text()
    assert "4 of 6 jobs are finished" in text and "not yet" in text
    reproduce.reproduce(NAME, "digits", tmp_path)
    assert len(done) == len(JOBS)


@pytest.mark.parametrize(
    ("entry", "rows", "expected"),
    [
        (NAME, ["Basline"], 'rows.*mean "Baseline"'),
        (NAME, "Baseline", ".rows. must be a sequence of labels"),
        ("mixup_inference/fig4", ["Baseline"], ".rows. must be empty, since"),
    ],
)
def test_rows_that_no_table_has_are_refused(tmp_path, entry, rows, expected):
    with pytest.raises(ValueError, match=expected):
        reproduce.reproduce(entry, "digits", tmp_path, rows=rows)
    assert list(tmp_path.iterdir()) == []


def test_the_list_counts_what_is_asked(tmp_path, few):
    store = store_lib.Store(tmp_path)
    pretended.finish(JOBS[0], store)
    rows = ("Ours, Alg. 4+5+6", "Baseline")
    options = {"entry": NAME, "rows": rows}
    one, two = (
        reproduce.listing(tmp_path, "digits", **options, jobs=jobs)
        for jobs in (1, 2)
    )
    _, line = one.splitlines()
    assert line.startswith(NAME) and "1 of 4 jobs, about" in line
    assert one != two and "1 of 4 jobs, about" in two


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"entry": "mixup_inference/tabl2"}, 'mean "mixup_inference/table2"'),
        ({"entry": NAME, "rows": ["Basline"]}, 'rows.*mean "Baseline"'),
        ({"rows": ["Baseline"]}, ".rows. must be empty, since"),
        ({"jobs": 0}, ".jobs. must"),
    ],
)
def test_the_list_refuses_what_there_is_not(tmp_path, given, expected):
    with pytest.raises(ValueError, match=expected):
        reproduce.listing(tmp_path, **given)


@pytest.mark.parametrize(
    "given",
    [
        *("--list --corruption_dir=x", "--list --yes", "--list --output=x"),
        *("--list --max_minutes=1", "--list --data_dir=x", "--list --pages"),
        *("--pages --corruption_dir=x", "--pages --rows=x", "--pages --jobs=2"),
        *("--pages --entry=all", "--pages --yes", "--pages --threads=1"),
        "--pages --max_minutes=1",
    ],
)
def test_what_a_mode_does_not_read_is_refused(given, tmp_path, capsys):
    argv = ["reproduce", *given.split(), f"--results_dir={tmp_path}"]
    assert main.exit_code("reproduce", argv) == 2
    mode, name = (part[2:].partition("=")[0] for part in given.split())
    expected = f"`{name}` must be left out beside --{mode}"
    assert expected in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
