"""What the comparisons of training rows have in common."""

from benchmarks import program
from keras_mixup import reproduce
from keras_mixup import runs

# The data set in whose place that of --dataset stands.
STANDS_FOR = "cifar10"
# The flag files whose settings the rows and the flags replace.
TRAINING = "adversarial_mixup/attack_{dataset}.flags"
EVALUATION = "adversarial_mixup/evaluate.flags"
_ABOUT = (
    "Networks and lengths that a desktop computer can do; attack, optimizer "
    "and schedule are stated below."
)


def attack(flags, attacked):
    """Returns dict of the settings of a training's attack; None without."""
    names = ("eps", "step_size", "num_steps")
    return {n: getattr(flags, n) if attacked else None for n in names}


def evaluation(flags):
    """Returns dict of the settings of every row's evaluation."""
    return {
        "eps": flags.eps,
        "step_size": flags.test_step_size,
        "num_examples": flags.num_test,
        "probe": False,
    }


def scale(name, flags, shared):
    """Returns the `reproduce.Scale`: data, network, length, seeds.

    Args:
        name: str, of the comparison.
        flags: the parsed command line.
        shared: names of flags that are settings of every training.
    """
    known = runs.TrainSettings.declared
    values = {key: getattr(flags, key) for key in shared}
    # What was not given may have no effect here, and would be refused.
    values = {
        key: None if value == known[key].default else value
        for key, value in values.items()
    }
    values["model"] = flags.model
    values.setdefault("drop_factor", None)
    return reproduce.Scale(
        f"{name}_{flags.dataset}",
        _ABOUT,
        {STANDS_FOR: flags.dataset},
        training={**values, "epochs": flags.epochs},
        seeds=tuple(flags.seeds),
    )


def main(entry, scale, flags):
    """Computes what is missing, then prints the table and the page's path."""
    found = reproduce.reproduce(
        entry,
        scale,
        flags.results_dir,
        data_dir=flags.data_dir,
        threads=flags.threads,
        yes=True,
        progress=program.say,
        jobs=flags.jobs,
        rows=[row.strip() for row in flags.rows.split(";") if row.strip()],
    )
    program.say(found.results[0].table)
    program.say(found.text)
