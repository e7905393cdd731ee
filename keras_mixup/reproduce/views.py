"""What is shown of the evaluations that draw a figure, by name."""

import functools
import math
from typing import Any

from keras_mixup import _files
from keras_mixup import evaluation
from keras_mixup import studies
from keras_mixup.reproduce import document
from keras_mixup.reproduce import figures
from keras_mixup.reproduce import statistics
from keras_mixup.studies import detection
from keras_mixup.studies import drawing


class View:
    """What a page shows of a figure; a subclass says what.

    Attributes:
        study: str, the study that the evaluation made, "" for none.
        together: bool, whether all panels are one drawing.
        header: tuple of str, the columns of the table behind the panel's.
        statistic: `Statistic` of the claims.
    """

    study = ""
    together = False
    header: tuple = ()
    statistic = statistics.MEAN

    @property
    def note(self) -> str:
        """str: what drawing and table show."""
        return studies.find(self.study).caption

    def rows(self, folder: Any) -> list:
        """Returns what an evaluation made, a list of dicts.

        Args:
            folder: path of a finished evaluation.
        """
        path = folder / _files.STUDIES / f"{self.study}.jsonl"
        return _files.read_lines(path)

    def read(self, store: Any, job: Any) -> Any:
        """Returns what the view shows of a finished job: its `rows`.

        Args:
            store: `Store`.
            job: `Job`.
        """
        return self.rows(store.folder(job))

    def cells(self, row: dict) -> tuple:
        """Returns the cells of a row of the table, texts.

        Args:
            row: one of `rows`.
        """
        raise NotImplementedError

    def values(self, label: str, rows: list, folder: Any) -> dict:
        """Returns (row, column) -> what a claim compares, of one evaluation.

        Args:
            label: str, of the panel.
            rows: as `rows`.
            folder: path of the evaluation.
        """
        del label, rows, folder
        return {}

    def level(self, row: str) -> float | None:
        """Returns the number that a row of a comparison stands for, or None.

        Args:
            row: str, such as "no change".
        """
        return {figures.NO_CHANGE: 0.0}.get(row)

    def draw(self, rows: list) -> Any:
        """Returns the `Figure` of rows, or None."""
        return studies.find(self.study).draw(rows, theme="light")

    def relabelled(self, label: str, row: dict) -> dict:
        """Returns a row as it stands in a drawing of all panels."""
        del label
        return row

    def named(self, label: str) -> str:
        """Returns what the text of a drawing of all panels calls a panel."""
        return label

    def table(self, made: dict, figure: Any) -> document.Table:
        """Returns the `Table` of the numbers.

        Args:
            made: dict label -> list of lists of rows, one for each seed.
            figure: `figures.Figure`.
        """
        del figure
        lines = [
            (label, *self.cells(row))
            for label, several in made.items()
            for rows in several
            for row in rows
        ]
        return document.Table(("network", *self.header), lines, numbers=True)

    def drawings(self, made: dict, name: str, first: int = 1) -> list:
        """Returns a list of `Drawing`; without matplotlib an empty one.

        Of several seeds the first is drawn.

        Args:
            made: as for `table`.
            name: str, of the page's file.
            first: int, the number of the first drawing on the page.
        """
        if not drawing.available():
            return []
        groups = {label: several[0] for label, several in made.items()}
        of = ""
        if any(len(several) > 1 for several in made.values()):
            of = " (the first seed)"
        if self.together:
            rows = [
                self.relabelled(label, row)
                for label, own in groups.items()
                for row in own
            ]
            groups = {", ".join(dict.fromkeys(map(self.named, groups))): rows}
        found = []
        for place, (label, rows) in enumerate(groups.items(), start=first):
            figure = self.draw(rows)
            if figure is not None:
                png, text = document.small_png(figure), f"{label}{of}"
                found.append(document.Drawing(f"{name}-{place}", png, text))
        return found


class Lambda(View):
    """Fig. 2 of Mixup Inference."""

    study = "fig2"
    header = (
        *("MI", "λ", "F_y clean", "MI_y clean", "F_y attacked"),
        *("MI_y attacked", "F_ŷ attacked", "MI_ŷ attacked"),
        *("Eq. 10 holds", "detection gap"),
    )
    _NAMES = (
        *("clean_f", "clean_mi", "f_true", "mi_true"),
        *("f_predicted", "mi_predicted", "condition", "detection_gap"),
    )

    def cells(self, row):
        """See `View`."""
        numbers = [number(row[name]) for name in self._NAMES]
        return (row["defence"], f"{row['mix_weight']:g}", *numbers)

    def values(self, label, rows, folder):
        """See `View`."""
        del folder
        found = {}
        for row in rows:
            place, own = f"{label} + {row['defence']}", row["values"]
            for name, text in (
                ("change_true", "ΔF of the true label"),
                ("change_predicted", "ΔF of the predicted label"),
                ("condition", "Eq. 10"),
            ):
                column = f"{text}, λ {row['mix_weight']:g}"
                pairs = zip(own["image"], map(float, own[name]), strict=True)
                found[place, column] = dict(pairs)
        return found


