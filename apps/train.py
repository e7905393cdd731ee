"""Trains a classifier: python -m apps.train --flagfile=apps/flagfiles/....

The run folder receives config.json (flags, versions, commit), metrics.jsonl
(one line per epoch), checkpoints/, classifier.keras (the best epoch by
--monitor) and final.keras (the last step). A killed run goes on
with the same flags and --resume, and ends with the same weights.

--task=vae trains the autoencoder of VarMixup instead: vae.keras, pictures and
report.md; --vae=PATH then names it to var_erm, var_mixup and
var_interpolated_adversarial_training.
"""

import sys

from apps import _common
from apps import _registry
from apps import _run_folder
from apps import _training
from apps import _vae_report
from apps import _vae_training

FLAGS = _common.Flags(__doc__)
FLAGS.choice("task", "classifier", ["classifier", "vae"], "What to train.")
# --- data
FLAGS.string("dataset", "digits", "Data set; see docs/data.md.")
FLAGS.string("data_dir", None, "Folder of prepared tfds data sets.")
FLAGS.boolean("download", False, "Let tfds download what is missing.")
FLAGS.integer(
    "num_train", None, "Class-balanced seeded subset of so many.", minimum=1
)
FLAGS.integer(
    "num_validation", None, "Images cut from train for validation.", minimum=1
)
FLAGS.choice(
    "augment",
    "default",
    ["default", "none", "crop_flip", "crop"],
    "Augmentation; default: what the papers use on this data set.",
)
# --- classifier
FLAGS.string("model", "small_convnet", "Architecture; see docs/training.md.")
FLAGS.integer("width", None, "Width of the architecture.", minimum=1)
# --- algorithm
FLAGS.string("algorithm", "mixup", "Algorithm; see docs/training.md.")
FLAGS.number("alpha", None, "Mixup: lambda ~ Beta(alpha, alpha).")
FLAGS.string(
    "mix_weight",
    None,
    "Replaces the Beta distribution: 0.6, uniform:0.4:0.6 or beta:2:1; "
    "adversarial_mixup also takes learned and frozen.",
)
FLAGS.number("mix_weight_step", None, "Learned lambda: step in its logit.")
FLAGS.number("kappa", None, "Learned lambda: its lower bound.")
FLAGS.choice(
    "weight_per", None, ["sample", "batch"], "One lambda a pair or a batch."
)
FLAGS.number("clean_weight", None, "Weight of the clean loss; 1 is 1:1.")
FLAGS.choice(
    "delta",
    None,
    ["independent", "shared"],
    "One perturbation for either side of a pair, or one for both.",
)
FLAGS.choice(
    "label_mixing",
    None,
    ["linear", "geometric"],
    "Weight of the mixed label: lambda, or where the mixed point lies.",
)
FLAGS.choice("loss", None, ["kl", "cross_entropy"], "adversarial_mixup: loss.")
FLAGS.string("stage", None, "Hidden layer to mix or attack at: stage_2.")
FLAGS.string_list(
    "stages", None, "manifold_mixup: where to mix: input,stage_1,stage_2."
)
FLAGS.number("beta", None, "trades: weight of the KL term.")
FLAGS.number("latent_eps", None, "Latent attack: radius, of the range.")
FLAGS.number("latent_step_size", None, "Latent attack: step, of the range.")
FLAGS.integer("latent_steps", None, "Latent attack: steps.", minimum=1)
FLAGS.number("latent_weight", None, "Latent attack: weight of its loss.")
FLAGS.number("nonlinearity", None, "Local linearity: weight of the bend.")
FLAGS.number("slope", None, "Local linearity: weight of the slope.")
FLAGS.number("penalty", None, "Curvature: weight of the penalty.")
FLAGS.number("distance", None, "Curvature: L2 distance of the two slopes.")
FLAGS.integer(
    "warmup_steps", None, "Curvature: steps until --distance.", minimum=0
)
FLAGS.string(
    "vae", None, "Var algorithms: file or run folder of the autoencoder."
)
FLAGS.boolean(
    "cache_latents", False, "Var algorithms: encode each image only once."
)
# --- autoencoder
FLAGS.integer("latent_size", None, "Entries of a code; by the image size.")
FLAGS.number("gamma", None, "Weight of MMD^2.")
FLAGS.choice("kernel", None, ["imq", "rbf"], "Kernel of the MMD.")
FLAGS.boolean("linear_path", None, "A fixed linear path beside the net.")
FLAGS.boolean("pca_start", True, "Start from the PCA of the images.")
# --- attack
FLAGS.boolean("attack_training", None, "BatchNorm in training mode inside.")
FLAGS.choice("norm", None, ["linf", "l2"], "Attack: norm of the ball.")
FLAGS.number("eps", None, "Attack: radius in [0, 1] units, as 8/255.")
FLAGS.number("step_size", None, "Attack: step in the same unit, as 2/255.")
FLAGS.integer("num_steps", None, "Attack: number of steps.", minimum=0)
# --- optimisation
FLAGS.integer("epochs", 120, "Epochs.", minimum=1)
FLAGS.integer("batch_size", 64, "Images per step, all replicas.", minimum=1)
FLAGS.choice("optimizer", "adam", ["sgd", "adam", "yogi"], "Optimizer.")
FLAGS.number("learning_rate", 0.001, "Learning rate before any drop.")
FLAGS.number("momentum", None, "SGD: momentum; 0.9 unless given.")
FLAGS.number(
    "weight_decay",
    0.0,
    "Multiple of the weights added to the gradient, as PyTorch does.",
)
FLAGS.number(
    "decoupled_weight_decay", None, "Keras' own: subtracted from the weights."
)
FLAGS.choice(
    "schedule",
    "constant",
    ["constant", "piecewise", "cosine"],
    "Learning-rate schedule.",
)
FLAGS.number_list(
    "drops", "", "Piecewise: epochs (>= 1) or fractions (< 1) of the drops."
)
FLAGS.number("drop_factor", 0.1, "Piecewise: factor at each drop.")
FLAGS.number("warmup_epochs", 0.0, "Epochs of linear warm-up.")
# --- validation
FLAGS.integer(
    "robust_validation",
    None,
    "Steps of PGD on the validation images after each epoch; 0: none.",
    minimum=0,
)
FLAGS.choice(
    "monitor",
    None,
    ["val_accuracy", "val_robust_accuracy", "val_loss", "val_psnr"],
    "Chooses the best epoch; robust accuracy if it is measured.",
)
FLAGS.integer(
    "early_stopping",
    None,
    "Stop after so many epochs without a better --monitor; 0: never.",
    minimum=0,
)
# --- run
FLAGS.string("run_dir", None, "Folder of the run; must not exist.")
FLAGS.boolean("resume", False, "Continue the run in --run_dir, if any.")
FLAGS.integer(
    "checkpoint_every", 500, "Steps between two checkpoints.", minimum=1
)
FLAGS.boolean("tensorboard", False, "Also write TensorBoard logs.")
FLAGS.choice(
    "verbose",
    "auto",
    ["auto", "0", "1", "2"],
    "0 silent, 1 progress bar, 2 a line an epoch; auto: 1 on a terminal.",
)
FLAGS.runtime()


