"""Entries and scales of a user: run, written, shared, refused."""

import pathlib
import re

import pretended
import pytest

from keras_mixup import reproduce
from keras_mixup import runs
from keras_mixup.reproduce import adapting
from keras_mixup.reproduce import catalogue
from keras_mixup.reproduce import own
from keras_mixup.reproduce import planning
from keras_mixup.reproduce import reproducing
from keras_mixup.reproduce import running
from keras_mixup.reproduce import scales
from keras_mixup.reproduce import store as store_lib

AT = "digits/adversarial_training.flags"
UNATTACKED = dict.fromkeys(("eps", "step_size", "num_steps", "clean_weight"))
ENTRY = reproduce.Entry(
    name="mine/averages",
    source="Averages of weights: accuracy (%) on digits",
    columns=(
        reproduce.Column("clean", "digits"),
        reproduce.Column("PGD-10", "digits", {}, "pgd", 10),
    ),
    rows=tuple(
        reproduce.Row(
            label, AT, "digits/evaluate.flags", {"defences": ""}, trained=own
        )
        for label, own in {
            "AT": {},
            "AT + SWA": {"weight_average": "swa"},
            "Mixup": {"algorithm": "mixup", **UNATTACKED},
        }.items()
    ),
    claims=(
        reproduce.Claim(
            "SWA helps",
            "of ours",
            catalogue.above("AT + SWA", "AT", "PGD-10"),
            ours=True,
        ),
    ),
)
SCALE = reproduce.Scale(
    name="minutes",
    about="A few epochs.",
    datasets={"digits": "digits"},
    training={"epochs": 3},
    seeds=(0, 1),
)

ON_CIFAR10 = ENTRY._replace(
    columns=(reproduce.Column("clean", "cifar10"),),
    rows=(
        reproduce.Row(
            "AT",
            "adversarial_mixup/attack_{dataset}.flags",
            "adversarial_mixup/evaluate.flags",
        ),
    ),
    claims=(),
)


def plan(entry=ENTRY, scale=SCALE):
    return planning.plan(entry, scale)


def with_row(**changes):
    """The entry with its second row changed."""
    first, second, *others = ENTRY.rows
    return ENTRY._replace(rows=(first, second._replace(**changes), *others))


@pytest.fixture
def done(monkeypatch):
    """Runs that only leave files: SWA resists on more images."""
    called = []
    every = [*plan().jobs, *plan(ON_CIFAR10, scales.find("digits")).jobs]
    jobs = {job.key: job for job in every}

    def right(label, attack, example):
        seed = label.endswith("1")
        return attack == "clean" or example < (
            15 if "SWA" in label else 5 + seed
        )

    def run(settings, run_dir, resume=False, stop=None):
        called.append(jobs[run_dir.name].label)
        store = store_lib.Store(run_dir.parent.parent)
        pretended.finish(jobs[run_dir.name], store, right)

    monkeypatch.setattr(running, "_forget", lambda: None)
    monkeypatch.setattr(runs, "train", run, raising=False)
    monkeypatch.setattr(runs, "evaluate", run, raising=False)
    costs = reproducing.costs_lib
    monkeypatch.setattr(costs, "time_pass", lambda job, **machine: 1e-6)
    return called


def test_an_entry_and_a_scale_of_ones_own_are_run_and_written(tmp_path, done):
    found = reproduce.reproduce(ENTRY, SCALE, tmp_path, yes=True)
    assert len(done) == 12 and done[0].startswith("adversarial training")
    place = tmp_path / "minutes"
    written = {path.name for path in place.iterdir()}
    assert written == {
        f"mine-averages.{s}" for s in ("md", "html", "json", "svg")
    }
    assert found.files[0] == place / "mine-averages.md"
    assert "mine/averages:\n  holds: SWA helps" in found.text
    text = found.files[0].read_text("utf-8")
    assert found.results[0].table in text
    assert "| AT | 100.0 ± 0.0 (" in text and "| 27.5 ± 3.5 (" in text
    assert "paper" not in text.split("## Claims")[0]
    assert "| setting | given | here |" in text
    assert "reproduce --entry" not in text
    reproduce.reproduce(ENTRY, SCALE, tmp_path)
    assert len(done) == 12


