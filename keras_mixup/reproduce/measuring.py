"""From the records of finished jobs to the numbers of a table."""

import statistics
from typing import Any
from typing import NamedTuple

from keras_mixup import _corruption_kinds
from keras_mixup import _files
from keras_mixup import evaluation
from keras_mixup import registry
from keras_mixup import runs
from keras_mixup import studies
from keras_mixup.metrics import estimates
from keras_mixup.reproduce import catalogue
from keras_mixup.reproduce import statistics as statistics_lib
from keras_mixup.runs import _attacks

_CORRUPTIONS = "corruptions"
_STEPPED = ("pgd", "cleverhans_pgd", "varmixup_pgd")


class Measured(NamedTuple):
    """An accuracy of ours.

    Attributes:
        accuracy: float in [0, 1].
        low, high: floats, its 95 % interval over the images; None for a mean
            over corruptions.
        num_examples: int, or None likewise.
        answers: dict example id -> share of right answers, over the seeds of
            the training and of the draws; for a mean over corruptions dict
            kind -> accuracy.
        networks: int, how many seeds of the training it is of.
        deviation: float, the standard deviation of the accuracies of the
            networks, or None for one network.
    """

    accuracy: float
    low: float | None
    high: float | None
    num_examples: int | None
    answers: dict
    networks: int = 1
    deviation: float | None = None


class Reader:
    """Reads the records of finished jobs, each file once.

    Args:
        store: `Store`.
    """

    def __init__(self, store):
        self._store = store
        self._known = {}

    def measured(self, cell):
        """Returns the `Measured` of a `planning.Cell`, of its finished jobs.

        None before the first of them is finished.

        Raises:
            ValueError: a folder has results of other settings or of another
                network, or lacks what its settings promise.
        """
        done = list(filter(self._store.finished, cell.evaluations))
        if not done:
            return None
        if cell.column.attack == _CORRUPTIONS:
            return self._corrupted(done)
        found, labels, each = {}, {}, []
        for job in done:
            records = self._answers(job, cell)
            hits = [record.prediction == record.label for record in records]
            each.append(statistics.fmean(hits))
            for record in records:
                found.setdefault(record.example_id, []).append(
                    record.prediction
                )
                labels[record.example_id] = record.label
        pairs = [(own, labels[i]) for i, own in found.items()]
        shares = {
            i: own.count(labels[i]) / len(own) for i, own in found.items()
        }
        own = estimates.of_answers(*zip(*pairs, strict=True))
        return Measured(
            *(own.accuracy, own.low, own.high, own.num_examples, shares),
            networks=len(done),
            deviation=statistics.stdev(each) if each[1:] else None,
        )

    def table(self, plan):
        """Returns dict place -> `Measured` of what is there of a `Plan`."""
        found = {p: self.measured(cell) for p, cell in plan.cells.items()}
        return {place: own for place, own in found.items() if own is not None}

    def _corrupted(self, done):
        """Returns `Measured`: means over the standard kinds and severities."""
        each, kinds = [], {}
        for job in done:
            path = self._store.folder(job) / _files.STUDIES
            rows = _files.read_lines(path / f"{_CORRUPTIONS}.jsonl")
            means = list(studies.corruption_means(rows).values())
            if not means or None in means:
                raise ValueError(
                    f"{path} lacks kinds or severities of corruption. Move the "
                    "folder of the job away, and the job is done anew."
                )
            each.append(statistics.fmean(means))
            for row in rows:
                if row["kind"] in _corruption_kinds.STANDARD:
                    kinds.setdefault(row["kind"], []).append(row["accuracy"])
        return Measured(
            *(statistics.fmean(each), None, None, None),
            {kind: statistics.fmean(own) for kind, own in kinds.items()},
            len(done),
            statistics.stdev(each) if each[1:] else None,
        )

    def _answers(self, job, cell):
        """The records of one cell in one evaluation."""
        groups, defences = self._read(job)
        spec = _spec(job, cell.column)
        place = (
            defence_label(defences, cell.defence),
            spec.name,
            spec.knowledge,
        )
        if place not in groups:
            shown = ", ".join(map(str, sorted(groups)))
            raise ValueError(
                f"{self._store.folder(job)} has no records of "
                f"{' / '.join(place)}, only of {shown}. Move it away, and the "
                "job is done anew."
            )
        return groups[place]

    def _read(self, job):
        if job.key not in self._known:
            path = self._store.folder(job) / _files.RECORDS
            records, groups = evaluation.read_records(path), {}
            for record in records:
                place = (record.defence, record.attack, record.knowledge)
                groups.setdefault(place, []).append(record)
            self._known[job.key] = groups, records.defences
        return self._known[job.key]


def statistic(plan, claim):
    """Returns the `Statistic` that a claim of a table compares.

    Args:
        plan: `Plan`.
        claim: `catalogue.Claim`.
    """
    compared = {one.column for one in claim.comparisons}
    own = [c.attack for c in plan.columns if c.label in compared]
    if _CORRUPTIONS in own:
        return statistics_lib.CORRUPTIONS
    return statistics_lib.ACCURACY


def _spec(job: Any, column: catalogue.Column) -> evaluation.AttackSpec:
    """The `AttackSpec` of a column in an evaluation."""
    values = {**job.settings, "attacks": (column.attack,)}
    if column.attack in _STEPPED:
        values["pgd_steps"] = (column.steps,)
    idle = runs.EvaluateSettings.idle(values)
    values = {n: v for n, v in values.items() if n not in idle}
    return _attacks.build_specs(runs.EvaluateSettings(**values))[0]


def defence_label(defences, name):
    """Returns the label in records of a defence's registered name, a str.

    Args:
        defences: dict label -> what the records say of a defence.
        name: str, or "" for none.
    """
    if not name:
        return "none"
    wanted = registry.entry("defence", name).path.rpartition(":")[2]
    found = [n for n, told in defences.items() if told["class"] == wanted]
    if len(found) != 1:
        raise ValueError(f"{len(found)} defences are {wanted}, not one.")
    return found[0]
