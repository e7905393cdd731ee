"""Views of what no study of one evaluation makes: checks, parts, costs."""

from keras_mixup import _files
from keras_mixup import evaluation
from keras_mixup.reproduce import document
from keras_mixup.reproduce import linear_toy
from keras_mixup.reproduce import statistics
from keras_mixup.reproduce import views

_BLACK_BOX = "square"


class Table1(views.View):
    """Table 1 of Mixup Inference, on an ideally linear network."""

    note = (
        "A network that is linear as Eq. 3 wants it, ten classes, λ 0.5, 900 "
        "draws of each image. An attack moves a share of the answer that is "
        "not linear in what it adds. The formula's value is computed from the "
        "network alone, the measured one is the answer of this library's MI. "
        "Both agree to float rounding, but for the share of partners of the "
        "true label, which is drawn: there four standard errors are allowed. "
        "The paper's remark that both detection gaps are equal holds for the "
        "formulas at equal G, which differ here, since the partners do."
    )

    def table(self, made, figure):
        """See `View`."""
        del made, figure
        lines = [
            (
                cell.quantity,
                cell.case,
                cell.formula,
                f"{cell.expected:.5f}",
                f"{cell.measured:.5f}",
                f"{cell.tolerance:.5f}",
                "yes" if cell.agrees else "NO",
            )
            for cell in linear_toy.table_1()
        ]
        header = (
            "case",
            "formula",
            "its value",
            "measured",
            "allowed",
            "agree",
        )
        return document.Table(("quantity", *header), lines)

    def drawings(self, made, name, first=1):
        """See `View`."""
        del made, name, first
        return []


class Stages(views.View):
    """What each stage of AutoAttack broke."""

    header = ("right before", "stage", "it attacked", "it broke")
    statistic = statistics.NETWORKS
    note = (
        "The stages of AutoAttack follow each other, each on the images that "
        "withstood those before. Square, the last one, needs no gradients: "
        "what it still broke would be a sign of masked gradients. The claim is "
        "tested by signs over the networks: those on which Square broke no "
        "further image, against those on which it did."
    )

    def rows(self, folder):
        """See `View`."""
        records = evaluation.read_records(folder / _files.RECORDS)
        return [
            {"first": own.parts[0].attacked, **part._asdict()}
            for own in records.evidence.values()
            for part in own.parts
        ]

    def cells(self, row):
        """See `View`."""
        names = ("first", "name", "attacked", "broken")
        return tuple(str(row[name]) for name in names)

    def values(self, label, rows, folder):
        """See `View`."""
        del folder
        found = [row["broken"] for row in rows if row["name"] == _BLACK_BOX]
        if not found:
            return {}
        nothing = float(sum(found) == 0)
        # One network may have been attacked by several versions.
        network, column = label.rpartition(", ")[0], "all networks"
        return {
            ("Square broke nothing", column): {network: nothing},
            ("Square broke something", column): {network: 1.0 - nothing},
        }

    def drawings(self, made, name, first=1):
        """See `View`."""
        del made, name, first
        return []


class Costs(views.View):
    """How long the trainings took."""

    header = (
        *("wall time", "of which autoencoder", "CPU time", "of the first"),
        *("paper, h", "paper, of the first"),
    )
    note = (
        "The time of each training with that of its autoencoder, and its part "
        "of the CPU time of the first row. Each time was taken once, and other "
        "work on the machine changes it: no verdict is drawn from it."
    )

    def read(self, store, job):
        """Returns (wall time, that of its autoencoder, CPU time)."""
        own = store.known(job)
        vae = [store.known(need) for need in job.in_order[:-1]]
        wall, cpu = (
            own[name] + sum(told[name] for told in vae)
            for name in ("seconds", "cpu_seconds")
        )
        return wall, sum(told["seconds"] for told in vae), cpu

    def table(self, made, figure):
        """See `View`."""
        lines, first, said = [], None, figure.published
        base = said.get(next(iter(made), None))
        for label, several in made.items():
            wall, vae, cpu = (sum(own) for own in zip(*several, strict=True))
            first = first or cpu
            paper, part = said.get(label), "–"
            if paper is not None and base:
                part = f"{paper / base:.2f}"
            lines.append(
                (
                    label,
                    f"{wall:.0f} s",
                    f"{vae:.0f} s" if vae else "–",
                    f"{cpu:.0f} s",
                    f"{cpu / first:.2f}",
                    "–" if paper is None else f"{paper:g}",
                    part,
                )
            )
        return document.Table(("training", *self.header), lines, numbers=True)

    def drawings(self, made, name, first=1):
        """See `View`."""
        del made, name, first
        return []


VIEWS = {"table1": Table1(), "stages": Stages(), "costs": Costs()}
