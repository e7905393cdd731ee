"""Entries and scales of a user, beside those of the papers: read, checked."""

import pathlib
import re
from collections.abc import Sequence

from keras_mixup import _checks
from keras_mixup.reproduce import catalogue
from keras_mixup.reproduce import figures
from keras_mixup.reproduce import index
from keras_mixup.reproduce import jobs
from keras_mixup.reproduce import lookup
from keras_mixup.reproduce import planning
from keras_mixup.reproduce import scales

# Of a training: its scale, its seed or another job decides it.
_DECIDED = ("dataset", "seed", "task", *jobs.UNTOLD)
_STEPPED = ("pgd", "cleverhans_pgd", "varmixup_pgd")
_NAME = "parts of letters, digits, _, . and -, with / between them"
_TRAINED = ("training", "attacked", "vae", "plain_vae")


def entries(entry):
    """Returns a list of `Entry` and `Figure`.

    Args:
        entry: str, a name or "all", an `Entry`, or a sequence of these.

    Raises:
        ValueError: something else, an unknown name, an `Entry` that cannot be
            used, or two of one name.
    """
    kinds = (str, catalogue.Entry, figures.Figure)
    given = (entry,) if isinstance(entry, kinds) else entry
    several = isinstance(given, Sequence) and len(given) > 0
    expected = "a name, all, an Entry, or several of these"
    _checks.check(several, "entry", expected, entry)
    found = {}
    for item in given:
        items = [item]
        if isinstance(item, str):
            items = [lookup.find(name) for name in lookup.names(item)]
        for one in items:
            _check_entry(one)
            other = found.setdefault(index.file_name(one), one)
            expected = f"of different names; {other.name} is that of two"
            _checks.check(other == one, "entry", expected, one.name)
    return list(found.values())


def scale(scale):
    """Returns a `Scale`, from its name or as it came.

    Raises:
        ValueError: something else, an unknown name, one of the papers' names
            with other content, or settings that no run has.
    """
    if isinstance(scale, str):
        return scales.find(scale)
    expected = f"{', '.join(scales.SCALES)} or a Scale"
    _checks.check_instance(scale, "scale", scales.Scale, expected)
    _check_name(scale.name, "scale.name", "/" not in str(scale.name))
    known = scales.SCALES.get(scale.name, scale)
    expected = "another one than that of a scale of the papers, which differs"
    _checks.check(known == scale, "scale.name", expected, scale.name)
    _check_scale(scale)
    return scale


def check_plan(plan):
    """Raises `ValueError` for a table without data at its scale."""
    there = plan.missing or getattr(plan, "cells", True)
    wanted = sorted({c.dataset for c in getattr(plan.entry, "columns", ())})
    expected = f"a scale with a data set for {', '.join(wanted)}"
    _checks.check(there, "scale", expected, plan.scale.name)


def _check_entry(entry):
    known = lookup.entries()
    if known.get(getattr(entry, "name", None)) == entry:
        return
    kind = catalogue.Entry
    expected = "the name of one or more, all, or an Entry"
    _checks.check_instance(entry, "entry", kind, expected)
    _check_name(entry.name, "entry.name")
    taken = [index.NAME, *map(index.file_name, known.values())]
    free = index.file_name(entry) not in taken
    expected = "another one than that of an entry of the papers, which differs"
    _checks.check(free, "entry.name", expected, entry.name)
    _checks.check_text(entry.source, "entry.source")
    for name, kind in (
        ("columns", catalogue.Column),
        ("rows", catalogue.Row),
        ("beside", catalogue.Column),
        ("claims", catalogue.Claim),
    ):
        items = getattr(entry, name)
        okay = isinstance(items, tuple) and all(
            isinstance(item, kind) for item in items
        )
        okay = okay and (items or name in ("beside", "claims"))
        expected = f"a tuple of {kind.__name__}"
        _checks.check(okay, f"entry.{name}", expected, items)
    labels = [row.label for row in entry.rows]
    different = len(set(labels)) == len(labels)
    _checks.check(different, "entry.rows", "of different labels", labels)
    for column in (*entry.columns, *entry.beside):
        _check_column(column)
    for place, row in enumerate(entry.rows):
        _check_row(entry, row, f"entry.rows[{place}]")
    _check_claims(entry)


