"""Measures train steps, PGD, MI-OL, VarMI against bare passes, in one run.

    python -m benchmarks                  # PreActResNet-18, width 16, 32x32
    python -m benchmarks --batch_size=32 --rounds=3 --json=speed.json

Every figure is a ratio of two times taken alternately in the same process,
the median over rounds; absolute seconds are printed for orientation only.
Columns: what, its cost in bare passes, seconds, ratio to that cost.
"""

import time

import numpy as np
import tensorflow as tf

from benchmarks import bare
from benchmarks import family
from benchmarks import program
from benchmarks import timing
from keras_mixup import ThreatModel
from keras_mixup import attacks
from keras_mixup import data
from keras_mixup import inference
from keras_mixup import models
from keras_mixup import ops

FLAGS = program.Flags(__doc__)
FLAGS.integer("batch_size", 64, "Images per batch.", minimum=2)
FLAGS.integer("width", 16, "Width of PreActResNet-18.", minimum=1)
FLAGS.integer("num_steps", 10, "Attack steps.", minimum=1)
FLAGS.string_list(
    "algorithms", ",".join(family.MEMBERS), "Whose steps are timed."
)
FLAGS.integer("num_draws", 30, "Draws of MI-OL.", minimum=1)
FLAGS.integer("defended", 4, "Images per defended batch.", minimum=1)
FLAGS.integer("rounds", 7, "Counted rounds.", minimum=1)
FLAGS.boolean(
    "cpu_time", False, "CPU seconds, for a machine with other work on it."
)
FLAGS.string("json", None, "Also write the figures to this file.")
FLAGS.runtime()


def main(flags):
    """Runs the suites and prints their table."""
    program.prepare(flags)
    images, labels = random_batch(flags.batch_size)
    rows = [
        *train_steps(flags, images, labels),
        *attack_loops(flags, images, labels),
        *watched_gradients(flags),
        *defences(flags),
    ]
    print("| what | bare passes | seconds | ratio |\n|---|---|---:|---:|")
    for row in rows:
        print(
            f"| {row['what']} | {row['cost']} "
            f"| {row['seconds']:.3f} | {row['ratio']:.2f} |"
        )
    program.write_figures(FLAGS, flags, rows=rows)


def random_batch(size):
    """Returns float32 [size, 32, 32, 3] noise and int32 [size] labels."""
    random = np.random.default_rng(0)
    images = random.uniform(size=(size, 32, 32, 3)).astype("float32")
    labels = random.integers(0, 10, size).astype("int32")
    return tf.constant(images), tf.constant(labels)


def classifier_of(flags):
    """Returns the network that every suite uses."""
    return models.PreActResNet18((32, 32, 3), 10, width=flags.width)


def train_steps(flags, images, labels):
    """Each algorithm's step against the passes its docstring counts."""
    classifier, k = classifier_of(flags), flags.num_steps
    attack = attacks.PGD(ThreatModel("linf", "8/255"), num_steps=k)
    functions = bare.passes(classifier, images, labels)
    for name in flags.algorithms:
        member = family.MEMBERS[name]
        model = member.build(classifier, attack)
        functions[name] = _step_of(
            model, images, labels, member.compile_arguments()
        )
    seconds = _timed(functions, flags)
    rows = []
    for name in flags.algorithms:
        member = family.MEMBERS[name]
        counts = member.bare_passes(k)
        what = f"train step: {member.title}"
        cost = " + ".join(f"{n} x {each}" for each, n in counts.items())
        expected = _expected(seconds, counts)
        rows.append(_row(what, cost, seconds[name], expected))
    return rows


def _timed(functions, flags):
    clock = time.process_time if flags.cpu_time else time.perf_counter
    return timing.interleaved(functions, flags.rounds, clock=clock)


def _expected(seconds, counts):
    rounds = zip(*(seconds[name] for name in counts), strict=True)
    return [np.dot(each, list(counts.values())) for each in rounds]


def _step_of(model, images, labels, options):
    model.compile(bare.sgd(), **options)
    model.train_on_batch(images.numpy(), labels.numpy())
    batches = tf.data.Dataset.from_tensors((images, labels)).repeat()
    strategy = model.distribute_strategy
    iterator = iter(strategy.experimental_distribute_dataset(batches))
    return lambda: float(model.train_function(iterator)["loss"])


