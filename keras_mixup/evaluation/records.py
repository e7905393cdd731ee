"""One JSON line per example, model, attack and evaluation seed.

Tables, figures and reports are made from these lines alone.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple
from typing import SupportsIndex
from typing import overload

import numpy as np

from keras_mixup import _files
from keras_mixup import _types
from keras_mixup.attacks import Facts
from keras_mixup.metrics.calibration import calibration_error

WORST_CASE = "worst-case"
# What `Records` know beside their lines.
_KNOWN = ("facts", "defences", "evidence")


class Row(NamedTuple):
    """A row of the table: what answers.

    Attributes:
        model: str, the trained classifier's name.
        defence: str, the defence's name, or `"none"`.
    """

    model: str
    defence: str


class Budget(NamedTuple):
    """How far the adversary may go.

    Attributes:
        norm: `"linf"`, `"l2"`, or None without an attack.
        eps: float, the radius in pixel units, or None without an attack.
    """

    norm: str | None
    eps: float | None


class Column(NamedTuple):
    """A column of the table: what attacks.

    Attributes:
        attack: str, the attack's name, `"clean"` for no attack.
        knowledge: `"none"` (no attack), `"oblivious"` (crafted on the
            undefended classifier), `"transfer"` (on another model) or
            `"adaptive"` (through the defence).
        norm, eps: as in `Budget`.
    """

    attack: str
    knowledge: str
    norm: str | None
    eps: float | None

    @property
    def budget(self) -> Budget:
        """`Budget`."""
        return Budget(self.norm, self.eps)


class Record(NamedTuple):
    """What one model answered for one example under one attack.

    Attributes:
        example_id: int, stable across runs.
        label: int, the true label.
        model, defence: as in `Row`.
        attack, knowledge, norm, eps: as in `Column`.
        attack_seed: int, or None without an attack.
        eval_seed: int, or None where the model is deterministic.
        prediction: int, the class with the largest output.
        loss: float, cross-entropy of the output with the true label, in nats.
        gradient_passes: int, the attack's gradient passes on this example.
        queries: int, the attack's forward queries on this example.
        pool_split: str, the split the defence's pool was drawn from, or None.
        confidence: float in [0, 1], the probability of the prediction; None
            in a file of a release that did not keep it.
    """

    example_id: int
    label: int
    model: str
    defence: str
    attack: str
    knowledge: str
    norm: str | None
    eps: float | None
    attack_seed: int | None
    eval_seed: int | None
    prediction: int
    loss: float
    gradient_passes: int
    queries: int
    pool_split: str | None
    confidence: float | None = None

    @property
    def row(self) -> Row:
        """`Row`."""
        return Row(self.model, self.defence)

    @property
    def column(self) -> Column:
        """`Column`."""
        return Column(self.attack, self.knowledge, self.norm, self.eps)

    budget = Column.budget  # type: ignore[misc]

    @property
    def cell(self) -> tuple[Row, Column]:
        """(`Row`, `Column`): one cell of the table."""
        return self.row, self.column

    @property
    def hit(self) -> bool:
        """bool: the true label is predicted."""
        return self.prediction == self.label

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes a measurement unique; the rest is its outcome."""
        return (
            self.example_id,
            *self.row,
            *self.column,
            self.attack_seed,
            self.eval_seed,
            self.pool_split,
        )


class Records(list[Record]):
    """A list of `Record` that knows its attacks.

    Slices, copies and sums know them as well. What makes a plain list of it,
    as `sorted` does, loses them: then nothing is known.

    Args:
        records: iterable of `Record`.
        facts: dict `Column` -> `attacks.Facts`; of a column that it lacks
            nothing is known. None takes those of `records`.
        defences: dict label -> the defence's settings, likewise.
        evidence: dict (`Row`, `Column`) -> `Evidence`, what the attack on
            this model showed; likewise.

    Attributes:
        facts, defences, evidence: the dicts.
    """

    facts: dict[Column, Facts]
    defences: dict[str, Any]
    evidence: dict[tuple[Row, Column], Any]

    def __init__(
        self,
        records: Iterable[Record] = (),
        facts: Mapping[Column, Facts] | None = None,
        defences: Mapping[str, Any] | None = None,
        evidence: Mapping[tuple[Row, Column], Any] | None = None,
    ) -> None:
        super().__init__(records)
        told = facts, defences, evidence
        for name, given in zip(_KNOWN, told, strict=True):
            if given is None:
                given = getattr(records, name, {})
            setattr(self, name, dict(given))

    def _like(self, records: Iterable[Record]) -> "Records":
        return Records(records, self.facts, self.defences, self.evidence)

    def _joined(self, first: Any, second: Any) -> "Records":
        found = self._like(first)
        for name in _KNOWN:
            own = getattr(found, name)
            for key, value in getattr(second, name, {}).items():
                if own.setdefault(key, value) != value and name != "evidence":
                    raise ValueError(
                        f"Records can be joined if equal names have equal "
                        f"{name}. {key} has others on each side."
                    )
        found.extend(second)
        return found

    def __add__(self, other):
        return self._joined(self, other)

    def __radd__(self, other: Any) -> "Records":
        return self._like([])._joined(other, self)

    def __iadd__(self, other):
        self.__dict__.update(self._joined((), other).__dict__)
        self.extend(other)
        return self

    @overload
    def __getitem__(self, place: SupportsIndex) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> "Records": ...

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return self._like(found) if isinstance(place, slice) else found

    def copy(self) -> "Records":
        """Returns the same records in a list of its own."""
        return self._like(self)

    def facts_of(self, column: Column) -> Facts:
        """Returns the `Facts` of a column, `Facts()` where none are known.

        The worst case has a reserved name, and no part of it knows the draws.
        """
        if column.attack == WORST_CASE:
            fair = Facts(knows_draws=False)
            return self.facts.get(column, fair)._replace(worst_case=True)
        return self.facts.get(column, Facts())

    def counts(self, record: Record) -> bool:
        """Whether an attack counts in comparisons: it knows no draws.

        Where that is unknown, an adaptive attack on a model that draws does
        not count.
        """
        knows = self.facts_of(record.column).knows_draws
        if knows is None and record.knowledge == "adaptive":
            return record.eval_seed is None
        return not knows

    def unique(self) -> "Records":
        """Returns each measurement once, the last of equal ones."""
        return self._like({r.key: r for r in self}.values())

    def where(self, keep: Callable[[Record], object]) -> "Records":
        """Returns the `Records` for which `keep(record)` is true."""
        return self._like(filter(keep, self))

    def by(self, name: str) -> dict[Any, "Records"]:
        """Returns dict value -> `Records`, in order of first appearance.

        Args:
            name: str, what to group by: "row", "column", "budget", ....
        """
        groups: dict[Any, list[Record]] = {}
        for record in self:
            groups.setdefault(getattr(record, name), []).append(record)
        return {value: self._like(own) for value, own in groups.items()}

    def shares(self) -> dict[int, float]:
        """Returns dict example id -> share of right answers."""
        groups = self.by("example_id").items()
        return {i: sum(r.hit for r in own) / len(own) for i, own in groups}


