"""Atomic checkpoints and exact resume, step by step."""

import os
import pathlib
import re
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import _stopping
from keras_mixup import _types
from keras_mixup import _workers

_INDEX = re.compile(r"step-(\d+)\.index$")
# Several workers ask each other after so many steps whether to stop.
_ASK_EVERY = 10
# The name of a checkpoint until all of it is on the disk.
_SAVING = ".saving"


def latest_step(directory: _types.Path) -> int:
    """Returns the step of the newest whole checkpoint, 0 when there is none.

    A checkpoint is whole if each of its tensors has the checksum that
    TensorFlow stored with it. A damaged one is passed over with a warning.

    Args:
        directory: str or path, where `Checkpoint` writes.

    Raises:
        ValueError: there are checkpoints, and all of them are damaged.
    """
    _checks.check_path(directory, "directory")
    damaged: list[int] = []
    for step in reversed(_steps(directory)):
        if _is_whole(_prefix(directory, step)):
            if damaged:
                warnings.warn(
                    f"{directory}: the checkpoint of step "
                    f"{', '.join(map(str, damaged))} is damaged. The newest "
                    f"whole one is that of step {step}.",
                    stacklevel=2,
                )
            return step
        damaged.append(step)
    if damaged:
        raise ValueError(
            f"{directory}: every checkpoint is damaged (step "
            f"{', '.join(map(str, damaged))}). Put a whole copy in its place, "
            "or delete the folder to begin at step 0."
        )
    return 0


def newest(strategy, directory):
    """Returns what `latest_step` says to the chief, at every worker.

    Args:
        strategy: `tf.distribute.Strategy`.
        directory: str or path.
    """
    chief = _workers.is_chief(strategy)
    step = latest_step(directory) if chief else 0
    return int(_workers.from_chief(strategy, step))


def _steps(directory):
    """The steps of all checkpoints, whole or not, in order."""
    folder = pathlib.Path(directory)
    names = os.listdir(folder) if folder.is_dir() else ()
    return sorted(int(m.group(1)) for m in map(_INDEX.match, names) if m)


def _prefix(directory, step):
    return os.path.join(directory, f"step-{step}")


def _is_whole(prefix):
    try:
        reader = tf.train.load_checkpoint(prefix)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)  # compares its checksum
    except (tf.errors.OpError, IndexError, ValueError):
        return False
    return True


def resume_position(step: int, steps_per_epoch: int) -> tuple[int, int]:
    """Returns (initial_epoch, skip) for `fit` and `Algorithm.skip`.

    A checkpoint at the end of an epoch resumes inside that epoch, with all
    of its steps skipped: its validation and its line in the log may not have
    been reached, and repeating them changes nothing.

    Args:
        step: int, finished steps.
        steps_per_epoch: int.
    """
    _checks.check_integer(step, "step", 0, maximum=None)
    _checks.check_integer(steps_per_epoch, "steps_per_epoch")
    if step == 0:
        return 0, 0
    epoch = (step - 1) // steps_per_epoch
    return epoch, step - epoch * steps_per_epoch