def main(flags):
    """Checks everything, then trains; see the module's text."""
    _registry.check_name(_registry.MODELS, "model", flags.model)
    _registry.check_name(_registry.ALGORITHMS, "algorithm", flags.algorithm)
    _vae_training.check_flags(flags)
    _run_folder.check(flags.run_dir, flags.resume)
    _training.monitored(flags)
    if flags.tensorboard:
        _training.require_tensorboard()
    strategy = _common.set_up(flags)
    from keras_mixup import data

    options = {"data_dir": flags.data_dir, "download": flags.download}
    if flags.num_validation:
        options["num_validation"] = flags.num_validation
    train = data.load_arrays(flags.dataset, "train", **options)
    validation = data.load_arrays(flags.dataset, "validation", **options)
    if flags.num_train:
        train = data.class_balanced_subset(train, flags.num_train, flags.seed)
    steps_per_epoch = _training.steps_per_epoch(
        flags, len(train.labels), strategy
    )
    with strategy.scope():
        model = build(flags, steps_per_epoch)
    config = _common.describe_run("apps.train", FLAGS)
    run_dir, resumed = _run_folder.create(flags.run_dir, config, flags.resume)
    if resumed and (run_dir / "final.keras").exists():
        print(f"The run in {run_dir} is finished; nothing is done again.")
        return
    if flags.vae:
        _vae_training.describe(model.vae, flags.vae, validation)
    what = "an autoencoder" if flags.task == "vae" else flags.algorithm
    print(
        f"Training {what} on {len(train.labels)} images of "
        f"{flags.dataset}: {flags.epochs} epochs of {steps_per_epoch} steps "
        f"in {run_dir}",
        flush=True,
    )
    _fit(flags, model, train, validation, run_dir, steps_per_epoch)
    if flags.task == "vae":
        _vae_report.write(run_dir, validation, flags.seed)
    _finish(flags, model, run_dir, resumed)


