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
from keras_mixup import _settings
from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import registry
from keras_mixup.runs import training as run

FLAGS = program.Flags(__doc__)
FLAGS.string("results", None, "JSON-lines file, read and added to.")
FLAGS.string_list(
    "algorithms", ",".join(family.MEMBERS), "Which, in the order to run."
)
FLAGS.integer_list("seeds", "0,1,2", "One network each.")
FLAGS.string("dataset", "digits", "Data set; see docs/data.md.")
FLAGS.string("data_dir", None, "Folder of prepared tfds data sets.")
FLAGS.integer("num_train", None, "Class-balanced subset.", minimum=1)
FLAGS.integer("num_test", None, "Class-balanced subset.", minimum=1)
FLAGS.integer("num_long", None, "Subset for the longer attack.", minimum=1)
FLAGS.string("model", "small_convnet", "Architecture.")
FLAGS.integer("width", None, "Width of the architecture.", minimum=1)
FLAGS.integer("epochs", 100, "Epochs.", minimum=2)
FLAGS.integer("batch_size", 64, "Images per step.", minimum=2)
FLAGS.choice("optimizer", "adam", ["sgd", "adam", "yogi"], "Optimizer.")
FLAGS.number("learning_rate", 0.001, "Learning rate before any drop.")
FLAGS.number("momentum", None, "SGD: momentum; 0.9 unless given.")
FLAGS.number("weight_decay", 0.0, "Coupled weight decay.")
FLAGS.number("decoupled_weight_decay", None, "Keras' own.")
FLAGS.choice(
    "schedule",
    "constant",
    ["constant", "piecewise", "cosine"],
    "Learning-rate schedule.",
)
FLAGS.number_list("drops", "", "Piecewise: epochs or fractions.")
FLAGS.number("drop_factor", 0.1, "Piecewise: factor at each drop.")
FLAGS.number("warmup_epochs", 0.0, "Epochs of linear warm-up.")
FLAGS.number("eps", 0.1, "L-infinity radius in [0, 1] units.")
FLAGS.number("step_size", 0.05, "Training attack: step.")
FLAGS.integer("num_steps", 5, "Training attack: steps.", minimum=1)
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
_ASIDE = ("results", "algorithms", "seeds", "seed", "data_dir", "threads")
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
        _settings.check_known(name, "algorithm", tuple(family.MEMBERS))
    settings = {
        k: v for k, v in FLAGS.as_dict(flags).items() if k not in _ASIDE
    }
    results = program.Results(flags.results, settings, ("algorithm", "seed"))
    program.prepare(flags)
    sets = load_sets(flags)
    for seed in flags.seeds:
        for name in flags.algorithms:
            if (name, seed) not in results:
                results.add(train_and_attack(flags, name, seed, sets))
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


def train(flags, member, seed, image_set):
    """Returns (classifier, its clock, what `fit` logged)."""
    keras.backend.clear_session()
    gc.collect()
    keras.config.set_dtype_policy(flags.policy)  # clear_session unsets it
    keras.utils.set_random_seed(seed)
    spec = data.DATASETS[flags.dataset]
    classifier = registry.build(
        "model",
        flags.model,
        spec.image_shape,
        spec.num_classes,
        mean=spec.mean,
        std=spec.std,
        **({"width": flags.width} if flags.width else {}),
    )
    steps_per_epoch = len(image_set.labels) // flags.batch_size
    threat = ThreatModel("linf", flags.eps)
    attack = attacks.PGD(threat, flags.step_size, flags.num_steps)
    model = member.build(classifier, attack, seed, 5 * steps_per_epoch)
    model.compile(
        run.build_optimizer(flags, steps_per_epoch),
        l2_penalty=flags.weight_decay,
        **member.compiled,
    )
    clock = _Clock()
    history = model.fit(
        data.training_dataset(
            image_set, flags.batch_size, seed, augment=spec.augment
        ),
        epochs=flags.epochs,
        steps_per_epoch=steps_per_epoch,
        callbacks=[clock],
        verbose=0,
        shuffle=False,
    ).history
    return classifier, clock, history


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
            cells = [_cell([row[key] for row in own]) for key in _ACCURACIES]
            cells += [
                f"{np.mean([row[key] for row in own]):.2f}" for key in _SECONDS
            ]
            cells.append(" / ".join(map(str, family.PAPER.get(name, "-"))))
            passes = member.input_gradients(flags.num_steps)
            counts = f"{passes} + {member.training_passes}"
            lines.append(f"| {member.title} | {counts} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values):
    mean = f"{np.mean(values):.1f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {np.std(values, ddof=1):.1f}"


if __name__ == "__main__":
    program.run(main, FLAGS)
