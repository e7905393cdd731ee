"""What an evaluation adds: the papers' figures, and corrupted images."""

import hashlib
import json
import pathlib

import numpy as np

from keras_mixup import ThreatModel
from keras_mixup import _checks
from keras_mixup import _corruption_kinds
from keras_mixup import _files
from keras_mixup import _own_modules
from keras_mixup import _stopping
from keras_mixup import data
from keras_mixup import evaluation
from keras_mixup import metrics
from keras_mixup import studies
from keras_mixup.data import arrays
from keras_mixup.runs import _defences
from keras_mixup.runs import _own_models
from keras_mixup.runs import autoencoder
from keras_mixup.runs import folder
from keras_mixup.runs import source

_CORRUPTIONS = "corruptions"
# Settings that a study's context has under the same name.
_SHARED = (
    *("adaptive", "adaptive_steps", "adaptive_draws", "num_draws"),
    *("batch_size", "attack_seed", "seed", "split"),
)


def check(settings):
    """Refuses what cannot be made, before any work.

    Raises:
        ValueError: certificates without noise or with an impossible chance of
            error; a run of `eta_runs` is no run folder, or the data set has
            no published corruptions.
        FileNotFoundError: a run was not evaluated, or a file is missing.
        ImportError: imagecorruptions is not installed.
    """
    for run in settings.eta_runs:
        folder.read_config(run)
        if not pathlib.Path(run, _files.RECORDS).is_file():
            raise FileNotFoundError(
                f"{run} has no {_files.RECORDS}. Evaluate it first."
            )
    net = settings.feature_net
    if net is not None and not (
        _own_modules.is_path(net) or pathlib.Path(net).is_file()
    ):
        raise FileNotFoundError(f"No feature net at {net}.")
    if settings.certify:
        alpha, sigma = settings.certify_alpha, settings.smoothing_stddev
        okay = 0.0 < alpha < 1.0
        _checks.check(okay, "certify_alpha", "a number in (0, 1)", alpha)
        okay = sigma is None or sigma > 0.0
        _checks.check(okay, "smoothing_stddev", "above 0 to certify", sigma)
    if settings.corruptions != "none":
        # The first cell, of a single image if it is made here.
        _make_set(settings, _grey())(_kinds(settings)[0], 1)
    if settings.corruptions == "published":
        name, place = _published(settings)
        data.corruptions.check_complete(name, _kinds(settings), place)


def draw(job):
    """Makes the figures of an `evaluation.Job` and writes them."""
    settings = job.settings
    names = (*settings.figures, *(["certified"] if settings.certify else []))
    if not names:
        return
    context = _context(job)
    count = len(context.image_set.labels)
    for name in names:
        study = studies.find(name)
        _stopping.check_stop(job.stop, f"before the figure {name}")
        job.say(f"{name}: {study.label}, {count} examples")
        rows = study.make(context)
        for path in studies.write_study(job.run_dir, name, rows):
            job.say(f"  {path}")


def _context(job):
    settings = job.settings
    count = min(settings.figure_examples, len(job.image_set.labels))
    directory = job.run_dir / _files.STUDIES
    directory.mkdir(exist_ok=True)
    paths = {"VarMixup": settings.vae, "adv-VarMixup": settings.adv_vae}
    if not settings.needs_vae:
        paths = {}
    side = job.classifier.input_shape[1]
    rows = _defences.paper_settings(job.trained, side)
    weight = rows["mixup_inference_ol"]["mix_weight"]
    if settings.mix_weights is not None:
        weight = settings.mix_weights[0]
    usual = rows["mixup_inference_combined"]
    combined = [
        usual[name]
        if getattr(settings, name) is None
        else getattr(settings, name)
        for name in ("pl_weight", "ol_weight", "threshold")
    ]
    return studies.Context(
        classifier=job.classifier,
        models=job.models,
        pool=job.pool,
        image_set=data.class_balanced_subset(
            job.image_set, count, settings.seed
        ),
        # Figures come with one radius.
        threat=ThreatModel(settings.norm, settings.radii[0]),
        folder=directory,
        mix_weight=weight,
        combined=tuple(combined),
        eval_seeds=settings.seeds,
        **{name: getattr(settings, name) for name in _SHARED},
        example_eps=settings.figure_eps,
        vaes={t: autoencoder.load(p) for t, p in paths.items() if p},
        feature_net=_feature_net(settings.feature_net),
        certify_options={
            "num_draws": settings.certify_draws,
            "alpha": settings.certify_alpha,
            "seed": settings.attack_seed,
        },
        records=lambda: evaluation.read_records(job.run_dir / _files.RECORDS),
        eta_runs=tuple(map(_eta_run, settings.eta_runs)),
        verbose=job.verbose,
    )


