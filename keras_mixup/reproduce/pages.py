"""The page of an entry: our numbers beside the paper's, and what differs."""

from typing import NamedTuple

from keras_mixup.evaluation.labels import p_text
from keras_mixup.reproduce import adapting
from keras_mixup.reproduce import chart
from keras_mixup.reproduce import choosing
from keras_mixup.reproduce import document
from keras_mixup.reproduce import examples
from keras_mixup.reproduce import images
from keras_mixup.reproduce import jobs
from keras_mixup.reproduce import lookup
from keras_mixup.reproduce import measuring
from keras_mixup.reproduce import remarks
from keras_mixup.reproduce import verdicts
from keras_mixup.reproduce.running import time_text

NOT_YET = "not yet"
_NOTE = (
    "Accuracy in percent: the true label is predicted. Each cell has our "
    "number with its 95 % interval over the test images (n: where these are "
    "fewer)"
)
_BESIDE = (
    "the paper's number, and ours less the paper's. Columns and rows "
    "without a number of the paper are ours alone. An attack that ignores the "
    "defence gives an upper bound of its robustness at most; the column "
    "through the defence is the one to judge it by."
)
_SEVERAL = "After ± stands the standard deviation of the networks."


class Results(NamedTuple):
    """What is known of an entry at a scale.

    Attributes:
        plan: `Plan`.
        measured: dict place -> `Measured`.
        known: dict key of a job -> what its job.json says.
        verdicts: tuple of `Verdict`.
        choices: dict key of a job -> dict defence -> `choosing.Choice`.
        examples: dict label of a network -> example images; see `examples`.
    """

    plan: object
    measured: dict
    known: dict
    verdicts: tuple
    choices: dict = {}
    examples: dict = {}

    @property
    def table(self):
        """str: our numbers beside the paper's, a table in Markdown."""
        return document.markdown(numbers(self))

    @property
    def finished(self):
        """int: the finished jobs."""
        return sum(bool(told.get("finished")) for told in self.known.values())

    @property
    def seconds(self):
        """float: the wall time of the jobs."""
        return sum(told.get("seconds", 0.0) for told in self.known.values())


def results(plan, store, reader):
    """Returns the `Results` of a `Plan` from a `Store`."""
    measured = reader.table(plan)
    known = {job.key: store.known(job) for job in plan.jobs}

    def answers(row, column):
        for (own, place), found in measured.items():
            if (own, plan.columns[place].label) == (row, column):
                return found.answers
        return None

    found = () if plan.missing else plan.entry.claims
    found = tuple(
        verdicts.verdict(claim, answers, measuring.statistic(plan, claim))
        for claim in found
    )
    chosen = {
        job.key: store.choices(job) for job in plan.jobs if store.finished(job)
    }
    shown = examples.read(plan, store)
    return Results(plan, measured, known, found, chosen, shown)


def title(plan):
    """Returns the heading of an entry's page."""
    source = plan.entry.source.partition(":")[0]
    return f"{source}, at the scale {plan.scale.name}"


def blocks(found):
    """Yields the blocks of an entry's page from its `Results`."""
    plan = found.plan
    yield document.Text(f"{plan.entry.source}.")
    yield document.Text(plan.scale.about)
    if plan.missing:
        yield document.Text(f"Not at this scale. {plan.missing}")
        return
    yield document.Text(
        f"{found.finished} of {len(found.known)} jobs are finished, in "
        f"{time_text(found.seconds)}."
    )
    if plan.entry.note:
        yield document.Text(plan.entry.note)
    yield document.Heading("Numbers")
    yield numbers(found)
    yield document.Text(_note(plan))
    if found.measured:
        yield picture(found)
    sentences = [_stand_ins(found), *remarks.sentences(found)]
    yield document.Text(" ".join(sentences))
    yield from examples.blocks(plan.entry.name, found.examples)
    if found.verdicts:
        yield document.Heading("Claims")
        yield claims(found.verdicts)
        yield document.Text(verdicts.TEST)
    if lookup.is_own(plan.entry, plan.scale):
        yield document.Heading("Settings that the scale changes")
    else:
        yield document.Heading("Settings that differ from the paper's")
    yield differences(plan)
    yield from choosing.blocks(plan, found.choices)
    yield document.Heading("Cost")
    yield costs(found)
    yield document.Heading("Commands")
    if not lookup.is_own(plan.entry, plan.scale):
        yield document.Code(
            "This page, and what is missing for it", [command(plan)]
        )
    for row in plan.entry.rows:
        if own := plan.jobs_of(row.label):
            lines = [shell(job, found.choices.get(job.key)) for job in own]
            yield document.Code(f"By hand: {row.label}", lines)