def build(flags, steps_per_epoch):
    """Returns the compiled algorithm around a fresh classifier or VAE.

    Args:
        flags: the parsed flag values.
        steps_per_epoch: int, for the schedule.
    """
    if flags.task == "vae":
        return _vae_training.build(flags, steps_per_epoch)
    from keras_mixup import data

    spec = data.DATASETS[flags.dataset]
    options = {"mean": spec.mean, "std": spec.std}
    if flags.width:
        widening = _registry.accepts(
            _registry.MODELS, "model", flags.model, "width_factor"
        )
        options["width_factor" if widening else "width"] = flags.width
    # Replicas would otherwise keep moving averages of their own; inside an
    # attack in training mode TensorFlow cannot synchronise them.
    synchronized = flags.strategy != "none" and not flags.attack_training
    if synchronized and _registry.accepts(
        _registry.MODELS, "model", flags.model, "synchronized"
    ):
        options["synchronized"] = True
    classifier = _registry.build_model(
        flags.model, spec.image_shape, spec.num_classes, **options
    )
    options = _training.algorithm_options(flags)
    options.update(_vae_training.algorithm_options(flags))
    model = _registry.build_algorithm(flags.algorithm, classifier, **options)
    model.compile(
        optimizer=_training.build_optimizer(flags, steps_per_epoch),
        coupled_weight_decay=flags.weight_decay,
        jit_compile=False,
    )
    return model


def _fit(flags, model, train, validation, run_dir, steps_per_epoch):
    from keras_mixup import data
    from keras_mixup import training

    directory = str(run_dir / "checkpoints")
    start = training.latest_step(directory)
    epoch, model.skip = training.resume_position(start, steps_per_epoch)
    if flags.task == "vae" and not start:
        _vae_training.start(flags, model, train.images)
    if flags.cache_latents:
        codes = training.latent_codes(model.vae, train.images)
        train = train._replace(images=codes)
    dataset = data.training_dataset(
        train,
        flags.batch_size,
        flags.seed,
        start_step=start,
        augment=_vae_training.augmentation(flags),
    )
    verbose = flags.verbose
    if verbose == "auto":
        verbose = "1" if sys.stdout.isatty() else "2"
    model.fit(
        dataset,
        initial_epoch=epoch,
        epochs=flags.epochs,
        steps_per_epoch=steps_per_epoch,
        validation_data=data.evaluation_dataset(validation, flags.batch_size),
        callbacks=_training.build_callbacks(
            flags, validation, run_dir, directory
        ),
        verbose=int(verbose),
        # The pipeline has its own order; Keras would warn.
        shuffle=False,
    )


def _finish(flags, model, run_dir, resumed):
    from keras_mixup import training

    final = str(run_dir / "final.keras")
    training.save_atomically(model.trained_model, final)
    rows = training.read_metrics(str(run_dir / "metrics.jsonl"))
    word = "Resumed and trained" if resumed else "Trained"
    print(
        f"{word} {rows[-1]['epoch']} epochs ({rows[-1]['step']} steps). Best "
        f"{_training.best_epoch(flags, rows)}: "
        f"{run_dir / _training.best_file(flags)}"
    )


if __name__ == "__main__":
    _common.run(main, FLAGS)
