"""Kills, damages and starves runs, and writes down what held: `make faults`.

python tests/faults/run.py [--parts=kills,damage] [--write]

Every case is kept in runs/faults/results.jsonl, so that a second call goes on
where the first was stopped; delete the file to begin anew. --write puts the
table of all cases into docs/reliability.md.
"""

import argparse
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
    parser.add_argument("--write", action="store_true")
    told = parser.parse_args(argv)
    found = runs.Results(told.results, key=("part", "case"))
    for part in told.parts.split(","):
        for case, function in importlib.import_module(part).cases():
            if (part, case) not in found:
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
    return {"part": part, "case": case, "note": "", **row, "seconds": seconds}


def table(rows):
    """Returns the table of all cases, Markdown."""
    lines = ["| | tried | held | lost | |", "|---|---:|---:|---:|---|"]
    for part, title in PARTS.items():
        own = [row for row in rows if row["part"] == part]
        for row in own:
            counts = (str(row[n]) for n in ("tried", "held", "lost"))
            case = f"{title}: {row['case']}"
            lines.append(f"| {case} | {' | '.join(counts)} | {row['note']} |")
    return "\n".join(lines)


def _write(rows):
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    shown = f"{before}{BEGIN}\n{table(rows)}\n{END}{after}"
    _files.write_text(PAGE, shown)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
