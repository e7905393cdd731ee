"""Accuracy under the adaptive attack on MI-OL, over its draws and steps.

    python -m benchmarks.adaptive --run_dirs=runs/digits-mixup,runs/digits-iat

The folders are those of training runs. The search (recipe eot, from a random
start) is run with several numbers of draws and of steps on the same images.
Each folder stores the records in adaptive_records.jsonl, so the same command
continues a killed call. The flag file digits/evaluate_worst_case makes
the table of every recipe and of the worst case over them.
"""

import pathlib

import keras

from benchmarks import program
from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import evaluation
from keras_mixup import inference
from keras_mixup.studies import drawing

FLAGS = program.Flags(__doc__)
FLAGS.string_list("run_dirs", "", "Folders of training runs.")
FLAGS.of_training(eps=0.1)
FLAGS.number("mix_weight", 0.6, "MI-OL: weight of the input.")
FLAGS.integer("num_draws", 30, "Draws of the defence.", minimum=1)
FLAGS.integer("num_examples", 100, "Test images.", minimum=1)
FLAGS.integer("steps", 50, "Steps of each run of the search.", minimum=1)
FLAGS.integer("draws", 15, "Draws per step of the search.", minimum=1)
FLAGS.integer_list("draws_curve", "1,5,15,30,100", "Draws of the curve.")
FLAGS.integer_list("steps_curve", "10,25,50,100,200", "Steps of the curve.")
FLAGS.string("figure", None, "A .png file for the curves.")
FLAGS.runtime()

_RECORDS = "adaptive_records.jsonl"


def main(flags):
    """Measures what is missing, then prints the curves."""
    program.prepare(flags)
    rows = [
        row
        for folder in map(pathlib.Path, flags.run_dirs)
        for row in curves(flags, folder)
    ]
    print("| classifier | curve | steps x draws | accuracy |")
    print("|---|---|---|---:|")
    for row in rows:
        place = f"{row['steps']}x{row['draws']}"
        mean = 100 * row["accuracy"]
        print(f"| {row['model']} | {row['part']} | {place} | {mean:.1f} |")
    if flags.figure:
        pathlib.Path(flags.figure).write_bytes(
            drawing.to_png(figure(rows, theme="light"), transparent=False)
        )


def points(flags):
    """Returns [(curve, steps, draws)] of both curves."""
    found = [("draws", flags.steps, draws) for draws in flags.draws_curve]
    return found + [
        ("steps", steps, flags.draws) for steps in flags.steps_curve
    ]


def defend(flags, folder):
    """Returns MI-OL in front of one classifier."""
    classifier = keras.models.load_model(
        folder / "classifier.keras", compile=False
    )
    train = data.load_arrays("digits", "train")
    pool = inference.SamplePool(train.images, train.labels, dtype="float32")
    return inference.MixupInferenceOL(
        classifier, pool, flags.mix_weight, flags.num_draws
    )


def searches(flags):
    """Returns dict name -> `AttackSpec` of every point of the curves."""
    specs = {}
    for _, steps, draws in points(flags):
        attack = attacks.MixupInferenceAttack(
            ThreatModel("linf", flags.eps),
            "eot",
            num_steps=steps,
            num_draws=draws,
            starts=("random",),
            selection_draws=60,
        )
        specs[attack.name] = evaluation.AttackSpec(
            attack.name, attack, "adaptive"
        )
    return specs


def curves(flags, folder):
    """Returns the rows of one classifier's curves."""
    specs = searches(flags)
    examples = data.load_arrays(
        "digits", "test", num_examples=flags.num_examples
    )
    records = evaluation.evaluate(
        {"MI-OL": defend(flags, folder)},
        list(specs.values()),
        examples.images,
        examples.labels,
        example_ids=examples.example_ids,
        batch_size=100,
        eval_seeds=range(10),
        attack_seed=flags.seed,
        records_path=str(folder / _RECORDS),
        pool_split="train",
    )
    found = {}
    for summary in evaluation.summarize(records):
        attack = specs[summary.attack].attack
        found[attack.num_steps, attack.num_draws] = summary.accuracy
    return [
        {
            "model": folder.name,
            "part": part,
            "steps": steps,
            "draws": draws,
            "accuracy": found[steps, draws],
        }
        for part, steps, draws in points(flags)
    ]


@drawing.themed
def figure(rows):
    """Draws accuracy over draws and over steps, a line per classifier."""
    made, axes = drawing.new_figure(1, 2, (8.4, 3.2))
    models = list(dict.fromkeys(row["model"] for row in rows))
    for axis, part in zip(axes[0], ("draws", "steps"), strict=True):
        for place, model in enumerate(models):
            own = [
                (row[part], 100 * row["accuracy"])
                for row in rows
                if (row["part"], row["model"]) == (part, model)
            ]
            colour = drawing.line_colour(place)
            axis.plot(*zip(*own, strict=True), "o-", color=colour, label=model)
        ticks = sorted({row[part] for row in rows if row["part"] == part})
        axis.set_xscale("log")
        axis.set_xticks(ticks, list(map(str, ticks)))
        axis.minorticks_off()
        axis.set_ylim(bottom=0)
        axis.set_xlabel(f"{part} of the attack")
        axis.grid(True)
    axes[0][0].set_ylabel("accuracy (%)")
    axes[0][0].legend()
    return made


if __name__ == "__main__":
    program.run(main, FLAGS)
