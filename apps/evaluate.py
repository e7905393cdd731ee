"""Attacks a classifier and its defences: python -m apps.evaluate --run_dir=...

Reads classifier.keras and config.json from the folder of apps.train (or
--classifier and --dataset), and writes there records.jsonl (one line per
example, model, attack and seed), evaluation.json (settings), pictures.npz and
report.html. Records that are there already are not computed again, so that a
killed call goes on with the same command line. robustness_card.json and .md
sum up each model; --worst_case adds, per example, the worst of all attacks.

Attacks: clean, pgd, cleverhans_pgd, spsa, cleverhans_spsa, fab, targeted_fab,
square, varmixup_pgd (of that paper: steps as long as eps, from the image
itself) are made on the bare classifier (oblivious) and shown to every defence
(fab, targeted_fab and square end at the classifier's boundary, so that the
defences' numbers say little); tramer2020, eot,
fixed_draws, bpda, pang2020_paper, pang2020_released go through each defence
(adaptive), transfer around it. tramer2020 is added whenever a defence is
attacked and none of them is listed; --noadaptive leaves it out, and the table
says "not measured".
"""

import pathlib

from apps import _common
from apps import _controls
from apps import _evaluation
from apps import _evaluation_checks
from apps import _evaluation_settings
from apps import _registry
from apps import _robustness
from apps import _run_folder
from apps import _studies
from keras_mixup import _checks

FLAGS = _common.Flags(__doc__)

# --- what is evaluated
FLAGS.string("run_dir", None, "Folder of apps.train, or one to be made.")
FLAGS.string(
    "classifier", None, "A .keras file; default: --run_dir's classifier.keras."
)
FLAGS.string("model_name", None, "Row name; default: algorithm and model.")
FLAGS.string("dataset", None, "Data set; default: that of the run.")
FLAGS.string("data_dir", None, "Folder of tfds data sets; default: as the run.")
FLAGS.choice(
    "split", "test", ["test", "validation", "train"], "Split to score."
)
FLAGS.integer(
    "num_examples",
    None,
    "Class-balanced subset chosen by --seed; default: the whole split.",
    minimum=1,
)
# --- attacks
FLAGS.string_list("attacks", "clean,cleverhans_pgd", "Attacks, see above.")
FLAGS.boolean("adaptive", True, "Attack through each defence as well.")
FLAGS.choice("norm", "linf", ["linf", "l2"], "Norm of the attacks' ball.")
FLAGS.number("eps", "8/255", "Radius in [0, 1] units.")
FLAGS.number("step_size", None, "PGD: step, same unit; default: eps / 4.")
FLAGS.integer_list("pgd_steps", "10", "PGD: numbers of steps, each a column.")
FLAGS.integer("adaptive_steps", None, "Default: as the recipe.", minimum=1)
FLAGS.integer(
    "adaptive_examples",
    None,
    "Adaptive attacks are slow: examples; default: all.",
    minimum=1,
)
FLAGS.integer(
    "adaptive_draws", None, "Draws per step; default: as the recipe.", minimum=1
)
FLAGS.choice(
    "adaptive_inner",
    "pgd",
    ["pgd", "apgd"],
    "eot, fixed_draws: how they ascend.",
)
FLAGS.choice(
    "targeted",
    "none",
    ["none", "random", "second_most_likely"],
    "Lead to another class; accuracy still means the true label.",
)
FLAGS.choice(
    "label_source",
    "true",
    ["true", "predicted"],
    "PGD: lead away from the true label, or from the prediction as released.",
)
FLAGS.integer("spsa_examples", 20, "SPSA is slow: examples.", minimum=1)
FLAGS.integer("spsa_steps", 20, "SPSA: steps.", minimum=1)
FLAGS.integer("spsa_samples", 128, "SPSA: queries per step.", minimum=2)
FLAGS.integer("num_queries", 5000, "Square: queries per image.", minimum=1)
FLAGS.integer("fab_steps", 100, "FAB: steps, for each target.", minimum=1)
FLAGS.integer("num_targets", 9, "Targeted FAB: classes tried.", minimum=1)
# --- defences
FLAGS.string_list(
    "defences",
    "mixup_inference_ol",
    f"Any of {', '.join(_registry.DEFENCES)}; empty for none.",
)
FLAGS.string_list(
    "mix_weights",
    "0.5",
    "MI-OL, MI-PL, VarMI: weights of the input, each a row: 0.6, "
    "uniform:0.4:0.6 or beta:2:1.",
)
FLAGS.string(
    "vae",
    None,
    "VarMI: autoencoder, .keras file or folder; default: that of the run.",
)
FLAGS.integer("num_draws", 30, "Draws per prediction.", minimum=1)
FLAGS.integer(
    "pool_size", None, "Pool images from train; default: all.", minimum=1
)
FLAGS.number("pl_weight", 0.5, "MI-Combined: weight of the input in MI-PL.")
FLAGS.number("ol_weight", 0.4, "MI-Combined: weight of the input in MI-OL.")
FLAGS.number("threshold", 0.2, "MI-Combined: score that counts as an attack.")
FLAGS.choice(
    "fallback",
    "input",
    ["input", "mixup_pl"],
    "MI-Combined: answer for what is not detected.",
)
FLAGS.number("stddev", None, "Gaussian noise; default: the MI paper's.")
FLAGS.number("degrees", None, "Random rotation; default: the MI paper's.")
FLAGS.integer_list(
    "resize_pad_range", None, "Sizes low,high; default: paper's, scaled."
)
FLAGS.integer_list(
    "crop_resize_range", None, "Sizes low,high; default: paper's, scaled."
)
# --- figures of the Mixup Inference paper
FLAGS.string_list("figures", "", f"Any of {', '.join(_studies.NAMES)}.")
FLAGS.integer("figure_examples", 100, "Figures: examples.", minimum=1)
FLAGS.number("figure_eps", "16/255", "fig5: radius, L-infinity.")
# --- run
FLAGS.integer_list(
    "eval_seeds",
    "0,1,2",
    "Seeds of the defences' draws; with --worst_case ten, 0 to 9.",
)
FLAGS.boolean(
    "worst_case", False, "Per example the worst attack, scored on fresh draws."
)
FLAGS.integer_list(
    "selection_seeds", "0,1,2,3,4", "Worst case: seeds that choose the attack."
)
FLAGS.boolean(
    "controls",
    False,
    "Add mean-image shrinkage, and attacks of lambda eps on the classifier.",
)
FLAGS.boolean("probe", True, "Ask each model for red flags.")
FLAGS.integer("attack_seed", 0, "Seed of the attacks.", minimum=0)
FLAGS.integer("batch_size", 100, "Images per attacked batch.", minimum=1)
FLAGS.boolean("verbose", True, "Show progress.")
FLAGS.runtime(training=False)


