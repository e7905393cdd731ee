"""The command `evaluate`."""

from keras_mixup import runs
from keras_mixup._setting import Setting
from keras_mixup.cli import flags as flags_lib
from keras_mixup.cli import main as main_lib
from keras_mixup.runs import shared

USAGE = """Attacks a classifier and its defences: keras-mixup evaluate ...

Reads classifier.keras and config.json from the folder of a training run (or
--classifier and --dataset), and writes there records.jsonl (one line per
example, model, attack and seed), evaluation.json (identity and settings),
pictures.npz and report.html. Existing records are not computed again, so the
same command line continues a killed call. SIGTERM, Ctrl-C and --max_minutes
keep the finished records and end with exit code 75. robustness_card.json and
.md sum up each model; --worst_case adds the per-example worst of all attacks.

Oblivious attacks, made on the bare classifier for all defences: pgd, fgsm,
cleverhans_pgd, spsa, cleverhans_spsa, apgd, targeted_apgd, malt, square,
varmixup_pgd (of that paper: steps of eps, from the image itself). fab,
targeted_fab and pma stop at the classifier's boundary or as soon as it errs, so
they run with empty --defences= only.

Adaptive attacks, through each defence: eot, tramer2020, fixed_draws, bpda,
pang2020_paper, pang2020_released; averaged_square and averaged_spsa, without
gradients; autoattack, in its version rand on defences with draws;
detection_score, which lowers the score of a detector as well. transfer
attacks other models than the defence. eot is added if a defence is attacked
without another gradient attack through it. --noadaptive leaves it out, and the
table says "not measured".

--figures draws the papers' figures, --corruptions scores on corrupted images.
"""
_OWN = (
    shared.RUN_DIR,
    Setting("verbose", "bool", True, "Show progress."),
    Setting(
        "shard",
        "str",
        None,
        "i/n: only the i-th of n parts; `keras-mixup merge` joins them.",
    ),
    main_lib.MAX_MINUTES,
)


def make_flags():
    """Returns the `Flags` of the command."""
    return flags_lib.Flags(runs.EvaluateSettings.declared, _OWN, USAGE)


def main(flags):
    """Evaluates; prints the table, the verdicts and the red flags."""
    settings = flags.settings(runs.EvaluateSettings)
    with runs.Stop(flags.max_minutes) as stop:
        result = runs.evaluate(
            settings,
            flags.run_dir,
            progress=main_lib.say,
            verbose=flags.verbose,
            stop=stop,
            shard=flags.shard,
        )
    print(result.text)
