"""The figures' numbers and pictures in a run folder."""

import pathlib

from keras_mixup import _files
from keras_mixup import registry
from keras_mixup.studies import drawing


def find(name):
    """Returns the `Study` called `name`; errors as `registry.find`."""
    return registry.find("study", name)


def write_study(run_dir, name, rows):
    """Writes <run_dir>/figures/<name>.jsonl and, with matplotlib, .png.

    Args:
        run_dir: str, an existing folder.
        name: str, a registered study.
        rows: list of dicts of JSON values; an older file is replaced.

    Returns:
        list of str, the paths that were written.
    """
    study = find(name)
    folder = pathlib.Path(run_dir) / _files.STUDIES
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.jsonl"
    _files.write_lines(path, rows)
    if not drawing.available():
        return [str(path)]
    figure = study.draw(rows, theme="light")
    if figure is None:
        return [str(path)]
    picture = folder / f"{name}.png"
    figure.set_facecolor("white")
    _files.write_bytes(picture, drawing.to_png(figure, transparent=False))
    return [str(path), str(picture)]


def read_studies(run_dir):
    """Returns dict name -> rows of the studies found in a run folder."""
    folder = pathlib.Path(run_dir) / _files.STUDIES
    paths = {n: folder / f"{n}.jsonl" for n in registry.names("study")}
    return {
        name: _files.read_lines(path)
        for name, path in paths.items()
        if path.is_file()
    }
