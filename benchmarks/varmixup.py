"""Table 2 of the VarMixup paper, small enough for a CPU, with adaptive attacks.

    F=digits
    keras-mixup train --flagfile=$F/vae.flags --run_dir=runs/digits-vae
    keras-mixup train --flagfile=$F/vae_adversarial.flags \
        --run_dir=runs/digits-vae_adversarial
    python -m benchmarks.varmixup --results=runs/varmixup.jsonl

The paper shows clean accuracy and an oblivious PGD-10 with steps of eps. This
table adds the usual PGD-10 and an attack through the defence (adaptive; without
a defence, the same number of steps on the classifier).

One line of --results is one trained network (row, seed) with all its numbers,
bare and defended. Existing lines are not computed again, so the same command
continues a stopped call. All networks of a seed start from the same weights,
and the last step's weights are tested. All seeds share the autoencoders.
"""

import gc
import time
from typing import NamedTuple

import keras
import numpy as np

from benchmarks import program
from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import metrics
from keras_mixup import registry
from keras_mixup import runs
from keras_mixup import training
from keras_mixup.runs import autoencoder
from keras_mixup.runs import training as run

FLAGS = program.Flags(__doc__)
FLAGS.string("results", None, "JSON-lines file, read and added to.")
FLAGS.string("vae", "runs/digits-vae", "Autoencoder.")
FLAGS.string(
    "adv_vae", "runs/digits-vae_adversarial", "The one trained adversarially."
)
FLAGS.string_list("rows", "", "Which rows of the table; empty for all.")
FLAGS.integer_list("seeds", "0,1,2", "One network each.")
FLAGS.of_training("dataset", "data_dir", "num_train")
FLAGS.integer("num_test", None, "Class-balanced subset.", minimum=1)
FLAGS.integer("num_adaptive", 100, "Subset for the adaptive attack.", minimum=1)
FLAGS.integer("adaptive_steps", 50, "Steps of the adaptive attack.", minimum=1)
FLAGS.integer("adaptive_draws", 15, "Draws per adaptive step.", minimum=1)
FLAGS.of_training("model", "width", "batch_size", "learning_rate")
FLAGS.of_training(epochs=60, eps=0.1, num_steps=10, alpha=1.0)
FLAGS.runtime()

# What does not change a result.
_ASIDE = ("rows", "vae", "adv_vae")


class Row(NamedTuple):
    """One method of Table 2.

    Attributes:
        algorithm: subclass of `training.Algorithm`.
        vae: None, `"vae"` or `"adv_vae"`, the flag that names it.
        attacked: bool, whether it trains on an attack.
        defence: None, `"mi"` or `"varmi"`, what stands in front in the
            table's second half.
        mix_weight: float, the defence's.
    """

    algorithm: type
    vae: str | None = None
    attacked: bool = False
    defence: str | None = None
    mix_weight: float = 0.5


ROWS = {
    "AT": Row(training.AdversarialTraining, attacked=True),
    "IAT": Row(training.InterpolatedAdversarialTraining, None, True, "mi", 0.6),
    "TRADES": Row(training.TRADES, attacked=True),
    "ERM": Row(training.ERM, defence="mi"),
    "VarERM": Row(training.VarERM, "vae", defence="varmi"),
    "adv-VarERM": Row(training.VarERM, "adv_vae", defence="varmi"),
    "Mixup": Row(training.Mixup, defence="mi"),
    "VarMixup": Row(training.VarMixup, "vae", defence="varmi"),
    "adv-VarMixup": Row(training.VarMixup, "adv_vae", defence="varmi"),
    "VarIAT": Row(
        training.VarInterpolatedAdversarialTraining, "vae", True, "varmi"
    ),
}
_VAES = ("vae", "adv_vae")
_COLUMNS = ("clean", "paper", "pgd", "adaptive")


def main(flags):
    """Runs what is missing, then prints the table."""
    names = flags.rows or list(ROWS)
    for name in names:
        registry.check_name("rows", name, tuple(ROWS))
    files = {n: autoencoder.file_of(getattr(flags, n)) for n in _VAES}
    results = program.results(FLAGS, flags, ("name", "seed"), _ASIDE)
    program.prepare(flags)
    for seed in flags.seeds:
        for name in names:
            if (name, seed) not in results:
                row = measure(flags, name, seed, files)
                program.say(results.add(row))
    print(table(results.rows))
    for name, file in files.items():
        print(_training_time(name, file))


def _training_time(name, file):
    """The training time of the autoencoder, which the paper includes."""
    path = file.parent / "metrics.jsonl"
    if not path.is_file():
        return f"{name}: no metrics.jsonl beside {file}, training time unknown"
    epochs = training.read_metrics(str(path))
    seconds = sum(row["seconds"] for row in epochs)
    return (
        f"{name}: {len(epochs)} epochs in {seconds:.0f} s of wall time, once "
        "for all rows that use it; not in the last column."
    )


def measure(flags, name, seed, files):
    """Returns one line of the results, accuracies in percent."""
    row = ROWS[name]
    keras.backend.clear_session()
    gc.collect()
    keras.utils.set_random_seed(seed)
    train = _load(flags, "train", flags.num_train)
    test = _load(flags, "test", flags.num_test)
    model, seconds = fit(flags, row, seed, train, files)
    classifier = model.classifier
    models = {"bare": classifier}
    if row.defence:
        vae = getattr(model, "vae", None)
        models["defended"] = defend(flags, row, classifier, vae, train)
    found = {"name": name, "seed": seed, "train_cpu_seconds": seconds}
    for attack_specs, image_set in parts(flags, test):
        records = evaluation.evaluate(
            models,
            attack_specs,
            image_set.images,
            image_set.labels,
            batch_size=100,
            eval_seeds=(seed,),
            attack_seed=seed,
            verbose=False,
        )
        for model in models:
            cells = found.setdefault(model, {})
            own = "none" if model == "bare" else model
            cells.update(accuracies(records, own))
    found["bare"].update(qualities(flags, classifier, test, seed))
    return found