def _check_name(name, where, more=True):
    part = r"[\w-][\w.-]*"
    okay = isinstance(name, str) and re.fullmatch(f"{part}(/{part})*", name)
    _checks.check(okay and more, where, _NAME, name)


def _check_column(column):
    name = f"column {column.label}"
    _check_settings(column.settings, f"settings of {name}", jobs.EVALUATE)
    stepped = column.attack in _STEPPED
    if stepped:
        _checks.check_integer(column.steps, f"steps of {name}")


def _check_row(entry, row, name):
    count = len(entry.columns)
    okay = isinstance(row.published, tuple) and all(
        number is None or isinstance(number, catalogue.Published)
        for number in row.published
    )
    okay = okay and len(row.published) in (0, count)
    expected = f"a tuple of {count} Published or None, or empty"
    _checks.check(okay, f"{name}.published", expected, row.published)
    _check_settings(row.settings, f"{name}.settings", jobs.EVALUATE)
    _check_settings(row.trained, f"{name}.trained", jobs.TRAIN)
    decided = [n for n in _DECIDED if row.trained.get(n) is not None]
    expected = f"without {', '.join(decided)}, which is decided elsewhere"
    _checks.check(not decided, f"{name}.trained", expected, row.trained)
    files = {row.evaluation: "evaluation"}
    for dataset in entry.measured_on(row):
        files[row.training.format(dataset=dataset)] = "training"
    for file, kind in files.items():
        there = pathlib.Path(catalogue.FLAGFILES / file).is_file()
        expected = "a flag file of the package, or the path of one"
        _checks.check(there, f"{name}.{kind}", expected, file)


def _check_claims(entry):
    rows = tuple(row.label for row in entry.rows)
    columns = tuple(c.label for c in (*entry.columns, *entry.beside))
    for claim in entry.claims:
        for own in claim.comparisons:
            for label in (own.row, own.other):
                _checks.check_known(label, "row of entry.claims", rows)
            for label in (own.column, own.column_of_other):
                _checks.check_known(label, "column of entry.claims", columns)


def _check_scale(scale):
    for name, default in scale._field_defaults.items():
        if isinstance(default, dict):
            value = getattr(scale, name)
            _checks.check_instance(value, f"scale.{name}", dict, "a dict")
    _checks.check_instance(scale.datasets, "scale.datasets", dict, "a dict")
    _checks.check_text(scale.about, "scale.about")
    _checks.check_number(scale.radius, "scale.radius", 0.0, low_open=True)
    _checks.check_seeds(scale.seeds, "scale.seeds")
    for name in _TRAINED:
        own = getattr(scale, name)
        _check_settings(own, f"scale.{name}", jobs.TRAIN)
    name = "evaluation"
    _check_settings(scale.evaluation, f"scale.{name}", jobs.EVALUATE)
    for name, kind in (
        ("models", jobs.TRAIN),
        ("own", jobs.TRAIN),
        ("attacks", jobs.EVALUATE),
        ("figures", jobs.EVALUATE),
    ):
        for key, own in getattr(scale, name).items():
            _check_settings(own, f"scale.{name}[{key!r}]", kind)


def _check_settings(settings, name, kind):
    """Raises `ValueError` unless a run of the kind has all the settings."""
    _checks.check_instance(settings, name, dict, "a dict of settings")
    declared = jobs.settings_class(kind).declared
    for setting, value in settings.items():
        _checks.check_known(setting, name, tuple(declared))
        if setting in planning.UNITED:
            continue  # Of all rows and columns together.
        with _checks.called({setting: f"{name}[{setting!r}]"}):
            declared[setting].parse(value)
