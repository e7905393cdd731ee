"""An evaluation: attacks on a classifier and its defences, and the report."""

import pathlib
from typing import NamedTuple
from typing import overload

from keras_mixup import _checks
from keras_mixup import _classifiers
from keras_mixup import _files
from keras_mixup import _stopping
from keras_mixup import _types
from keras_mixup import data
from keras_mixup import evaluation
from keras_mixup import reporting
from keras_mixup import studies
from keras_mixup.evaluation import controls
from keras_mixup.evaluation import red_flags
from keras_mixup.reporting import card
from keras_mixup.reporting import pictures
from keras_mixup.runs import _arguments
from keras_mixup.runs import _attacks
from keras_mixup.runs import _data
from keras_mixup.runs import _defences
from keras_mixup.runs import _own_models
from keras_mixup.runs import _process
from keras_mixup.runs import _studies
from keras_mixup.runs import evaluate_result
from keras_mixup.runs import folder
from keras_mixup.runs import sharding
from keras_mixup.runs import source
from keras_mixup.runs import stored
from keras_mixup.runs.evaluate_settings import EvaluateSettings

_PROBED_IMAGES = 16
_SHOWN_IMAGES = 8


class Job(NamedTuple):
    """What one call evaluates.

    Attributes:
        settings: `EvaluateSettings`, with data set and autoencoder.
        path: path of the classifier's file.
        pool_text: str, identifies the pool.
        about: dict, what is told of the images beside the records.
        models: dict name -> model, the classifier first.
        parts: list of (specs, examples), slow attacks apart.
        reduced: the same with attacks of radius lambda eps, for the classifier.
        worst: (specs, examples) of the worst case, or None.
        trained: dict, the settings of the training run.
        origins: dict label -> which arguments of a defence are defaults.
        keep: `stored.Keeper`, or None.
        say: callable of one line of text.
        stop: callable that returns a reason to stop, or something false.
        shard: `evaluation.shards.Shard`, or None.
    """

    settings: object
    run_dir: pathlib.Path
    path: pathlib.Path
    classifier: object
    image_set: object
    pool: object
    pool_text: str
    about: dict
    models: dict
    specs: list
    parts: list
    reduced: list
    worst: tuple | None
    trained: dict
    origins: dict
    verbose: bool
    keep: object
    say: object
    stop: object
    shard: object = None


@overload
def evaluate(
    settings: EvaluateSettings,
    run_dir: _types.Path,
    progress: _types.Progress | None = None,
    verbose: bool = False,
    stop: _types.AskStop | None = None,
    shard: None = None,
) -> evaluate_result.EvaluateResult:
    """The whole evaluation."""


@overload
def evaluate(
    settings: EvaluateSettings,
    run_dir: _types.Path,
    progress: _types.Progress | None = None,
    verbose: bool = False,
    stop: _types.AskStop | None = None,
    *,
    shard: str,
) -> sharding.ShardResult:
    """A part of it."""


