"""The seed of a training run: given, recorded, or drawn."""

import pathlib
import secrets

from keras_mixup import _files
from keras_mixup.runs import folder

# What is drawn where no seed is given; short enough to be typed.
_SEEDS = 10**6


def settled(settings, run_dir, say):
    """Returns the settings with a seed.

    One that is given counts. A run that goes on keeps the one in its
    config.json. Otherwise a seed is drawn, and said.

    Args:
        settings: `TrainSettings`.
        run_dir: str or path.
        say: callable of one line of text.
    """
    if settings.seed is not None:
        return settings
    if (pathlib.Path(run_dir) / _files.CONFIG).is_file():
        recorded = folder.read_settings(run_dir).get("seed")
        return settings.replace(seed=recorded or 0)
    drawn = secrets.randbelow(_SEEDS)
    say(f"Drew seed {drawn}. The same run again: seed={drawn}.")
    return settings.replace(seed=drawn)