def _eta_run(run):
    # None stands for the constructor's default, as in the paper.
    eta = folder.read_settings(run).get("alpha")
    records = evaluation.read_records(pathlib.Path(run, _files.RECORDS))
    return 1.0 if eta is None else eta, records


def _feature_net(path):
    if path is None:
        return None
    if _own_modules.is_path(path):
        return _own_models.find(path, "feature_net")
    if path.endswith(".h5"):
        return metrics.inception_features(path)
    return metrics.classifier_features(source.load_classifier(path))


def corruptions(job):
    """Scores a `Job`'s models on every kind and severity of corruption."""
    settings = job.settings
    if settings.corruptions == "none":
        return
    path = job.run_dir / _files.STUDIES / f"{_CORRUPTIONS}.jsonl"
    path.parent.mkdir(exist_ok=True)
    rows = _files.read_lines(path) if path.is_file() else []
    marks = evaluation.identity.marks_beside(job.run_dir / _files.RECORDS)
    common = _common_values(settings, job.image_set)
    kept = [r for r in rows if _is_current(r, marks, common)]
    if len(kept) < len(rows):
        left = len(rows) - len(kept)
        job.say(f"  {left} lines of other models or images dropped")
        rows = kept
        _files.write_lines(path, rows)
    job.say(f"Corruptions: {common['set']}, {common['num_examples']} examples")

    def own():
        return [r for r in rows if {k: r.get(k) for k in common} == common]

    def note(name, kind, severity, accuracy):
        cell = {"model": name, "kind": kind, "severity": severity}
        cell["digest"] = marks.get(name)
        rows.append({**common, **cell, "accuracy": accuracy})
        _files.append_lines(path, rows[-1:])
        job.say(f"  {kind} {severity}, {name}: {100 * accuracy:.1f} %")

    studies.corruption_accuracies(
        job.models,
        _make_set(settings, job.image_set),
        settings.batch_size,
        settings.seeds,
        _kinds(settings),
        {(r["model"], r["kind"], r["severity"]): r["accuracy"] for r in own()},
        note,
    )
    studies.write_study(job.run_dir, _CORRUPTIONS, rows)
    for (name, model), mean in studies.corruption_means(own()).items():
        shown = "not all of the 15 standard kinds were scored"
        if mean is not None:
            shown = f"{100 * mean:.1f} % over 15 kinds x 5 severities"
        job.say(f"  {name}, {model}: {shown}")


def _is_current(row, marks, common):
    """Whether a row is of this very model, and of these images if so named."""
    # Another digest is of a former model of the name, or of an unknown one.
    if row.get("digest") != marks.get(row["model"], ""):
        return False
    named = all(row.get(k) == common[k] for k in common if k != "images")
    return not named or row.get("images") == common.get("images")


def _common_values(settings, image_set):
    """The values that all rows of this call share, and that identify them."""
    count, told = len(image_set.labels), {}
    if settings.corruptions == "published":
        name = data.published_name(settings.dataset)
        count = settings.num_examples
    else:
        name = data.corrupted_name(settings.dataset)
        # Data of one's own may be others under the same name.
        text = json.dumps(arrays.digests(image_set), sort_keys=True)
        told["images"] = hashlib.sha256(text.encode()).hexdigest()
    return {
        **told,
        "set": name,
        "split": settings.split,
        "num_examples": count or "all",
        "seed": settings.seed,
        "eval_seeds": list(settings.seeds),
    }


def _kinds(settings):
    return settings.corruption_kinds or _corruption_kinds.STANDARD


def _make_set(settings, image_set):
    """Returns (kind, severity) -> `ImageSet`."""
    if settings.corruptions == "imagecorruptions":
        return lambda kind, severity: data.corrupt(
            image_set, kind, severity, settings.seed
        )
    name, directory = _published(settings)
    return lambda kind, severity: data.load_corrupted(
        name,
        kind,
        severity,
        directory,
        num_examples=settings.num_examples,
        seed=settings.seed,
    )


def _published(settings):
    """Returns (name, folder) of the published set of an evaluation."""
    name = data.published_name(settings.dataset)
    directory = settings.corruption_dir
    if name == "cifar10_c":
        return name, directory or settings.data_dir
    expected = f"the unpacked folder of {name}"
    _checks.check(directory is not None, "corruption_dir", expected, directory)
    return name, directory


def _grey():
    """One grey image, to test whether corrupting works."""
    image = np.full((1, 32, 32, 3), 128, np.uint8)
    return data.ImageSet(image, np.zeros(1, np.int32), np.zeros(1, np.int64))
