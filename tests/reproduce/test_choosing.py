"""Parameters chosen on validation images: the rule, the jobs, the page."""

import json

import pretended
import pytest

from keras_mixup import evaluation
from keras_mixup import registry
from keras_mixup import reproduce
from keras_mixup.reproduce import choosing
from keras_mixup.reproduce import document
from keras_mixup.reproduce import measuring
from keras_mixup.reproduce import pages
from keras_mixup.reproduce import scales
from keras_mixup.reproduce import store as store_lib
from keras_mixup.reproduce import writing

ENTRY = reproduce.find("mixup_inference/table2")
PLAN = pretended.plan(ENTRY)
NOISY = "Mixup + Gaussian noise"
NOISE = "gaussian_noise"


def choice(clean, robust, least):
    values = tuple(range(len(clean)))
    return choosing.Choice(NOISE, "stddev", values, clean, robust, least)


@pytest.mark.parametrize(
    ("clean", "robust", "least", "expected"),
    [
        # The most robust that keeps the clean accuracy.
        ((0.9, 0.8, 0.7), (0.1, 0.2, 0.3), 0.8, 1),
        ((0.9, 0.8, 0.7), (0.3, 0.2, 0.1), 0.8, 0),
        # Of equal ones the mildest.
        ((0.9, 0.8, 0.7), (0.2, 0.2, 0.3), 0.75, 0),
        # None keeps it: the least loss.
        ((0.5, 0.6, 0.4), (0.1, 0.1, 0.9), 0.8, 1),
    ],
)
def test_the_rule(clean, robust, least, expected):
    assert choice(clean, robust, least).value == expected


def evaluations(plan, row, column="clean"):
    return plan.cell(row, column).evaluations


def test_what_was_tried_is_needed_and_tells_the_job():
    (job,) = evaluations(PLAN, NOISY)
    tried = job.choices
    assert [own.settings["stddev"] for own in tried] == list(
        pretended.DIGITS.grids[NOISE]
    )
    for own in tried:
        assert own.settings["split"] == "validation"
        assert own.settings["pgd_steps"] == (10,)
        assert not own.settings["adaptive"]
        assert own.needs == job.needs
        assert not own.choices
        own.made()
    assert job._replace(choices=()).key != job.key
    assert job._replace(choices=tried[:2]).key != job.key
    places = {own.key: i for i, own in enumerate(PLAN.jobs)}
    assert all(places[own.key] < places[job.key] for own in tried)


def test_targeted_attacks_and_both_tables_take_the_same_choices():
    (job,) = evaluations(PLAN, NOISY)
    (aimed,) = evaluations(PLAN, NOISY, "targeted PGD-10")
    other = pretended.plan(reproduce.find("mixup_inference/table3"))
    assert aimed != job
    assert aimed.choices == job.choices
    keys = [own.key for own in job.choices]
    assert [j.key for j in evaluations(other, NOISY)[0].choices] == keys


def test_rows_without_a_grid_keep_the_papers():
    (ablation,) = evaluations(PLAN, "ERM + MI-OL (ablation study)")
    assert ablation.choices == ()
    paper = pretended.plan(ENTRY, scales.find("paper"))
    assert not any(job.choices for job in paper.jobs)
    table = pretended.plan(reproduce.find("varmixup/table2_cifar"))
    assert not any(job.choices for job in table.jobs)