def _load(flags, split, number):
    return data.load_arrays(
        flags.dataset, split, flags.data_dir, num_examples=number
    )


def settings_of(flags, row, seed, files):
    """Returns the `runs.TrainSettings` of one network."""
    values = {}
    if row.vae:
        values["vae"] = str(files[row.vae])
        # Without augmentation the codes of an image are always the same.
        plain = data.DATASETS[flags.dataset].augment is None
        values["cache_latents"] = plain and not row.attacked
    if row.attacked:
        values |= {"eps": flags.eps, "step_size": flags.eps / 4}
        values["num_steps"] = flags.num_steps
    if "Mixup" in row.algorithm.__name__:
        values["alpha"] = flags.alpha
    return runs.TrainSettings(
        dataset=flags.dataset,
        model=flags.model,
        width=flags.width,
        algorithm=row.algorithm.registered_name,
        learning_rate=flags.learning_rate,
        epochs=flags.epochs,
        seed=seed,
        **{name: value for name, value in values.items() if value},
    )


def fit(flags, row, seed, train, files):
    """Returns (trained algorithm, CPU seconds of its training)."""
    start = time.process_time()
    settings = settings_of(flags, row, seed, files)
    steps = len(train.labels) // flags.batch_size
    model = run.build(settings, steps)
    if settings.cache_latents:
        codes = training.latent_codes(model.vae, train.images)
        train = train._replace(images=codes)
    augment = run.augmentation(settings)
    model.fit(
        data.training_dataset(train, flags.batch_size, seed, augment=augment),
        epochs=flags.epochs,
        steps_per_epoch=steps,
        verbose=0,
        shuffle=False,
    )
    return model, round(time.process_time() - start, 1)


def defend(flags, row, classifier, vae, train):
    """Returns the classifier behind MI-OL or VarMI, N = 30 (Table 1)."""
    spec = data.DATASETS[flags.dataset]
    dtype = "uint8" if train.images.dtype == np.uint8 else "float32"
    pool = inference.SamplePool(
        train.images, train.labels, dtype, spec.num_classes
    )
    if row.defence == "mi":
        return inference.MixupInferenceOL(classifier, pool, row.mix_weight)
    return inference.VarMixupInference(classifier, vae, pool, row.mix_weight)


def parts(flags, test):
    """Returns [(attack specs, images)]: the adaptive attack sees fewer."""
    threat = ThreatModel("linf", flags.eps)
    paper = attacks.PGD(threat, threat.eps, 10, random_start=False)
    usual = attacks.PGD(threat, threat.eps / 4, 10)
    adaptive = attacks.MixupInferenceAttack(
        threat,
        "tramer2020",
        num_steps=flags.adaptive_steps,
        num_draws=flags.adaptive_draws,
    )
    specs = [
        evaluation.AttackSpec("clean", None, "none"),
        evaluation.AttackSpec("paper", paper, "oblivious"),
        evaluation.AttackSpec("pgd", usual, "oblivious"),
    ]
    few = data.class_balanced_subset(
        test, min(flags.num_adaptive, len(test.labels)), 0
    )
    through = [evaluation.AttackSpec("adaptive", adaptive, "adaptive")]
    return [(specs, test), (through, few)]


def accuracies(records, defence):
    """Returns {attack: accuracy in percent} of one model."""
    hits = {}
    for record in records:
        if record.defence == defence:
            right = record.prediction == record.label
            hits.setdefault(record.attack, []).append(right)
    return {name: 100.0 * float(np.mean(h)) for name, h in hits.items()}


def qualities(flags, classifier, test, seed):
    """Returns calibration and local linearity of the bare classifier."""
    images = data.as_float(test.images)
    calibration = metrics.ExpectedCalibrationError()
    calibration.update_state(
        test.labels, classifier.predict(images, 256, verbose=0)
    )
    few = slice(0, flags.num_adaptive)
    linearity = metrics.local_linearity_error(
        lambda x: classifier(x, training=False),
        images[few],
        test.labels[few],
        flags.eps,
        seed=seed,
    )
    return {
        "ece": float(calibration.result()),
        "local_linearity": float(linearity.mean()),
    }


def table(rows):
    """Returns the Markdown table: mean and deviation over seeds."""
    lines = [
        "| method | clean | PGD-10, the paper's | PGD-10 | adaptive "
        "| ECE | local linearity | train CPU s |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for model in ("bare", "defended"):
        for name, row in ROWS.items():
            own = [r for r in rows if r["name"] == name and model in r]
            if own:
                lines.append(_line(_title(name, row, model), own, model))
    return "\n".join(lines)


def _title(name, row, model):
    if model == "bare":
        return name
    kinds = {"mi": "MI", "varmi": "VarMI"}
    prefix = "adv-" if row.vae == "adv_vae" else ""
    return f"{name} + {prefix}{kinds[row.defence]}"


def _line(title, rows, model):
    cells = [
        program.cell([row[model][column] for row in rows])
        for column in _COLUMNS
    ]
    if model == "bare":
        for column, digits in (("ece", 3), ("local_linearity", 3)):
            values = [row[model][column] for row in rows]
            cells.append(program.cell(values, digits))
        seconds = np.mean([row["train_cpu_seconds"] for row in rows])
        cells.append(f"{seconds:.0f}")
    else:
        cells += ["", "", ""]
    return f"| {title} | {' | '.join(cells)} |"


if __name__ == "__main__":
    program.run(main, FLAGS)
