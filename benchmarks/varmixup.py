"""Table 2 of the VarMixup paper, small enough for a CPU, with adaptive attacks.

    F=digits
    python -m apps.train --flagfile=$F/vae.flags --run_dir=runs/digits-vae
    python -m apps.train --flagfile=$F/vae_adversarial.flags \
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
from keras_mixup import _settings
from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup import metrics
from keras_mixup import registry
from keras_mixup import training
from keras_mixup.runs import autoencoder

FLAGS = program.Flags(__doc__)
FLAGS.string("results", None, "JSON-lines file, read and added to.")
FLAGS.string("vae", "runs/digits-vae", "Autoencoder.")
FLAGS.string(
    "adv_vae", "runs/digits-vae_adversarial", "The one trained adversarially."
)
FLAGS.string_list("rows", "", "Which rows of the table; empty for all.")
FLAGS.integer_list("seeds", "0,1,2", "One network each.")
FLAGS.string("dataset", "digits", "Data set; see docs/data.md.")
FLAGS.string("data_dir", None, "Folder of prepared tfds data sets.")
FLAGS.integer("num_train", None, "Class-balanced subset.", minimum=1)
FLAGS.integer("num_test", None, "Class-balanced subset.", minimum=1)
FLAGS.integer("num_adaptive", 100, "Subset for the adaptive attack.", minimum=1)
FLAGS.integer("adaptive_steps", 50, "Steps of the adaptive attack.", minimum=1)
FLAGS.integer("adaptive_draws", 15, "Draws per adaptive step.", minimum=1)
FLAGS.string("model", "small_convnet", "Architecture.")
FLAGS.integer("width", None, "Width of the architecture.", minimum=1)
FLAGS.integer("epochs", 60, "Epochs.", minimum=1)
FLAGS.integer("batch_size", 64, "Images per step.", minimum=2)
FLAGS.number("learning_rate", 0.001, "Of Adam.")
FLAGS.number("eps", 0.1, "L-infinity radius in [0, 1] units.")
FLAGS.integer("num_steps", 10, "Training attack: steps of eps / 4.", minimum=1)
FLAGS.number("alpha", 1.0, "Mixup: lambda ~ Beta(alpha, alpha), eta.")
FLAGS.runtime()

# What does not change a result.
_ASIDE = (
    "results",
    "rows",
    "seeds",
    "seed",
    "data_dir",
    "threads",
    "vae",
    "adv_vae",
)


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
        _settings.check_known(name, "row", tuple(ROWS))
    files = {n: autoencoder.file_of(getattr(flags, n)) for n in _VAES}
    settings = {
        k: v for k, v in FLAGS.as_dict(flags).items() if k not in _ASIDE
    }
    results = program.Results(flags.results, settings, ("name", "seed"))
    program.prepare(flags)
    for seed in flags.seeds:
        for name in names:
            if (name, seed) not in results:
                results.add(measure(flags, name, seed, files))
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
    vae = autoencoder.load(str(files[row.vae])) if row.vae else None
    classifier, seconds = fit(flags, row, seed, train, vae)
    models = {"bare": classifier}
    if row.defence:
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


def fit(flags, row, seed, train, vae):
    """Returns (trained classifier, CPU seconds of its training)."""
    spec = data.DATASETS[flags.dataset]
    options = {"mean": spec.mean, "std": spec.std}
    if flags.width:
        options["width"] = flags.width
    classifier = registry.build(
        "model", flags.model, spec.image_shape, spec.num_classes, **options
    )
    options = {"seed": seed}
    if vae is not None:
        options["vae"] = vae
    if row.attacked:
        threat = ThreatModel("linf", flags.eps)
        step = threat.eps / 4
        options["attack"] = attacks.PGD(threat, step, flags.num_steps)
    if "Mixup" in row.algorithm.__name__:
        options["alpha"] = flags.alpha
    start = time.process_time()
    model = row.algorithm(classifier, **options)
    if vae is not None and not row.attacked and spec.augment is None:
        # Without augmentation the codes of an image are always the same.
        model = row.algorithm(classifier, from_codes=True, **options)
        codes = training.latent_codes(vae, train.images)
        train = train._replace(images=codes)
    model.compile(keras.optimizers.Adam(flags.learning_rate))
    model.fit(
        data.training_dataset(
            train, flags.batch_size, seed, augment=spec.augment
        ),
        epochs=flags.epochs,
        steps_per_epoch=len(train.labels) // flags.batch_size,
        verbose=0,
        shuffle=False,
    )
    return classifier, round(time.process_time() - start, 1)


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
    cells = [_cell([row[model][column] for row in rows]) for column in _COLUMNS]
    if model == "bare":
        for column, digits in (("ece", 3), ("local_linearity", 3)):
            values = [row[model][column] for row in rows]
            cells.append(_cell(values, digits))
        seconds = np.mean([row["train_cpu_seconds"] for row in rows])
        cells.append(f"{seconds:.0f}")
    else:
        cells += ["", "", ""]
    return f"| {title} | {' | '.join(cells)} |"


def _cell(values, digits=1):
    mean = f"{np.mean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}"


if __name__ == "__main__":
    program.run(main, FLAGS)
