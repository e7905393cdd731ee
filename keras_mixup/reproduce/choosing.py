"""Parameters of defences, chosen on validation images as the papers did.

Mixup Inference compares with other defences at inference whose parameters
"ensure both our method and baselines keep a similar performance on clean
data" (section 4.3). Those of its Tables 4 and 5 do so on CIFAR. At a scale
with other images or networks the same is done anew.
"""

from typing import NamedTuple

from keras_mixup import _files
from keras_mixup import evaluation
from keras_mixup.reproduce import adapting
from keras_mixup.reproduce import document
from keras_mixup.reproduce import measuring

# Defence -> the setting of `evaluate` that is chosen.
SETTINGS = {
    "gaussian_noise": "stddev",
    "random_rotation": "degrees",
    "random_crop_pad": "crop_pad_range",
    "random_crop_resize": "crop_resize_range",
}
# Its clean accuracy is the one to keep.
REFERENCE = "mixup_inference_ol"
_ATTACKED = {
    "split": "validation",
    "attacks": "clean,cleverhans_pgd",
    "pgd_steps": "10",
    "adaptive": False,
    "targeted": "none",
}
RULE = (
    "The paper chose the parameters of the other defences at inference so "
    "that they keep about the clean accuracy of MI-OL. So do we, for each "
    "network: of the parameters listed, the one with the highest accuracy "
    "under PGD-10 that ignores the defence, among those whose clean accuracy "
    "is at least MI-OL's, or else the one with the highest clean accuracy. "
    "All of it is measured on validation images, which no table counts."
)


class Choice(NamedTuple):
    """The parameter of a defence.

    Attributes:
        defence: str, the registered name.
        setting: str, the setting of `evaluate`.
        values: tuple, those that were tried, from mild to strong.
        clean, robust: tuples of float in [0, 1], the accuracies on validation
            images of each, without attack and under PGD-10.
        least: float, the clean accuracy of MI-OL on the same images.
    """

    defence: str
    setting: str
    values: tuple
    clean: tuple
    robust: tuple
    least: float

    @property
    def place(self):
        """int: which of the values is chosen; of equal ones the mildest."""
        places = range(len(self.values))
        kept = [i for i in places if self.clean[i] >= self.least]
        if kept:
            return max(kept, key=lambda i: self.robust[i])
        return max(places, key=lambda i: self.clean[i])

    @property
    def value(self):
        """The value that is chosen."""
        return self.values[self.place]


def with_choices(job, scale):
    """Returns the `Job` of an evaluation with what its defences depend on.

    Args:
        job: `Job`, an evaluation.
        scale: `Scale`. Without a grid for one of the defences the job is
            returned as it is.
    """
    names = [n for n in job.settings.get("defences", ()) if n in scale.grids]
    if not names:
        return job
    (trained,) = job.needs
    count, found = len(scale.grids[names[0]]), []
    for place in range(count):
        own = {SETTINGS[name]: scale.grids[name][place] for name in names}
        own |= {**_ATTACKED, "defences": ",".join([*names, REFERENCE])}
        tried = adapting.evaluation(job.source, own, scale, trained)
        label = f"parameters {place + 1} of {count} on {trained.label}"
        found.append(tried._replace(label=label))
    return job._replace(choices=tuple(found))


def choices(job, folder):
    """Returns dict defence -> `Choice` of a `Job` whose `choices` are finished.

    Args:
        job: `Job`.
        folder: callable of a `Job`, the path of its folder.

    Raises:
        ValueError: a folder lacks what its settings promise.
    """
    measured = [_accuracies(tried, folder(tried)) for tried in job.choices]
    found = {}
    for name, setting in SETTINGS.items():
        if measured and name in measured[0]:
            values = tuple(own.settings[setting] for own in job.choices)
            pairs = [own[name] for own in measured]
            clean, robust = zip(*pairs, strict=True)
            least = measured[0][REFERENCE][0]
            found[name] = Choice(name, setting, values, clean, robust, least)
    return found


def _accuracies(job, folder):
    """Returns dict defence -> (clean accuracy, that under PGD-10)."""
    path = folder / _files.RECORDS
    records = evaluation.read_records(path)
    hits = {}
    for record in records:
        place = (record.defence, record.attack == "clean")
        hits.setdefault(place, []).append(record.prediction == record.label)
    found = {}
    for name in job.settings["defences"]:
        label = measuring.defence_label(records.defences, name)
        pair = [hits.get((label, clean)) for clean in (True, False)]
        if None in pair:
            raise ValueError(
                f"{path} has no records of {label}. Move its folder away, and "
                "the job is done anew."
            )
        found[name] = tuple(sum(own) / len(own) for own in pair)
    return found


def blocks(plan, known):
    """Yields the blocks of a page on what was chosen, none where nothing was.

    Args:
        plan: `Plan`.
        known: dict key of a job -> dict defence -> `Choice`.
    """
    rows = {}
    for cell in plan.cells.values():
        for job in cell.evaluations:
            own = known.get(job.key, {}).get(cell.defence)
            if own is not None:
                name = cell.row
                if len(cell.evaluations) > 1:
                    name += f", seed {job.needs[0].settings['seed']}"
                rows[name] = _row(name, own)
    if rows:
        yield document.Heading("Parameters chosen on validation images")
        yield document.Text(RULE)
        header = ("row", "parameter", "chosen", "MI-OL, clean")
        header = (*header, "tried: clean, under PGD-10")
        yield document.Table(header, list(rows.values()))


def _row(name, choice):
    tried = [
        f"{_text(value)}: {100 * clean:.1f}, {100 * robust:.1f}"
        for value, clean, robust in zip(
            choice.values, choice.clean, choice.robust, strict=True
        )
    ]
    least = f"{100 * choice.least:.1f}"
    chosen = _text(choice.value)
    return (name, choice.setting, chosen, least, ("", *tried))


def _text(value):
    if isinstance(value, tuple):
        return " to ".join(map(str, value))
    return f"{value:g}"
