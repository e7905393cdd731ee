"""The report as a browser lays it out, on a phone and on a screen."""

import html
import json
import pathlib
import re
import shutil
import subprocess

import pytest
from test_report import fill

from keras_mixup.evaluation import flag_rules
from keras_mixup.reporting import report

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))),
    None,
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium"),
    pytest.mark.filterwarnings("ignore:.*incomplete last line"),
]

# What a page says of itself: texts wider than their place, what leaves the
# screen, words that are broken inside, and the first column after two clicks.
MEASURE = """
const page = document.querySelector("iframe").contentDocument;
const found = {wide: [], outside: [], broken: [], sorted: []};
const width = page.documentElement.clientWidth;
found.page = page.documentElement.scrollWidth - width;
for (const e of page.querySelectorAll("th, td, p, li, h1, h2, summary, a")) {
  const box = e.getBoundingClientRect();
  if (!box.width) continue;
  const text = e.textContent.slice(0, 60);
  if (e.scrollWidth > e.clientWidth + 1 && e.clientWidth) found.wide.push(text);
  if (box.right > width + 1 || box.left < -1) found.outside.push(text);
}
const texts = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const node = texts.currentNode;
  if (!node.parentElement.closest("table") ||
      node.parentElement.closest(".value")) continue;
  for (const word of node.textContent.matchAll(/[A-Za-z0-9]+/g)) {
    const range = page.createRange();
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].length);
    if (range.getClientRects().length > 1) found.broken.push(word[0]);
  }
}
const table = page.querySelector("table.accuracy");
const column = () =>
  Array.from(table.tBodies[0].rows).map((row) => row.cells[2].textContent);
const button = table.tHead.rows[1].cells[2].querySelector("button");
found.reachable = button.getClientRects().length > 0;
for (const click of [1, 2]) { button.click(); found.sorted.push(column()); }
document.querySelector("pre").textContent = JSON.stringify(found);
"""
FRAME = """<meta charset="utf-8"><body style="margin:0"><pre></pre>
<iframe width={width} height=4000 srcdoc="{page}"></iframe>
<script>document.querySelector("iframe").onload = () => {{ {script} }}</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report with every section opened, long names and a red flag."""
    folder = fill(tmp_path_factory.mktemp("report"))
    kept = json.loads((folder / "evaluation.json").read_text())
    kept["about"] = {"class_names": ["nought", "one", "two", "dromedary"]}
    kept["calls"] = [{"settings": {"a_setting_of_a_long_name": "x" * 200}}]
    (folder / "evaluation.json").write_text(json.dumps(kept))
    flag = flag_rules.RedFlag(
        *("more effort still helps", "m<x> + MI-OL (L-inf, eps 0.1)"),
        *("75.0 % after 10 steps, 60.0 % after 20.", "It is no upper bound."),
        "Give it more steps.",
    )
    findings = {"m<x>": flag_rules.Findings([flag], [flag.name])}
    flag_rules.write(folder / "red_flags.json", findings)
    text = pathlib.Path(report.write_report(folder)).read_text("utf-8")
    return text.replace("<details>", "<details open>")


@pytest.mark.parametrize("width", [390, 1280])
def test_no_text_overflows_and_a_click_sorts(page, width, tmp_path):
    assert "dromedary" in page and "more effort still helps" in page
    file = tmp_path / "frame.html"
    shown = FRAME.format(width=width, page=html.escape(page), script=MEASURE)
    file.write_text(shown, "utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    flags += [f"--user-data-dir={tmp_path}", "--virtual-time-budget=20000"]
    done = subprocess.run(
        [BROWSER, *flags, "--window-size=1400,4200", str(file)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    (told,) = re.findall(r"<pre>(.*?)</pre>", done.stdout, re.S)
    found = json.loads(html.unescape(told))
    assert found["page"] <= 0, found
    assert found["reachable"]
    assert not found["wide"] and not found["outside"] and not found["broken"]
    down, up = found["sorted"]
    assert [text.split()[0] for text in down] == ["75.0", "25.0"]
    assert up == down[::-1]
