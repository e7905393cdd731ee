"""From any entry and a scale to its plan, its results and its page."""

from keras_mixup import _checks
from keras_mixup.reproduce import figure_pages
from keras_mixup.reproduce import figure_planning
from keras_mixup.reproduce import figures
from keras_mixup.reproduce import jobs
from keras_mixup.reproduce import pages
from keras_mixup.reproduce import planning


def plan(entry, scale):
    """Returns the `Plan` of a table, or the `FigurePlan` of a figure."""
    if isinstance(entry, figures.Figure):
        return figure_planning.plan(entry, scale)
    return planning.plan(entry, scale)


def check_rows(plans, rows):
    """Raises `ValueError` unless each of the rows is one of these tables.

    Args:
        plans: list of what `plan` returned.
        rows: sequence of str, labels; empty for all rows.
    """
    if not rows:
        return
    for one in plans:
        table = not isinstance(one, figure_planning.FigurePlan)
        expected = f"empty, since {one.entry.name} is no table"
        _checks.check(table, "rows", expected, rows)
    known = {row.label: None for one in plans for row in one.entry.rows}
    for row in rows:
        _checks.check_known(row, "rows", tuple(known))


def wanted(plans, rows):
    """Returns a list of `Job`, each once: those of all rows, or of some.

    Args:
        plans, rows: as for `check_rows`.
    """
    if rows:
        return jobs.unique(j for one in plans for j in one.jobs_of(*rows))
    return jobs.unique(j for one in plans for j in one.jobs)


def results(found, store, reader):
    """Returns the `Results` or `FigureResults` of a plan.

    Args:
        found: what `plan` returned.
        store: `Store`.
        reader: `measuring.Reader`.
    """
    if isinstance(found, figure_planning.FigurePlan):
        return figure_pages.results(found, store)
    return pages.results(found, store, reader)


def blocks(found):
    """Returns the blocks of the page of what `results` returned, a list."""
    drawn = isinstance(found, figure_pages.FigureResults)
    return list((figure_pages if drawn else pages).blocks(found))
