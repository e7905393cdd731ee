"""From the flags of apps.train to an algorithm, an optimizer, callbacks."""

from apps import _common
from apps import _registry
from keras_mixup import _checks

# The flags that go to the algorithm under their own name; one that an
# algorithm does not take is refused by the registry.
ALGORITHM_FLAGS = (
    "seed",
    "alpha",
    "weight_per",
    "mix_weight_step",
    "kappa",
    "delta",
    "label_mixing",
    "loss",
    "stage",
    "stages",
    "clean_weight",
    "attack_training",
    "beta",
    "latent_eps",
    "latent_step_size",
    "latent_steps",
    "latent_weight",
    "nonlinearity",
    "slope",
    "penalty",
    "distance",
    "warmup_steps",
)
ROBUST = "val_robust_accuracy"
_TITLES = {
    "val_accuracy": "validation accuracy {:.2%}",
    "val_robust_accuracy": "robust validation accuracy {:.2%}",
    "val_loss": "validation loss {:.4f}",
    "val_psnr": "validation PSNR {:.2f} dB",
}


def algorithm_options(flags):
    """Returns the keyword arguments of the algorithm.

    Where the attack is a choice (var_erm, var_mixup), --num_steps makes it.

    Raises:
        UsageError: for an attack's flags where nothing attacks.
    """
    options = {name: flags[name].value for name in ALGORITHM_FLAGS}
    options["mix_weight"] = _common.parse_mix_weight(flags.mix_weight)
    named = (_registry.ALGORITHMS, "algorithm", flags.algorithm, "attack")
    attacked = _registry.requires(*named)
    if flags.num_steps is not None:
        attacked = _registry.accepts(*named)
    given = [flags.num_steps]
    if not flags.robust_validation:  # which attacks in the same ball
        given += [flags.norm, flags.eps, flags.step_size]
    if attacked:
        options["attack"] = build_attack(flags, flags.num_steps)
    elif any(value is not None for value in given):
        raise _common.UsageError(
            f"--algorithm={flags.algorithm} attacks nothing; --norm, --eps, "
            "--step_size and --num_steps belong to adversarial algorithms "
            "(var_erm and var_mixup: with --num_steps)."
        )
    return options


def build_attack(flags, num_steps):
    """Returns PGD with `num_steps` steps (None: 10) in the flags' ball."""
    from keras_mixup import ThreatModel

    def default(value, otherwise):
        return otherwise if value is None else value

    threat = ThreatModel(
        default(flags.norm, "linf"), default(flags.eps, 8 / 255)
    )
    return _registry.build_attack(
        "pgd",
        threat,
        step_size=default(flags.step_size, 2 / 255),
        num_steps=default(num_steps, 10),
    )


def build_optimizer(flags, steps_per_epoch):
    """Returns the Keras optimizer with its learning-rate schedule.

    Raises:
        UsageError: for a momentum given to another optimizer than SGD.
    """
    import keras

    from keras_mixup import training

    schedule = training.make_schedule(
        flags.learning_rate,
        steps_per_epoch,
        flags.epochs,
        kind=flags.schedule,
        drops=flags.drops,
        drop_factor=flags.drop_factor,
        warmup_epochs=flags.warmup_epochs,
    )
    decay = flags.decoupled_weight_decay
    if flags.optimizer == "sgd":
        momentum = 0.9 if flags.momentum is None else flags.momentum
        return keras.optimizers.SGD(schedule, momentum, weight_decay=decay)
    if flags.momentum is not None:
        raise _common.UsageError("--momentum belongs to --optimizer=sgd.")
    kinds = {"adam": keras.optimizers.Adam, "yogi": training.Yogi}
    return kinds[flags.optimizer](schedule, weight_decay=decay)


def best_file(flags):
    """Returns the name of the file with the best epoch's weights."""
    return "vae.keras" if flags.task == "vae" else "classifier.keras"


def monitored(flags):
    """Returns (name, mode) of the metric by which the best epoch is chosen.

    Raises:
        UsageError: for robust accuracy without robust validation.
    """
    name = flags.monitor
    if flags.task == "vae":
        allowed, default = ("val_loss", "val_psnr"), "val_loss"
    else:
        allowed = ("val_accuracy", ROBUST, "val_loss")
        default = ROBUST if flags.robust_validation else "val_accuracy"
    name = name or default
    _checks.check_choice(name, "monitor", allowed)
    if name == ROBUST and not flags.robust_validation:
        raise _common.UsageError(
            f"--monitor={ROBUST} needs --robust_validation=STEPS."
        )
    return name, "min" if name == "val_loss" else "max"


def best_epoch(flags, rows):
    """Returns the best epoch's value and number, as text.

    Args:
        flags: the parsed flag values.
        rows: list of dict, from `training.read_metrics`.
    """
    name, mode = monitored(flags)
    choose = max if mode == "max" else min
    best = choose(rows, key=lambda row: row[name])
    return f"{_TITLES[name].format(best[name])} in epoch {best['epoch']}"


def steps_per_epoch(flags, num_examples, strategy):
    """Returns the number of full batches; refuses an impossible batch size.

    Args:
        flags: the parsed flag values.
        num_examples: int, the training images.
        strategy: `tf.distribute.Strategy`.

    Raises:
        ValueError: for a batch that replicas cannot share or the data not
            fill.
    """
    replicas = strategy.num_replicas_in_sync
    size = flags.batch_size
    _checks.check(
        size % replicas == 0,
        "batch_size",
        f"a multiple of the {replicas} replicas",
        size,
    )
    expected = f"at most the {num_examples} training images"
    _checks.check(size <= num_examples, "batch_size", expected, size)
    return num_examples // size


def require_tensorboard():
    """Raises `ImportError` with the install line without TensorBoard."""
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "--tensorboard needs TensorBoard: pip install tensorboard"
        ) from error


def build_callbacks(flags, validation, run_dir, directory):
    """Returns the callbacks of a run, in the order in which they must act.

    Args:
        flags: the parsed flag values.
        validation: `ImageSet`, images cut from the training split.
        run_dir: `pathlib.Path` of the run folder.
        directory: str, the folder of the checkpoints.
    """
    import keras

    from keras_mixup import training

    name, mode = monitored(flags)
    best = training.BestClassifier(
        str(run_dir / best_file(flags)), monitor=name, mode=mode
    )
    state, measuring, stopping = [best.best], [], []
    if flags.robust_validation:
        measuring = [_robust_validation(flags, validation)]
    if flags.early_stopping:
        stop = training.EarlyStopping(name, flags.early_stopping, mode)
        stopping, state = [stop], [*state, stop.state]
    callbacks = [
        # Before the checkpoint, so that no NaN is ever saved.
        training.StopOnNaN(),
        training.Checkpoint(directory, flags.checkpoint_every, state),
        training.RetraceGuard(),
        # Before those that read what it measures.
        *measuring,
        best,
        *stopping,
        training.MetricsLog(str(run_dir / "metrics.jsonl")),
    ]
    if flags.tensorboard:
        logs = str(run_dir / "tensorboard")
        callbacks.append(keras.callbacks.TensorBoard(logs))
    return callbacks


def _robust_validation(flags, validation):
    from keras_mixup import data
    from keras_mixup import training

    return training.RobustValidation(
        build_attack(flags, flags.robust_validation),
        data.as_float(validation.images),
        validation.labels,
    )
