"""Attacks a classifier and its defences: python -m apps.evaluate --run_dir=...

Reads classifier.keras and config.json from the folder of apps.train (or
--classifier and --dataset), and writes there records.jsonl (one line per
example, model, attack and seed), evaluation.json (settings), pictures.npz and
report.html. Records that are there already are not computed again, so that a
killed call goes on with the same command line. robustness_card.json and .md
sum up each model; --worst_case adds, per example, the worst of all attacks.

Attacks made on the bare classifier (oblivious) and shown to every defence:
pgd, cleverhans_pgd, spsa, cleverhans_spsa, apgd, targeted_apgd, square,
varmixup_pgd (of that paper: steps as long as eps, from the image itself). fab
and targeted_fab end at the classifier's boundary, which says nothing of a
defence: only with --defences=.

Attacks through each defence (adaptive): tramer2020, eot, fixed_draws, bpda,
pang2020_paper, pang2020_released; averaged_square and averaged_spsa, without
gradients; autoattack, its version rand where there are draws. transfer goes
around the defence. tramer2020 is added whenever a defence is attacked and
nothing goes through it by gradients; --noadaptive leaves it out, and the table
says "not measured".

--figures draws the papers' figures, --corruptions scores on corrupted images.
"""

import pathlib
from typing import NamedTuple

from apps import _common
from apps import _controls
from apps import _corruptions
from apps import _evaluation
from apps import _evaluation_attacks
from apps import _evaluation_checks
from apps import _evaluation_data
from apps import _evaluation_flags
from apps import _evaluation_settings
from apps import _latent_figures
from apps import _registry
from apps import _robustness
from apps import _studies

FLAGS = _evaluation_flags.make(__doc__)


class Job(NamedTuple):
    """What one call evaluates.

    Attributes:
        path: path of the classifier's file.
        classifier: keras.Model.
        image_set: the examples.
        pool: `SamplePool`, or None.
        pool_text: str, what tells the pool from another one.
        models: dict name -> model, the classifier first.
        specs: list of `AttackSpec`.
        parts: list of (specs, examples), slow attacks apart.
        reduced: the same with attacks of lambda eps, for the classifier.
        worst: (specs, examples) of the worst case, or None.
    """

    path: pathlib.Path
    classifier: object
    image_set: object
    pool: object
    pool_text: str
    models: dict
    specs: list
    parts: list
    reduced: list
    worst: tuple | None


def main(flags):
    """Checks everything, evaluates, prints the table, writes the report."""
    names = _evaluation_attacks.check_names(flags)
    path = _evaluation_data.classifier_path(flags)
    config = _evaluation_data.complete(flags)
    _robustness.complete_seeds(flags)
    _studies.check(flags)
    _common.set_up(flags)
    _evaluation_checks.check(FLAGS, flags, names)
    _latent_figures.check(flags)
    _corruptions.check(flags)
    job = _prepare(flags, names, path, config)
    run = _common.describe_run("apps.evaluate", FLAGS)
    settings = _write_settings(flags, job, run)
    _compute(flags, job)
    _studies.draw(flags, job.models, job.pool, job.image_set)
    _corruptions.run(flags, job.models, job.image_set)
    _pictures(flags, job)
    _robustness.write_cards(flags, path, settings, run)
    _show(pathlib.Path(flags.run_dir))


def _prepare(flags, names, path, config):
    """Loads everything and returns the `Job`."""
    image_set, classifier, spec = _evaluation_data.load(flags, path, config)
    specs = _evaluation_attacks.build_specs(flags, names)
    pool, pool_text = _evaluation_data.pool(flags, spec, config)
    paper = _registry.paper_settings(config, spec.image_shape[0])
    defences = _evaluation.build_defences(flags, classifier, pool, paper)
    models = {_evaluation_data.model_name(flags, config): classifier}
    models.update(defences)
    models.update(_controls.models(flags, defences))
    parts = _evaluation_data.parts(flags, specs, image_set)
    return Job(
        path,
        classifier,
        image_set,
        pool,
        pool_text,
        models,
        specs,
        parts,
        _controls.reduced_parts(flags, defences, parts),
        _robustness.worst_case_part(flags, parts),
    )


def _write_settings(flags, job, run):
    """Writes evaluation.json; returns what it holds but for the calls."""
    described = _evaluation_settings.describe(
        flags,
        job.path,
        job.classifier,
        [*job.specs, *(spec for own, _ in job.reduced for spec in own)],
        {n: m for n, m in job.models.items() if m is not job.classifier},
        job.pool_text,
    )
    described["worst_case"] = _robustness.describe_worst_case(flags, job.worst)
    settings = _evaluation_settings.merge_settings(flags.run_dir, described)
    run_dir = pathlib.Path(flags.run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    _evaluation_settings.write_settings(run_dir, settings, run)
    return settings


def _compute(flags, job):
    """Asks for red flags, then adds the records that are missing."""
    if flags.probe:
        _robustness.probe(flags, job.models, job.specs, job.image_set)
    if job.worst:
        _evaluate(flags, job.models, *job.worst, flags.selection_seeds)
    for part, examples in job.parts:
        _evaluate(flags, job.models, part, examples)
    bare = {n: m for n, m in job.models.items() if m is job.classifier}
    for part, examples in job.reduced:
        _evaluate(flags, bare, part, examples)


def _evaluate(flags, models, specs, image_set, selection_seeds=()):
    from keras_mixup import evaluation

    names = [spec.name for spec in specs]
    if selection_seeds:
        names.append("their worst case")
    print(f"{', '.join(names)}: {len(image_set.labels)} examples")
    evaluation.evaluate(
        models,
        specs,
        image_set.images,
        image_set.labels,
        batch_size=flags.batch_size,
        eval_seeds=flags.eval_seeds,
        selection_seeds=selection_seeds,
        attack_seed=flags.attack_seed,
        records_path=str(
            pathlib.Path(flags.run_dir) / _evaluation_settings.RECORDS
        ),
        example_ids=image_set.example_ids,
        pool_split="train",
        verbose=flags.verbose,
    )


def _pictures(flags, job):
    """Keeps eight examples under the first oblivious attack."""
    from keras_mixup import data
    from keras_mixup.evaluation import pictures

    oblivious = [spec for spec in job.specs if spec.knowledge == "oblivious"]
    if not oblivious:
        return
    count = min(8, len(job.image_set.labels))
    shown = data.class_balanced_subset(job.image_set, count, flags.seed)
    found = pictures.make_pictures(
        job.models, oblivious[0], shown.images, shown.labels, flags.attack_seed
    )
    path = pathlib.Path(flags.run_dir) / _evaluation_settings.PICTURES
    pictures.write_pictures(str(path), found)


def _show(run_dir):
    from keras_mixup import evaluation
    from keras_mixup.evaluation import report
    from keras_mixup.evaluation import tables
    from keras_mixup.evaluation import verdicts

    records = evaluation.read_records(run_dir / _evaluation_settings.RECORDS)
    print(f"\n{tables.to_text(tables.accuracy_table(records))}\n")
    for verdict in verdicts.verdicts(records):
        print(f"- {verdict.sentence}")
    _robustness.show(run_dir)
    print(f"\nReport: {report.write_report(run_dir)}")


if __name__ == "__main__":
    _common.run(main, FLAGS)
