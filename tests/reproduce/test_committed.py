"""The committed results: of the scale's settings, and as README says."""

import json
import pathlib

import pytest

from keras_mixup import reproduce
from keras_mixup.reproduce import index
from keras_mixup.reproduce import planned
from keras_mixup.reproduce import scales

ROOT = pathlib.Path(__file__).parents[2]
PLACE = ROOT / "docs" / "results" / "digits"
ENTRIES = reproduce.entries()
FIGURES = [n for n, e in ENTRIES.items() if isinstance(e, reproduce.Figure)]


def told_of(plan):
    path = PLACE / f"{index.file_name(plan.entry)}.json"
    return json.loads(path.read_text())


@pytest.mark.parametrize("name", ENTRIES)
def test_results_are_of_the_settings_that_the_scale_has_now(name):
    plan = planned.plan(ENTRIES[name], scales.find("digits"))
    told = told_of(plan)
    assert set(told["jobs"]) == {job.key for job in plan.jobs}
    assert all(job["finished"] for job in told["jobs"].values())
    assert "not measured" not in [own["verdict"] for own in told["claims"]]
    claims = [] if plan.missing else [c.text for c in plan.entry.claims]
    assert [claim["text"] for claim in told["claims"]] == claims


@pytest.mark.parametrize("name", ENTRIES)
def test_results_of_cifar10_are_of_its_settings_so_far_as_they_go(name):
    plan = planned.plan(ENTRIES[name], scales.find("cifar10_cpu"))
    place = PLACE.with_name("cifar10_cpu")
    path = place / f"{index.file_name(plan.entry)}.json"
    if not path.is_file():
        assert index.file_name(plan.entry) not in {
            own.stem for own in place.glob("*.md")
        }
        return
    told = json.loads(path.read_text())
    assert set(told["jobs"]) <= {job.key for job in plan.jobs}
    begun = [job for job in told["jobs"].values() if job]
    assert begun or not plan.jobs
    text = path.with_suffix(".md").read_text("utf-8")
    assert not begun or "CIFAR-10 (JPEG)" in text


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_of_their_panels(name):
    plan = planned.plan(ENTRIES[name], scales.find("digits"))
    told = told_of(plan)
    assert told["panels"] == {
        label: [job.key for job in own] for label, own in plan.panels.items()
    }
    assert told["rows"]


@pytest.mark.parametrize("name", [n for n in ENTRIES if n not in FIGURES])
def test_cells_are_those_of_the_table(name):
    plan = planned.plan(ENTRIES[name], scales.find("digits"))
    told = told_of(plan)
    cells = [(cell.row, cell.column.label) for cell in plan.cells.values()]
    assert [(c["row"], c["column"]) for c in told["cells"]] == cells
    published = [
        c["published"] and c["published"]["value"] for c in told["cells"]
    ]
    assert published == [
        c.published and c.published.value for c in plan.cells.values()
    ]


@pytest.mark.parametrize("scale", ["digits", "cifar10_cpu"])
def test_readme_counts_the_claims_of_the_index(scale):
    text = (PLACE.with_name(scale) / "index.md").read_text("utf-8")
    table = text[text.index("| paper | holds |") :].partition("\n\n")[0]
    counts = table.splitlines()[2:]
    assert len(counts) == 3
    for line in counts:
        shown = f"| {scale} {line}"
        assert shown in (ROOT / "README.md").read_text("utf-8").splitlines()


def test_pictures_are_small_and_all_of_them_are_shown():
    pages = {path.stem: path.read_text("utf-8") for path in PLACE.glob("*.md")}
    for path in (*PLACE.glob("*.png"), *PLACE.glob("*.svg")):
        assert path.stat().st_size < 100_000, path.name
        assert any(f"]({path.name})" in text for text in pages.values())
