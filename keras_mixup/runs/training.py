"""A training run: of a classifier, or of VarMixup's autoencoder."""

import contextlib

import keras

from keras_mixup import ThreatModel
from keras_mixup import _checks
from keras_mixup import _files
from keras_mixup import _own_modules
from keras_mixup import _types
from keras_mixup import _workers
from keras_mixup import data
from keras_mixup import registry
from keras_mixup import training
from keras_mixup.runs import _arguments
from keras_mixup.runs import _data
from keras_mixup.runs import _own_models
from keras_mixup.runs import _process
from keras_mixup.runs import _seed
from keras_mixup.runs import _together
from keras_mixup.runs import autoencoder
from keras_mixup.runs import folder
from keras_mixup.runs import train_result
from keras_mixup.runs.settings import TrainSettings
from keras_mixup.training import train_step


def train(
    settings: TrainSettings,
    run_dir: _types.Path,
    resume: bool = False,
    progress: _types.Progress | None = None,
    verbose: int = 0,
    stop: _types.AskStop | None = None,
) -> train_result.TrainResult:
    """Trains a classifier or an autoencoder in a folder of its own.

    The folder receives config.json (settings, versions, commit),
    metrics.jsonl (one line per epoch), checkpoints/, classifier.keras (the
    best epoch by `monitor`) and final.keras (the last step); for
    `task="vae"` vae.keras, pictures and report.md. A killed run continues
    with the same settings and `resume`, and ends with the same weights.

    Args:
        settings: `TrainSettings`. Without a seed one is drawn, said, and kept
            in config.json, where a resumed run finds it.
        run_dir: str or path, a folder that does not exist yet.
        resume: bool, continue the run in `run_dir`, if there is one.
        progress: callable of a str, called at each step; None for silence.
        verbose: int, that of Keras' `fit`.
        stop: callable without arguments, such as a `Stop`, asked after each
            batch; it returns the reason to stop, a str, or something false.

    Returns:
        `TrainResult`.

    Raises:
        ValueError: for settings that cannot be met, and for a folder with
            another run.
        OSError: for a folder that exists, cannot be written, or is owned by
            another process.
        ImportError: an optional package is missing; the text names it.
        Stopped: `stop` gave a reason; a checkpoint is saved. `WorkerLost`, a
            kind of it: another worker of strategy=multi_worker ended, or did
            not start within `worker_timeout`.
    """
    _arguments.check_call(settings, TrainSettings, progress, stop)
    _checks.check_path(run_dir, "run_dir")
    _checks.check_flag(resume, "resume")
    _checks.check_choice(verbose, "verbose", (0, 1, 2, "auto"))
    say = progress or (lambda text: None)
    lead = _together.leads(settings, say)
    if lead:
        folder.check(run_dir, resume)
    settings = _seed.settled(settings, run_dir, say)
    if settings.tensorboard:
        _require_tensorboard()
    _together.gather(settings, stop)
    prepared = _process.prepared(settings)
    with prepared as strategy, _workers.watched(strategy):
        getattr(stop, "listen", bool)()
        train_set, validation = _load(settings)
        extra = _load_extra(settings, train_set)
        steps = _steps_per_epoch(settings, len(train_set.labels), strategy)
        with strategy.scope():
            model = build(settings, steps)
        run_dir, resumed = _together.create(run_dir, settings, resume, strategy)
        with folder.owned(run_dir) if lead else contextlib.nullcontext():
            finished = resumed and (run_dir / _files.FINAL).exists()
            if _workers.from_chief(strategy, finished):
                return train_result.of_run(settings, run_dir, resumed, True)
            if resumed and (text := folder.changed_versions(run_dir)):
                say(text)
            _announce(settings, model, train_set, validation, run_dir, say)
            sets = (train_set, extra, validation)
            _fit(settings, model, sets, run_dir, verbose, say, stop)
            if settings.task == "vae" and lead:
                autoencoder.write_report(run_dir, validation, settings, say)
            _finish(settings, model, run_dir)
            _workers.from_chief(strategy, True)  # All files are there.
    return train_result.of_run(settings, run_dir, resumed, False)


def build(settings, steps_per_epoch):
    """Returns the compiled algorithm around a new classifier or autoencoder."""
    _check_crop_padding(settings)
    if settings.task == "vae":
        model = autoencoder.build(settings, build_attack(settings))
    else:
        model = _build_algorithm(settings, build_network(settings))
    with _checks.called({"l2_penalty": "weight_decay"}):
        model.compile(
            optimizer=build_optimizer(settings, steps_per_epoch),
            l2_penalty=settings.weight_decay,
            weight_perturbation=settings.weight_perturbation,
            weight_average=_build_average(settings, steps_per_epoch),
            jit_compile=False,
        )
    return model


def _build_average(settings, steps_per_epoch):
    if settings.weight_average == "ema":
        return training.EMA(settings.ema_decay)
    if settings.weight_average == "none":
        return None
    start = settings.swa_start
    start = start if start >= 1.0 else start * settings.epochs
    expected = f"before the end of the {settings.epochs} epochs"
    okay = start < settings.epochs
    _checks.check(okay, "swa_start", expected, settings.swa_start)
    every = settings.swa_every * steps_per_epoch
    return training.SWA(round(start * steps_per_epoch), every)


