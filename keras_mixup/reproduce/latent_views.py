"""Views of VarMixup's figures."""

from keras_mixup import _files
from keras_mixup import evaluation
from keras_mixup import studies
from keras_mixup.reproduce import document
from keras_mixup.reproduce import statistics
from keras_mixup.reproduce import views


class VarSamples(views.Samples):
    """Fig. 3."""

    study = "varmixup_fig3"
    defended = ", defended"


class Linearity(views.View):
    """Fig. 4."""

    study = "varmixup_fig4"
    together = True
    header = ("radius", "error", "n")

    def relabelled(self, label, row):
        """See `View`."""
        # The drawing itself tells both kinds of draws apart.
        own = {**row, "draws": "held"} if row["draws"] == "redrawn" else row
        return {**row, "model": _named(label, own)}

    def cells(self, row):
        """See `View`."""
        return (
            f"{row['eps']:.3g}",
            views.number(row["error"]),
            str(row["num_examples"]),
        )

    def table(self, made, figure):
        """See `View`."""
        del figure
        lines = [
            (_named(label, row), *self.cells(row))
            for label, several in made.items()
            for rows in several
            for row in rows
        ]
        return document.Table(("network", *self.header), lines, numbers=True)

    def values(self, label, rows, folder):
        """See `View`."""
        del folder
        largest = max(row["eps"] for row in rows)
        return {
            (_named(label, row), "radius eps"): dict(enumerate(row["values"]))
            for row in rows
            if row["eps"] == largest
        }


def _named(label, row):
    """A network, its defence, and whether partners follow each answer."""
    ends = {"held": ", defended", "redrawn": ", defended, partners redrawn"}
    return label + ends.get(row["draws"], "")


class Distances(views.View):
    """Fig. 5."""

    study = "varmixup_fig5"
    header = ("images", "kernel distance", "Fréchet distance", "n", "features")

    @property
    def note(self):
        """See `View`."""
        return (
            f"{super().note} The claim is tested on what each mixed pair adds "
            "to the kernel distance. The pairs and λ of all ways are the same."
        )

    def cells(self, row):
        """See `View`."""
        return (
            row["samples"],
            f"{row['kernel_distance']:.4g}",
            f"{row['frechet_distance']:.4g}",
            str(row["num_images"]),
            row["features"],
        )

    def values(self, label, rows, folder):
        """See `View`."""
        del folder
        column = f"{label}, kernel distance"
        return {
            (row["samples"], column): dict(enumerate(row["values"]))
            for row in rows
            if "values" in row
        }


class Mixed(views.View):
    """Fig. 7."""

    study = "varmixup_fig7"
    header = ("row of the drawing", "images")

    def cells(self, row):
        """See `View`."""
        return (row["title"], str(len(row["images"])))


class Calibration(views.View):
    """The calibration error."""

    study = "calibration"
    together = True
    header = ("ECE", "paper", "accuracy", "mean confidence", "n")
    statistic = statistics.CALIBRATION

    def relabelled(self, label, row):
        """See `View`."""
        return {**row, "model": label}

    def table(self, made, figure):
        """See `View`."""
        lines = []
        for label, several in made.items():
            paper = figure.published.get(label)
            for row in (row for rows in several for row in rows):
                own = (
                    views.number(row["error"]),
                    "–" if paper is None else f"{paper:g}",
                    views.percent(row["accuracy"]),
                    views.number(row["confidence"]),
                    str(row["num_examples"]),
                )
                lines.append((label, *own))
        return document.Table(("network", *self.header), lines, numbers=True)

    def values(self, label, rows, folder):
        """See `View`."""
        del folder
        (row,) = rows
        own = row["values"]
        pairs = zip(own["confidence"], map(float, own["right"]), strict=True)
        return {(label, "clean images"): dict(enumerate(pairs))}


class _Sweep(views.View):
    """Accuracy over a setting, from records."""

    together = True
    header = ("value", "attack", "accuracy", "n")
    statistic = statistics.ACCURACY
    symbol = ""

    def relabelled(self, label, row):
        """See `View`."""
        return {**row, "method": self.named(label)}

    def named(self, label):
        """See `View`."""
        return label.partition(", η")[0]

    def cells(self, row):
        """See `View`."""
        return (
            f"{self.symbol} {row['value']:g}",
            views.attack_text(row),
            views.percent(row["accuracy"]),
            str(row["num_examples"]),
        )

    def values(self, label, rows, folder):
        """See `View`."""
        del rows
        found = {}
        records = evaluation.read_records(folder / _files.RECORDS)
        for (row, column), own in records.by("cell").items():
            if column.knowledge == "oblivious" and self.counts(row):
                found[row] = views.shares(own)
        place = self.named(label), f"mean over all {self.symbol}"
        return {place: _mean(list(found.values()))} if found else {}

    def counts(self, row):
        """Returns whether a row of the records is a point of the sweep."""
        raise NotImplementedError


class Etas(_Sweep):
    """Fig. 6a."""

    study = "varmixup_fig6a"
    symbol = "η"

    def read(self, store, job):
        """See `View`."""
        records = evaluation.read_records(store.folder(job) / _files.RECORDS)
        eta = job.needs[0].settings["alpha"]
        return studies.eta_sweep_rows([(eta, records)])

    def counts(self, row):
        """See `_Sweep`."""
        return row.defence == "none"


class Weights(_Sweep):
    """Fig. 6b."""

    study = "varmixup_fig6b"
    symbol = "λ"

    def counts(self, row):
        """See `_Sweep`."""
        return row.defence != "none"


def _mean(several):
    common = set.intersection(*map(set, several))
    return {i: sum(own[i] for own in several) / len(several) for i in common}


VIEWS = {
    "var_samples": VarSamples(),
    "linearity": Linearity(),
    "distances": Distances(),
    "mixed": Mixed(),
    "calibration": Calibration(),
    "etas": Etas(),
    "weights": Weights(),
}