class Detection(View):
    """Fig. 3a of Mixup Inference."""

    study = "fig3a"
    header = (
        *("attack", "detector", "AUC", "found at 5 % FPR"),
        "wrong and not found",
    )
    statistic = statistics.AUC

    def cells(self, row):
        """See `View`."""
        return (
            attack_text(row),
            row["detector"],
            number(row["auc"]),
            percent(row["detected"]),
            percent(row["undetected"]),
        )

    def values(self, label, rows, folder):
        """See `View`."""
        del folder
        found = {}
        for row in rows:
            kind = row["knowledge"]
            if row["attack"] != detection.ON_THE_SCORE:
                kind = f"{kind} attack"
            else:
                kind = row["attack"]
            own = zip(*row["values"].values(), strict=True)
            found[row["detector"], f"{label}, {kind}"] = dict(enumerate(own))
        return found

    def level(self, row):
        """See `View`."""
        return 0.5 if row == figures.GUESS else None


class TradeOff(View):
    """Fig. 3b of Mixup Inference."""

    study = "fig3b"
    header = ("attack", "defence", "setting", "clean", "attacked", "n")

    def cells(self, row):
        """See `View`."""
        return (
            attack_text(row),
            "–" if row["family"] == "none" else row["family"],
            row["setting"] or "–",
            percent(row["clean"]),
            percent(row["accuracy"]),
            str(row["num_examples"]),
        )


class Samples(View):
    """Fig. 4 of Mixup Inference, Fig. 3 of VarMixup."""

    study = "fig4"
    header = ("defence", "steps", "samples", "accuracy", "n")
    statistic = statistics.ACCURACY
    defended = " + MI"

    def cells(self, row):
        """See `View`."""
        bare = row["num_samples"] is None
        spread = f" ± {100 * row['std']:.1f}" if row["std"] else ""
        return (
            "–" if bare else row["defence"],
            str(row["num_steps"]),
            "–" if bare else str(row["num_samples"]),
            f"{percent(row['accuracy'])}{spread}",
            str(row["num_examples"]),
        )

    def values(self, label, rows, folder):
        """See `View`."""
        del rows
        path = folder / _files.STUDIES / f"{self.study}_records.jsonl"
        records, found = evaluation.read_records(path), {}
        for (row, column), own in records.by("cell").items():
            facts = records.facts_of(column)
            place = label + ("" if row.defence == "none" else self.defended)
            shown = f"{facts.num_steps} steps, {facts.num_draws} samples"
            found[place, shown] = shares(own)
        return found


class Examples(View):
    """Fig. 5 of Mixup Inference."""

    study = "fig5"
    header = ("image", "true label", "answer, clean", "answer, attacked")

    def rows(self, folder):
        """See `View`."""
        found = super().rows(folder)
        return [{"image": i, **row} for i, row in enumerate(found, start=1)]

    def cells(self, row):
        """See `View`."""
        names = ("image", "label", "clean_prediction", "adversarial_prediction")
        return tuple(str(row[name]) for name in names)

    def draw(self, rows):
        """See `View`."""
        bare = [{n: v for n, v in row.items() if n != "image"} for row in rows]
        return super().draw(bare)


def shares(records):
    """Returns dict example id -> share of right answers."""
    found: dict = {}
    for record in records:
        found.setdefault(record.example_id, []).append(record.hit)
    return {i: sum(own) / len(own) for i, own in found.items()}


def attack_text(row):
    """Returns the attack of a row of a study, and what it knows."""
    if row["attack"] == detection.ON_THE_SCORE:
        return row["attack"]
    return f"{row['attack']}, {row['knowledge']}"


def number(value):
    """Returns a number as text, with three digits behind the point."""
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"


def percent(value):
    """Returns a share as text, in percent."""
    return f"{100 * value:.1f} %"


@functools.cache
def views():
    """Returns dict name -> `View`."""
    from keras_mixup.reproduce import latent_views
    from keras_mixup.reproduce import other_views

    return {
        "lambda": Lambda(),
        "detection": Detection(),
        "trade_off": TradeOff(),
        "samples": Samples(),
        "examples": Examples(),
        **latent_views.VIEWS,
        **other_views.VIEWS,
    }
