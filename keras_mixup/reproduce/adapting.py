"""A paper's settings at a scale: what a flag file becomes there."""

from typing import NamedTuple

from keras_mixup import data
from keras_mixup import runs
from keras_mixup._setting import Setting
from keras_mixup.reproduce import catalogue
from keras_mixup.reproduce import jobs

_RADII = ("eps", "step_size", "latent_eps", "latent_step_size", "figure_eps")

# Of a call without attacks of its own, the figures that read these.
_READERS = {
    "adaptive_steps": {"fig3a", "fig3b", "fig4", "varmixup_fig3"},
    "adaptive_draws": {"fig3a", "fig3b"},
    "adaptive_examples": set(),
}


class Difference(NamedTuple):
    """A setting that is not the paper's.

    Attributes:
        setting: str.
        paper, here: str, the values; "none" where nothing is given.
        reason: str.
    """

    setting: str
    paper: str
    here: str
    reason: str


def training(flagfile, scale, seed, transfer=False, own=None, label=""):
    """Returns the `Job` of a training flag file at a `Scale`.

    Args:
        flagfile: str.
        scale: `Scale`.
        seed: int.
        transfer: bool, whether its autoencoder is of other images.
        own: dict of the paper's settings that replace those of the flag file
            and of the scale, but for the radii; None takes one away.
        label: str, the job's; empty for one that names the file and `own`.

    Raises:
        ValueError: no data set stands for that of the flag file.
    """
    own = own or {}
    paper = _given(jobs.TRAIN, {**catalogue.read_flags(flagfile), **own})
    values = {**paper, "seed": seed}
    values["dataset"] = scale.stand_in(paper.get("dataset"), transfer)
    if values["dataset"] is None:
        raise ValueError(
            f"No data set stands for {paper.get('dataset')} at the scale "
            f"{scale.name}."
        )
    if paper.get("task") == "vae":
        values |= {**scale.training, **scale.vae}
        if paper.get("linear_path") is False:
            values |= scale.plain_vae
    else:
        known = scale.models
        replaced = known.get(paper.get("model"), known.get("", None))
        if replaced:
            values.pop("width", None)
            values |= replaced
        values |= scale.training
        if "eps" in paper:
            values |= scale.attacked
        values |= scale.own.get(paper.get("algorithm"), {})
    values |= {name: paper.get(name) for name in own}
    if not _crops(values):
        values["crop_padding"] = None
    _in_proportion(values, paper, scale)
    values = {n: v for n, v in values.items() if v is not None}
    needs = [
        training(f, scale, seed, transfer) for f in _first(paper, flagfile)
    ]
    if not label:
        label = flagfile.rpartition("/")[2].removesuffix(".flags")
        label = label.removesuffix(f"_{paper.get('dataset')}").replace("_", " ")
        label += "".join(f", {n} {value}" for n, value in own.items())
    if len(scale.seeds) > 1:
        label += f", seed {seed}"
    return jobs.Job(jobs.TRAIN, label, values, tuple(needs), flagfile, paper)


def evaluation(flagfile, own, scale, trained, beside=()):
    """Returns the `Job` of an evaluation at a `Scale`.

    Args:
        flagfile: str.
        own: dict of settings that replace those of the flag file; it has the
            attacks and the defences.
        scale: `Scale`.
        trained: `Job`, the training.
        beside: tuple of `Job`, a second autoencoder that it takes.
    """
    flags = {**catalogue.read_flags(flagfile), **own}
    paper = _in_effect(_given(jobs.EVALUATE, flags))
    drawn = paper.get("figures", ())
    values = {**paper, **scale.evaluation}
    for name in paper["attacks"]:
        values |= scale.attacks.get(name, {})
    for name in drawn:
        values |= scale.figures.get(name, {})
    for name in _RADII:
        if name in paper:
            values[name] = paper[name] * scale.radius
    values = _in_effect({n: v for n, v in values.items() if v is not None})
    label = f"attacks on {trained.label}"
    if values.get("targeted", "none") != "none":
        label = f"targeted {label}"
    if drawn:
        label = f"{', '.join(drawn)} of {trained.label}"
    needs = (trained, *beside)
    return jobs.Job(jobs.EVALUATE, label, values, needs, flagfile, paper)


def differences(job, scale):
    """Returns a list of `Difference` of a job from the paper's settings."""
    kind = jobs.settings_class(job.kind)
    found = []
    for name in sorted({*job.settings, *job.paper} - {"vae", "seed"}):
        before, now = (v.get(name) for v in (job.paper, job.settings))
        if before != now and not _is_idle(job, name):
            declared = kind.declared[name]
            shown = (_shown(declared, before), _shown(declared, now))
            reason = _reason(scale.reasons, name, job)
            found.append(Difference(name, *shown, reason))
    return found


def _reason(reasons, name, job):
    plain = job.settings.get("linear_path") is False
    own = reasons.get(f"{name} of plain_vae") if plain else None
    return own or reasons.get(name, "")


def _is_idle(job, name):
    """Whether a setting is another one and changes nothing."""
    if name == "drops":
        return _fractions(job.paper) == _fractions(job.settings)
    # Of a job that only draws.
    if name not in _READERS or job.settings["attacks"] != ("clean",):
        return False
    return not _READERS[name].intersection(job.settings.get("figures", ()))


def _fractions(settings):
    """The drops of a learning rate as parts of the training, or None."""
    drops, epochs = settings.get("drops"), settings.get("epochs")
    if drops is None or epochs is None:
        return drops
    return tuple(d / epochs if d >= 1 else d for d in drops)


def _first(paper, flagfile):
    return catalogue.first(flagfile) if "vae" in paper else ()


def _crops(values):
    """Whether a training crops its images."""
    chosen = values.get("augment", "default")
    known = data.DATASETS.get(values["dataset"])
    if chosen == "default":
        return known is not None and known.augment is not None
    return chosen != "none"


def _in_proportion(values, paper, scale):
    """Radii in proportion to the scale's, drops to the number of epochs."""
    for name in _RADII:
        if name in paper:
            values[name] = paper[name] * scale.radius
    drops = values.get("drops")
    same = drops and drops == paper.get("drops")
    if values.get("epochs") != paper.get("epochs") and same:
        values["drops"] = tuple(
            drop / paper["epochs"] if drop >= 1 else drop for drop in drops
        )


def _given(kind, flags):
    """The settings of flags but for those that are taken away, by None."""
    declared = jobs.settings_class(kind).declared
    given = {n: v for n, v in flags.items() if v is not None}
    return {name: declared[name].parse(value) for name, value in given.items()}


def _in_effect(values):
    """The settings of an evaluation that change anything."""
    idle = runs.EvaluateSettings.idle(values)
    return {name: v for name, v in values.items() if name not in idle}


def _shown(declared: Setting, value: object) -> str:
    if value is None:
        text = declared.default_text
        # A setting of several attacks, each with a default of its own.
        return "the attack's own" if "|" in text else text
    if isinstance(value, float) and declared.kind == "float":
        return f"{value:.4g}"
    return declared.text(value) or "none"