def _compares(plan):
    """Whether there are numbers of a paper."""
    return any(any(row.published) for row in plan.entry.rows)


def _note(plan):
    """What the numbers of a table are."""
    text = f"{_NOTE}, {_BESIDE}" if _compares(plan) else f"{_NOTE}."
    if plan.scale.seeds[1:]:
        text += f" {_SEVERAL}"
    return text


def command(plan):
    """Returns the command that makes the page."""
    return (
        f"keras-mixup reproduce --entry={plan.entry.name} "
        f"--scale={plan.scale.name} --results_dir=results"
    )


def numbers(found):
    """Returns the `Table` of our numbers beside the paper's."""
    plan = found.plan
    counts = [m.num_examples or 0 for m in found.measured.values()]
    most = max(counts, default=0)
    rows = []
    for row in plan.entry.rows:
        cells = [
            _number(plan.cells.get(place), found.measured.get(place), most)
            for place in [(row.label, i) for i in range(len(plan.columns))]
        ]
        if any(cell != "–" for cell in cells):
            rows.append((row.label, *cells))
    labels = tuple(column.label for column in plan.columns)
    return document.Table(("", *labels), rows, numbers=True)


def _number(cell, measured, most):
    if cell is None:
        return "–"
    if measured is None:
        return (NOT_YET, _paper(cell.published))
    own_number = f"{100 * measured.accuracy:.1f}"
    if measured.deviation is not None:
        own_number += f" ± {100 * measured.deviation:.1f}"
    interval = ""
    if measured.low is not None:
        interval = f"{100 * measured.low:.1f} to {100 * measured.high:.1f}"
        if measured.num_examples < most:
            interval += f", n={measured.num_examples}"
    if measured.networks < len(cell.evaluations):
        of = f"{measured.networks} of {len(cell.evaluations)} networks"
        interval += f"; {of}" if interval else of
    if cell.published is None:
        return (own_number, interval)
    more = " or more" if cell.published.at_most else ""
    less = f"{100 * measured.accuracy - cell.published.value:+.1f}{more}"
    return (own_number, interval, _paper(cell.published), less)


def picture(found):
    """Returns the `Picture` of our numbers and the paper's."""
    plan = found.plan
    labels = [row.label for row in plan.entry.rows if plan.jobs_of(row.label)]
    columns = [
        (
            column.label,
            [
                _point(found, plan.cells.get((row, i)), (row, i))
                for row in labels
            ],
        )
        for i, column in enumerate(plan.columns)
    ]
    whose = (
        "Our accuracies and the paper's" if _compares(plan) else "Accuracies"
    )
    text = f"{whose}, a panel for each column."
    name = plan.entry.name.replace("/", "-")
    return document.Picture(name, chart.draw(labels, columns), text)


def _point(found, cell, place):
    """(ours, low, high, the paper's) in percent, None where there is none."""
    paper = cell.published.value if cell and cell.published else None
    own = found.measured.get(place)
    if own is None:
        return (None, None, None, paper)
    values = (own.accuracy, own.low, own.high)
    return (*(None if v is None else 100 * v for v in values), paper)


def _paper(published):
    return "" if published is None else f"paper {published}"


