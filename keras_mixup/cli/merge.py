"""The command `merge`."""

from keras_mixup import runs
from keras_mixup.cli import flags as flags_lib
from keras_mixup.runs import shared

USAGE = """Joins the shards of an evaluation: keras-mixup merge --run_dir=...

Each of n machines calls keras-mixup evaluate with the same flags and its own
--shard=i/n, which writes the folder shards/i-of-n/ of --run_dir. With all of
these folders there, this command writes records.jsonl and evaluation.json as
one run without --shard would. It computes nothing. A missing shard, one that
is there twice, has not finished, or belongs to another evaluation is refused.
The evaluate command without --shard then writes the report.
"""
_OWN = (shared.RUN_DIR,)


def make_flags():
    """Returns the `Flags` of the command."""
    return flags_lib.Flags({}, _OWN, USAGE)


def main(flags):
    """Joins the shards, and prints the result."""
    print(runs.merge(flags.run_dir).text)
