"""The result of a training run, read from its folder."""

import pathlib
from typing import NamedTuple

from keras_mixup import _files
from keras_mixup import training

_TITLES = {
    "val_accuracy": "validation accuracy {:.2%}",
    "val_robust_accuracy": "robust validation accuracy {:.2%}",
    "val_loss": "validation loss {:.4f}",
    "val_psnr": "validation PSNR {:.2f} dB",
}


class TrainResult(NamedTuple):
    """The result of a training run.

    Attributes:
        run_dir: `pathlib.Path`.
        best_file: `pathlib.Path` of the weights of the best epoch; of the
            last one without validation images.
        epochs: int, finished epochs.
        steps: int, finished steps.
        best_epoch: int, from 1, as `best_file` itself says; None without one.
        best_value: float, the monitored metric of that epoch, or None.
        monitor: str, the metric's name, or None.
        resumed: bool, whether an earlier call had begun the run.
        finished_before: bool, whether an earlier call had ended it.
    """

    run_dir: pathlib.Path
    best_file: pathlib.Path
    epochs: int
    steps: int
    best_epoch: int | None
    best_value: float | None
    monitor: str | None
    resumed: bool
    finished_before: bool

    @property
    def text(self) -> str:
        """str: the result in a sentence or two."""
        word = "Resumed and trained" if self.resumed else "Trained"
        text = f"{word} {self.epochs} epochs ({self.steps} steps)."
        if self.finished_before:
            text = (
                f"The run in {self.run_dir} is finished; nothing was trained."
            )
        if self.monitor is None:
            return (
                f"{text} No validation images, so the last weights count: "
                f"{self.best_file}"
            )
        if self.best_epoch is None:
            return f"{text} The best model is gone: no file {self.best_file}"
        if self.finished_before:
            return text
        best = _TITLES[self.monitor].format(self.best_value)
        return (
            f"{text} Best {best} in epoch {self.best_epoch}: {self.best_file}"
        )


def best_file(settings):
    """Returns the name of the file with the best epoch's weights."""
    is_vae = settings.task == "vae"
    return _files.BEST_VAE if is_vae else _files.BEST_CLASSIFIER


def of_run(settings, run_dir, resumed, finished_before):
    """Returns the `TrainResult` of a finished run, read from its folder."""
    rows = _files.read_lines(run_dir / _files.METRICS)
    name, mode = settings.monitored
    file = run_dir / best_file(settings)
    if name is None:
        epoch, value = rows[-1]["epoch"], None
    else:
        epoch, value = _best(file, rows, name, mode)
    return TrainResult(
        run_dir,
        file,
        rows[-1]["epoch"],
        rows[-1]["step"],
        epoch,
        value,
        name,
        resumed,
        finished_before,
    )


def _best(file, rows, name, mode):
    """Returns (epoch, value) of the best model's file, (None, None) without."""
    if not file.is_file():
        return None, None
    note = training.read_best(file)
    if note is None:  # Release 0.1 kept no note in the file.
        choose = max if mode == "max" else min
        note = choose(rows, key=lambda row: row[name])
        return note["epoch"], note[name]
    return note["epoch"], note["value"]
