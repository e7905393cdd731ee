"""Kills, damages and starves runs, and writes down what held: `make faults`.

python tests/faults/run.py [--parts=kills,damage] [--missing] [--write]

Every case is kept in runs/faults/results.jsonl, so that a second call goes on
where the first was stopped; delete the file to begin anew. --write puts the
table of all cases into docs/reliability.md. A case that is not in the file
keeps its line there, with the day on which it ran; --missing tries only those
without a line.
"""

import argparse
import datetime
import importlib
import os
import pathlib
import shutil
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
for _path in (ROOT, HERE.parent, HERE.parent / "runs", HERE):
    sys.path.insert(0, str(_path))

from keras_mixup import _files
from keras_mixup import runs

PARTS = {
    "kills": "Kills",
    "damage": "Damaged files",
    "disk": "A full disk",
    "inputs": "Bad inputs",
    "hosts": "Several workers",
    "memory": "Memory",
}
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- faults -->", "<!-- end of faults -->"


def main(argv):
    """Tries the cases of the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--results", default="runs/faults/results.jsonl")
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--write", action="store_true")
    told = parser.parse_args(argv)
    found = runs.Results(told.results, key=("part", "case"))
    lines = _lines(_table()) if told.missing else {}
    for part in told.parts.split(","):
        for case, function in importlib.import_module(part).cases():
            tried = (part, case) in found or _title(part, case) in lines
            if not tried:
                print(found.add(_tried(part, case, function)), flush=True)
    if told.write:
        _write(found.rows)
    return 1 if any(row["lost"] for row in found.rows) else 0


def _tried(part, case, function):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="faults-"))
    began = time.monotonic()
    try:
        row = function(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seconds = round(time.monotonic() - began)
    day = datetime.date.today().isoformat()
    told = {"part": part, "case": case, "day": day, "note": ""}
    return {**told, **row, "seconds": seconds}


HEAD = ["| | tried | held | lost | day | |", "|---|---:|---:|---:|---|---|"]


def table(rows, before=""):
    """Returns the table of all cases, Markdown.

    Args:
        rows: list of dict, the cases that ran.
        before: str, a former table; its other cases keep their lines.
    """
    lines = _lines(before)
    for row in rows:
        case = _title(row["part"], row["case"])
        cells = (row[n] for n in ("tried", "held", "lost", "day", "note"))
        lines[case] = f"| {case} | {' | '.join(map(str, cells))} |"
    found = [
        line
        for title in PARTS.values()
        for case, line in lines.items()
        if case.startswith(f"{title}: ")
    ]
    return "\n".join([*HEAD, *found])


def _title(part, case):
    return f"{PARTS[part]}: {case}"


def _lines(table):
    """Returns dict title -> line."""
    return {line.split("|")[1].strip(): line for line in table.splitlines()}


def _table():
    """Returns the page's table."""
    return PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0].strip()


def _write(rows):
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    shown = f"{before}{BEGIN}\n{table(rows, _table())}\n{END}{after}"
    _files.write_text(PAGE, shown)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