def evaluate(
    settings: EvaluateSettings,
    run_dir: _types.Path,
    progress: _types.Progress | None = None,
    verbose: bool = False,
    stop: _types.AskStop | None = None,
    shard: str | None = None,
) -> evaluate_result.EvaluateResult | sharding.ShardResult:
    """Attacks a classifier and its defences, and writes the results.

    The folder receives records.jsonl (one line per example, model, attack and
    seed), evaluation.json (the identity of the models and data, and the
    calls), red_flags.json, robustness_card.json and .md, pictures.npz,
    figures/ and report.html. Existing records are not computed again.

    Args:
        settings: `EvaluateSettings`.
        run_dir: str or path, the folder of a training run, or a new one.
        progress: callable of a str, called at each step; None for silence.
        verbose: bool, whether to show progress bars.
        stop: callable without arguments, such as a `Stop`, asked after each
            attacked batch; it returns the reason to stop, a str, or something
            false.
        shard: str "i/n", only the i-th of n parts of the batches, into the
            folder shards/i-of-n/; `merge` joins them. None for all.

    Returns:
        `EvaluateResult`; with `shard` a `ShardResult`.

    Raises:
        ValueError: for settings that cannot be met, a file that is no
            classifier, or existing records of other models or data.
        OSError: for a missing file, or a folder that cannot be written or is
            owned by another process.
        ImportError: an optional package is missing; the text names it.
        Stopped: `stop` gave a reason; the finished records are kept.
    """
    _arguments.check_call(settings, EvaluateSettings, progress, stop)
    _checks.check_flag(verbose, "verbose")
    shard = evaluation.shards.parse(shard)
    if run_dir:
        _checks.check_path(run_dir, "run_dir")
    say = progress or (lambda text: None)
    path = source.classifier_path(
        settings.classifier, run_dir, settings.weights
    )
    run_dir = pathlib.Path(_checks.check_path(run_dir, "run_dir"))
    folder.check_writable(run_dir)
    settings, trained = source.completed(settings, run_dir)
    _studies.check(settings)
    sharding.check(settings, shard)
    if shard is None:
        sharding.warn(run_dir, say)
    run_dir = sharding.place(run_dir, shard)
    with _process.prepared(settings):
        told = verbose, say, stop or _stopping.never
        job = _prepare(settings, run_dir, path, trained, *told)
        job = job._replace(shard=shard)
        run_dir.mkdir(parents=True, exist_ok=True)
        with folder.owned(run_dir):
            _compute(job)
            if shard is not None:
                return sharding.finish(job, shard)
            _stopping.check_stop(job.stop, "after the attacks")
            _studies.draw(job)
            _studies.corruptions(job)
            _pictures(job)
            return _finish(job)


def _prepare(settings, run_dir, path, trained, verbose, say, stop):
    """Loads everything and returns the `Job`."""
    images = _data.of_run(settings, trained)
    image_set = images.load(
        settings.split, settings.num_examples, settings.seed
    )
    spec = images.spec
    classifier = source.load_classifier(path, spec)
    few = data.as_float(image_set.images[:16])
    logits = classifier(few, training=False)
    _classifiers.check_logits(logits, spec.num_classes)
    specs = _attacks.build_specs(settings, verbose)
    pool, pool_text = None, ""
    if settings.needs_pool:
        train_set = images.load("train", settings.pool_size, settings.seed)
        pool, pool_text = _defences.make_pool(train_set, spec.num_classes)
    defences, origins = _defences.build_all(settings, classifier, pool, trained)
    models = {_model_name(settings, trained): classifier, **defences}
    reduced, parts = [], _attacks.parts(settings, specs, image_set)
    if settings.controls:
        models.update(controls.shrinkage_models(defences))
        reduced = _reduced(defences, parts)
    return Job(
        settings,
        run_dir,
        path,
        classifier,
        image_set,
        pool,
        pool_text,
        _about(settings, spec),
        models,
        specs,
        parts,
        reduced,
        _attacks.worst_case_part(settings, parts),
        trained,
        origins,
        verbose,
        stored.Keeper() if settings.save_adversarial else None,
        say,
        stop,
    )


def _about(settings, spec):
    told = {"dataset": settings.dataset, "split": settings.split}
    if spec.class_names:
        told["class_names"] = list(spec.class_names)
    return told


def _reduced(defences, parts):
    """Returns the parts with attacks of lambda eps, one set per lambda."""
    return [
        (smaller, examples)
        for weight in controls.mix_weights(defences.values())
        for part, examples in parts
        if not any(map(_attacks.is_stored, part))
        and (smaller := controls.reduced_specs(part, weight))
    ]


def _model_name(settings, trained):
    """Returns the classifier's name in records and tables."""
    if settings.model_name:
        return settings.model_name
    if settings.classifier and _own_models.is_own(settings.classifier):
        return pathlib.Path(settings.classifier).name.rpartition(":")[2]
    network = "start_from" if trained.get("start_from") else "model"
    parts = [trained.get(name) for name in ("algorithm", network)]
    return " ".join(part for part in parts if part) or "classifier"


