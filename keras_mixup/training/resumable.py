"""A training run that a kill cannot harm: the same call goes on."""

import pathlib
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import Literal

import keras
import tensorflow as tf

from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import _types
from keras_mixup import _workers
from keras_mixup import data
from keras_mixup.training import best_model
from keras_mixup.training import callbacks as callbacks_lib
from keras_mixup.training import checkpoint
from keras_mixup.training import early_stopping as early_stopping_lib
from keras_mixup.training import functions
from keras_mixup.training import run_identity
from keras_mixup.training import train_step

# The default of `extra_share`.
_HALF = 0.5


def fit_resumable(
    model: train_step.TrainStep,
    images: Any,
    run_dir: _types.Path,
    *,
    epochs: int,
    batch_size: int = 64,
    seed: int = 0,
    augment: Literal["crop", "crop_flip"] | None = None,
    crop_padding: Literal["reflect", "zeros"] = "reflect",
    extra: Any = None,
    extra_share: float = _HALF,
    validation_data: Any = None,
    monitor: str | None = "val_accuracy",
    mode: Literal["max", "min"] | None = "max",
    best_file: str = _files.BEST_CLASSIFIER,
    early_stopping: int | None = None,
    checkpoint_every: int = 500,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    on_start: Callable[[], object] | None = None,
    progress: _types.Progress | None = None,
    stop: _types.AskStop | None = None,
    verbose: Literal["auto", 0, 1, 2] = "auto",
) -> keras.callbacks.History:
    """Trains as `fit` does, and goes on where an earlier call was stopped.

    Under `MultiWorkerMirroredStrategy` every worker makes this call with the
    same arguments and the same folder, on a disk that all of them see. The
    chief writes. A worker that ends ends the others.

    The same call in the same folder ends with the same weights, bit for bit,
    however often it was killed in between. A finished run is not trained any
    further. More epochs continue it. Another argument that shapes the run is
    refused, and so are other images, of `extra` and `validation_data` as well,
    another setting of the algorithm and another `jit_compile`; the optimizer
    is free, but for `use_ema`. Order and augmentation of the images are
    functions of (seed, epoch, step).

    The folder receives checkpoints/, metrics.jsonl (a line per epoch) and,
    with validation images, the best model. A damaged checkpoint is passed
    over for an older one, with a warning.

    Args:
        model: a compiled algorithm, made in the same way at every call.
        images: `data.ImageSet`, or a pair (images, labels): uint8 or float
            in [0, 1], [n, H, W, C], and int [n]; or a finite
            `tf.data.Dataset` or `keras.utils.PyDataset` of these, which is
            read into memory.
        run_dir: str or path, made when missing.
        epochs: int >= 1, of the whole run.
        batch_size: int in 1..n, a multiple of the replicas of the strategy
            under which `model` was made; the rest of an epoch is left out.
        seed: int >= 0, of order and augmentation.
        augment: None, `"crop"` or `"crop_flip"`.
        crop_padding: `"reflect"` or `"zeros"`, the border that is cropped.
        extra: like `images`, a second source of training images of the same
            shape and classes, or None. An epoch has as many steps as without.
        extra_share: float in (0, 1), the part of `extra` in each batch, see
            `data.mixed_training_dataset`.
        validation_data: like `images`, or None.
        monitor, mode: which metric chooses the best model, `"max"` or
            `"min"`; without validation images, None is taken too.
        best_file: str, the best model's name in the folder.
        early_stopping: int, epochs without a better `monitor` before the run
            stops, or None.
        checkpoint_every: int >= 1, steps between two checkpoints.
        callbacks: Keras callbacks; those that measure put their numbers into
            the logs before the best model is chosen. What they keep is not
            part of the checkpoint, unless they have a `state` variable.
        on_start: callable without arguments, called before the first step of
            a fresh run.
        progress: callable of a str, which is told where the run begins; None
            for silence.
        stop: callable without arguments, asked after each batch. The reason
            that it returns, a str, ends the call with a checkpoint.
        verbose: as for `fit`.

    Returns:
        `keras.callbacks.History`.

    Raises:
        ValueError: for arguments out of range, or a folder with the
            checkpoint of another model or of other arguments, or with damaged
            checkpoints alone.
        Stopped: `stop` gave a reason (`keras_mixup.runs.Stopped`).
    """
    told = {"on_start": on_start, "progress": progress, "stop": stop}
    counts = {"epochs": epochs, "checkpoint_every": checkpoint_every}
    _check_arguments(model, run_dir, seed, early_stopping, counts, told)
    crops = {"augment": augment, "crop_padding": crop_padding}
    _check_choices(crops, verbose, mode, validation_data)
    _check_share(extra_share, extra)
    run_dir, images = pathlib.Path(run_dir), _image_set(images)
    held_out = None
    if validation_data is not None:
        held_out = _image_set(validation_data)
    strategy = model.distribute_strategy
    replicas = strategy.num_replicas_in_sync
    steps_per_epoch = _steps_per_epoch(len(images.labels), batch_size, replicas)
    best = None if held_out is None else str(run_dir / best_file)
    judging = _judging(best, monitor, mode, early_stopping)
    _check_monitor(model, judging, callbacks, held_out is not None)
    run_dir.mkdir(parents=True, exist_ok=True)
    directory = str(run_dir / _files.CHECKPOINTS)
    newest = checkpoint.newest(strategy, directory)
    start = min(newest, epochs * steps_per_epoch)
    extra = None if extra is None else _image_set(extra)
    shaping = run_identity.of_run(model, images, held_out) | crops
    shaping |= {"batch_size": batch_size, "seed": seed}
    shaping |= {"monitor": monitor, "mode": mode, "best_file": best_file}
    shaping |= run_identity.of_extra(images, extra, extra_share, batch_size)
    former = run_identity.check_same(strategy, directory, shaping, start > 0)
    _trust_any_file(judging, former)
    epoch, model.skip = checkpoint.resume_position(start, steps_per_epoch)
    _begin(run_dir, start, progress, on_start)
    order = (batch_size, seed, start, augment, crop_padding)
    saving = _checkpoint(directory, checkpoint_every, judging, callbacks, stop)
    with model.training_on(images.images):
        return model.fit(
            _stream(strategy, (images, extra, extra_share), order),
            initial_epoch=epoch,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            validation_data=_validation(held_out, batch_size),
            callbacks=_callbacks(run_dir, saving, callbacks, judging),
            verbose=verbose,
            # The pipeline has its own order; Keras would warn.
            shuffle=False,
        )


