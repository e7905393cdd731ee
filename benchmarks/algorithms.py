"""Trains and attacks every algorithm; one table of them all.

    python -m benchmarks.algorithms --results_dir=runs/algorithms
    python -m benchmarks.algorithms --flagfile=benchmarks/cifar10.flags \
        --data_dir=DIR --results_dir=runs/algorithms

All networks of a seed start from the same weights. PGD with true labels and a
random start attacks the weights of the last step. It is an entry of
`keras_mixup.reproduce`: a finished job is not done again, a stopped call goes
on, and the page has the numbers beside those of Table 1 of "Adversarially
Optimized Mixup", the settings and the cost.
"""

from benchmarks import compared
from benchmarks import family
from benchmarks import program
from keras_mixup import data
from keras_mixup import reproduce

FLAGS = program.Flags(__doc__)
FLAGS.string("results_dir", "runs/algorithms", "Folder of the jobs.")
FLAGS.string("rows", "", "Rows, with ; between them; empty for all.")
FLAGS.integer_list("seeds", "0,1,2", "One network each.")
FLAGS.integer("jobs", 1, "Jobs at once, each a process.", minimum=1)
FLAGS.of_training("dataset", "data_dir", "num_train")
FLAGS.integer("num_test", None, "Class-balanced subset.", minimum=1)
FLAGS.integer("num_long", None, "Subset for the longer attack.", minimum=1)
# Of the network and of its training.
_SHARED = (
    *("model", "width", "batch_size", "optimizer", "learning_rate"),
    *("momentum", "weight_decay", "decoupled_weight_decay", "schedule"),
    *("drops", "drop_factor", "warmup_epochs", "num_train", "num_validation"),
    "precision",
)
FLAGS.of_training(
    *(name for name in _SHARED if name != "num_train"),
    epochs=100,
    eps=0.1,
    step_size=0.05,
    num_steps=5,
)
FLAGS.number("test_step_size", 0.025, "Test attacks: step.")
FLAGS.integer_list("test_steps", "20,100", "Test attacks: steps, short, long.")
FLAGS.runtime()

# CURE's distance grows over so many epochs, as in its paper.
_WARMUP = 5


def main(flags):
    """Computes what is missing, then prints the table and the page's path."""
    compared.main(entry(flags), scale(flags), flags)


def entry(flags):
    """Returns the `reproduce.Entry`: a row for each member of the family."""
    short, long = flags.test_steps
    few = {"num_examples": flags.num_long} if flags.num_long else {}
    dataset = compared.STANDS_FOR
    columns = (
        reproduce.Column("clean", dataset),
        reproduce.Column(f"PGD-{short}", dataset, attack="pgd", steps=short),
        reproduce.Column(f"PGD-{long}", dataset, few, "pgd", long),
    )
    warmup_steps = _WARMUP * _steps_per_epoch(flags)
    return reproduce.Entry(
        "comparisons/algorithms",
        "All training algorithms: accuracy (%) on the test split, last weights",
        columns,
        tuple(
            _row(flags, name, member, warmup_steps)
            for name, member in family.MEMBERS.items()
        ),
    )


def _steps_per_epoch(flags):
    images = flags.num_train
    if images is None:
        found = data.load_arrays(flags.dataset, "train", flags.data_dir)
        images = len(found.labels)
    return images // flags.batch_size


def _row(flags, name, member, warmup_steps):
    shape = data.DATASETS[flags.dataset].image_shape
    own = member.arguments(flags.num_steps, flags.eps, shape, warmup_steps)
    paper = family.PAPER.get(name)
    return reproduce.Row(
        member.title,
        compared.TRAINING,
        compared.EVALUATION,
        compared.evaluation(flags),
        tuple(map(reproduce.Published, paper)) if paper else (),
        trained={
            **compared.attack(flags, member.attacked),
            **own,
            **member.compiled,
            "algorithm": member.algorithm.registered_name,
            # The last weights are scored, whatever the others reach.
            "robust_validation": 0 if member.attacked else None,
        },
    )


def scale(flags):
    """Returns the `reproduce.Scale`: data, network, length, seeds."""
    return compared.scale("algorithms", flags, _SHARED)


if __name__ == "__main__":
    program.run(main, FLAGS)