def attack_loops(flags, images, labels):
    """Our PGD and cleverhans' against k bare input gradients."""
    classifier, k = classifier_of(flags), flags.num_steps
    threat = ThreatModel("linf", "8/255")
    ours = attacks.PGD(threat, num_steps=k)
    theirs = attacks.CleverHansPGD(threat, num_steps=k)
    perturb = tf.function(
        lambda x, y: ours.perturb(classifier, x, y, 0), jit_compile=False
    )
    functions = {
        "input gradient": bare.input_gradient(classifier, images, labels),
        f"PGD-{k}.perturb": lambda: perturb(images, labels).numpy(),
        f"PGD-{k}, checked call": lambda: ours(
            classifier, images, labels, seed=0
        ),
        f"cleverhans PGD-{k}, checked call": lambda: theirs(
            classifier, images, labels, seed=0
        ),
    }
    seconds = _timed(functions, flags)
    expected = [k * s for s in seconds.pop("input gradient")]
    return [
        _row(f"attack: {name}", f"{k} input gradients", values, expected)
        for name, values in seconds.items()
    ]


def watched_gradients(flags):
    """PGD-20 on digits with and without the look at its gradients."""
    digits = data.load_arrays("digits", "test")
    images, labels = tf.constant(digits.images), tf.constant(digits.labels)
    classifier = models.SmallConvNet((8, 8, 1), 10)
    attack = attacks.PGD(ThreatModel("linf", 0.1), 0.025, num_steps=20)
    watch = ops.GradientWatch()

    def perturb(x, y):
        return attack.perturb(classifier, x, y, 0)

    def watched(x, y):
        with watch:
            return perturb(x, y)

    calls = {"bare": perturb, "watched": watched}
    compiled = {k: tf.function(v, jit_compile=False) for k, v in calls.items()}
    seconds = _timed(
        {
            name: lambda run=run: run(images, labels).numpy()
            for name, run in compiled.items()
        },
        flags,
    )
    what = "attack: PGD-20 on 500 digits, its gradients looked at"
    cost = "the same, not looked at"
    return [_row(what, cost, seconds["watched"], seconds["bare"])]


def defences(flags):
    """MI-OL at batch b against one forward pass at batch (N + 1) b."""
    classifier, size = classifier_of(flags), flags.defended
    total = size * (flags.num_draws + 1)
    images, _ = random_batch(total)
    pool_images, _ = random_batch(500)
    pool = inference.SamplePool(
        pool_images.numpy(), np.arange(500) % 10, dtype="float32"
    )
    defence = inference.MixupInferenceOL(classifier, pool, 0.5, flags.num_draws)
    defended = tf.function(lambda x: defence(x, seed=0), jit_compile=False)
    functions = {
        "plain": bare.forward(classifier, images),
        "defended": lambda: defended(images[:size]).numpy(),
    }
    seconds = _timed(functions, flags)
    what = f"inference: MI-OL, N={flags.num_draws}, batch {size}"
    cost = f"forward at batch {total}"
    rows = [_row(what, cost, seconds["defended"], seconds["plain"])]
    return [*rows, _latent_defence(flags, classifier, images[:size], pool)]


def _latent_defence(flags, classifier, images, pool):
    """VarMI at batch b against classify, encode, and N b decode + classify."""
    vae, draws = models.MMDVAE(tuple(images.shape[1:])), flags.num_draws
    vae.start_from_pca(pool.images.numpy())
    codes = tf.repeat(vae.encode(images)[0], draws, axis=0)
    defence = inference.VarMixupInference(
        classifier, vae, pool, num_draws=draws
    )
    defended = tf.function(lambda x: defence(x, seed=0), jit_compile=False)
    behind = tf.function(
        lambda z: classifier(vae.decode(z), training=False), jit_compile=False
    )
    functions = {
        "classify": bare.forward(classifier, images),
        "encode": bare.forward(lambda x, training: vae.encode(x)[0], images),
        "decode and classify": lambda: behind(codes).numpy(),
        "defended": lambda: defended(images).numpy(),
    }
    seconds = _timed(functions, flags)
    found, size = seconds.pop("defended"), len(images)
    what = f"inference: VarMI, N={draws}, batch {size}"
    cost = f"classify + encode at {size}, decode + classify at {size * draws}"
    expected = _expected(seconds, dict.fromkeys(seconds, 1))
    return _row(what, cost, found, expected)


def _row(what, cost, seconds, expected):
    return {
        "what": what,
        "cost": cost,
        "seconds": float(np.median(seconds)),
        "ratio": timing.median_ratio(seconds, expected),
    }


if __name__ == "__main__":
    program.run(main, FLAGS)
