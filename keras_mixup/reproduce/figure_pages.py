"""The page of a figure: drawing, numbers, claims, settings, cost."""

from typing import NamedTuple

from keras_mixup.reproduce import document
from keras_mixup.reproduce import images
from keras_mixup.reproduce import pages
from keras_mixup.reproduce import verdicts
from keras_mixup.reproduce import views
from keras_mixup.reproduce.running import time_text


class FigureResults(NamedTuple):
    """What is known of a figure at a scale.

    Attributes:
        plan: `FigurePlan`.
        made: dict label of a panel -> list of what its view reads, one for
            each seed; the panels that are finished.
        known: dict key of a job -> what its job.json says.
        verdicts: tuple of `Verdict`.
    """

    plan: object
    made: dict
    known: dict
    verdicts: tuple

    @property
    def finished(self):
        """int: the finished jobs."""
        return sum(bool(told.get("finished")) for told in self.known.values())

    @property
    def seconds(self):
        """float: the wall time of the jobs."""
        return sum(told.get("seconds", 0.0) for told in self.known.values())

    @property
    def view(self):
        """The `View`."""
        return views.views()[self.plan.entry.view]

    @property
    def complete(self):
        """Whether there is something to show."""
        return bool(self.made) or not self.plan.panels


def results(plan, store):
    """Returns the `FigureResults` of a `FigurePlan` from a `Store`.

    Raises:
        ValueError: a folder has results of other settings.
    """
    view = views.views()[plan.entry.view]
    done = {
        label: own
        for label, own in plan.panels.items()
        if all(map(store.finished, own))
    }
    made = {
        label: [view.read(store, job) for job in own]
        for label, own in done.items()
    }
    known = {job.key: store.known(job) for job in plan.jobs}
    found = () if plan.missing else plan.entry.claims
    if found:
        answers = _nothing
        if len(done) == len(plan.panels):
            answers = _answers(view, made, done, store)
        found = tuple(
            verdicts.verdict(claim, answers, view.statistic) for claim in found
        )
    return FigureResults(plan, made, known, found)


def _nothing(row, column):
    """Of a figure of which a panel is missing: its means would be others."""
    del row, column


def _answers(view, made, done, store):
    """Returns (row, column) -> values of single images, or a level."""
    found = {}
    for label, several in made.items():
        for rows, job in zip(several, done[label], strict=True):
            own = view.values(label, rows, store.folder(job))
            for place, values in own.items():
                found.setdefault(place, []).append(values)

    def answers(row, column):
        level = view.level(row)
        if level is not None:
            return level
        several = found.get((row, column))
        if several is None:
            return None
        if view.statistic.of is not None:
            # Its value is taken of each network.
            common = set.intersection(*map(set, several))
            return {i: [own[i] for own in several] for i in common}
        # Of panels with one row, such as single networks, and of seeds.
        shown = {}
        for values in several:
            for image, value in values.items():
                shown.setdefault(image, []).append(value)
        return {i: sum(own) / len(own) for i, own in shown.items()}

    return answers


def blocks(found):
    """Yields the blocks of a figure's page from its `FigureResults`."""
    plan, figure = found.plan, found.plan.entry
    yield document.Text(f"{figure.source}.")
    if figure.said:
        yield document.Text(figure.said)
    yield document.Text(plan.scale.about)
    if plan.missing:
        yield document.Text(f"Not at this scale. {plan.missing}")
        return
    yield document.Text(_state(found))
    if found.complete:
        shown = drawings(found)
        if shown:
            yield document.Heading("Drawing")
        yield from shown
        yield document.Heading("Numbers")
        yield numbers(found)
        yield document.Text(found.view.note)
    yield document.Heading("Claims")
    if found.verdicts:
        yield pages.claims(found.verdicts)
        yield document.Text(verdicts.TEST)
        if found.view.statistic.of is not None:
            yield document.Text(verdicts.TEST_OF_SAMPLES)
    else:
        yield document.Text(
            "No verdict: no comparison of single numbers is claimed here, or "
            "none that can be tested."
        )
    if plan.panels:
        yield from _jobs(found)
    yield document.Heading("Commands")
    yield document.Code(
        "This page, and what is missing for it", [pages.command(plan)]
    )
    for label in plan.panels:
        own = list(map(pages.shell, plan.jobs_of(label)))
        yield document.Code(f"By hand: {label}", own)


def _state(found):
    if not found.plan.panels:
        return "It needs no training, and is computed with the page."
    digests = images.digests_of(found.known, found.plan)
    shown = dict.fromkeys(
        images.telling(name, digests.get(name))
        for own in found.plan.panels.values()
        for name in map(images.dataset_of, own)
    )
    seeds = ", ".join(map(str, found.plan.scale.seeds))
    return (
        f"{found.finished} of {len(found.known)} jobs are finished, in "
        f"{time_text(found.seconds)}. Data: {', '.join(shown)}. Seeds of the "
        f"training: {seeds}."
    )


def _jobs(found):
    yield document.Heading("Settings that differ from the paper's")
    yield pages.differences(found.plan)
    yield document.Heading("Cost")
    yield pages.costs(found)


def numbers(found):
    """Returns the `Table` of the numbers of a figure."""
    return found.view.table(found.made, found.plan.entry)


def drawings(found):
    """Returns a list of `Drawing`, those of the panels that are finished."""
    if not found.made:
        return []
    name = found.plan.entry.name.replace("/", "-")
    groups, shown = [found.made], []
    if found.view.together:
        groups = list(_together(found))
    for own in groups:
        shown += found.view.drawings(own, name, first=len(shown) + 1)
    return shown


def _together(found):
    """Yields what one drawing shows: the paper's, then ours in its places."""
    panels = found.plan.entry.panels
    ours = {p.instead_of: p.label for p in panels if p.instead_of}
    papers = [label for label in found.made if label not in ours.values()]
    yield {label: found.made[label] for label in papers}
    if any(label in found.made for label in ours.values()):
        places = [ours.get(label, label) for label in papers]
        yield {own: found.made[own] for own in places if own in found.made}


def as_json(found):
    """Returns the numbers of `FigureResults`, a dict of JSON values."""
    table = numbers(found) if found.complete else document.Table((), [])
    if found.plan.missing:
        table = document.Table((), [])
    return {
        "panels": {
            label: [job.key for job in own]
            for label, own in found.plan.panels.items()
        },
        "header": list(table.header),
        "rows": [list(row) for row in table.rows],
    }
