"""The command `export`."""

from keras_mixup import runs
from keras_mixup._setting import Setting
from keras_mixup.cli import flags as flags_lib

USAGE = """Exports a defended classifier: keras-mixup export --run_dir=...

Reads classifier.keras and config.json from the folder of a training run (or
--classifier and --dataset) and writes saved_models/<name>/<version>/, a
SavedModel for TensorFlow Serving that needs neither Keras nor this package.
Images of the training split become the pool of the Mixup Inference defences.

--list lists the versions; --verify=PATH loads an export, runs each of its
signatures and prints latency and size.
"""
_OWN = (
    Setting(
        "list", "bool", False, "List the versions in --saved_models, and stop."
    ),
    Setting(
        "verify",
        "str",
        None,
        "Check this version (or model, its newest), and stop.",
    ),
)


def make_flags():
    """Returns the `Flags` of the command."""
    return flags_lib.Flags(runs.ExportSettings.declared, _OWN, USAGE)


def main(flags):
    """Exports, and prints the result."""
    if flags.verify:
        flags.check_read("verify", ())
        print(runs.verify_export(flags.verify).text)
        return
    if flags.list:
        flags.check_read("list", ("saved_models",))
        print(runs.list_exports(flags.saved_models).text)
        return
    settings = flags.settings(runs.ExportSettings)
    print(runs.export(settings).text)
