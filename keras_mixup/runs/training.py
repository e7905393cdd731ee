"""A training run: of a classifier, or of VarMixup's autoencoder."""

import pathlib
from typing import NamedTuple

import keras

from keras_mixup import ThreatModel
from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import data
from keras_mixup import registry
from keras_mixup import training
from keras_mixup.runs import _data
from keras_mixup.runs import _own_models
from keras_mixup.runs import _process
from keras_mixup.runs import autoencoder
from keras_mixup.runs import folder

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
        best_file: `pathlib.Path` of the weights of the best epoch.
        epochs: int, finished epochs.
        steps: int, finished steps.
        best_epoch: int, from 1.
        best_value: float, the monitored metric of that epoch.
        monitor: str, the metric's name.
        resumed: bool, whether an earlier call had begun the run.
        finished_before: bool, whether an earlier call had ended it.
    """

    run_dir: pathlib.Path
    best_file: pathlib.Path
    epochs: int
    steps: int
    best_epoch: int
    best_value: float
    monitor: str
    resumed: bool
    finished_before: bool

    @property
    def text(self):
        """str: the result in a sentence or two."""
        if self.finished_before:
            return (
                f"The run in {self.run_dir} is finished; nothing was trained."
            )
        word = "Resumed and trained" if self.resumed else "Trained"
        best = _TITLES[self.monitor].format(self.best_value)
        return (
            f"{word} {self.epochs} epochs ({self.steps} steps). Best {best} "
            f"in epoch {self.best_epoch}: {self.best_file}"
        )


def train(settings, run_dir, resume=False, progress=None, verbose=0):
    """Trains a classifier or an autoencoder in a folder of its own.

    The folder receives config.json (settings, versions, commit),
    metrics.jsonl (one line per epoch), checkpoints/, classifier.keras (the
    best epoch by `monitor`) and final.keras (the last step); for
    `task="vae"` vae.keras, pictures and report.md. A killed run continues
    with the same settings and `resume`, and ends with the same weights.

    Args:
        settings: `TrainSettings`.
        run_dir: str or path, a folder that does not exist yet.
        resume: bool, continue the run in `run_dir`, if there is one.
        progress: callable of a str, called at each step; None for silence.
        verbose: int, that of Keras' `fit`.

    Returns:
        `TrainResult`.

    Raises:
        ValueError: for settings that cannot be met, and for a folder with
            another run.
        OSError: for a folder that exists, cannot be written, or is owned by
            another process.
        ImportError: an optional package is missing; the text names it.
    """
    say = progress or (lambda text: None)
    folder.check(run_dir, resume)
    if settings.tensorboard:
        _require_tensorboard()
    with _process.prepared(settings) as strategy:
        train_set, validation = _load(settings)
        steps = _steps_per_epoch(settings, len(train_set.labels), strategy)
        with strategy.scope():
            model = build(settings, steps)
        run_dir, resumed = folder.create(run_dir, "train", settings, resume)
        with folder.owned(run_dir):
            if resumed and (run_dir / _files.FINAL).exists():
                return _result(settings, run_dir, resumed, True)
            _announce(settings, model, train_set, validation, run_dir, say)
            _fit(settings, model, train_set, validation, run_dir, verbose)
            if settings.task == "vae":
                autoencoder.write_report(run_dir, validation, settings, say)
            _finish(model, run_dir)
    return _result(settings, run_dir, resumed, False)


def build(settings, steps_per_epoch):
    """Returns the compiled algorithm around a new classifier or autoencoder."""
    if settings.task == "vae":
        model = autoencoder.build(settings, build_attack(settings))
    else:
        model = _build_algorithm(settings, _build_classifier(settings))
    model.compile(
        optimizer=build_optimizer(settings, steps_per_epoch),
        l2_penalty=settings.weight_decay,
        jit_compile=False,
    )
    return model


def _build_classifier(settings):
    spec = _data.of_training(settings).spec
    if settings.start_from is not None:
        return _own_models.start_from(settings, spec)
    options = options_of(settings, "model", settings.model)

    def takes(argument):
        return registry.accepts("model", settings.model, argument)

    for name in filter(takes, ("mean", "std")):
        options[name] = getattr(spec, name)
    if settings.width:
        widening = takes("width_factor")
        options["width_factor" if widening else "width"] = settings.width
    # Otherwise each replica keeps its own moving averages. TensorFlow cannot
    # synchronise them inside an attack in training mode.
    synchronized = settings.strategy != "none" and not settings.attack_training
    if synchronized and takes("synchronized"):
        options["synchronized"] = True
    return registry.build(
        "model", settings.model, spec.image_shape, spec.num_classes, **options
    )


def _build_algorithm(settings, classifier):
    options = options_of(settings, "algorithm", settings.algorithm)
    options["seed"] = settings.seed
    attack = build_attack(settings)
    if attack is not None:
        options["attack"] = attack
    if settings.vae is not None:
        if settings.cache_latents:
            _checks.check(
                augmentation(settings) is None,
                "cache_latents",
                "False with augmentation, since it encodes each image once",
                True,
                "Choose augment=none.",
            )
        options["vae"] = autoencoder.load(settings.vae)
        options["from_codes"] = settings.cache_latents or None
    return registry.build(
        "algorithm", settings.algorithm, classifier, **options
    )


def options_of(settings, kind, name, prefix=""):
    """Returns dict argument -> value of the registered name `name`.

    `prefix` begins the name of a setting whose own name is taken.
    """
    options = {}
    for setting in registry.entry(kind, name).settings:
        for key in (f"{prefix}{setting.name}", setting.name):
            declared = settings.declared.get(key)
            if declared is None or not _owns(declared, kind, name):
                continue
            if getattr(settings, key) is not None:
                options[setting.name] = getattr(settings, key)
            break
    return options


def _owns(declared, kind, name):
    return any(o == kind and name in v for o, v in declared.owners)


def build_attack(settings, name=None, num_steps=None):
    """Returns the attack of a training run, or None.

    `name` and `num_steps` give another attack than the run's, in the same ball.
    """
    chosen = name or settings.attack_name
    if chosen is None:
        return None
    eps = 8 / 255 if settings.eps is None else settings.eps
    threat = ThreatModel(settings.norm, eps)
    options = options_of(settings, "attack", chosen, prefix="attack_")
    if name is not None:
        options = {"num_steps": num_steps, "step_size": settings.step_size}
    return registry.build("attack", chosen, threat, **options)


def augmentation(settings):
    """Returns the augmentation's name, or None."""
    own = _data.of_training(settings).spec.augment
    return {"default": own, "none": None}.get(
        settings.augment, settings.augment
    )


