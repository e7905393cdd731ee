"""From any entry and a scale to its plan, its results and its page."""

from keras_mixup.reproduce import figure_pages
from keras_mixup.reproduce import figure_planning
from keras_mixup.reproduce import figures
from keras_mixup.reproduce import pages
from keras_mixup.reproduce import planning


def plan(entry, scale):
    """Returns the `Plan` of a table, or the `FigurePlan` of a figure."""
    if isinstance(entry, figures.Figure):
        return figure_planning.plan(entry, scale)
    return planning.plan(entry, scale)


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
