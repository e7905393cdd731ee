"""The figures' numbers and pictures in a run folder."""

import pathlib
from collections.abc import Sequence

from keras_mixup import _files
from keras_mixup import _types
from keras_mixup import registry
from keras_mixup.evaluation import identity
from keras_mixup.studies import base
from keras_mixup.studies import drawing

# In the folder of the figures: which models each of them measured.
_MODELS = "models.json"


def find(name: str) -> type[base.Study]:
    """Returns the `Study` called `name`; errors as `registry.find`."""
    return registry.find("study", name)


def write_study(
    run_dir: _types.Path, name: str, rows: Sequence[_types.Json]
) -> list[str]:
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
    known = _models_of(folder)
    known[name] = identity.marks_beside(folder)
    _files.write_json(folder / _MODELS, known)
    if not drawing.available():
        return [str(path)]
    figure = study.draw(rows, theme="light")
    if figure is None:
        return [str(path)]
    picture = folder / f"{name}.png"
    figure.set_facecolor("white")
    _files.write_bytes(picture, drawing.to_png(figure, transparent=False))
    return [str(path), str(picture)]


def read_studies(run_dir: _types.Path) -> dict[str, list[_types.Json] | None]:
    """Returns dict name -> rows of the studies found in a run folder.

    The rows are None if the models of the folder's evaluation.json are not
    known to be those of the study.
    """
    folder = pathlib.Path(run_dir) / _files.STUDIES
    paths = {n: folder / f"{n}.jsonl" for n in registry.names("study")}
    known = _models_of(folder)
    return {
        name: _files.read_lines(path)
        if identity.is_current(known.get(name, {}), folder)
        else None
        for name, path in paths.items()
        if path.is_file()
    }


def _models_of(folder):
    """Returns dict study -> digests of the models that it measured."""
    path = folder / _MODELS
    return _files.read_json(path) if path.is_file() else {}