def _check_arguments(model, run_dir, seed, patience, counts, called):
    okay = isinstance(model, train_step.TrainStep) and model.compiled
    _checks.check(okay, "model", "a compiled algorithm", model)
    checkpoint.check_optimizer(model.optimizer)
    _checks.check_path(run_dir, "run_dir")
    _checks.check_seed(seed)
    if patience is not None:
        _checks.check_integer(patience, "early_stopping", 0)
    for name, value in counts.items():
        _checks.check_integer(value, name)
    for name, value in called.items():
        _checks.check_callable(value, name)


def _check_choices(crops, verbose, mode, validation_data):
    if crops["augment"] is not None:
        known = ("crop", "crop_flip")
        _checks.check_choice(crops["augment"], "augment", known)
    data.pipeline.check_crop_padding(**crops)
    if not isinstance(verbose, bool):  # Keras takes it for 0 or 1.
        _checks.check_choice(verbose, "verbose", ("auto", 0, 1, 2))
    if mode is not None or validation_data is not None:
        _checks.check_choice(mode, "mode", ("max", "min"))


def _check_share(share, extra):
    _checks.check_number(share, "extra_share", 0.0, 1.0, low_open=True)
    okay = extra is not None or share == _HALF
    expected = f"left out, or {_HALF}, without extra"
    hint = "extra is None, so no batch has a part of it"
    _checks.check(okay, "extra_share", expected, share, hint)


def _check_monitor(model, judging, callbacks, validated):
    """Refuses a metric that no epoch will have, before the first one."""
    stock, adding = keras.callbacks.Callback, ("on_epoch_end", "on_test_end")
    for callback in callbacks:
        for name in adding:
            own = getattr(callback, name, None)
            if getattr(own, "__func__", own) is not getattr(stock, name):
                return  # It may put a metric of its own into the logs.
    known = functions.reported(model, validated)
    expected = f"one of {known}"
    hint = "There are no validation images" * (not validated)
    for callback in judging:
        monitor = callback.monitor
        _checks.check(monitor in known, "monitor", expected, monitor, hint)


