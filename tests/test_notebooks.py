"""The notebooks run, and print what they show."""

import importlib.util
import json
import pathlib
import re

import pytest

DOCS = pathlib.Path(__file__).parent.parent / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def runner():
    spec = importlib.util.spec_from_file_location(
        "run_notebooks", DOCS / "run_notebooks.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_prints_what_it_shows(path, runner):
    printed, variables = runner.run(path)
    cells = json.loads(path.read_text("utf-8"))["cells"]
    kept = [
        "".join("".join(output["text"]) for output in c["outputs"])
        for c in cells
        if c["cell_type"] == "code"
    ]
    assert any(kept)
    # Another processor rounds otherwise: the words, not the numbers.
    assert list(map(words, printed)) == list(map(words, kept))
    CHECKS[path.stem](printed, variables)


def words(text):
    return re.sub(r"[-\s]+", " ", re.sub(r"\d+(\.\d+)?", "#", text))


def numbers(text):
    return [float(n) for n in re.findall(r"\d+(?:\.\d+)?", text)]


def check_training(printed, variables):
    clean, defended, attacked = (numbers(t)[0] for t in printed[1:4])
    assert clean > 80 and attacked < defended


def check_misleading(printed, variables):
    clean, on_bare, by_queries = (
        numbers(line)[0] for line in printed[3].splitlines()
    )
    assert max(on_bare, by_queries) < clean
    (line,) = (n for n in printed[4].splitlines() if n.startswith("mixup + MI"))
    _, oblivious, adaptive = numbers(line)
    assert adaptive < oblivious + 10


def check_own(printed, variables):
    clean, attacked = numbers(printed[2])[0], numbers(printed[3])[0]
    assert attacked < clean and numbers(printed[3])[1] <= 0.1


CHECKS = {
    "oblivious_numbers_mislead": check_misleading,
    "train_and_defend": check_training,
    "your_own_model": check_own,
}