def _stand_ins(found):
    plan, transfer = found.plan, found.plan.entry.transfer
    digests = images.digests_of(found.known, plan)
    shown = dict.fromkeys(column.dataset for column in plan.columns)
    texts = []
    for name in shown:
        own = plan.scale.stand_in(name, transfer)
        text = images.telling(plan.scale.told.get(own, own), digests.get(own))
        texts.append(f"{text} for {name}")
    every = dict.fromkeys(c.dataset for c in plan.entry.columns)
    left = [name for name in every if name not in shown]
    text = f"Data: {', '.join(texts)}."
    if left:
        text += (
            f" The columns of {', '.join(left)} are left out: at this scale "
            "no other data set stands for them."
        )
    seeds = ", ".join(map(str, plan.scale.seeds))
    return f"{text} Seeds of the training: {seeds}."


def claims(found):
    """Returns the `Table` of `Verdict`s."""
    rows = []
    for one in found:
        lines = tuple(map(_compared, one.compared))
        if all(c.difference is None for c in one.compared):
            lines = (f"none of {len(lines)} comparisons is measured",)
        rows.append((one.claim.text, one.word, one.claim.place, ("", *lines)))
    header = ("claim", "here", "where", "row above row, our numbers")
    return document.Table(header, rows)


def _compared(one):
    own = one.comparison
    columns = own.column
    if own.other_column:
        columns = f"{own.column} and {own.other_column}"
    text = f"{own.row} / {own.other}, {columns}: "
    if one.difference is None:
        return f"{text}not measured"
    digits, noun = one.statistic.digits, one.statistic.noun
    return (
        f"{text}{one.first:.{digits}f} / {one.second:.{digits}f}, difference "
        f"{one.difference:+.{digits}f} ± {one.error:.{digits}f} "
        f"({one.num_examples} {noun}"
        f"{'' if one.p is None else f', {p_text(one.p)}'})"
    )


def differences(plan):
    """Returns the `Table` of settings that are not the paper's."""
    found = {}
    for job in plan.jobs:
        for one in adapting.differences(job, plan.scale):
            key = (job.kind, *one)
            found.setdefault(key, []).append(job.label)
    every = {
        kind: sum(job.kind == kind for job in plan.jobs)
        for kind in (jobs.TRAIN, jobs.EVALUATE)
    }
    rows = []
    for (kind, setting, paper, here, reason), labels in found.items():
        whole = len(labels) == every[kind]
        where = f"all, {kind}" if whole else "; ".join(dict.fromkeys(labels))
        rows.append((setting, paper, here, reason, where))
    given = "given" if lookup.is_own(plan.entry, plan.scale) else "paper"
    header = ("setting", given, "here", "why", "where")
    return document.Table(header, sorted(rows))


def costs(found):
    """Returns the `Table` of what each job cost."""
    rows = []
    for job in found.plan.jobs:
        told = found.known[job.key]
        if not told:
            rows.append((f"{job.kind}: {job.label}", NOT_YET, "", "", job.key))
            continue
        state = "" if told["finished"] else " so far"
        rows.append(
            (
                f"{job.kind}: {job.label}",
                f"{told['seconds']:.0f} s{state}",
                f"{told['cpu_seconds']:.0f} s",
                told["time"][:10],
                job.key,
            )
        )
    header = ("job", "wall time", "CPU time", "date", "key")
    return document.Table(header, rows)


def shell(job, choices=None):
    """Returns the command that does a `Job` by hand, a str.

    Args:
        job: `Job`.
        choices: dict defence -> `choosing.Choice` of its settings, or None.
    """
    kind = jobs.settings_class(job.kind)
    flags = [
        _flag(kind.declared[name], value)
        for name, value in job.settings.items()
        if name not in ("vae", "adv_vae")
    ]
    flags += [
        _flag(kind.declared[one.setting], one.value)
        for one in (choices or {}).values()
    ]
    if job.kind == jobs.TRAIN:
        flags += [f"--vae=runs/{need.key}" for need in job.needs]
        place = f"--run_dir=runs/{job.key}"
    else:
        flags += [f"--adv_vae=runs/{need.key}" for need in job.needs[1:]]
        place = f"--run_dir=runs/{job.needs[0].key}"
    return f"keras-mixup {job.kind} {' '.join(flags)} {place}"


def _flag(declared, value):
    if declared.kind == "bool":
        return f"--{declared.name}" if value else f"--no{declared.name}"
    return f"--{declared.name}={declared.text(declared.parse(value))}"