def build_network(settings):
    """Returns the new classifier of a run, or its autoencoder."""
    if settings.task == "vae":
        return autoencoder.build(settings, None).vae
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
    shape = spec.image_shape, spec.num_classes
    with _checks.called({"width_factor": "width"}):
        found = registry.build("model", settings.model, *shape, **options)
    if _own_modules.is_path(settings.model):
        _own_models.check_network(found, settings.model, spec)
    return found


def _build_algorithm(settings, classifier):
    options = options_of(settings, "algorithm", settings.algorithm)
    options["seed"] = settings.seed or 0
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
    given = "model" if settings.start_from is None else "start_from"
    with _checks.called({"classifier": given}):
        found = registry.build(
            "algorithm", settings.algorithm, classifier, **options
        )
    okay = isinstance(found, train_step.TrainStep)
    expected, received = "a training algorithm", type(found).__name__
    _checks.check(okay, "algorithm", expected, received)
    return found


def options_of(settings, kind, name, prefix=""):
    """Returns dict argument -> value of the registered name `name`.

    `prefix` begins the name of a setting whose own name is taken.
    """
    keys = _keys(settings, kind, name, prefix)
    values = {a: getattr(settings, key) for a, key in keys.items()}
    return {a: value for a, value in values.items() if value is not None}


def _keys(settings, kind, name, prefix=""):
    """Returns dict argument -> name of its setting."""
    keys = {}
    for setting in registry.entry(kind, name).settings:
        for key in (setting.name, f"{prefix}{setting.name}"):
            declared = settings.declared.get(key)
            if declared is not None and _owns(declared, kind, name):
                keys[setting.name] = key
    return keys


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
    names = _keys(settings, "attack", chosen, "attack_")
    options = options_of(settings, "attack", chosen, "attack_")
    if name is not None:
        options = {"num_steps": num_steps, "step_size": settings.step_size}
    with _checks.called(names):
        return registry.build("attack", chosen, threat, **options)


def augmentation(settings):
    """Returns the augmentation's name, or None."""
    own = _data.of_training(settings).spec.augment
    return {"default": own, "none": None}.get(
        settings.augment, settings.augment
    )


def _check_crop_padding(settings):
    okay = settings.crop_padding is None or augmentation(settings) is not None
    expected = "left out where nothing is cropped"
    hint = f"augment={settings.augment} crops no image of {settings.dataset}."
    _checks.check(okay, "crop_padding", expected, settings.crop_padding, hint)


def _load(settings):
    """Returns (training images, validation images)."""
    source = _data.of_training(settings)
    train_set = source.load("train", settings.num_train, settings.seed)
    if settings.num_validation == 0:
        return train_set, None
    return train_set, source.load("validation")


def _load_extra(settings, train_set):
    """Returns the second source of training images, or None."""
    name = settings.extra_dataset
    if name is None:
        return None
    own, more = _data.of_training(settings), _data.of_extra(settings)
    if not more.is_own:
        _checks.check_choice(name, "extra_dataset", tuple(data.DATASETS))
    kinds = [(s.spec.image_shape, s.spec.num_classes) for s in (own, more)]
    shape, classes = kinds[0]
    expected = f"a data set of {shape} images and {classes} classes"
    _checks.check(kinds[0] == kinds[1], "extra_dataset", expected, name)
    extra = more.load("train")
    share, size = settings.extra_share, settings.batch_size
    data.check_extra(train_set, extra, share, size)
    return extra


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
        shown = ("training", train_set)
        if validation is not None:
            shown = ("validation", validation)
        say(autoencoder.describe(model.vae, settings.vae, *shown))
    what = "an autoencoder" if settings.task == "vae" else settings.algorithm
    steps = len(train_set.labels) // settings.batch_size
    say(
        f"Training {what} on {len(train_set.labels)} images of "
        f"{settings.dataset}: {settings.epochs} epochs of {steps} steps in "
        f"{run_dir}"
    )


def _fit(settings, model, sets, run_dir, verbose, say=None, stop=None):
    train_set, extra, validation = sets
    name, mode = settings.monitored
    start = None
    if settings.task == "vae":

        def start():
            autoencoder.start(settings, model, train_set.images)

    model.batch_norm_images = train_set.images
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
        crop_padding=settings.crop_padding or "reflect",
        extra=extra,
        extra_share=settings.extra_share,
        validation_data=validation,
        checkpoint_every=settings.checkpoint_every,
        monitor=name,
        mode=mode,
        best_file=train_result.best_file(settings),
        callbacks=_callbacks(settings, validation, run_dir),
        early_stopping=settings.early_stopping,
        on_start=start,
        progress=say,
        stop=stop,
        verbose=verbose,
    )


def _callbacks(settings, validation, run_dir):
    """Returns the run's own callbacks, those that measure first."""
    callbacks = []
    if settings.robust_steps:
        attack = build_attack(settings, "pgd", settings.robust_steps)
        images = data.as_float(validation.images)
        callbacks.append(
            training.RobustValidation(attack, images, validation.labels)
        )
    if settings.tensorboard and _together.leads(settings):
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


def _finish(settings, model, run_dir):
    if settings.num_validation == 0:
        best = str(run_dir / train_result.best_file(settings))
        training.save_atomically(model.trained_model, best)
    final = str(run_dir / _files.FINAL)
    training.save_atomically(model.trained_model, final)
