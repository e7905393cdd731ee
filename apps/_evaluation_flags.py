"""The flags of apps.evaluate, group by group."""

from apps import _common
from apps import _corruptions
from apps import _latent_figures
from apps import _registry
from apps import _studies


def make(usage):
    """Returns the `_common.Flags` of the application.

    Args:
        usage: str, what `--help` prints above them.
    """
    flags = _common.Flags(usage)
    _define_data(flags)
    _define_attacks(flags)
    _define_attack_settings(flags)
    _define_adaptive(flags)
    _define_defences(flags)
    _define_var_mi(flags)
    _define_figures(flags)
    _latent_figures.define(flags)
    _corruptions.define(flags)
    _define_run(flags)
    flags.runtime(training=False)
    return flags


def _define_data(flags):
    # What is evaluated.
    flags.string("run_dir", None, "Folder of apps.train, or one to be made.")
    flags.string(
        "classifier",
        None,
        "A .keras file; default: --run_dir's classifier.keras.",
    )
    flags.string("model_name", None, "Row name; default: algorithm and model.")
    flags.string("dataset", None, "Data set; default: that of the run.")
    flags.string(
        "data_dir", None, "Folder of tfds data sets; default: as the run."
    )
    flags.choice(
        "split", "test", ["test", "validation", "train"], "Split to score."
    )
    flags.integer(
        "num_examples",
        None,
        "Class-balanced subset chosen by --seed; default: the whole split.",
        minimum=1,
    )


def _define_attacks(flags):
    # Which attacks, how far.
    flags.string_list("attacks", "clean,cleverhans_pgd", "Attacks, see above.")
    flags.boolean("adaptive", True, "Attack through each defence as well.")
    flags.choice("norm", "linf", ["linf", "l2"], "Norm of the attacks' ball.")
    flags.number("eps", "8/255", "Radius in [0, 1] units.")
    flags.number("step_size", None, "PGD: step, same unit; default: eps / 4.")
    flags.integer_list(
        "pgd_steps", "10", "PGD: numbers of steps, each a column."
    )
    flags.choice(
        "targeted",
        "none",
        ["none", "random", "second_most_likely"],
        "Lead to another class; accuracy still means the true label.",
    )
    flags.choice(
        "label_source",
        "true",
        ["true", "predicted"],
        "PGD: lead away from the true label or, as released, the prediction.",
    )


def _define_attack_settings(flags):
    # Settings of single attacks.
    flags.integer("spsa_examples", 20, "SPSA is slow: examples.", minimum=1)
    flags.integer("spsa_steps", 20, "SPSA: steps.", minimum=1)
    flags.integer("spsa_samples", 128, "SPSA: queries per step.", minimum=2)
    flags.integer("num_queries", 5000, "Square: queries per image.", minimum=1)
    flags.integer("fab_steps", 100, "FAB: steps, for each target.", minimum=1)
    flags.integer("num_targets", 9, "Targeted FAB: classes tried.", minimum=1)
    flags.integer("apgd_steps", 100, "APGD: steps of each run.", minimum=1)
    flags.choice("apgd_loss", "ce", ["ce", "dlr", "margin"], "APGD: its loss.")
    flags.choice(
        "autoattack_version",
        "standard",
        ["standard", "cheap", "plus"],
        "AutoAttack on models without draws; others get rand.",
    )


def _define_adaptive(flags):
    # Attacks through a defence.
    flags.integer("adaptive_steps", None, "Default: as the recipe.", minimum=1)
    flags.integer(
        "adaptive_examples",
        None,
        "Adaptive attacks are slow: examples; default: all.",
        minimum=1,
    )
    flags.integer(
        "adaptive_draws",
        None,
        "Draws per step or query; default: as the attack.",
        minimum=1,
    )
    flags.choice(
        "adaptive_inner",
        "pgd",
        ["pgd", "apgd"],
        "eot, fixed_draws: how they ascend.",
    )


def _define_defences(flags):
    # Defences and their settings.
    flags.string_list(
        "defences",
        "mixup_inference_ol",
        f"Any of {', '.join(_registry.DEFENCES)}; empty for none.",
    )
    flags.string_list(
        "mix_weights",
        "0.5",
        "MI-OL, MI-PL, VarMI: weights of the input, each a row: 0.6, "
        "uniform:0.4:0.6 or beta:2:1.",
    )
    flags.integer("num_draws", 30, "Draws per prediction.", minimum=1)
    flags.integer(
        "pool_size", None, "Pool images from train; default: all.", minimum=1
    )
    flags.number("pl_weight", 0.5, "MI-Combined: weight of the input in MI-PL.")
    flags.number("ol_weight", 0.4, "MI-Combined: weight of the input in MI-OL.")
    flags.number(
        "threshold", 0.2, "MI-Combined: score that counts as an attack."
    )
    flags.choice(
        "fallback",
        "input",
        ["input", "mixup_pl"],
        "MI-Combined: answer for what is not detected.",
    )
    flags.number("stddev", None, "Gaussian noise; default: the MI paper's.")
    flags.number("degrees", None, "Random rotation; default: the MI paper's.")
    flags.integer_list(
        "resize_pad_range", None, "Sizes low,high; default: paper's, scaled."
    )
    flags.integer_list(
        "crop_resize_range", None, "Sizes low,high; default: paper's, scaled."
    )


def _define_var_mi(flags):
    # Settings of VarMI alone.
    flags.string(
        "vae",
        None,
        "VarMI: autoencoder, .keras file or folder; default: that of the run.",
    )
    flags.choice(
        "average",
        None,
        ["probabilities", "logits"],
        "VarMI: what is averaged over the draws; Eq. 14 to the letter: logits.",
    )
    flags.choice(
        "label_from",
        None,
        ["input", "reconstruction"],
        "VarMI: whose label partners must not have, F(x)'s or "
        "F(Dec(Enc(x)))'s.",
    )


def _define_figures(flags):
    # Figures of the Mixup Inference and the VarMixup paper.
    flags.string_list("figures", "", f"Any of {', '.join(_studies.NAMES)}.")
    flags.integer("figure_examples", 100, "Figures: examples.", minimum=1)
    flags.number("figure_eps", "16/255", "fig5: radius, L-infinity.")


def _define_run(flags):
    # How the evaluation runs.
    flags.integer_list(
        "eval_seeds",
        "0,1,2",
        "Seeds of the defences' draws; with --worst_case ten, 0 to 9.",
    )
    flags.boolean(
        "worst_case",
        False,
        "Per example the worst attack, scored on fresh draws.",
    )
    flags.integer_list(
        "selection_seeds",
        "0,1,2,3,4",
        "Worst case: seeds that choose the attack.",
    )
    flags.boolean(
        "controls",
        False,
        "Add mean-image shrinkage, and attacks of lambda eps without it.",
    )
    flags.boolean("probe", True, "Ask each model for red flags.")
    flags.integer("attack_seed", 0, "Seed of the attacks.", minimum=0)
    flags.integer("batch_size", 100, "Images per attacked batch.", minimum=1)
    flags.boolean("verbose", True, "Show progress.")
