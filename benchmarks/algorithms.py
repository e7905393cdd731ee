"""Trains and attacks every algorithm; prints one table of them all.

    python -m benchmarks.algorithms --results=runs/digits.jsonl
    python -m benchmarks.algorithms --flagfile=benchmarks/cifar10.flags \
        --data_dir=DIR --results=runs/cifar10.jsonl

One line of --results is one trained network (algorithm, seed). Existing lines
are not computed again, so the same command continues a stopped call. All
networks of a seed start from the same weights. PGD with true labels and a
random start attacks the last step's weights. Seconds are those of an epoch,
without the first one, which traces.
"""

import gc
import time

import keras
import numpy as np
import tensorflow as tf

from benchmarks import family
from benchmarks import program
from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import registry
from keras_mixup import runs
from keras_mixup.runs import training

FLAGS = program.Flags(__doc__)
FLAGS.string("results", None, "JSON-lines file, read and added to.")
FLAGS.string_list(
    "algorithms", ",".join(family.MEMBERS), "Which, in the order to run."
)
FLAGS.integer_list("seeds", "0,1,2", "One network each.")
FLAGS.of_training("dataset", "data_dir", "num_train")
FLAGS.integer("num_test", None, "Class-balanced subset.", minimum=1)
FLAGS.integer("num_long", None, "Subset for the longer attack.", minimum=1)
# Of the network and of its training.
_SHAPING = (
    *("model", "width", "batch_size", "optimizer", "learning_rate"),
    *("momentum", "weight_decay", "decoupled_weight_decay", "schedule"),
    *("drops", "drop_factor", "warmup_epochs"),
)
FLAGS.of_training(*_SHAPING, epochs=100, eps=0.1, step_size=0.05, num_steps=5)
FLAGS.number("test_step_size", 0.025, "Test attacks: step.")
FLAGS.integer_list("test_steps", "20,100", "Test attacks: steps, short, long.")
FLAGS.choice(
    "policy",
    "float32",
    ["float32", "mixed_bfloat16"],
    "Keras precision policy, of training and of the attacks on it.",
)
FLAGS.runtime()

# What does not change a result.
_ASIDE = ("algorithms",)
_ACCURACIES = ("clean", "short", "long")
_SECONDS = ("cpu_seconds", "wall_seconds")