def _validation(images, batch_size):
    if images is None:
        return None
    return data.evaluation_dataset(images, batch_size)


def _callbacks(run_dir, saving, given, judging):
    """Returns all callbacks of a run in their order, a list."""
    return [
        # Before the checkpoint, so that no NaN is ever saved.
        callbacks_lib.StopOnNaN(),
        saving,
        callbacks_lib.RetraceGuard(),
        # What measures comes before what reads it.
        *given,
        *judging,
        callbacks_lib.MetricsLog(str(run_dir / _files.METRICS)),
    ]


def _checkpoint(directory, every, judging, callbacks, stop):
    state = _state([*judging, *callbacks])
    return checkpoint.Checkpoint(directory, every, state, stop=stop)


def _stream(strategy, sources, options):
    """Returns the training batches; of several workers, those of this one."""
    if _workers.count(strategy) == 1:
        return _batches(sources, options)

    def own(context):
        pipelines = context.num_input_pipelines
        replicas = context.num_replicas_in_sync // pipelines
        part = pipelines, context.input_pipeline_id, replicas
        return _batches(sources, options, part)

    return strategy.distribute_datasets_from_function(own)


def _batches(sources, options, part=(1, 0, 1)):
    images, extra, share = sources
    size, seed, start, augment, padding = options
    pipelines, index, replicas = part
    if extra is None:
        return data.training_dataset(
            images,
            *(size, seed, start, augment),
            *(pipelines, index, replicas),
            crop_padding=padding,
        )
    whole = data.mixed_training_dataset(
        images, extra, share, size, seed, start, augment, padding
    )
    if part == (1, 0, 1):
        return whole
    count = size // pipelines
    rows = slice(index * count, (index + 1) * count)
    own = whole.map(lambda images, labels: (images[rows], labels[rows]))
    return own.rebatch(count // replicas, drop_remainder=True)


def _steps_per_epoch(count, batch_size, replicas):
    """Returns the number of full batches, at least one."""
    _checks.check_integer(batch_size, "batch_size")
    expected = f"a multiple of the {replicas} replicas"
    _checks.check(
        batch_size % replicas == 0, "batch_size", expected, batch_size
    )
    expected = f"at most the {count} images"
    _checks.check(batch_size <= count, "batch_size", expected, batch_size)
    return count // batch_size


def _begin(run_dir, start, progress, on_start):
    """Says at which step the run begins; calls `on_start` of a fresh one."""
    text = f"Resuming at step {start}."
    if not start:
        begun = (run_dir / _files.METRICS).exists()
        text = f"Starting at step 0{': there is no checkpoint' * begun}."
    if progress is not None:
        progress(text)
    if on_start is not None and not start:
        on_start()


def _judging(best, monitor, mode, early_stopping):
    """Returns the callbacks that read the monitored metric, a list."""
    judging = []
    if best is not None:
        judging.append(best_model.BestModel(best, monitor, mode))
    if early_stopping:
        judging.append(
            early_stopping_lib.EarlyStopping(monitor, early_stopping, mode)
        )
    return judging


def _trust_any_file(judging, former):
    for callback in judging:
        if isinstance(callback, best_model.BestModel):
            callback.trusts_any_file = former


def _state(callbacks):
    """The variables that callbacks keep, for the checkpoint."""
    found = (
        getattr(callback, name, None)
        for callback in callbacks
        for name in ("best", "state")
    )
    return [value for value in found if isinstance(value, tf.Variable)]


def _image_set(images):
    if isinstance(images, data.ImageSet):
        return images
    pair = isinstance(images, (tuple, list)) and len(images) == 2
    okay = pair or hasattr(images, "cardinality")
    okay = okay or hasattr(images, "num_batches")  # a PyDataset
    expected = "a data.ImageSet, a pair (images, labels), a tf.data.Dataset "
    expected += "or a PyDataset"
    _checks.check(okay, "images", expected, type(images).__name__)
    return data.image_set(*images) if pair else data.image_set(images)
