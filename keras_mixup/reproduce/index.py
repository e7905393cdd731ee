"""The index of a scale: all entries, all claims."""

from keras_mixup.reproduce import document
from keras_mixup.reproduce import pages
from keras_mixup.reproduce import verdicts
from keras_mixup.reproduce.running import time_text

NAME = "index"


def file_name(entry):
    """Returns the name of an entry's page, without its suffix."""
    return entry.name.replace("/", "-")


def title(scale):
    """Returns the heading of the index."""
    return f"The papers at the scale {scale.name}"


def blocks(scale, found):
    """Yields the blocks of the index of a scale.

    Args:
        scale: `Scale`.
        found: list of `Results` and `FigureResults`, of all entries.
    """
    yield document.Text(scale.about)
    yield document.Heading("Tables, figures and paragraphs")
    rows = [_entry(one) for one in found]
    header = ("entry", "state", "wall time", "source")
    yield document.Table(header, rows)
    seconds = {}
    for one in found:
        for key, told in one.known.items():
            seconds[key] = told.get("seconds", 0.0)
    yield document.Text(
        f"{len(seconds)} jobs in all, {time_text(sum(seconds.values()))} so "
        "far. A job that several entries need is done once."
    )
    yield document.Heading("Claims")
    yield counts(found)
    for one in found:
        if one.verdicts and has_page(one):
            yield document.Text(f"{one.plan.entry.name}:")
            yield pages.claims(one.verdicts)
    yield document.Text(verdicts.TEST)
    yield document.Text(verdicts.TEST_OF_SAMPLES)


def counts(found):
    """Returns the `Table` of how many claims hold, by paper.

    A claim of two tables with the same networks, as where one data set stands
    for several, counts once.
    """
    words = (
        verdicts.HOLDS,
        verdicts.FAILS,
        verdicts.OPEN,
        verdicts.MISSING,
    )
    papers, counted = {}, set()
    for one in found:
        paper = one.plan.entry.name.partition("/")[0]
        own = papers.setdefault(paper, dict.fromkeys(words, 0))
        for verdict in one.verdicts:
            place = (paper, verdict.claim.text, verdict.numbers)
            if place not in counted:
                counted.add(place)
                own[verdict.word] += 1
    rows = [(p, *map(str, own.values())) for p, own in papers.items()]
    return document.Table(("paper", *words), rows, numbers=True)


def has_page(one):
    """Whether there is anything to show of an entry, or why there is not."""
    return bool(one.finished) or not one.known


def _entry(one):
    plan = one.plan
    link = plan.entry.name
    if has_page(one):
        link = document.Link(link, file_name(plan.entry))
    state = f"{one.finished} of {len(one.known)} jobs"
    if not one.known:
        state = "computed with the page"
    if plan.missing:
        state = f"not at this scale. {plan.missing}"
    spent = time_text(one.seconds) if one.seconds else ""
    return (link, state, spent, plan.entry.source.partition(":")[0])
