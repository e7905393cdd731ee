"""AutoAttack's version rand beside the other attacks on randomised defences.

    python -m benchmarks.randomised --results=runs/randomised \
        --run_dirs=runs/digits-mixup,runs/digits-iat,runs/digits-varmixup

The folders are those of training runs. Every classifier stands behind VarMI, if
it was trained with an autoencoder, or behind the three of Mixup Inference. All
of them meet the attacks of --attacks on the same images. The table compares
`rand` with `eot` and with the worst of all for each image: accuracy over ten
evaluation seeds, gradient passes and queries of an image. --results holds a
folder of records for each classifier, so the same command continues a killed
call. A changed attack needs another folder.
"""

import pathlib

from benchmarks import program
from keras_mixup import evaluation
from keras_mixup import runs
from keras_mixup.runs import source

FLAGS = program.Flags(__doc__)
FLAGS.string_list("run_dirs", "", "Folders of training runs.")
FLAGS.string("results", "runs/randomised", "Folder of the records.")
FLAGS.string_list(
    "attacks",
    "clean,pgd,apgd,transfer,tramer2020,pang2020_paper,eot,autoattack",
    "The worst is taken of these; autoattack is `rand` on defences.",
)
FLAGS.of_training(eps=0.1)
FLAGS.number("mix_weight", 0.6, "MI: weight of the input; VarMI has 0.5.")
FLAGS.integer("num_draws", 30, "Draws of the defences.", minimum=1)
FLAGS.integer("num_examples", 100, "Test images.", minimum=1)
FLAGS.integer("adaptive_steps", None, "Steps of recipes; their own.", minimum=1)
FLAGS.integer("adaptive_draws", None, "Draws of recipes; their own.", minimum=1)
FLAGS.runtime()

_MI = ("ol", "pl", "combined")
_WORST = "worst-case"


def main(flags):
    """Measures what is missing, then prints the table."""
    if not flags.run_dirs:
        raise ValueError("--run_dirs is needed: folders of training runs.")
    program.prepare(flags)
    rows = []
    for folder in map(pathlib.Path, flags.run_dirs):
        settings = settings_of(flags, folder)
        out = pathlib.Path(flags.results) / folder.name
        records = runs.evaluate(settings, out, progress=program.say).records
        rows += rows_of(evaluation.summarize(records))
    print(table(rows))


def settings_of(flags, folder):
    """Returns the `runs.EvaluateSettings` of one classifier."""
    trained = source.trained_settings(folder)
    latent = trained.get("vae")
    defences = tuple(f"mixup_inference_{kind}" for kind in _MI)
    return runs.EvaluateSettings(
        classifier=str(folder / "classifier.keras"),
        model_name=folder.name,
        dataset=trained["dataset"],
        attacks=tuple(flags.attacks),
        adaptive_steps=flags.adaptive_steps,
        adaptive_draws=flags.adaptive_draws,
        eps=flags.eps,
        defences=("var_mixup_inference",) if latent else defences,
        mix_weights=("0.5",) if latent else (str(flags.mix_weight),),
        num_draws=flags.num_draws,
        num_examples=flags.num_examples,
        worst_case=True,
        eval_seeds=tuple(range(10)),
        probe=False,
        batch_size=flags.num_examples,
        attack_seed=flags.seed,
        **({"vae": latent} if latent else {}),
    )


def rows_of(summaries):
    """Returns a dict of each defence: its `Summary` by the attack's kind."""
    found = {}
    for cell in summaries:
        kind = cell.attack.partition("-")[0]
        kind = _WORST if cell.attack == _WORST else kind
        if cell.defence != "none":
            found.setdefault(cell.row, {})[kind] = cell
    return [{"row": row, **cells} for row, cells in found.items()]


def table(rows):
    """Returns the rows of `rows_of` as markdown."""
    lines = [
        "| classifier | defence | eot | rand | worst of all | rand above it "
        "| passes, eot | passes, rand | queries, eot | queries, rand |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        eot, rand, worst = row["eot"], row["autoattack"], row[_WORST]
        found = [100 * cell.accuracy for cell in (eot, rand, worst)]
        spent = [cell.gradient_passes for cell in (eot, rand)]
        spent += [cell.queries for cell in (eot, rand)]
        cells = [f"{value:.1f}" for value in found]
        cells += [f"{found[1] - found[2]:+.1f}", *(f"{n:,.0f}" for n in spent)]
        lines.append(f"| {' | '.join((*row['row'], *cells))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    program.run(main, FLAGS)
