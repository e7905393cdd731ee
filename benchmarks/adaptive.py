"""Measures Mixup Inference under every recipe of the adaptive attack.

    python -m benchmarks.adaptive --run_dirs=runs/digits-mixup,runs/digits-iat

The folders are those of apps.train. Each gets adaptive.jsonl, a line for
every batch, defence and attack; lines that are there are not computed again,
so that a killed call goes on, and --num_examples may grow. --report alone
prints the table of what is there, and --figure draws the curves over draws
and steps. P(correct) of each example is its mean over ten evaluation seeds;
the worst case is chosen per example on five other ones.
"""

import functools
import json
import pathlib
import time
from typing import NamedTuple

import keras
import numpy as np

from apps import _common
from benchmarks import adaptive_report
from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import inference
from keras_mixup.evaluation import scoring

FLAGS = _common.Flags(__doc__)
FLAGS.string_list("run_dirs", "", "Folders of apps.train.")
FLAGS.number("eps", 0.1, "Radius in L-infinity.")
FLAGS.string_list("mix_weights", "0.5,0.6", "MI-OL: weights of the input.")
FLAGS.number("pl_weight", 0.6, "MI-PL: weight of the input.")
FLAGS.integer("num_draws", 30, "Draws of the defences.", minimum=1)
FLAGS.integer("num_examples", 200, "Test images.", minimum=1)
FLAGS.integer("batch_size", 100, "Images per batch.", minimum=1)
FLAGS.integer("steps", 50, "Steps of each run of a search.", minimum=1)
FLAGS.integer("draws", 15, "Draws per step of an attack.", minimum=1)
FLAGS.integer("black_box_queries", 300, "Averaged queries.", minimum=1)
FLAGS.integer_list("draws_curve", "1,5,15,30,100", "Draws of the curve.")
FLAGS.integer_list("steps_curve", "10,25,50,100,200", "Steps of the curve.")
FLAGS.boolean("report", False, "Only show what is there.")
FLAGS.string("figure", None, "A .png file for the curves.")
FLAGS.runtime(training=False)

RESULTS = "adaptive.jsonl"
_EVALUATION, _SELECTION = range(10), range(5)


class Task(NamedTuple):
    """An attack on a defence; its fields but the objects name a line.

    Attributes:
        part: str, `"table"`, or the curve `"draws"` or `"steps"`.
        defence: str, `"none"` for the classifier alone.
        attack: str, the name shown.
        model: what answers.
        make: function of (images, labels, ids) -> (images, passes, queries).
        knows_draws: bool, whether it is scored with the draws it was told.
    """

    part: str
    defence: str
    attack: str
    model: object
    make: object
    knows_draws: bool = False


def main(flags):
    """Measures what is missing, then prints the table."""
    _common.set_up(flags)
    paths = [pathlib.Path(folder) / RESULTS for folder in flags.run_dirs]
    if not flags.report:
        for path in paths:
            measure(flags, path)
    lines = [line for path in paths for line in _read(path)]
    print(adaptive_report.table(lines))
    print(adaptive_report.curve_table(lines))
    if flags.figure:
        pathlib.Path(flags.figure).write_bytes(adaptive_report.figure(lines))


def measure(flags, path):
    """Computes the missing lines of one classifier, batch by batch."""
    classifier = keras.models.load_model(
        path.parent / "classifier.keras", compile=False
    )
    found = defences(flags, classifier)
    tasks = table_tasks(flags, classifier, found) + curve_tasks(flags, found)
    done = {tuple(line[key] for key in _KEY) for line in _read(path)}
    batches = batches_of(flags.num_examples, flags.batch_size)
    for batch, examples in enumerate(batches):
        for task in tasks:
            key = (task.part, task.defence, task.attack, batch)
            if key in done or (batch and task.part != "table"):
                continue
            line = dict(zip(_KEY, key, strict=True))
            line["classifier"] = path.parent.name
            _append(path, {**line, **run_task(task, *examples)})


def batches_of(num_examples, size):
    """Yields (images, labels, ids) of class-balanced batches of the test split.

    Whatever their number, the first ones are the same.
    """
    taken = set()
    for start in range(0, num_examples, size):
        count = min(start + size, num_examples)
        subset = data.load_arrays("digits", "test", num_examples=count)
        # Not in the order of the file, where neighbours look alike.
        order = np.argsort(subset.example_ids % 97, kind="stable")
        rows = [i for i in order if int(subset.example_ids[i]) not in taken]
        taken.update(subset.example_ids.tolist())
        yield tuple(np.asarray(part)[rows] for part in subset)


_KEY = ("part", "defence", "attack", "batch")