class _Clock(keras.callbacks.Callback):
    """Seconds of each epoch, of the process on all its cores and by wall."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = (time.process_time(), time.perf_counter())

    def on_epoch_end(self, epoch, logs=None):
        now = (time.process_time(), time.perf_counter())
        self.epochs.append(
            [b - a for a, b in zip(self.start, now, strict=True)]
        )


def main(flags):
    """Runs what is missing, then prints the table."""
    for name in flags.algorithms:
        registry.check_name("algorithms", name, tuple(family.MEMBERS))
    if flags.epochs < 2:
        raise ValueError("--epochs must be 2 or more: the first one traces.")
    results = program.results(FLAGS, flags, ("algorithm", "seed"), _ASIDE)
    program.prepare(flags)
    sets = load_sets(flags)
    for seed in flags.seeds:
        for name in flags.algorithms:
            if (name, seed) not in results:
                row = train_and_attack(flags, name, seed, sets)
                program.say(results.add(row))
    print(table(results.rows, flags))


def load_sets(flags):
    """Returns {"train": ..., "short": ..., "long": ...}, `ImageSet`s."""
    train = data.load_arrays(flags.dataset, "train", flags.data_dir)
    test = data.load_arrays(flags.dataset, "test", flags.data_dir)

    def part(image_set, number):
        if not number:
            return image_set
        return data.class_balanced_subset(image_set, number, flags.seed)

    return {
        "train": part(train, flags.num_train),
        "short": part(test, flags.num_test),
        "long": part(test, flags.num_long or flags.num_test),
    }


def train_and_attack(flags, name, seed, sets):
    """Returns one row: accuracies in percent, seconds, counts of passes."""
    member, k = family.MEMBERS[name], flags.num_steps
    classifier, clock, history = train(flags, member, seed, sets["train"])
    cpu, wall = np.median(clock.epochs[1:], axis=0)
    found = {}
    threat = ThreatModel("linf", flags.eps)
    for part, steps in zip(("short", "long"), flags.test_steps, strict=True):
        judge = attacks.PGD(threat, flags.test_step_size, steps)
        clean, robust = accuracies(classifier, judge, sets[part])
        found.setdefault("clean", clean)
        found[part] = robust
    return {
        "algorithm": name,
        "seed": seed,
        **found,
        "cpu_seconds": round(float(cpu), 3),
        "wall_seconds": round(float(wall), 3),
        "input_gradients": member.input_gradients(k),
        "training_passes": member.training_passes,
        "last_epoch": {key: values[-1] for key, values in history.items()},
    }


def settings_of(flags, member, seed, steps_per_epoch):
    """Returns the `runs.TrainSettings` of one network."""
    shape = data.DATASETS[flags.dataset].image_shape
    values = {name: getattr(flags, name) for name in _SHAPING}
    if member.attacked:
        values["step_size"] = flags.step_size
        values |= {"eps": flags.eps, "num_steps": flags.num_steps}
    default = runs.TrainSettings.declared
    return runs.TrainSettings(
        dataset=flags.dataset,
        algorithm=member.algorithm.registered_name,
        epochs=flags.epochs,
        seed=seed,
        precision=flags.policy,
        **member.compiled,
        **{n: v for n, v in values.items() if v != default[n].default},
        **member.arguments(
            *(flags.num_steps, flags.eps, shape, 5 * steps_per_epoch)
        ),
    )


def train(flags, member, seed, image_set):
    """Returns (classifier, its clock, what `fit` logged)."""
    keras.backend.clear_session()
    gc.collect()
    keras.config.set_dtype_policy(flags.policy)  # clear_session unsets it
    keras.utils.set_random_seed(seed)
    steps_per_epoch = len(image_set.labels) // flags.batch_size
    settings = settings_of(flags, member, seed, steps_per_epoch)
    model = training.build(settings, steps_per_epoch)
    clock = _Clock()
    augment = training.augmentation(settings)
    history = model.fit(
        data.training_dataset(
            image_set, flags.batch_size, seed, augment=augment
        ),
        epochs=flags.epochs,
        steps_per_epoch=steps_per_epoch,
        callbacks=[clock],
        verbose=0,
        shuffle=False,
    ).history
    return model.classifier, clock, history


def accuracies(classifier, attack, image_set, batch_size=100):
    """Returns (clean, attacked) accuracy in percent."""
    logits = tf.function(
        lambda x: classifier(x, training=False), jit_compile=False
    )
    perturb = tf.function(
        lambda x, y, s: attack.perturb(classifier, x, y, s),
        jit_compile=False,
        reduce_retracing=True,
    )
    hits = np.zeros(2)
    batches = data.evaluation_dataset(image_set, batch_size)
    for number, (images, labels) in enumerate(batches):
        seed = tf.constant([0, number])
        for column, x in enumerate((images, perturb(images, labels, seed))):
            found = np.argmax(logits(x).numpy(), axis=-1)
            hits[column] += np.sum(found == labels.numpy())
    return tuple(100.0 * hits / len(image_set.labels))


def table(rows, flags):
    """Returns the Markdown table: mean and deviation over seeds."""
    short, long = (f"PGD-{steps}" for steps in flags.test_steps)
    lines = [
        f"| algorithm | passes | clean | {short} | {long} "
        "| CPU s / epoch | wall s / epoch | AOM paper |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, member in family.MEMBERS.items():
        own = [row for row in rows if row["algorithm"] == name]
        if own:
            cells = [
                program.cell([row[key] for row in own]) for key in _ACCURACIES
            ]
            cells += [
                f"{np.mean([row[key] for row in own]):.2f}" for key in _SECONDS
            ]
            cells.append(" / ".join(map(str, family.PAPER.get(name, "-"))))
            passes = member.input_gradients(flags.num_steps)
            counts = f"{passes} + {member.training_passes}"
            lines.append(f"| {member.title} | {counts} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    program.run(main, FLAGS)
