"""Pages: numbers from records, beside the paper's; verdicts; Markdown, HTML."""

import json
import shlex

import pretended
import pytest

from keras_mixup import _corruption_kinds
from keras_mixup import _files
from keras_mixup import reproduce
from keras_mixup.cli import evaluate
from keras_mixup.cli import train
from keras_mixup.reproduce import document
from keras_mixup.reproduce import images
from keras_mixup.reproduce import jobs
from keras_mixup.reproduce import lookup
from keras_mixup.reproduce import measuring
from keras_mixup.reproduce import pages
from keras_mixup.reproduce import planning
from keras_mixup.reproduce import scales
from keras_mixup.reproduce import store as store_lib

PLAN = pretended.plan()
CIFAR10 = scales.find("cifar10_cpu")


def right(label, attack, example):
    """Geometric labels resist on all but two images, AT on half of them."""
    if attack == "clean":
        return True
    return example < {"attack wrn34": 10, "geometric wrn34": 18}.get(label, 14)


@pytest.fixture
def store(tmp_path):
    made = store_lib.Store(tmp_path)
    made.data = images.digests(PLAN.jobs)
    for job in PLAN.jobs:
        pretended.finish(job, made, right)
    return made


def results(store, plan=PLAN):
    return pages.results(plan, store, measuring.Reader(store))


def test_cells_come_from_the_records_of_their_own_column(store):
    found = results(store).measured
    shown = {place: m.accuracy for place, m in found.items()}
    assert shown["Baseline", 0] == 1.0
    assert shown["Baseline", 1] == shown["Baseline", 2] == 0.5
    assert shown["Ours, Alg. 4+5+6", 2] == 0.9


def test_a_table_has_our_number_the_papers_and_the_difference(store):
    table = pages.numbers(results(store))
    assert table.header == ("", "clean", "PGD-10", "AutoAttack")
    assert [row[0] for row in table.rows] == [
        row.label for row in PLAN.entry.rows
    ]
    assert table.rows[0][1][0] == "100.0"
    assert table.rows[0][2] == ("50.0", "29.9 to 70.1", "paper 56.54", "-6.5")


def test_a_cell_is_of_the_networks_that_are_finished_and_says_so(tmp_path):
    scale = pretended.DIGITS._replace(seeds=(0, 1))
    plan, store = pretended.plan(scale=scale), store_lib.Store(tmp_path)
    first = [j for j in plan.jobs if j.label.endswith("seed 0")]
    for job in first:
        pretended.finish(job, store)
    found = results(store, plan)
    assert {m.networks for m in found.measured.values()} == {1}
    cell = pages.numbers(found).rows[0][2]
    assert cell[:2] == ("100.0", "83.9 to 100.0; 1 of 2 networks")
    for job in plan.jobs:
        pretended.finish(job, store)
    found = results(store, plan)
    assert {m.networks for m in found.measured.values()} == {2}
    assert "of 2" not in str(pages.numbers(found).rows)


def test_verdicts_do_not_depend_on_the_order_of_rows(store):
    words = [v.word for v in results(store).verdicts]
    entry = PLAN.entry._replace(rows=PLAN.entry.rows[::-1])
    turned = pretended.plan(entry)
    assert {j.key for j in turned.jobs} == {j.key for j in PLAN.jobs}
    assert [v.word for v in results(store, turned).verdicts] == words
    assert words == ["not decided", "not decided"]


def test_a_page_says_what_differs_and_what_it_cost(store):
    text = document.to_markdown("A title", list(pages.blocks(results(store))))
    assert "| model | wide_resnet34 | small_convnet |" in text
    assert "| eps | 0.03137 | 0.1 |" in text
    assert "6 of 6 jobs are finished, in 12 s" in text
    assert "keras-mixup reproduce --entry=adversarial_mixup/table3" in text
    assert (
        "--algorithm=adversarial_mixup" in text and "digits for cifar10" in text
    )


def test_html_is_one_file_that_escapes_its_text(store):
    html = document.to_html("A < B", list(pages.blocks(results(store))))
    assert "A &lt; B" in html and "<link" not in html and "src=" not in html
    assert "https:" not in html
    assert html.count("<table") == html.count("</table>") >= 4


@pytest.fixture
def corrupted(tmp_path):
    """Table 4 at a scale with CIFAR-10, of which every cell is known."""
    plan = planning.plan(reproduce.find("varmixup/table4"), CIFAR10)
    store = store_lib.Store(tmp_path)
    above = {"varmixup": 0.2, "adv varmixup": 0.2, "varerm": 0.1}
    for job in plan.jobs:
        pretended.finish(job, store)
        if job.kind == "evaluate":
            label = job.needs[0].label.partition(", ")[0]
            base = 0.4 + 0.1 * job.needs[0].settings["seed"]
            rows = [
                {
                    "set": "cifar10_c",
                    "model": label,
                    "kind": kind,
                    "severity": severity,
                    # More at the other seed, less with the severity.
                    "accuracy": base + above.get(label, 0.0) - severity / 50,
                }
                for kind in (*_corruption_kinds.STANDARD, "saturate")
                for severity in range(1, 6)
            ]
            folder = store.folder(job) / _files.STUDIES
            folder.mkdir()
            _files.write_lines(folder / "corruptions.jsonl", rows)
    return store, plan