def test_an_index_of_the_papers_stays_as_it_is(tmp_path, done):
    index = tmp_path / "digits" / "index.md"
    index.parent.mkdir()
    index.write_text("as it was")
    reproduce.reproduce([ON_CIFAR10], "digits", tmp_path)
    assert done == ["attack", "attacks on attack"]
    assert index.read_text() == "as it was"
    assert (tmp_path / "digits" / "mine-averages.md").is_file()


def test_a_rows_settings_replace_those_of_its_file_and_of_the_scale():
    scale = SCALE._replace(seeds=(0,), attacked={"num_steps": 7})
    found = plan(with_row(trained={"epochs": 5, "num_steps": 2}), scale)
    at, own, mixup = (
        found.jobs_of(row.label)[0].settings for row in ENTRY.rows
    )
    assert (at["epochs"], at["num_steps"]) == (3, 7)
    assert (own["epochs"], own["num_steps"]) == (5, 2)
    assert not UNATTACKED.keys() & mixup.keys()
    assert mixup["algorithm"] == "mixup" and mixup["epochs"] == 3


def test_what_a_row_sets_is_no_deviation_and_the_scale_is():
    for job in plan().jobs:
        if job.kind == "train":
            changed = [d.setting for d in adapting.differences(job, SCALE)]
            assert changed == ["epochs"]


def test_rows_of_equal_settings_share_their_jobs():
    # The same setting in two ways, one of them that of the file.
    same = with_row(trained={"eps": "1/10"})
    found = plan(same, SCALE._replace(seeds=(0,)))
    first, second = (found.jobs_of(row.label) for row in same.rows[:2])
    assert [job.key for job in first] == [job.key for job in second]
    assert len(found.jobs) == 4
    other = plan(ENTRY, SCALE._replace(seeds=(0,)))
    assert len(other.jobs) == 6


def test_commands_of_a_row_have_its_settings():
    at, swa, mixup = (ENTRY.commands(row) for row in ENTRY.rows)
    base = f"keras-mixup train --flagfile={AT} --run_dir=runs/digits-at"
    assert at[0] == base
    assert swa[0] == f"{base}-weight_average-swa --weight_average=swa"
    assert "--flagfile" not in mixup[0] and "--eps" not in mixup[0]
    assert "--algorithm=mixup" in mixup[0] and "--epochs=120" in mixup[0]
    (run_dir,) = re.findall(r"--run_dir=\S+", mixup[0])
    assert mixup[1].endswith(run_dir)


def test_a_flag_file_may_be_ones_own(tmp_path):
    path = tmp_path / "mine.flags"
    path.write_text("--dataset=digits\n--algorithm=erm\n--epochs=2\n")
    entry = with_row(training=str(path), trained={})
    assert own.entries(entry) == [entry]
    job = plan(entry).jobs_of("AT + SWA")[0]
    assert job.settings["algorithm"] == "erm"
    assert (
        f"--flagfile={path} --run_dir=runs/mine"
        in entry.commands(entry.rows[1])[0]
    )


@pytest.mark.parametrize("name", scales.SCALES)
def test_scales_and_entries_of_the_papers_are_accepted_as_objects(name):
    scale = scales.find(name)
    assert own.scale(scale) is scale
    every = list(reproduce.entries().values())
    assert own.entries("all") == own.entries(every) == every


def test_entries_of_the_papers_pass_the_checks_of_ones_own():
    for entry in reproduce.entries().values():
        if isinstance(entry, reproduce.Entry):
            mine = entry._replace(name=f"mine/{entry.name}")
            assert own.entries([mine]) == [mine]


