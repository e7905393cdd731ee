"""A table of a paper as data: its rows, their commands, its numbers."""

import pathlib
import re
from typing import NamedTuple

from keras_mixup import _checks
from keras_mixup import _tables

_FLAGFILES = pathlib.Path(__file__).parent.parent / "flagfiles"
_NUMBER = re.compile(r"(<=)?([0-9.]+)(?:±([0-9.]+))?")


class Published(NamedTuple):
    """A number that a paper prints, in percent.

    Attributes:
        value: float.
        std: float, its standard deviation, or None.
        at_most: bool, whether the paper prints no more than a bound.
    """

    value: float
    std: float | None = None
    at_most: bool = False

    def __str__(self):
        spread = "" if self.std is None else f" ± {self.std:g}"
        return f"{'<= ' * self.at_most}{self.value:g}{spread}"


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        label: str, as the paper has it.
        dataset: str, a key of `data.DATASETS`.
        settings: dict of settings of `apps.evaluate` beside those of the row.
        attack: str, the attack whose accuracy stands there, by its registered
            name; "clean" for none.
        steps: int, of a PGD, or None.
        rows: tuple of str, the labels of the only rows that have it; empty
            for all.
    """

    label: str
    dataset: str
    settings: dict = {}
    attack: str = "clean"
    steps: int | None = None
    rows: tuple = ()


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        label: str, as the paper has it.
        training: str, the training flag file with `{dataset}` in its name.
        evaluation: str, the flag file of its evaluation.
        settings: dict of settings of the evaluation beside that file.
        published: tuple of `Published`, one for each column; None where the
            paper has none.
        ours: tuple of str, data sets on which it is measured although the
            paper has no number.
    """

    label: str
    training: str
    evaluation: str
    settings: dict
    published: tuple
    ours: tuple = ()


class Comparison(NamedTuple):
    """A row of a table that is claimed to be above another one.

    Attributes:
        row, other: str, the labels of the better row and of the other.
        column: str, the label of the column.
        other_column: str, the other's column, or None for the same.
        within: float, percentage points: the claim is then that the two
            differ by no more than so many. None: that `row` is above.
    """

    row: str
    other: str
    column: str
    other_column: str | None = None
    within: float | None = None

    @property
    def column_of_other(self) -> str:
        """str: the label of the other's column."""
        return self.other_column or self.column


class Claim(NamedTuple):
    """A claim of a paper's text.

    Attributes:
        text: str, a sentence.
        place: str, where the paper says so.
        comparisons: tuple of `Comparison`, all of which it consists of.
        ours: bool, whether the paper has no numbers for it in this table.
    """

    text: str
    place: str
    comparisons: tuple
    ours: bool = False


class Entry(NamedTuple):
    """A table of a paper.

    Attributes:
        name: str, such as "mixup_inference/table2".
        source: str, the paper and the table.
        columns: tuple of `Column`.
        rows: tuple of `Row`.
        beside: tuple of `Column` that the paper lacks, such as an attack
            through the defence.
        transfer: bool, whether its autoencoders are of other images than its
            classifiers.
        claims: tuple of `Claim`.
        note: str, a paragraph for the page, or "".
    """

    name: str
    source: str
    columns: tuple
    rows: tuple
    beside: tuple = ()
    transfer: bool = False
    claims: tuple = ()
    note: str = ""

    def measured_on(self, row: Row) -> tuple[str, ...]:
        """Returns the data sets on which a row is measured, a tuple of str.

        They are those on which the paper has a number, and the row's own.
        """
        pairs = zip(self.columns, row.published, strict=True)
        found = [c.dataset for c, number in pairs if number is not None]
        return tuple(dict.fromkeys([*found, *row.ours]))

    def commands(self, row: Row) -> list[str]:
        """Returns the command lines of a row, a list of str, in order.

        They train what the row needs and evaluate it, for each number that
        the paper has, and for the row's own data sets. Training commands have
        `DIR` in the place of the folder of the data sets.
        """
        found, pairs = [], zip(self.columns, row.published, strict=True)
        for column, number in pairs:
            if number is None and column.dataset not in row.ours:
                continue
            trained = training_commands(
                row.training.format(dataset=column.dataset)
            )
            settings = {**row.settings, **column.settings}
            (run_dir,) = re.findall(r"--run_dir=\S+", trained[-1])
            parts = [
                "keras-mixup evaluate",
                f"--flagfile={row.evaluation}",
                *flags(settings),
                run_dir,
            ]
            found += [*trained, " ".join(parts)]
        return list(dict.fromkeys(found))

    @property
    def text(self) -> str:
        """str: the printed numbers as a table in Markdown."""
        several = len({column.dataset for column in self.columns}) > 1
        header = [
            f"{c.dataset}, {c.label}" if several else c.label
            for c in self.columns
        ]
        lines = [
            [row.label, *("-" if n is None else str(n) for n in row.published)]
            for row in self.rows
        ]
        table = _tables.to_markdown([["", *header], *lines], "---:")
        return f"{self.source}\n\n{table}"


def above(row, others, *columns):
    """Returns a tuple of `Comparison`: a row above each other, by column.

    Args:
        row: str, a label.
        others: str or sequence of str, labels.
        *columns: str, labels.
    """
    others = (others,) if isinstance(others, str) else others
    return tuple(Comparison(row, o, c) for c in columns for o in others)


def training_commands(flagfile):
    """Returns the commands in the head of a training flag file, a list.

    Those of the files that it needs first precede its own.
    """
    own = re.findall(r"^#   (keras-mixup .+)$", _head(flagfile), re.M)
    before = [c for name in first(flagfile) for c in training_commands(name)]
    return [*before, *own]


def first(flagfile):
    """Returns the flag files that a training needs first, a list of str."""
    return re.findall(r"^# First: (\S+)$", _head(flagfile), re.M)


def read_flags(flagfile):
    """Returns dict name -> text of a flag file of the package; or bool."""
    lines = (_FLAGFILES / flagfile).read_text("utf-8").splitlines()
    return dict(_read_flag(li[2:]) for li in lines if li.startswith("--"))


def _head(flagfile):
    return (_FLAGFILES / flagfile).read_text("utf-8").split("\n--")[0]


def _read_flag(text):
    name, separator, value = text.partition("=")
    if separator:
        return name, value
    return name.removeprefix("no"), not name.startswith("no")


def published(cells):
    """Reads numbers such as `93.8 -`, `<=1` or `7.5±0.32`; a tuple.

    Raises:
        ValueError: for a cell that is none of these.
    """
    return tuple(map(_read, cells.split()))


def _read(cell):
    if cell == "-":
        return None
    found = _NUMBER.fullmatch(cell)
    expected = "a number, <=number, number±number or -"
    _checks.check(found is not None, "cell", expected, cell)
    bound, value, std = found.groups()
    return Published(float(value), std and float(std), bound is not None)


def flags(settings):
    """Returns the flags of a dict of settings, a list of str."""
    return list(map(_flag, settings.items()))


def _flag(setting):
    name, value = setting
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    return f"--{name}={value}"
