"""Table 4 of VarMixup: accuracy under common corruptions."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from keras_mixup import _corruption_kinds
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import data
from keras_mixup import metrics
from keras_mixup import registry
from keras_mixup.data.pieces import Pieces
from keras_mixup.evaluation import scoring
from keras_mixup.studies import base
from keras_mixup.studies.drawing import grouped
from keras_mixup.studies.drawing import legend_beside
from keras_mixup.studies.drawing import line
from keras_mixup.studies.drawing import new_figure
from keras_mixup.studies.drawing import themed

# Lines that differ in these are not of one table.
_SET = ("set", "split", "num_examples", "seed", "eval_seeds")


def corruption_accuracies(
    models: Mapping[str, _tensors.ModelFn],
    make_set: Callable[[str, int], data.ImageSet],
    batch_size: int = 128,
    eval_seeds: Sequence[int] = (0,),
    kinds: Sequence[str] | None = None,
    known: Mapping[tuple[str, str, int], float] | None = None,
    note: Callable[[str, str, int, float], object] | None = None,
) -> dict[str, dict[tuple[str, int], float]]:
    """Scores models on every kind and severity of corruption.

    Args:
        models: dict name -> callable from images to logits, or a defence.
        make_set: callable (kind, severity) -> `data.ImageSet`, such as
            `lambda k, s: data.load_corrupted("cifar10_c", k, s)` or
            `lambda k, s: data.corrupt(test, k, s)`.
        batch_size: int, rows per step.
        eval_seeds: ints, for the draws of randomised defences.
        kinds: sequence of str, or None for the 15 standard kinds.
        known: dict (name, kind, severity) -> accuracy of an earlier call,
            not computed again; None for none.
        note: callable (name, kind, severity, accuracy), told each number as
            soon as it is there.

    Returns:
        dict name -> dict (kind, severity) -> accuracy in [0, 1], which
        `metrics.corruption_accuracy` takes for all 15 kinds.
    """
    kinds = _corruption_kinds.STANDARD if kinds is None else kinds
    pieces = Pieces(batch_size)
    scorers = {n: scoring.Scorer(m, pieces, n) for n, m in models.items()}
    found: dict[str, dict[tuple[str, int], float]] = {n: {} for n in models}
    for cell in [(k, s) for k in kinds for s in _corruption_kinds.SEVERITIES]:
        examples = None
        for name in models:
            accuracy = (known or {}).get((name, *cell))
            if accuracy is None:
                examples = examples or data.image_set(*make_set(*cell))
                accuracy = _accuracy(
                    scorers[name], examples, batch_size, eval_seeds
                )
                if note is not None:
                    note(name, *cell, accuracy)
            found[name][cell] = accuracy
    return found


def _accuracy(scorer, examples, batch_size, seeds):
    hits = []
    first = next(data.padded_batches(examples, batch_size))
    seeds = scorer.seeds(first, list(seeds))
    for batch in data.padded_batches(examples, batch_size):
        for seed in seeds:
            outputs = scorer(batch.images, batch.example_ids, seed)
            right = outputs.argmax(axis=-1) == batch.labels
            hits.extend(right[: batch.size])
    return float(np.mean(hits))


def corruption_means(
    rows: Sequence[_types.Json],
) -> dict[tuple[str, str], float | None]:
    """Returns the mean over the 15 standard kinds x 5 severities, from rows.

    Args:
        rows: list of dict with "set", "model", "kind", "severity" and
            "accuracy"; the authors' four extra kinds may be among them and
            never count.

    Returns:
        dict (set, model) -> float, or None where cells are missing.
    """
    cells: dict[tuple[str, str], dict[tuple[str, int], float]] = {}
    for row in rows:
        own = cells.setdefault((row["set"], row["model"]), {})
        own[row["kind"], row["severity"]] = row["accuracy"]
    kinds, severities = _corruption_kinds.STANDARD, _corruption_kinds.SEVERITIES
    standard = {(kind, severity) for kind in kinds for severity in severities}
    return {
        place: metrics.corruption_accuracy(own)
        if standard <= own.keys()
        else None
        for place, own in cells.items()
    }


@themed
def corruptions_figure(rows):
    """VarMixup, Table 4: accuracy by kind, a panel for each set."""
    sets = grouped(rows, key=lambda row: str([row[name] for name in _SET]))
    figure, axes = new_figure(len(sets), 1, (11.0, 4.2 * len(sets)))
    for axis, own in zip(axes[:, 0], sets.values(), strict=True):
        means = {
            cell: np.mean([100.0 * row["accuracy"] for row in found])
            for cell, found in grouped(own, "model", "kind").items()
        }
        kinds = list(grouped(own, "kind"))
        for place, model in enumerate(grouped(own, "model")):
            values = [means.get((model, kind), np.nan) for kind in kinds]
            line(axis, place, kinds, values, model)
        title = f"{own[0]['set']}, {own[0]['num_examples']} examples"
        axis.set(
            title=f"{title}, mean over the severities",
            ylabel="accuracy (%)",
            ylim=(-3.0, 103.0),
        )
        axis.tick_params(axis="x", labelrotation=40)
        for text in axis.get_xticklabels():
            text.set_horizontalalignment("right")
        legend_beside(axis)
    return figure


@registry.register("study", "corruptions", label="Common corruptions")
class Corruptions(base.Study):
    """Accuracy by kind of corruption; a run scores it apart."""

    caption = (
        "A published set has its own name. A set that was made here is called "
        '"... corrupted by imagecorruptions". The two cannot be compared.'
    )

    draw = staticmethod(corruptions_figure)
