"""A table of a paper as data: its rows, their commands, its numbers."""

import pathlib
import re
from typing import NamedTuple

from keras_mixup import _checks
from keras_mixup import _tables

FLAGFILES = pathlib.Path(__file__).parent.parent / "flagfiles"
_NUMBER = re.compile(r"(<=)?([0-9.]+)(?:±([0-9.]+))?")


class Published(NamedTuple):
    """A number that a paper prints, in percent.

    Attributes:
        value: float.
        std: float, its standard deviation, or None.
        at_most: bool, whether the paper prints no more than a bound.
        digits: int, behind the point of `value` as printed; None: as needed.
    """

    value: float
    std: float | None = None
    at_most: bool = False
    digits: int | None = None

    def __str__(self):
        shown = "g" if self.digits is None else f".{self.digits}f"
        spread = "" if self.std is None else f" ± {self.std:g}"
        return f"{'<= ' * self.at_most}{self.value:{shown}}{spread}"


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
        training: str, the training flag file with `{dataset}` in its name:
            one of the package, such as "digits/erm.flags", or a path.
        evaluation: str, the flag file of its evaluation, likewise.
        settings: dict of settings of the evaluation beside that file.
        published: tuple of `Published`, one for each column; None where the
            paper has none. Empty: none at all.
        ours: tuple of str, data sets on which it is measured although the
            paper has no number. Empty in a row without published numbers: all
            of the columns.
        trained: dict of settings of the training that replace those of its
            file, and of the scale; None takes a setting away. Radii and steps
            of attacks still grow with the scale.
    """

    label: str
    training: str
    evaluation: str
    settings: dict = {}
    published: tuple = ()
    ours: tuple = ()
    trained: dict = {}


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
        if not row.published and not row.ours:
            return tuple(dict.fromkeys(c.dataset for c in self.columns))
        pairs = self.numbers(row)
        found = [c.dataset for c, number in pairs if number is not None]
        return tuple(dict.fromkeys([*found, *row.ours]))

    def numbers(self, row: Row) -> list[tuple[Column, Published | None]]:
        """Returns the columns with the paper's numbers of a row, a list."""
        given = row.published or (None,) * len(self.columns)
        return list(zip(self.columns, given, strict=True))

    def commands(self, row: Row) -> list[str]:
        """Returns the command lines of a row, a list of str, in order.

        They train what the row needs and evaluate it, for each number that
        the paper has, and for the row's own data sets. Training commands have
        `DIR` in the place of the folder of the data sets.
        """
        found: list[str] = []
        ours = row.ours if row.published else self.measured_on(row)
        for column, number in self.numbers(row):
            if number is None and column.dataset not in ours:
                continue
            file = row.training.format(dataset=column.dataset)
            trained, run_dir = own_commands(file, row.trained)
            settings = {**row.settings, **column.settings}
            parts = [
                "keras-mixup evaluate",
                f"--flagfile={row.evaluation}",
                *flags(settings),
                f"--run_dir={run_dir}",
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
            [row.label, *(str(n or "-") for _, n in self.numbers(row))]
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
    if not own:
        run_dir = f"runs/{pathlib.Path(flagfile).stem}"
        own = [f"keras-mixup train --flagfile={flagfile} --run_dir={run_dir}"]
    before = [c for name in first(flagfile) for c in training_commands(name)]
    return [*before, *own]


def own_commands(flagfile, own):
    """Returns the commands of a training, and the folder of its run, a str.

    Args:
        flagfile: str.
        own: dict of settings that replace those of the file; None takes one
            away, and the others of the file are then written out.
    """
    *before, last = training_commands(flagfile)
    (run_dir,) = re.findall(r"--run_dir=(\S+)", last)
    if not own:
        return [*before, last], run_dir
    given = flags(own)
    name = re.sub(r"\W+", "-", " ".join(given)).strip("-")
    last = last.replace(run_dir, f"{run_dir}-{name}")
    if None in own.values():
        last = last.replace(f" --flagfile={flagfile}", "")
        given = flags({**read_flags(flagfile), **own})
    return [*before, f"{last} {' '.join(given)}"], f"{run_dir}-{name}"


def first(flagfile):
    """Returns the flag files that a training needs first, a list of str."""
    return re.findall(r"^# First: (\S+)$", _head(flagfile), re.M)


def read_flags(flagfile):
    """Returns dict name -> text of a flag file of the package; or bool."""
    lines = (FLAGFILES / flagfile).read_text("utf-8").splitlines()
    return dict(_read_flag(li[2:]) for li in lines if li.startswith("--"))


def _head(flagfile):
    return (FLAGFILES / flagfile).read_text("utf-8").split("\n--")[0]


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
    digits = len(value.partition(".")[2])
    return Published(
        float(value), std and float(std), bound is not None, digits
    )


def flags(settings):
    """Returns the flags of a dict of settings, a list of str.

    None gives none.
    """
    return [_flag(own) for own in settings.items() if own[1] is not None]


def _flag(setting):
    name, value = setting
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    if isinstance(value, (tuple, list)):
        value = ",".join(map(str, value))
    return f"--{name}={value}"
