"""The committed results: of the scale's settings, and as README says."""

import json
import pathlib

import pytest

from keras_mixup import reproduce
from keras_mixup.reproduce import index
from keras_mixup.reproduce import planning
from keras_mixup.reproduce import scales

ROOT = pathlib.Path(__file__).parents[2]
PLACE = ROOT / "docs" / "results" / "digits"
ENTRIES = reproduce.entries()


@pytest.mark.parametrize("name", ENTRIES)
def test_results_are_of_the_settings_that_the_scale_has_now(name):
    plan = planning.plan(ENTRIES[name], scales.find("digits"))
    told = json.loads(
        (PLACE / f"{index.file_name(plan.entry)}.json").read_text()
    )
    assert set(told["jobs"]) == {job.key for job in plan.jobs}
    cells = [(cell.row, cell.column.label) for cell in plan.cells.values()]
    assert [(c["row"], c["column"]) for c in told["cells"]] == cells
    claims = [] if plan.missing else [c.text for c in plan.entry.claims]
    assert [claim["text"] for claim in told["claims"]] == claims
    published = [
        c["published"] and c["published"]["value"] for c in told["cells"]
    ]
    assert published == [
        c.published and c.published.value for c in plan.cells.values()
    ]


def test_readme_counts_the_claims_of_the_index():
    text = (PLACE / "index.md").read_text("utf-8")
    start = text.index("| paper | holds |")
    counts = text[start : text.index("\n\n", start)]
    assert counts in (ROOT / "README.md").read_text("utf-8")
