"""What single additions give to adversarial training; one table.

    python -m benchmarks.additions --results_dir=runs/additions
    python -m benchmarks.additions \
        --flagfile=benchmarks/cifar10_additions.flags --data_dir=DIR \
        --results_dir=runs/additions

Each row is an algorithm, or AT or AOM with one addition. The weights at the end
of training are attacked: PGD-20 on the test split, and standard AutoAttack on a
part of it. It is an entry of `keras_mixup.reproduce`: a finished job is not
done again, a stopped call goes on, and the page has the numbers, the settings
and the cost. All rows of a seed come before the next seed.
"""

from benchmarks import compared
from benchmarks import program
from keras_mixup import reproduce

FLAGS = program.Flags(__doc__)
FLAGS.string("results_dir", "runs/additions", "Folder of the jobs.")
FLAGS.string("rows", "", "Rows, with ; between them; empty for all.")
FLAGS.integer_list("seeds", "0,1,2", "One network each.")
FLAGS.integer("jobs", 1, "Jobs at once, each a process.", minimum=1)
# Of the network and of its training.
_SHARED = (
    *("model", "width", "batch_size", "optimizer", "learning_rate"),
    *("weight_decay", "schedule", "drops", "augment", "num_validation"),
)
FLAGS.of_training("dataset", "data_dir", "num_train")
FLAGS.of_training(*_SHARED, epochs=60, eps=0.1, step_size=0.05, num_steps=5)
FLAGS.integer("num_test", None, "Class-balanced subset.", minimum=1)
FLAGS.integer(
    "num_strong", 200, "Test images for AutoAttack; 0: leave it out.", minimum=0
)
FLAGS.integer("few", 300, "Training images of the rows on few.", minimum=1)
FLAGS.number("test_step_size", 0.025, "PGD-20: step.")
FLAGS.runtime()


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
# The texts "few" and "dataset" stand for the flags of that name.
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
_CLAIMS = tuple(
    reproduce.Claim(
        f"{added} makes {title} more robust",
        "asked here, by no paper",
        (
            reproduce.Comparison(
                f"{title} + {added}", title, "AutoAttack standard"
            ),
        ),
        ours=True,
    )
    for title in ("AT", "AOM")
    for added in ("AWP", "EMA", "SWA")
)


def main(flags):
    """Computes what is missing, then prints the table and the page's path."""
    compared.main(entry(flags), scale(flags), flags)


def entry(flags):
    """Returns the `reproduce.Entry`: the rows, their attacks, the columns."""
    columns = [
        reproduce.Column("clean", compared.STANDS_FOR),
        reproduce.Column("PGD-20", compared.STANDS_FOR, attack="pgd", steps=20),
    ]
    if flags.num_strong:
        columns.append(
            reproduce.Column(
                "AutoAttack standard", compared.STANDS_FOR, attack="autoattack"
            )
        )
    return reproduce.Entry(
        "comparisons/additions",
        "Single additions to adversarial training: accuracy (%) on the test "
        "split, last weights",
        tuple(columns),
        tuple(_row(flags, name) for name in ROWS),
        claims=_CLAIMS if flags.num_strong else (),
    )


def _row(flags, name):
    own = {"num_train": flags.num_train, **ROWS[name]}
    if own["num_train"] == "few":
        own["num_train"] = flags.few
    if "extra_dataset" in own:
        own["extra_dataset"] = flags.dataset
    attacked = own["algorithm"] not in _UNATTACKED
    strong = {}
    if flags.num_strong:
        strong["adaptive_examples"] = flags.num_strong
        strong["autoattack_version"] = "standard"
    return reproduce.Row(
        name,
        compared.TRAINING,
        compared.EVALUATION,
        {**compared.evaluation(flags), **strong},
        trained={**own, **compared.attack(flags, attacked)},
    )


def scale(flags):
    """Returns the `reproduce.Scale`: data, network, length, seeds."""
    return compared.scale("additions", flags, _SHARED)


if __name__ == "__main__":
    program.run(main, FLAGS)