@pytest.mark.parametrize("scale", scales.SCALES.values(), ids=scales.SCALES)
def test_a_grid_has_as_many_values_for_each_defence(scale):
    assert set(scale.grids) in (set(), set(choosing.SETTINGS))
    assert len({len(values) for values in scale.grids.values()}) <= 1
    for name in scale.grids:
        entry = registry.entry("defence", name)
        assert choosing.SETTINGS[name] in entry.flags.values()


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store of finished jobs, whose records are made up.

    On validation images the i-th parameters of the noise leave 10 - i of 10
    right answers without and i with an attack, all others 7 and 3.
    """
    made = store_lib.Store(tmp_path)
    names = dict.fromkeys(
        name for job in PLAN.jobs for name in job.settings.get("defences", ())
    )
    defences = {
        name: {"class": registry.entry("defence", name).path.split(":")[1]}
        for name in names
    }
    tried = [own.key for own in evaluations(PLAN, NOISY)[0].choices]

    def read(path):
        key = path.parent.name
        found = evaluation.Records(
            pretended.record(i, name, attack, i < hits(key, name, attack))
            for name in names
            for attack in ("clean", "pgd-10")
            for i in range(10)
        )
        found.defences = defences
        return found

    def hits(key, name, attack):
        if name == NOISE and key in tried:
            place = tried.index(key)
            return 10 - place if attack == "clean" else place
        return 7 if attack == "clean" else 3

    monkeypatch.setattr(evaluation, "read_records", read)
    for job in PLAN.jobs:
        pretended.finish(job, made)
    return made


def test_an_evaluation_takes_what_was_chosen(store):
    (job,) = evaluations(PLAN, NOISY)
    found = store.choices(job)
    assert list(found) == list(choosing.SETTINGS)
    noise = found[NOISE]
    assert noise.clean[:2] == (1.0, 0.9) and noise.robust[:2] == (0.0, 0.1)
    # 7 of 10 are MI-OL's; the fourth parameter is the last that keeps them.
    assert (noise.least, noise.place) == (0.7, 3)
    places = store.places(job)
    assert places["stddev"] == noise.value == pretended.DIGITS.grids[NOISE][3]
    assert job.made(**places).stddev == noise.value
    known = store.known(job)
    assert known["settings"]["stddev"] == noise.value
    assert set(known["needs"]) > {own.key for own in job.choices}


def test_without_what_was_tried_an_evaluation_is_done_anew(store):
    (job,) = evaluations(PLAN, NOISY)
    assert store.finished(job)
    first = job.choices[0]
    store.note(first, 0.0, 0.0, False)
    assert not store.finished(job)
    (aimed,) = evaluations(PLAN, NOISY, "targeted PGD-10")
    assert not store.finished(aimed)


def test_records_without_a_defence_are_named(store, monkeypatch):
    (job,) = evaluations(PLAN, NOISY)
    read = evaluation.read_records

    def fewer(path):
        found = read(path)
        found[:] = [own for own in found if own.defence != NOISE]
        return found

    monkeypatch.setattr(evaluation, "read_records", fewer)
    assert store.choices(job)  # They were read before.
    with pytest.raises(ValueError, match="no records of gaussian_noise"):
        store_lib.Store(store.path).choices(job)


def test_the_page_shows_the_grid_and_the_choice(store, monkeypatch):
    monkeypatch.setattr(measuring.Reader, "table", lambda self, plan: {})
    found = pages.results(PLAN, store, measuring.Reader(store))
    shown = list(choosing.blocks(PLAN, found.choices))
    heading, text, table = shown
    assert heading == document.Heading("Parameters chosen on validation images")
    assert text == document.Text(choosing.RULE)
    rows = {row[0]: row for row in table.rows}
    assert set(rows) == {
        f"{method} + {other}"
        for method in ("Mixup", "Interpolated AT")
        for other in (
            "Gaussian noise",
            "Random rotation",
            "Xie et al. (2018)",
            "Guo et al. (2018)",
        )
    }
    _, setting, chosen, least, tried = rows[NOISY]
    assert (setting, chosen, least) == ("stddev", "0.15", "70.0")
    assert tried[4] == "0.15: 70.0, 30.0"
    (job,) = evaluations(PLAN, NOISY)
    command = pages.shell(job, found.choices[job.key])
    assert "--stddev=0.15 " in command
    assert "--crop_pad_range=7,8 " in command
    assert not list(choosing.blocks(PLAN, {}))
    told = json.loads(json.dumps(writing.as_json(found)))["choices"]
    assert told[job.key][0]["chosen"] == 0.15
    assert len(told) == 4