def check_optimizer(optimizer):
    """Refuses an optimizer that overwrites the weights at the end of `fit`.

    The last checkpoint would hold its averages in place of what training
    goes on from.

    Args:
        optimizer: `keras.Optimizer`.

    Raises:
        ValueError: it has `use_ema=True`.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    averages = getattr(optimizer, "use_ema", False)
    expected = "without use_ema where checkpoints are written"
    hint = "Give compile() weight_average=training.EMA(...) in its place"
    _checks.check(not averages, "optimizer", expected, "use_ema=True", hint)


class Checkpoint(keras.callbacks.Callback):
    """Saves everything a step depends on, every so many steps; restores it.

    What is saved: all variables of the model (dropout's seed states and the
    global step with them), the optimizer's, the metrics' and those given as
    `state`. Together with a data pipeline that starts at `latest_step`, the
    resumed run ends with bit-identical weights. A checkpoint gets its name
    once all of it is on the disk, so that a kill at any moment leaves the one
    before. A damaged one is passed over for an older one, see `latest_step`.

    Use it as the first callback. `fit_resumable` does all that a resumed run
    needs. With a pipeline of your own, start it at the step of the
    checkpoint:

    >>> start = latest_step(directory)
    >>> epoch, model.skip = resume_position(start, steps_per_epoch)
    >>> model.fit(training_data_from(start), initial_epoch=epoch, ...,
    ...           callbacks=[Checkpoint(directory, every=500)])

    A `fit` that would begin elsewhere than the checkpoint ended is refused
    before its first step: it would train the same epochs again.

    Under several replicas a checkpoint holds the sum of their metrics, so
    that the log of the epoch that was cut may differ in the last digit; the
    weights do not.

    Under several workers the chief writes, all read its newest checkpoint from
    the same folder, and stop together, within ten steps.

    `keras.callbacks.BackupAndRestore` is no replacement: it forgets seed
    states and the position inside an epoch.

    Args:
        directory: str or path, made when missing.
        every: int >= 1, steps between two checkpoints; the last step is
            always saved.
        state: sequence of `tf.Variable` that other callbacks keep.
        max_to_keep: int >= 1.
        stop: callable without arguments, asked after each batch; it returns
            the reason to stop, a str, or something false.

    Raises:
        ValueError: when `every` or `max_to_keep` is smaller than 1; when
            training begins, for a checkpoint of another model, for one that
            ended elsewhere than `fit` begins, if all are damaged, or for an
            optimizer with `use_ema`.
        Stopped: `stop` gave a reason; the step is saved.
    """

    def __init__(
        self,
        directory: _types.Path,
        every: int = 500,
        state: Sequence[tf.Variable] = (),
        max_to_keep: int = 2,
        stop: _types.AskStop | None = None,
    ) -> None:
        super().__init__()
        self.directory = _checks.check_path(directory, "directory")
        self.every = _checks.check_integer(every, "every")
        self.state = list(state)
        self.max_to_keep = _checks.check_integer(max_to_keep, "max_to_keep")
        self.stop = _checks.check_callable(stop, "stop") or _stopping.never
        self._step = 0
        # The step at which a restored run must begin, until it has begun.
        self._begin: int | None = None
        self._metric_values: Any = None
        # What training measured, kept while a validation runs.
        self._trained_values: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Restores the newest whole checkpoint, if there is one."""
        model = self.model
        check_optimizer(model.optimizer)
        variables = model.variables + model.optimizer.variables
        # All trackers, also those that evaluate() hides.
        self._metrics = [v.value for v in model.metrics_variables]
        self._checkpoint = tf.train.Checkpoint(
            model=[v.value for v in variables],
            metrics=self._metrics,
            state=self.state,
        )
        # Made now: a variable that release 0.1 stored as well.
        self._checkpoint.save_counter  # noqa: B018
        if _workers.is_chief(model.distribute_strategy):
            _remove_leftovers(pathlib.Path(self.directory))
        self._step = newest(model.distribute_strategy, self.directory)
        # A model that has these steps behind it just goes on.
        if self._step and int(model.step.numpy()) != self._step:
            _restore(self._checkpoint, _prefix(self.directory, self._step))
            self._begin = self._step
            self._metric_values = self._measured()

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Puts the restored metrics back after Keras has reset them.

        Raises:
            ValueError: the run begins at another step than the checkpoint.
        """
        self._trained_values = None
        if self._begin is not None:
            self._check_position(epoch)
        if self._metric_values is not None:
            self._assign(self._metric_values)
            self._metric_values = None

    def _check_position(self, epoch):
        steps, start = self.params.get("steps"), self._begin
        self._begin = None
        known = steps is not None and epoch * steps + self.model.skip == start
        if known or (steps is None and self.model.skip):
            return
        raise ValueError(
            f"{self.directory} holds a checkpoint of step {start}, and this "
            f"run begins with epoch {epoch + 1}: it would train the same "
            "steps again. Call `training.fit_resumable`, give `fit` the "
            "position (see `training.resume_position`), or choose another "
            "directory."
        )

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Remembers what training measured: validation measures anew."""
        self._trained_values = self._measured()

    def _measured(self):
        return [variable.numpy() for variable in self._metrics]

    def _assign(self, values):
        for variable, value in zip(self._metrics, values, strict=True):
            variable.assign(value)

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Saves after every `every`-th step, or after the call that took it."""
        step = int(self.model.step.numpy())
        if step // self.every > self._step // self.every:
            self._save(step)
        self._stop_if_asked()

    def on_test_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Stops between two batches of a validation, if asked to."""
        self._stop_if_asked()

    def _stop_if_asked(self):
        reason, strategy = self.stop(), self.model.distribute_strategy
        step = int(self.model.step.numpy())
        if _workers.count(strategy) > 1:
            # All stop at one step, wherever the reason came.
            due = step % _ASK_EVERY == 0
            asked = due and _workers.any_of(strategy, bool(reason))
            reason = (reason or "as another worker") if asked else None
        if reason:
            self.on_train_end()
            _stopping.check_stop(lambda: reason, f"at step {step}")

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Saves the last step."""
        step = int(self.model.step.numpy())
        if step == self._step:
            return
        shown = self._measured()
        if self._trained_values is not None:
            self._assign(self._trained_values)
        self._save(step)
        self._assign(shown)

    def _save(self, step):
        strategy, self._step = self.model.distribute_strategy, step
        with _workers.place_for(strategy, self.directory) as folder:
            folder.mkdir(parents=True, exist_ok=True)
            self._checkpoint.write(str(folder / _SAVING))
            if _workers.is_chief(strategy):
                self._name(folder, step)

    def _name(self, folder, step):
        """Gives a checkpoint its name; removes older ones."""
        # The index comes last: without it there is no checkpoint.
        for file in sorted(folder.glob(f"{_SAVING}.*")):
            _files.sync(file)
            name = file.name.replace(_SAVING, f"step-{step}", 1)
            file.replace(folder / name)
        _files.sync(folder)
        kept = [s for s in _steps(folder) if s <= step]
        for old in kept[: -self.max_to_keep]:
            for file in sorted(folder.glob(f"step-{old}.*"), reverse=True):
                file.unlink()


def _remove_leftovers(folder):
    """Removes what a kill left of a checkpoint that was being written."""
    for name in (f"{_SAVING}*", "step-*_temp"):
        for path in list(folder.glob(name)):
            _files.remove(path)


def _restore(checkpoint, path):
    errors = (AssertionError, ValueError, tf.errors.InvalidArgumentError)
    try:
        # Also fails when one of both has variables that the other lacks.
        checkpoint.read(path).assert_consumed()
    except errors as error:
        raise ValueError(
            f"The checkpoint {path} belongs to another classifier, algorithm "
            "or optimizer. Choose another folder, or the settings it was "
            "written with."
        ) from error