class Summary(NamedTuple):
    """One cell of a table: one model under one attack.

    Attributes:
        model, defence, attack, knowledge, norm, eps: as in `Record`.
        accuracy: float in [0, 1], the share of true labels predicted, its
            mean over the evaluation seeds.
        std: float, sample standard deviation of the accuracy over the
            evaluation seeds, or None for fewer than two.
        num_examples: int, examples per seed (the smallest, in a run that was
            cut short).
        num_seeds: int, evaluation seeds.
        loss: float, mean cross-entropy in nats.
        gradient_passes, queries: float, mean per example.
        calibration_error: float in [0, 1], the expected calibration error
            over 15 bins of confidence, of the answers for all seeds; None
            where a record has no confidence.
    """

    model: str
    defence: str
    attack: str
    knowledge: str
    norm: str | None
    eps: float | None
    accuracy: float
    std: float | None
    num_examples: int
    num_seeds: int
    loss: float
    gradient_passes: float
    queries: float
    calibration_error: float | None = None

    row = Record.row  # type: ignore[misc]
    column = Record.column  # type: ignore[misc]


def append_records(path: _types.Path, records: Iterable[Record]) -> None:
    """Appends whole lines; cuts off first what a killed run left half-written.

    Args:
        path: str, created if missing.
        records: iterable of `Record`.
    """
    _files.append_lines(path, list(map(_line, records)))


def write_records(path: _types.Path, records: Iterable[Record]) -> None:
    """Writes a new file at once, through a temporary name beside it.

    Args:
        path: str; an existing file is replaced.
        records: iterable of `Record`.
    """
    _files.write_lines(path, list(map(_line, records)))


def _line(record):
    """What a line holds: a confidence only where it is known."""
    found = record._asdict()
    if record.confidence is None:
        del found["confidence"]
    return found


def read_lines(path):
    """Reads what `append_records` wrote, as a list of `Record`.

    A last line without its end (the run was killed while writing) is dropped
    with one warning.

    Args:
        path: str.

    Raises:
        ValueError: for a whole line that is no record; the text names it.
    """
    found = []
    for number, row in enumerate(_files.read_lines(path), start=1):
        try:
            found.append(Record(**row))
        except TypeError as error:
            raise ValueError(
                f"{path}, line {number}: no evaluation record ({error})."
            ) from error
    return found


def summarize(records: Iterable[Record]) -> list[Summary]:
    """Groups records into one `Summary` per model and attack.

    Args:
        records: iterable of `Record`; a measurement that occurs twice counts
            once.

    Returns:
        list of `Summary`, in order of first appearance.
    """
    cells = Records(records).unique().by("cell")
    return [
        _summary(row, column, members)
        for (row, column), members in cells.items()
    ]


def _summary(row, column, members):
    seeds = [[r.hit for r in own] for own in members.by("eval_seed").values()]
    accuracies = [np.mean(hits) for hits in seeds]
    loss, passes, queries = np.mean(
        [[r.loss, r.gradient_passes, r.queries] for r in members], axis=0
    ).tolist()
    return Summary(
        *row,
        *column,
        accuracy=float(np.mean(accuracies)),
        std=float(np.std(accuracies, ddof=1)) if len(seeds) > 1 else None,
        num_examples=min(map(len, seeds)),
        num_seeds=len(seeds),
        loss=loss,
        gradient_passes=passes,
        queries=queries,
        calibration_error=_calibration_error(members),
    )


def _calibration_error(records):
    confidence = [record.confidence for record in records]
    if None in confidence:
        return None
    return calibration_error(confidence, [record.hit for record in records])