def test_claims_on_corrupted_images_are_tested_over_their_kinds(corrupted):
    store, plan = corrupted
    found = pages.results(plan, store, measuring.Reader(store))
    shown = {place[0]: own for place, own in found.measured.items()}
    assert shown["ERM"].accuracy == pytest.approx(0.45 - 0.06)
    assert shown["VarMixup"].accuracy == pytest.approx(0.65 - 0.06)
    assert shown["VarMixup"].deviation == pytest.approx(0.1 / 2**0.5)
    assert len(shown["ERM"].answers) == 15
    first, second, choice = found.verdicts
    assert first.word == "holds" and second.word == "not decided"
    # Those with a linear path are as good as ERM here.
    assert choice.word == "holds"
    assert choice.compared[0].difference == pytest.approx(20.0)
    assert {c.num_examples for c in first.compared} == {15}
    text = document.to_markdown("Table 4", pages.blocks(found))
    assert "VarMixup / ERM, corrupted: 59.0 / 39.0, difference +20.0" in text
    assert "(15 kinds of corruption, p < 0.001)" in text
    assert "tested over the 15 kinds of corruption" in text


def test_a_missing_kind_of_corruption_is_refused(corrupted):
    store, plan = corrupted
    job = next(job for job in plan.jobs if job.kind == "evaluate")
    path = store.folder(job) / _files.STUDIES / "corruptions.jsonl"
    _files.write_lines(path, _files.read_lines(path)[1:])
    with pytest.raises(ValueError, match="lacks kinds or severities"):
        pages.results(plan, store, measuring.Reader(store))


def test_records_that_lack_a_column_are_refused(store):
    (job,) = PLAN.cell("Baseline", "PGD-10").evaluations
    path = store.folder(job) / _files.RECORDS
    lines = path.read_text().splitlines()
    kept = [line for line in lines if "pgd-10" not in line]
    path.write_text("\n".join(kept) + "\n")
    with pytest.raises(ValueError, match="no records of none / pgd-10"):
        results(store)


def test_pages_and_numbers_are_written_for_all_entries(store, monkeypatch):
    names = (PLAN.entry.name, "varmixup/table4")
    few = {name: reproduce.find(name) for name in names}
    monkeypatch.setattr(lookup, "entries", lambda: few)
    found = reproduce.write_pages("digits", store.path)
    names = {path.name for path in found.files}
    assert {"index.html", "varmixup-table4.md"} <= names
    told = json.loads(
        (store.path / "digits/adversarial_mixup-table3.json").read_text()
    )
    first = told["cells"][0]
    assert first["published"]["value"] == 86.2
    assert first["measured"]["accuracy"] == 1.0
    index = (store.path / "digits/index.md").read_text()
    assert "| [adversarial_mixup/table3](adversarial_mixup-table3.md) " in index
    assert "There is no published corrupted test set" in index


def test_an_entry_without_a_finished_job_has_no_page(store, monkeypatch):
    names = (PLAN.entry.name, "adversarial_mixup/table2")
    few = {name: reproduce.find(name) for name in names}
    monkeypatch.setattr(lookup, "entries", lambda: few)
    found = reproduce.write_pages("digits", store.path)
    written = {path.stem for path in found.files}
    assert written == {"index", "adversarial_mixup-table3"}
    index = (store.path / "digits/index.md").read_text()
    assert "| adversarial_mixup/table2 | 0 of " in index
    assert "adversarial_mixup-table2" not in index
    assert "adversarial_mixup/table2:" not in index


@pytest.mark.parametrize("name", ["mixup_inference/table2", "varmixup/table5"])
def test_commands_by_hand_give_the_settings_of_the_jobs(name):
    kinds = {"train": train, "evaluate": evaluate}
    plan = pretended.plan(reproduce.find(name))
    for job in plan.jobs:
        console, command, *arguments = shlex.split(pages.shell(job))
        assert console == "keras-mixup" and command == job.kind
        flags = kinds[command].make_flags().parse([command, *arguments])
        kind = jobs.settings_class(job.kind)
        given = flags.settings(kind)
        told = {n: getattr(given, n) for n in given.given}
        assert jobs.told_settings(job.kind, told) == jobs.told_settings(
            job.kind, job.settings
        )


def test_an_entrys_note_stands_above_its_numbers(store):
    entry = pretended.ENTRY._replace(note="By another autoencoder.")
    found = results(store, pretended.plan(entry))
    shown = list(pages.blocks(found))
    place = shown.index(document.Text("By another autoencoder."))
    assert shown[place + 1] == document.Heading("Numbers")
    assert document.Text("") not in list(pages.blocks(results(store)))