def _load(settings):
    """Returns (training images, validation images)."""
    source = _data.of_training(settings)
    train_set = source.load("train", settings.num_train, settings.seed)
    return train_set, source.load("validation")


def _steps_per_epoch(settings, num_examples, strategy):
    """Returns the number of full batches; refuses an impossible batch size."""
    replicas = strategy.num_replicas_in_sync
    size = settings.batch_size
    expected = f"a multiple of the {replicas} replicas"
    _checks.check(size % replicas == 0, "batch_size", expected, size)
    expected = f"at most the {num_examples} training images"
    _checks.check(size <= num_examples, "batch_size", expected, size)
    return num_examples // size


def build_optimizer(settings, steps_per_epoch):
    """Returns the Keras optimizer with its learning-rate schedule.

    `settings` may be any object with the settings "optimizer",
    "learning_rate" and "schedule".
    """
    schedule = training.make_schedule(
        settings.learning_rate,
        steps_per_epoch,
        settings.epochs,
        kind=settings.schedule,
        drops=settings.drops,
        drop_factor=settings.drop_factor,
        warmup_epochs=settings.warmup_epochs,
    )
    decay = settings.decoupled_weight_decay
    if settings.optimizer == "sgd":
        momentum = 0.9 if settings.momentum is None else settings.momentum
        return keras.optimizers.SGD(schedule, momentum, weight_decay=decay)
    kinds = {"adam": keras.optimizers.Adam, "yogi": training.Yogi}
    return kinds[settings.optimizer](schedule, weight_decay=decay)


def _announce(settings, model, train_set, validation, run_dir, say):
    if settings.vae:
        say(autoencoder.describe(model.vae, settings.vae, validation))
    what = "an autoencoder" if settings.task == "vae" else settings.algorithm
    steps = len(train_set.labels) // settings.batch_size
    say(
        f"Training {what} on {len(train_set.labels)} images of "
        f"{settings.dataset}: {settings.epochs} epochs of {steps} steps in "
        f"{run_dir}"
    )


def _fit(settings, model, train_set, validation, run_dir, verbose):
    name, mode = settings.monitored
    start = None
    if settings.task == "vae":

        def start():
            autoencoder.start(settings, model, train_set.images)

    if settings.cache_latents:
        codes = training.latent_codes(model.vae, train_set.images)
        train_set = train_set._replace(images=codes)
    training.fit_resumable(
        model,
        train_set,
        run_dir,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        seed=settings.seed,
        augment=augmentation(settings),
        validation_data=validation,
        checkpoint_every=settings.checkpoint_every,
        monitor=name,
        mode=mode,
        best_file=best_file(settings),
        callbacks=_callbacks(settings, validation, run_dir),
        early_stopping=settings.early_stopping,
        on_start=start,
        verbose=verbose,
    )


def best_file(settings):
    """Returns the name of the file with the best epoch's weights."""
    is_vae = settings.task == "vae"
    return _files.BEST_VAE if is_vae else _files.BEST_CLASSIFIER


def _callbacks(settings, validation, run_dir):
    """Returns the run's own callbacks, those that measure first."""
    callbacks = []
    if settings.robust_validation:
        attack = build_attack(settings, "pgd", settings.robust_validation)
        images = data.as_float(validation.images)
        callbacks.append(
            training.RobustValidation(attack, images, validation.labels)
        )
    if settings.tensorboard:
        logs = str(run_dir / _files.TENSORBOARD)
        callbacks.append(keras.callbacks.TensorBoard(logs))
    return callbacks


def _require_tensorboard():
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "TensorBoard logs need TensorBoard: pip install tensorboard"
        ) from error


def _finish(model, run_dir):
    final = str(run_dir / _files.FINAL)
    training.save_atomically(model.trained_model, final)


def _result(settings, run_dir, resumed, finished_before):
    rows = _files.read_lines(run_dir / _files.METRICS)
    name, mode = settings.monitored
    choose = max if mode == "max" else min
    best = choose(rows, key=lambda row: row[name])
    return TrainResult(
        run_dir,
        run_dir / best_file(settings),
        rows[-1]["epoch"],
        rows[-1]["step"],
        best["epoch"],
        best[name],
        name,
        resumed,
        finished_before,
    )
