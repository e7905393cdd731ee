"""The command `train`."""

import sys

from keras_mixup import runs
from keras_mixup._setting import Setting
from keras_mixup.cli import flags as flags_lib
from keras_mixup.cli import main as main_lib
from keras_mixup.runs import shared

USAGE = """Trains a classifier: keras-mixup train --run_dir=runs/mine ...

The run folder receives config.json (settings, versions, commit), metrics.jsonl
(one line per epoch), checkpoints/, classifier.keras (the best epoch by
--monitor) and final.keras (the last step). The same flags and --resume continue
a killed run, which ends with the same weights. SIGTERM, Ctrl-C and
--max_minutes save a checkpoint and end with exit code 75.

--task=vae trains the autoencoder of VarMixup instead: vae.keras, pictures and
report.md. --vae=PATH then names it to var_erm, var_mixup and
var_interpolated_adversarial_training.
"""
_OWN = (
    shared.RUN_DIR,
    Setting("resume", "bool", False, "Continue the run in --run_dir, if any."),
    Setting(
        "verbose",
        "str",
        "auto",
        "0 silent, 1 progress bar, 2 a line an epoch; auto: 1 on a terminal.",
        choices=("auto", "0", "1", "2"),
    ),
    main_lib.MAX_MINUTES,
)


def make_flags():
    """Returns the `Flags` of the command."""
    return flags_lib.Flags(runs.TrainSettings.declared, _OWN, USAGE)


def main(flags):
    """Trains, and prints the result."""
    settings = flags.settings(runs.TrainSettings)
    verbose = flags.verbose
    if verbose == "auto":
        verbose = "1" if sys.stdout.isatty() else "2"
    with runs.Stop(flags.max_minutes) as stop:
        result = runs.train(
            settings,
            flags.run_dir,
            resume=flags.resume,
            progress=main_lib.say,
            verbose=int(verbose),
            stop=stop,
        )
    print(result.text)
