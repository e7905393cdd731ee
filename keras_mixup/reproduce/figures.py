"""What of a paper is no table, as data: its figures and its paragraphs."""

from typing import NamedTuple

from keras_mixup.reproduce import catalogue

# Levels that a row of a comparison may be.
NO_CHANGE = "no change"
GUESS = "a random guess"


class Panel(NamedTuple):
    """A network of a figure, and the evaluation that draws it.

    Attributes:
        label: str, as the paper calls it.
        training: str, the training flag file with `{dataset}` in its name.
        evaluation: str, the flag file of its evaluation; "" where the figure
            is of the training alone.
        settings: dict of settings of the evaluation beside that file.
        trained: dict of settings of the training beside its file.
        beside: str, the training flag file of a second autoencoder, which the
            evaluation takes as `adv_vae`; "" for none.
        instead_of: str, the label of the paper's panel whose place this one
            takes in a second drawing; "" for a panel of the paper.
        datasets: tuple of str, the only data sets of the figure that have it;
            empty for all.
    """

    label: str
    training: str
    evaluation: str = ""
    settings: dict = {}
    trained: dict = {}
    beside: str = ""
    instead_of: str = ""
    datasets: tuple = ()

    def on(self, dataset: str) -> bool:
        """Returns whether a data set, a str, has it."""
        return not self.datasets or dataset in self.datasets


class Figure(NamedTuple):
    """A figure or a paragraph of a paper.

    Attributes:
        name: str, such as "mixup_inference/fig4".
        source: str, the paper and the figure.
        view: str, what is shown of the evaluations: a key of `views.VIEWS`.
        panels: tuple of `Panel`.
        said: str, what the paper says of it, with the numbers that it prints.
        published: dict label of a panel -> float, a number that the paper
            prints, in the unit of the view.
        claims: tuple of `catalogue.Claim`. The rows and columns of their
            comparisons are those that the view names.
        datasets: tuple of str, keys of `data.DATASETS`.
        tables: tuple of `catalogue.Entry`, whose evaluations by AutoAttack
            are shown in the place of panels.
    """

    name: str
    source: str
    view: str
    panels: tuple = ()
    said: str = ""
    published: dict = {}
    claims: tuple = ()
    datasets: tuple = ("cifar10",)
    tables: tuple = ()

    def commands(self, panel: Panel) -> list[str]:
        """Returns the command lines of a panel, a list of str, in order.

        As `catalogue.Entry.commands`.
        """
        found: list[str] = []
        for dataset in filter(panel.on, self.datasets):
            file = panel.training.format(dataset=dataset)
            trained, run_dir = catalogue.own_commands(file, panel.trained)
            found += trained
            if panel.evaluation:
                found += self._evaluated(panel, dataset, run_dir)
        return list(dict.fromkeys(found))

    @staticmethod
    def _evaluated(panel, dataset, run_dir):
        settings, found = dict(panel.settings), []
        if panel.beside:
            file = panel.beside.format(dataset=dataset)
            found, settings["adv_vae"] = catalogue.own_commands(file, {})
        flags = catalogue.flags(settings)
        flagfile = f"--flagfile={panel.evaluation}"
        parts = ["keras-mixup evaluate", flagfile, *flags]
        return [*found, " ".join([*parts, f"--run_dir={run_dir}"])]

    @property
    def text(self) -> str:
        """str: what it is, and what the paper says of it."""
        return "\n\n".join(filter(None, (self.source, self.said)))