def _compute(job):
    """Adds the missing records, then looks for red flags of the models."""
    job.say(f"Scoring {job.path}")
    for text in _defences.origin_texts(job.origins):
        job.say(text)
    for spec in job.specs:
        if getattr(spec.attack, "notice", ""):
            job.say(spec.attack.notice)
    if job.worst:
        _evaluate(job, job.models, *job.worst, job.settings.selection_seeds)
    for part, examples in job.parts:
        _evaluate(job, job.models, part, examples)
    bare = {n: m for n, m in job.models.items() if m is job.classifier}
    for part, examples in job.reduced:
        _evaluate(job, bare, part, examples)
    if job.keep is not None:
        for path in job.keep.write(job.run_dir / _files.ADVERSARIAL):
            job.say(f"  {path}")
    _note_call(job)
    if job.settings.probe and job.shard is None:
        _probe(job)


def _evaluate(job, models, specs, image_set, selection_seeds=()):
    names = [spec.name for spec in specs]
    if selection_seeds:
        names.append("their worst case")
    job.say(f"{', '.join(names)}: {len(image_set.labels)} examples")
    settings = job.settings
    evaluation.evaluate(
        models,
        specs,
        image_set.images,
        image_set.labels,
        batch_size=settings.batch_size,
        eval_seeds=settings.seeds,
        selection_seeds=selection_seeds,
        attack_seed=settings.attack_seed,
        records_path=str(job.run_dir / _files.RECORDS),
        example_ids=image_set.example_ids,
        pool_split="train",
        about=job.about,
        pool_id=job.pool_text or None,
        keep=job.keep,
        verbose=job.verbose,
        stop=job.stop,
        shard=job.shard,
    )


def _note_call(job):
    """Adds this call to evaluation.json."""
    path = job.run_dir / _files.EVALUATION
    found = _files.read_json(path)
    call = folder.describe("evaluate", job.settings)
    call["defaults"] = job.origins
    if job.shard is not None:
        call["shard"] = job.shard.text
    found["calls"] = [*found.get("calls", []), call]
    found.setdefault("classifier", {})["file"] = str(job.path)
    _files.write_json(path, found)


def _probe(job):
    """Looks for red flags of the models that were not probed before."""
    path = job.run_dir / _files.RED_FLAGS
    known = red_flags.read(path)
    shown = _few(job, _PROBED_IMAGES)
    for name, model in job.models.items():
        if name in known:
            continue
        known[name] = red_flags.probe(
            model,
            shown.images,
            shown.labels,
            attack=_attacks.probing(job.specs, model),
            seed=job.settings.attack_seed,
            name=name,
        )
        red_flags.write(path, known)


def _few(job, count):
    count = min(count, len(job.image_set.labels))
    return data.class_balanced_subset(job.image_set, count, job.settings.seed)


def _pictures(job):
    """Stores eight examples under the first oblivious attack."""
    oblivious = [
        spec
        for spec in job.specs
        if spec.knowledge == "oblivious" and not _attacks.is_stored(spec)
    ]
    if not oblivious:
        return
    shown = _few(job, _SHOWN_IMAGES)
    found = pictures.make_pictures(
        job.models,
        oblivious[0],
        shown.images,
        shown.labels,
        job.settings.attack_seed,
    )
    pictures.write_pictures(str(job.run_dir / _files.PICTURES), found)


def _detection(job):
    """Returns the rows of fig3a, by the classifier's name."""
    rows = studies.read_studies(job.run_dir).get("fig3a")
    return {_model_name(job.settings, job.trained): rows or ()}


def _finish(job):
    """Writes cards and report from all records of the folder."""
    run_dir = job.run_dir
    records = evaluation.read_records(run_dir / _files.RECORDS)
    probed = red_flags.read(run_dir / _files.RED_FLAGS)
    recorded = _files.read_json(run_dir / _files.EVALUATION)
    seeds = {
        seed
        for facts in records.facts.values()
        for seed in facts.settings.get("selection_seeds", ())
    }
    cards = card.robustness_cards(
        records,
        classifier_fingerprint=evaluation.fingerprint(job.classifier),
        defences=records.defences,
        selection_seeds=sorted(seeds),
        versions=recorded["calls"][-1]["versions"],
        probed=probed,
        detection=_detection(job),
    )
    card.write_cards(run_dir, cards)
    report = reporting.write_report(run_dir)
    return evaluate_result.EvaluateResult(run_dir, records, probed, report)
