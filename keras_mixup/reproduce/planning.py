"""From an entry and a scale to jobs, and to where each number comes from."""

import itertools
from typing import NamedTuple

from keras_mixup import _checks
from keras_mixup.reproduce import adapting
from keras_mixup.reproduce import catalogue
from keras_mixup.reproduce import choosing
from keras_mixup.reproduce import jobs

# Chosen by the columns and rows; their union is one call.
UNITED = ("attacks", "pgd_steps", "defences", "mix_weights")
_STEPPED = ("pgd", "cleverhans_pgd", "varmixup_pgd")
# No attack of its own.
_CORRUPTIONS = "corruptions"


class Cell(NamedTuple):
    """Where a number of the table comes from.

    Attributes:
        row: str, its label.
        column: `Column`.
        published: `Published`, or None.
        defence: str, the registered name, or "" for none.
        evaluations: tuple of `Job`, one for each seed of the training.
    """

    row: str
    column: catalogue.Column
    published: object
    defence: str
    evaluations: tuple


class Plan(NamedTuple):
    """An entry at a scale.

    Attributes:
        entry: `Entry`.
        scale: `Scale`.
        columns: tuple of `Column`, the paper's and those beside them. Of
            several data sets with one stand-in only the first is there.
        cells: dict (row label, number of the column) -> `Cell`.
        missing: str, why nothing is computed, or "".
    """

    entry: object
    scale: object
    columns: tuple
    cells: dict
    missing: str = ""

    @property
    def jobs(self):
        """list of `Job`, each once, what is needed first, seed by seed."""
        return _jobs(self.cells.values())

    def jobs_of(self, *labels):
        """Returns a list of `Job`: those of the rows with these labels."""
        return _jobs(c for c in self.cells.values() if c.row in labels)

    def cell(self, row, column):
        """Returns the `Cell` with these labels, or None."""
        for cell in self.cells.values():
            if (cell.row, cell.column.label) == (row, column):
                return cell
        return None


def plan(entry, scale):
    """Returns the `Plan` of an `Entry` at a `Scale`; reads no data."""
    missing = scale.left_out.get(entry.name, "")
    if missing:
        return Plan(entry, scale, (), {}, missing)
    columns = _columns(entry, scale)
    found = {}
    for seed in scale.seeds:
        trained = _trained(entry, columns, scale, seed)
        for places, job in _evaluations(entry, columns, scale, trained):
            for place in places:
                found.setdefault(place, []).append(job)
    cells = {
        (row.label, place): Cell(
            row.label,
            column,
            _published(entry, row, column),
            _defence(row),
            tuple(found[row.label, place]),
        )
        for row in entry.rows
        for place, column in enumerate(columns)
        if (row.label, place) in found
    }
    return Plan(entry, scale, columns, cells)


def _jobs(cells):
    by_cell = [cell.evaluations for cell in cells]
    by_seed = itertools.zip_longest(*by_cell)
    return jobs.unique(job for own in by_seed for job in own if job is not None)


def _columns(entry, scale):
    """The columns of the first data set of each stand-in."""
    first, every = {}, (*entry.columns, *entry.beside)
    for column in every:
        stand_in = scale.stand_in(column.dataset, entry.transfer)
        if stand_in is not None:
            first.setdefault(stand_in, column.dataset)
    return tuple(c for c in every if c.dataset in first.values())


def _published(entry, row, column):
    """The paper's number, None where it has none."""
    for known, number in entry.numbers(row):
        if known == column:
            return number
    return None


def _trained(entry, columns, scale, seed):
    """Returns dict (row, data set) -> `Job`; one for equal settings."""
    found, made = {}, {}
    for row in entry.rows:
        label = row.label if row.trained else ""
        for dataset in entry.measured_on(row):
            if any(column.dataset == dataset for column in columns):
                job = adapting.training(
                    row.training.format(dataset=dataset),
                    *(scale, seed, entry.transfer, row.trained, label),
                )
                place = (row.label, dataset)
                found[place] = made.setdefault(job.key, job)
    return found


def _evaluations(entry, columns, scale, trained):
    """Yields (places, `Job`): one call for all that can share it."""
    groups = {}
    for row in entry.rows:
        for place, column in enumerate(columns):
            known = not column.rows or row.label in column.rows
            if not known or column.dataset not in entry.measured_on(row):
                continue
            settings = {**row.settings, **column.settings}
            common = {n: v for n, v in settings.items() if n not in UNITED}
            job = trained[row.label, column.dataset]
            key = (job.key, row.evaluation, repr(sorted(common.items())))
            member = (row, place, column, settings)
            groups.setdefault(key, (job, []))[1].append(member)
    for (_, evaluation, _), (needed, members) in groups.items():
        job = adapting.evaluation(evaluation, _united(members), scale, needed)
        job = choosing.with_choices(job, scale)
        yield [(row.label, place) for row, place, _, _ in members], job


def _united(members):
    """Returns the settings of one call for several rows and columns."""
    own, weights = {}, {}
    for row, _, _, settings in members:
        own |= {n: v for n, v in settings.items() if n not in UNITED}
        if _defence(row) and "mix_weights" in settings:
            weights[settings["mix_weights"]] = None
    columns = [column for _, _, column, _ in members]
    attacks = dict.fromkeys(c.attack for c in columns)
    attacks.pop(_CORRUPTIONS, None)
    own["attacks"] = ",".join(attacks or ["clean"])
    steps = {c.steps for c in columns if c.attack in _STEPPED}
    if steps:
        own["pgd_steps"] = ",".join(map(str, sorted(steps)))
    defences = dict.fromkeys(_defence(row) for row, _, _, _ in members)
    own["defences"] = ",".join(filter(None, defences))
    expected = "one for each training"
    _checks.check(len(weights) < 2, "mix_weights", expected, list(weights))
    if weights:
        own["mix_weights"] = str(*weights)
    return own


def network_of(row):
    """Returns the label of a row without its defence, a str."""
    return row.label.partition(" + ")[0] if _defence(row) else row.label


def _defence(row):
    """The registered name of a row's defence, "" for none."""
    given = row.settings.get("defences")
    if given is None:
        given = catalogue.read_flags(row.evaluation).get("defences", "")
    return given