def main(flags):
    """Checks everything, evaluates, prints the table, writes the report."""
    names = _evaluation.check_names(flags)
    path = _classifier_path(flags)
    config = _complete(flags)
    _robustness.complete_seeds(flags)
    _studies.check(flags)
    _common.set_up(flags)
    _evaluation_checks.check(FLAGS, flags, names)
    image_set, classifier, spec = _load(flags, path, config)
    specs = _evaluation.build_specs(flags, names)
    pool, pool_text = _pool(flags, spec, config)
    defences = _evaluation.build_defences(
        flags,
        classifier,
        pool,
        _registry.paper_settings(config, spec.image_shape[0]),
    )
    models = {_model_name(flags, config): classifier, **defences}
    models.update(_controls.models(flags, defences))
    parts = _parts(flags, specs, image_set)
    reduced = _controls.reduced_parts(flags, defences, parts)
    worst = _robustness.worst_case_part(flags, parts)
    described = _evaluation_settings.describe(
        flags,
        path,
        classifier,
        [*specs, *(spec for own, _ in reduced for spec in own)],
        {name: m for name, m in models.items() if m is not classifier},
        pool_text,
    )
    described["worst_case"] = _robustness.describe_worst_case(flags, worst)
    settings = _evaluation_settings.merge_settings(flags.run_dir, described)
    run_dir = pathlib.Path(flags.run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    run = _common.describe_run("apps.evaluate", FLAGS)
    _evaluation_settings.write_settings(run_dir, settings, run)
    if flags.probe:
        _robustness.probe(flags, models, specs, image_set)
    if worst:
        _evaluate(flags, models, *worst, flags.selection_seeds)
    for part, examples in parts:
        _evaluate(flags, models, part, examples)
    for part, examples in reduced:
        bare = {name: m for name, m in models.items() if m is classifier}
        _evaluate(flags, bare, part, examples)
    _studies.draw(flags, classifier, pool, image_set)
    _pictures(flags, models, specs, image_set)
    _robustness.write_cards(flags, path, settings, run)
    _show(run_dir)


def _classifier_path(flags):
    if not flags.run_dir:
        raise _common.UsageError("A folder is needed: --run_dir=PATH")
    run_dir = pathlib.Path(flags.run_dir)
    path = pathlib.Path(flags.classifier or run_dir / "classifier.keras")
    if not path.is_file():
        raise FileNotFoundError(
            f"No classifier at {path}. Train one with apps.train, or give "
            "--classifier=FILE.keras."
        )
    if path.suffix != ".keras":
        raise _common.UsageError(f"A .keras file is needed. Received: {path}")
    # Only looks whether the folder can be written; it may well be there.
    _run_folder.check(run_dir / ".evaluation")
    return path


def _complete(flags):
    """Fills data set and folder from the training run; returns its config."""
    config = {}
    if (pathlib.Path(flags.run_dir) / _run_folder.CONFIG).is_file():
        config = _run_folder.read_config(flags.run_dir).get("flags", {})
    inherited = ["dataset", "data_dir"]
    if any(name in _evaluation.TAKE_VAE for name in flags.defences):
        inherited.append("vae")
    for name in inherited:
        if flags[name].value is None:
            flags[name].value = config.get(name)
    if flags.dataset is None:
        raise _common.UsageError("Which data set? --dataset=NAME")
    if flags.split == "train" and _evaluation.needs_pool(flags):
        raise _common.UsageError(
            "--split=train: the defences' pool is drawn from the train split, "
            "so that an image would be mixed with itself. Choose another "
            "--split, or --defences without a pool."
        )
    # Another data set was not split by the run.
    return config if config.get("dataset") == flags.dataset else {}


def _load(flags, path, config):
    import keras

    from keras_mixup import _classifiers
    from keras_mixup import data

    _registry.check_name(data.DATASETS, "dataset", flags.dataset)
    spec = data.DATASETS[flags.dataset]
    image_set = data.load_arrays(
        flags.dataset,
        flags.split,
        flags.data_dir,
        num_examples=flags.num_examples,
        num_validation=config.get("num_validation"),
        seed=flags.seed,
    )
    classifier = keras.models.load_model(path, compile=False)
    _classifiers.check_classifier(classifier)
    shape = tuple(classifier.input_shape[1:])
    fits = shape == tuple(spec.image_shape)
    expected = f"a model of {spec.image_shape} images, as {flags.dataset} has"
    _checks.check(fits, "classifier", expected, shape)
    few = image_set.images[:16]
    scale = 255.0 if few.dtype.kind == "u" else 1.0
    logits = classifier((few / scale).astype("float32"), training=False)
    _classifiers.check_logits(logits, spec.num_classes)
    return image_set, classifier, spec


def _pool(flags, spec, config):
    """Returns (pool, text that tells it), (None, "") if none is needed.

    The run's own validation images stay out, whatever number it held back.
    """
    if not _evaluation.needs_pool(flags):
        return None, ""
    from keras_mixup import data
    from keras_mixup import inference

    train = data.load_arrays(
        flags.dataset,
        "train",
        flags.data_dir,
        num_examples=flags.pool_size,
        num_validation=config.get("num_validation"),
        seed=flags.seed,
    )
    pool = inference.SamplePool(
        train.images,
        train.labels,
        dtype="uint8" if train.images.dtype.kind == "u" else "float32",
        num_classes=spec.num_classes,
    )
    return pool, _evaluation_settings.pool_text(train.example_ids)


def _parts(flags, specs, image_set):
    """Returns [(specs, examples)]: slow attacks may see fewer examples."""
    from keras_mixup import data

    limits = [_evaluation.limit(flags, spec) for spec in specs]
    parts = []
    for limit in dict.fromkeys(limits):
        examples, count = image_set, len(image_set.labels)
        if limit is not None and limit < count:
            examples = data.class_balanced_subset(image_set, limit, flags.seed)
        chosen = zip(specs, limits, strict=True)
        parts.append(([s for s, own in chosen if own == limit], examples))
    return parts


def _model_name(flags, config):
    if flags.model_name:
        return flags.model_name
    parts = [config.get(name) for name in ("algorithm", "model")]
    return " ".join(part for part in parts if part) or "classifier"


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


def _pictures(flags, models, specs, image_set):
    """Keeps eight examples under the first oblivious attack."""
    from keras_mixup import data
    from keras_mixup.evaluation import pictures

    oblivious = [spec for spec in specs if spec.knowledge == "oblivious"]
    if not oblivious:
        return
    count = min(8, len(image_set.labels))
    shown = data.class_balanced_subset(image_set, count, flags.seed)
    found = pictures.make_pictures(
        models, oblivious[0], shown.images, shown.labels, flags.attack_seed
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
