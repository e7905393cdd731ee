"""Runs the notebooks of docs/notebooks and keeps what their cells print.

    python docs/run_notebooks.py [FILE ...]

Needs no Jupyter. A cell that ends in an expression prints nothing of it: the
notebooks print what they show. `tests/test_notebooks.py` runs them as well.
"""

import contextlib
import io
import json
import linecache
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent / "notebooks"


def run(path):
    """Runs the cells of a notebook in order; returns what each one printed.

    Args:
        path: `pathlib.Path`.

    Returns:
        (list of str, dict): one text for each code cell, and the variables.
    """
    variables, printed = {"__name__": path.stem}, []
    cells = json.loads(path.read_text("utf-8"))["cells"]
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            name, source = f"{path.stem}:{number}", "".join(cell["source"])
            code = compile(source, name, "exec")
            # Where TensorFlow looks for the source of a function.
            lines = source.splitlines(keepends=True)
            linecache.cache[name] = len(source), None, lines, name
            with contextlib.redirect_stdout(io.StringIO()) as text:
                exec(code, variables)
            printed.append(text.getvalue())
    return printed, variables


def keep(path):
    """Writes what the cells print into the notebook."""
    notebook = json.loads(path.read_text("utf-8"))
    printed = iter(run(path)[0])
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            text = next(printed).splitlines(keepends=True)
            told = {"name": "stdout", "output_type": "stream", "text": text}
            cell["outputs"] = [told] if text else []
    text = json.dumps(notebook, indent=1, ensure_ascii=False)
    path.write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    for given in map(pathlib.Path, sys.argv[1:] or sorted(FOLDER.glob("*"))):
        print(given)
        keep(given)
