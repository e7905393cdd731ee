"""What single additions give to adversarial training; one table.

    python -m benchmarks.additions --results=runs/additions/digits.jsonl

Each row is a run of `keras_mixup.runs`: an algorithm, or AT or AOM with one
addition. The weights at the end of training are attacked: PGD-20 on the test
split, and standard AutoAttack on a part of it. One line of --results is one
trained network (row, seed). Existing lines are not computed again, so the same
command continues a stopped call; a stopped training goes on as well. All rows
of a seed come before the next seed.
"""

import gc
import pathlib
import time

import keras
import numpy as np

from benchmarks import program
from keras_mixup import runs

FLAGS = program.Flags(__doc__)
FLAGS.string("results", None, "JSON-lines file; folders of runs beside it.")
FLAGS.string_list("rows", "", "Which rows of the table; empty for all.")
FLAGS.integer_list("seeds", "0,1,2", "One network each.")
FLAGS.string("dataset", "digits", "Data set; see docs/data.md.")
FLAGS.string("data_dir", None, "Folder of prepared tfds data sets.")
FLAGS.string("model", "small_convnet", "Architecture.")
FLAGS.integer("width", None, "Width of the architecture.", minimum=1)
FLAGS.integer("num_train", None, "Class-balanced subset.", minimum=1)
FLAGS.integer("num_test", None, "Class-balanced subset.", minimum=1)
FLAGS.integer("num_strong", 200, "Test images for AutoAttack.", minimum=1)
FLAGS.integer("few", 300, "Training images of the rows on few.", minimum=1)
FLAGS.integer("epochs", 60, "Epochs.", minimum=1)
FLAGS.number("eps", 0.1, "L-infinity radius in [0, 1] units.")
FLAGS.number("step_size", 0.05, "Training attack: step.")
FLAGS.integer("num_steps", 5, "Training attack: steps.", minimum=1)
FLAGS.number("test_step_size", 0.025, "PGD-20: step.")
FLAGS.runtime()

# What does not change a result.
_ASIDE = ("results", "rows", "seeds", "seed", "data_dir", "threads")
_COLUMNS = ("clean", "pgd20", "autoattack")


def _additions(title, **options):
    """One row without an addition and one with each, {title: settings}."""
    added = {
        "AWP": {"weight_perturbation": 0.01},
        "EMA": {"weight_average": "ema"},
        "SWA": {"weight_average": "swa"},
    }
    rows = {f"{title} + {name}": own for name, own in added.items()}
    rows = {name: {**options, **own} for name, own in rows.items()}
    return {title: options, **rows}


_AT = {"algorithm": "adversarial_training"}
_CUTMIX = "cutmix_adversarial_training"
ROWS = {
    **_additions("AT", **_AT),
    "AT + CutMix": {"algorithm": _CUTMIX},
    "AT + vertices (AVmixup)": {"algorithm": "adversarial_vertex_mixup"},
    **_additions("AOM", algorithm="adversarial_mixup"),
    "TRADES": {"algorithm": "trades"},
    "TRADES + CutMix": {"algorithm": "cutmix_trades"},
    "AT on few images": {**_AT, "num_train": "few"},
    "AT on few images + extra": {
        **_AT,
        "num_train": "few",
        "extra_dataset": "dataset",
        "extra_share": 0.5,
    },
    "Mixup": {"algorithm": "mixup"},
    "CutMix": {"algorithm": "cutmix"},
    "RegMixup": {"algorithm": "regmixup"},
    "DAT": {"algorithm": "directional_adversarial_training"},
}
_UNATTACKED = (
    "mixup",
    "cutmix",
    "regmixup",
    "directional_adversarial_training",
)


def main(flags):
    """Runs what is missing, then prints the table."""
    names = flags.rows or list(ROWS)
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        known = ", ".join(ROWS)
        raise ValueError(
            f"`rows` must be among {known}. Received: {unknown[0]!r}"
        )
    settings = {
        k: v for k, v in FLAGS.as_dict(flags).items() if k not in _ASIDE
    }
    results = program.Results(flags.results, settings, ("name", "seed"))
    program.prepare(flags)
    for seed in flags.seeds:
        for name in names:
            if (name, seed) not in results:
                results.add(measure(flags, name, seed))
    print(table(results.rows))


def training_settings(flags, name, seed):
    """Returns the `TrainSettings` of a row."""
    own = dict(ROWS[name])
    if own.get("num_train") == "few":
        own["num_train"] = flags.few
    if "extra_dataset" in own:
        own["extra_dataset"] = flags.dataset
    if own["algorithm"] not in _UNATTACKED:
        own |= {"eps": flags.eps, "step_size": flags.step_size}
        own |= {"num_steps": flags.num_steps}
    shared = ("dataset", "data_dir", "model", "width", "num_train", "epochs")
    shared = {key: getattr(flags, key) for key in shared}
    return runs.TrainSettings(**{**shared, "seed": seed, **own})


def measure(flags, name, seed):
    """Returns one line of the results, accuracies in percent."""
    keras.backend.clear_session()
    gc.collect()
    folder = pathlib.Path(flags.results).parent / f"{name} seed {seed}"
    start = time.process_time()
    settings = training_settings(flags, name, seed)
    trained = runs.train(settings, folder, resume=True)
    seconds = time.process_time() - start
    found = runs.evaluate(
        runs.EvaluateSettings(
            classifier=str(folder / "final.keras"),
            num_examples=flags.num_test,
            attacks=("clean", "pgd", "autoattack"),
            eps=flags.eps,
            step_size=flags.test_step_size,
            pgd_steps=(20,),
            adaptive_examples=flags.num_strong,
            defences=(),
            probe=False,
            seed=seed,
        ),
        folder,
    )
    return {
        "name": name,
        "seed": seed,
        **accuracies(found.records),
        "steps": trained.steps,
        "train_cpu_seconds": round(seconds, 1),
    }


def accuracies(records):
    """Returns {column: accuracy in percent} of the one model."""
    hits = {}
    for record in records:
        right = record.prediction == record.label
        hits.setdefault(record.attack, []).append(right)
    found = {name: 100.0 * float(np.mean(h)) for name, h in hits.items()}
    return {
        column: value
        for column in _COLUMNS
        for name, value in found.items()
        if name.replace("-", "").lower().startswith(column)
    }


def table(rows):
    """Returns the Markdown table: mean and deviation over seeds."""
    lines = [
        "| training | clean | PGD-20 | AutoAttack | train CPU s |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in ROWS:
        own = [row for row in rows if row["name"] == name]
        if own:
            cells = [_cell([row[column] for row in own]) for column in _COLUMNS]
            seconds = np.mean([row["train_cpu_seconds"] for row in own])
            cells.append(f"{seconds:.0f}")
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values):
    mean = f"{np.mean(values):.1f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {np.std(values, ddof=1):.1f}"


if __name__ == "__main__":
    program.run(main, FLAGS)