PAPERS = reproduce.find("adversarial_mixup/table3")
CLAIM = ENTRY.claims[0]
TYPO = CLAIM._replace(comparisons=catalogue.above("AT + SVA", "AT", "PGD-10"))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (5, "`entry` must be a name, all, an Entry"),
        ([], "`entry` must be a name, all, an Entry"),
        ([ENTRY, 5], "`entry` must be the name of one or more, all, or an"),
        (ENTRY.rows[0], "`entry` must be"),
        (PAPERS._replace(note="ours"), "entry.name.*differs.*table3"),
        (
            ENTRY._replace(name="adversarial_mixup-table3"),
            "entry.name.*differs.*-table3",
        ),
        (ENTRY._replace(name="../up"), "`entry.name` must be parts of letters"),
        (ENTRY._replace(name="index"), "`entry.name` must be another one"),
        ([ENTRY, ENTRY._replace(note="b")], "`entry` must be of different"),
        (ENTRY._replace(rows=()), "`entry.rows` must be a tuple of Row"),
        (ENTRY._replace(rows=ENTRY.rows[:1] * 2), "of different labels"),
        (
            with_row(trained={"weight_avrage": "swa"}),
            r'`entry.rows\[1\].trained` must be.*"weight_average"',
        ),
        (
            with_row(trained={"epochs": "many"}),
            r"entry.rows\[1\].trained\['epochs'\]. must be a whole number",
        ),
        (with_row(trained={"seed": 3}), "without seed, which is decided"),
        (with_row(trained=3), r"entry.rows\[1\].trained. must be a dict"),
        (with_row(settings={"epochs": 3}), r"rows\[1\].settings. must be one"),
        (
            with_row(training="digits/ta.flags"),
            r"rows\[1\].training. must be a flag file.*ta.flags",
        ),
        (with_row(published=(None,)), r"rows\[1\].published. must be .* of 2"),
        (
            ENTRY._replace(columns=(ENTRY.columns[1]._replace(steps=None),)),
            "`steps of column PGD-10` must be",
        ),
        (ENTRY._replace(claims=(TYPO,)), '"AT \\+ SWA"'),
    ],
)
def test_an_entry_that_cannot_be_used_is_refused(tmp_path, entry, expected):
    with pytest.raises(ValueError, match=expected):
        reproduce.reproduce(entry, SCALE, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (3, "`scale` must be digits, cifar10_cpu, paper or a Scale"),
        ("digit", 'mean "digits"'),
        (SCALE._replace(name="digits"), "`scale.name` must be another one"),
        (SCALE._replace(name="a/b"), "`scale.name` must be parts"),
        (SCALE._replace(seeds=(0, 0)), "`scale.seeds` must be different"),
        (SCALE._replace(radius=0), "`scale.radius` must be"),
        (SCALE._replace(training={"epoch": 3}), "`scale.training` must be one"),
        (
            SCALE._replace(attacks={"pgd": {"epochs": 3}}),
            r"scale.attacks\['pgd",
        ),
        (SCALE._replace(reasons=None), "`scale.reasons` must be a dict"),
        (
            SCALE._replace(datasets={"cifar10": "digits"}),
            "`scale` must be a scale with a data set for digits.*minutes",
        ),
    ],
)
def test_a_scale_that_cannot_be_used_is_refused(tmp_path, scale, expected):
    with pytest.raises(ValueError, match=expected):
        reproduce.reproduce(ENTRY, scale, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_example_of_the_docs_is_accepted():
    """It is run whole by the slow tests of the docs."""
    root = pathlib.Path(__file__).parents[2]
    text = (root / "docs" / "reproduce.md").read_text("utf-8")
    section = text.split("## A comparison of your own")[1].split("\n## ")[0]
    code = section.split("```py\n")[1].split("```")[0]
    made = {}
    exec(code.split("\nresult = ")[0], made)
    (entry,), scale = own.entries(made["entry"]), own.scale(made["scale"])
    assert len(plan(entry, scale).jobs) == 2 * 2 * len(entry.rows)
