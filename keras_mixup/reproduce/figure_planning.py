"""From a figure and a scale to jobs."""

from typing import NamedTuple

from keras_mixup.reproduce import adapting
from keras_mixup.reproduce import jobs
from keras_mixup.reproduce import planning


class FigurePlan(NamedTuple):
    """A figure at a scale.

    Attributes:
        entry: `figures.Figure`.
        scale: `Scale`.
        panels: dict label -> tuple of `Job`, an evaluation, or a training,
            for each seed. Of several data sets with one stand-in only the
            first is there; the label of another one ends with its name.
        missing: str, why nothing is computed, or "".
    """

    entry: object
    scale: object
    panels: dict
    missing: str = ""

    @property
    def jobs(self):
        """list of `Job`, each once, what is needed first."""
        return jobs.unique(job for own in self.panels.values() for job in own)

    def jobs_of(self, label):
        """list of `Job`: those of the panel with that label."""
        return jobs.unique(self.panels[label])


def plan(figure, scale):
    """Returns the `FigurePlan` of a `figures.Figure`; reads no data."""
    missing = scale.left_out.get(figure.name, "")
    if missing:
        return FigurePlan(figure, scale, {}, missing)
    if figure.tables:
        return FigurePlan(figure, scale, _of_tables(figure.tables, scale))
    panels = {}
    for place, dataset in enumerate(_datasets(figure, scale)):
        for panel in figure.panels:
            if not panel.on(dataset):
                continue
            label = f"{panel.label}, {dataset}" if place else panel.label
            panels[label] = tuple(
                _job(panel, dataset, scale, seed) for seed in scale.seeds
            )
    return FigurePlan(figure, scale, panels)


def _datasets(figure, scale):
    """The first data set of each stand-in."""
    first = {}
    for dataset in figure.datasets:
        stand_in = scale.stand_in(dataset)
        if stand_in is not None:
            first.setdefault(stand_in, dataset)
    return first.values()


def _job(panel, dataset, scale, seed):
    file = panel.training.format(dataset=dataset)
    trained = adapting.training(file, scale, seed, own=panel.trained)
    if not panel.evaluation:
        return trained
    beside = ()
    if panel.beside:
        file = panel.beside.format(dataset=dataset)
        beside = (adapting.training(file, scale, seed),)
    return adapting.evaluation(
        panel.evaluation, panel.settings, scale, trained, beside
    )


def _of_tables(tables, scale):
    """The evaluations by AutoAttack, by row and column of their table."""
    found = {}
    for table in tables:
        number = table.name.rpartition("table")[2]
        for cell in planning.plan(table, scale).cells.values():
            if cell.column.attack == "autoattack":
                label = f"Table {number}, {cell.row}, {cell.column.label}"
                found[label] = cell.evaluations
    return found
