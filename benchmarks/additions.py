"""What single additions give to adversarial training; one table.

    python -m benchmarks.additions --results=runs/additions/digits.jsonl
    python -m benchmarks.additions \
        --flagfile=benchmarks/cifar10_additions.flags --data_dir=DIR \
        --results=runs/additions/cifar10.jsonl

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
from keras_mixup import registry
from keras_mixup import runs

FLAGS = program.Flags(__doc__)
FLAGS.string("results", None, "JSON-lines file; folders of runs beside it.")
FLAGS.string_list("rows", "", "Which rows of the table; empty for all.")
FLAGS.integer_list("seeds", "0,1,2", "One network each.")
# Of the network and of its training.
_SHARED = (
    *("dataset", "data_dir", "model", "width", "num_train", "batch_size"),
    *("optimizer", "learning_rate", "weight_decay", "schedule", "drops"),
    *("augment", "num_validation"),
)
FLAGS.of_training(*_SHARED, epochs=60, eps=0.1, step_size=0.05, num_steps=5)
FLAGS.integer("num_test", None, "Class-balanced subset.", minimum=1)
FLAGS.integer(
    "num_strong", 200, "Test images for AutoAttack; 0: leave it out.", minimum=0
)
FLAGS.integer("few", 300, "Training images of the rows on few.", minimum=1)
FLAGS.number("test_step_size", 0.025, "PGD-20: step.")
FLAGS.runtime()

# What does not change a result.
_ASIDE = ("rows",)
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
    for name in names:
        registry.check_name("rows", name, tuple(ROWS))
    results = program.results(FLAGS, flags, ("name", "seed"), _ASIDE)
    program.prepare(flags)
    for seed in flags.seeds:
        for name in names:
            if (name, seed) not in results:
                program.say(results.add(measure(flags, name, seed)))
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
    shared = {key: getattr(flags, key) for key in _SHARED}
    # What was not given may have no effect here, and would be refused.
    known = runs.TrainSettings.declared
    shared = {k: v for k, v in shared.items() if v != known[k].default}
    shared |= {"epochs": flags.epochs, "seed": seed}
    return runs.TrainSettings(**{**shared, **own})


def measure(flags, name, seed):
    """Returns one line of the results, accuracies in percent."""
    keras.backend.clear_session()
    gc.collect()
    folder = pathlib.Path(flags.results).parent / f"{name} seed {seed}"
    start = time.process_time()
    settings = training_settings(flags, name, seed)
    trained = runs.train(settings, folder, resume=True)
    seconds = time.process_time() - start
    found = runs.evaluate(evaluation_settings(flags, folder, seed), folder)
    return {
        "name": name,
        "seed": seed,
        **accuracies(found.records),
        "steps": trained.steps,
        "train_cpu_seconds": round(seconds, 1),
    }


def evaluation_settings(flags, folder, seed):
    """Returns the `EvaluateSettings` for the last step of a run."""
    strong = {}
    if flags.num_strong:
        strong = {"adaptive_examples": flags.num_strong}
    return runs.EvaluateSettings(
        classifier=str(folder / "final.keras"),
        num_examples=flags.num_test,
        attacks=("clean", "pgd", *(["autoattack"] if strong else [])),
        eps=flags.eps,
        step_size=flags.test_step_size,
        pgd_steps=(20,),
        defences=(),
        probe=False,
        seed=seed,
        **strong,
    )


def accuracies(records):
    """Returns {column: accuracy in percent} for the attacks that were run."""
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
            found = [
                [row[column] for row in own if column in row]
                for column in _COLUMNS
            ]
            cells = [program.cell(part) if part else "-" for part in found]
            seconds = np.mean([row["train_cpu_seconds"] for row in own])
            cells.append(f"{seconds:.0f}")
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    program.run(main, FLAGS)