def run_task(task, images, labels, ids):
    """Attacks one batch and scores it; returns the rest of its line."""
    start = time.perf_counter()
    adversarial, passes, queries = task.make(images, labels, ids)
    seconds = time.perf_counter() - start
    score = _score_of(task.model)

    def chance(seeds, purpose):
        if task.defence == "none":
            seeds = [None]
        hits = []
        for seed in seeds:
            known = None
            if seed is not None:
                known = scoring.row_seeds(seed, ids, purpose)
            answers = np.argmax(score(adversarial, known), axis=-1)
            hits.append(answers == labels)
        return np.mean(hits, axis=0).round(3).tolist()

    told = task.knows_draws
    return {
        "ids": ids.tolist(),
        "scored": chance([0] if told else _EVALUATION, scoring.EVALUATE),
        "selected": None if told else chance(_SELECTION, scoring.SELECT),
        "passes": int(passes[0]),
        "queries": int(queries[0]),
        "seconds": round(seconds, 1),
    }


@functools.cache
def _score_of(model):
    return scoring.scoring_function(model)


def defences(flags, classifier):
    """Returns dict label -> defence, with a pool of the training split."""
    train = data.load_arrays("digits", "train")
    pool = inference.SamplePool(train.images, train.labels, dtype="float32")
    found = {
        f"MI-OL {weight}": inference.MixupInferenceOL(
            classifier, pool, float(weight), flags.num_draws
        )
        for weight in flags.mix_weights
    }
    found[f"MI-PL {flags.pl_weight:g}"] = inference.MixupInferencePL(
        classifier, pool, flags.pl_weight, flags.num_draws
    )
    return found


def table_tasks(flags, classifier, found):
    """The classifier alone, then each defence under every recipe."""
    threat = ThreatModel("linf", flags.eps)
    pgd = attacks.PGD(threat, flags.eps / 4, 10)
    alone = {
        "oblivious": pgd,
        "PGD-100": attacks.PGD(threat, flags.eps / 16, 100),
        "APGD-CE-100": attacks.APGD(threat),
        "APGD-DLR-100": attacks.APGD(threat, "dlr"),
    }
    tasks = [Task("table", "none", "clean", classifier, _clean)]
    tasks += [
        Task("table", "none", name, classifier, _attack(attack, classifier))
        for name, attack in alone.items()
    ]
    for label, defence in found.items():
        tasks.append(Task("table", label, "clean", defence, _clean))
        make = _attack(pgd, classifier)
        tasks.append(Task("table", label, "oblivious", defence, make))
        for name, attack in recipes(flags, threat).items():
            make = _attack(attack, defence)
            known = attack.knows_draws
            tasks.append(Task("table", label, name, defence, make, known))
        averaged = attacks.ExpectationOverTransformation(defence, flags.draws)
        square = attacks.Square(threat, num_queries=flags.black_box_queries)
        make = _attack(square, averaged)
        tasks.append(Task("table", label, "black box", defence, make))
    return tasks


def recipes(flags, threat):
    """Returns dict name -> attack, each with what it is known for."""

    def recipe(name, **options):
        return attacks.MixupInferenceAttack(threat, name, **options)

    search = {"num_steps": flags.steps, "num_draws": flags.draws}
    return {
        "transfer": recipe("transfer"),
        "pang2020_released": recipe("pang2020_released"),
        "pang2020_paper": recipe("pang2020_paper"),
        "tramer2020": recipe("tramer2020"),
        "bpda": recipe("bpda"),
        "eot": recipe("eot", selection_draws=60, **search),
        "eot, APGD": recipe("eot", selection_draws=60, inner="apgd", **search),
        "fixed_draws": recipe("fixed_draws", num_steps=flags.steps),
    }


def curve_tasks(flags, found):
    """The search from a random start, over draws and over steps."""
    threat = ThreatModel("linf", flags.eps)
    label, defence = list(found.items())[-2]
    points = [("draws", flags.steps, draws) for draws in flags.draws_curve]
    points += [("steps", steps, flags.draws) for steps in flags.steps_curve]
    tasks = []
    for part, steps, draws in points:
        attack = attacks.MixupInferenceAttack(
            threat,
            "eot",
            num_steps=steps,
            num_draws=draws,
            starts=("random",),
            selection_draws=60,
        )
        make = _attack(attack, defence)
        tasks.append(Task(part, label, f"{steps}x{draws}", defence, make))
    return tasks


def _clean(images, labels, ids):
    return images, [0], [0]


def _attack(attack, model):
    def make(images, labels, ids):
        seed = 0
        if attack.knows_draws:
            seed = scoring.row_seeds(0, ids)
        result = attack(model, images, labels, seed=seed)
        counts = result.gradient_passes, result.queries
        return result.images, *(np.asarray(count) for count in counts)

    return make


def _read(path):
    if not path.is_file():
        return []
    # A killed call may have left half a line at the end.
    text = path.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, "utf-8")
    return [json.loads(line) for line in whole.splitlines()]


def _append(path, line):
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    mean = 100 * float(np.mean(line["scored"]))
    shown = [str(line[key]) for key in ("classifier", *_KEY)]
    print(f"{', '.join(shown)}: {mean:.1f} ({line['seconds']} s)", flush=True)


if __name__ == "__main__":
    _common.run(main, FLAGS)
