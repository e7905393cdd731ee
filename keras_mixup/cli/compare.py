"""The command `compare`."""

from keras_mixup import runs
from keras_mixup._setting import Setting
from keras_mixup.cli import flags as flags_lib

USAGE = """Compares evaluated runs: keras-mixup compare RUN RUN ...

Prints one table over all models of the run folders, the most robust first:
accuracy without an attack, under attacks that ignore the defence, and under
the worst attack of those that know it, with 95 % intervals; what that attack
cost; red flags. Runs with different threat models or examples are refused.
"""
_OWN = (
    Setting(
        "output",
        "str",
        None,
        "Folder for comparison.md, comparison.csv and comparison.html.",
    ),
    Setting(
        "leaderboard",
        "str",
        None,
        "JSON file that receives an entry for each model, with the commands "
        "that repeat it.",
    ),
)


def make_flags():
    """Returns the `Flags` of the command."""
    return flags_lib.Flags({}, _OWN, USAGE, others="run folders")


def main(flags):
    """Compares, and prints the table."""
    found = runs.compare(flags.others, flags.output, flags.leaderboard)
    print(found.text)
