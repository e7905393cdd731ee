"""Writes the pages of a scale, and the numbers as JSON."""

import pathlib

from keras_mixup import _files
from keras_mixup.reproduce import document
from keras_mixup.reproduce import figure_pages
from keras_mixup.reproduce import index
from keras_mixup.reproduce import pages
from keras_mixup.reproduce import planned


def write(found, scale, output, whole=True):
    """Writes the index of a scale, and the pages of what it has numbers of.

    Args:
        found: list of `Results` and `FigureResults`, of all entries of the
            index.
        scale: `Scale`.
        output: str or path of the folder.
        whole: bool; otherwise all of the pages are written, and no index.

    Returns:
        list of `pathlib.Path`, the index first, where there is one.
    """
    output = pathlib.Path(output)
    output.mkdir(parents=True, exist_ok=True)
    written = []
    if whole:
        content = list(index.blocks(scale, found))
        written = _write_page(output, index.NAME, index.title(scale), content)
        found = filter(index.has_page, found)
    for one in found:
        name = index.file_name(one.plan.entry)
        content = planned.blocks(one)
        written += _write_page(output, name, pages.title(one.plan), content)
        path = output / f"{name}.json"
        _files.write_json(path, as_json(one))
        written.append(path)
    return written


def as_json(found):
    """Returns the numbers of `Results` or `FigureResults` as JSON values."""
    plan = found.plan
    if isinstance(found, figure_pages.FigureResults):
        own = figure_pages.as_json(found)
    else:
        own = {
            "cells": [
                _cell(cell, found.measured.get(place))
                for place, cell in plan.cells.items()
            ],
            "choices": _choices(found),
        }
    return {
        "entry": plan.entry.name,
        "scale": plan.scale.name,
        "missing": plan.missing,
        **own,
        "claims": [
            {
                "text": one.claim.text,
                "verdict": one.word,
                "compared": list(map(_compared, one.compared)),
            }
            for one in found.verdicts
        ],
        "jobs": {key: _job(told) for key, told in found.known.items()},
    }


def _choices(found):
    return {
        key: [{**one._asdict(), "chosen": one.value} for one in own.values()]
        for key, own in found.choices.items()
        if own
    }


def _compared(one):
    found = {**one._asdict(), "comparison": one.comparison._asdict()}
    found.pop("statistic")
    return found


def _cell(cell, measured):
    paper = cell.published
    return {
        "row": cell.row,
        "column": cell.column.label,
        "dataset": cell.column.dataset,
        "published": None if paper is None else paper._asdict(),
        "measured": None if measured is None else _numbers(measured),
        "jobs": [job.key for job in cell.evaluations],
    }


def _numbers(measured):
    found = measured._asdict()
    found.pop("answers")  # One number for each image; they lie in the records.
    if measured.deviation is None:
        found.pop("deviation")
    return found


def _job(told):
    names = ("label", "given", "needs", "seconds", "cpu_seconds", "time")
    names = (*names, "finished", "versions", "git_commit")
    return {name: told[name] for name in names if name in told}


def _write_page(output, name, title, content):
    paths = [output / f"{name}.{suffix}" for suffix in ("md", "html")]
    _files.write_text(paths[0], document.to_markdown(title, content))
    _files.write_text(paths[1], document.to_html(title, content))
    for block in content:
        if isinstance(block, document.Picture):
            paths.append(output / f"{block.name}.svg")
            _files.write_text(paths[-1], block.svg)
        elif isinstance(block, document.Drawing):
            paths.append(output / f"{block.name}.png")
            _files.write_bytes(paths[-1], block.png)
    return paths
