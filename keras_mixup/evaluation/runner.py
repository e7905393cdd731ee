"""Models times attacks times evaluation seeds: one record per example."""

import sys
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_mixup import _checks
from keras_mixup import _classifiers
from keras_mixup import _inputs
from keras_mixup import _stopping
from keras_mixup import _tensors
from keras_mixup import _types
from keras_mixup import data
from keras_mixup.data.pieces import Pieces
from keras_mixup.evaluation import batch_run
from keras_mixup.evaluation import identity
from keras_mixup.evaluation import records as records_lib
from keras_mixup.evaluation import scoring
from keras_mixup.evaluation import shards
from keras_mixup.evaluation import specs as specs_lib
from keras_mixup.evaluation import store
from keras_mixup.evaluation import unfollowed
from keras_mixup.evaluation.crafting import Crafter
from keras_mixup.evaluation.worst_case import MIN_EVAL_SEEDS
from keras_mixup.inference import protocol


def evaluate(
    models: Mapping[str, _tensors.ModelFn],
    attacks: Sequence[specs_lib.AttackSpec | tuple[Any, ...]],
    images: _tensors.Images,
    labels: _tensors.ArrayLike | None = None,
    *,
    batch_size: int = 128,
    eval_seeds: Sequence[int] = (0,),
    selection_seeds: Sequence[int] = (),
    attack_seed: int = 0,
    records_path: _types.Path | None = None,
    example_ids: _tensors.ArrayLike | None = None,
    pool_split: str | None = None,
    about: _types.Json | None = None,
    pool_id: str | None = None,
    model_name: str = "classifier",
    num_classes: int | None = None,
    keep: Callable[..., object] | None = None,
    verbose: bool = True,
    stop: _types.AskStop | None = None,
    shard: str | None = None,
) -> records_lib.Records:
    """Scores every model under every attack and returns the records.

    What each attacker knows, `AttackSpec` says. A randomised defence is
    scored with fresh draws that depend on (evaluation seed, example id)
    alone, so that a row's number does not depend on batch size or neighbours.
    A model without `draw` that is random by itself is asked once for each
    evaluation seed, of which there must be two or more. Other models are
    scored once.

    With `selection_seeds` there is one more attack for each norm and radius,
    "worst-case" (knowledge "adaptive"): per example the strongest image of
    all attacks and no attack, chosen on the selection seeds and scored on
    the evaluation seeds. A defence gets it where an adaptive attack is
    listed; without one its worst case is not known.

    A model without a gradient that leads anywhere, attacked without gradients
    alone, gets a warning and a red flag.

    When memory runs out the batch is halved and the run goes on, with one
    warning.

    Args:
        models: dict name -> callable from images to logits; a defence (with
            `draw` and `classifier`) is scored around its classifier.
        attacks: list of `AttackSpec`, or tuples (name, attack, knowledge).
        images: uint8 [n, H, W, C], or floats in [0, 1]; or a finite
            `tf.data.Dataset` or `PyDataset` of images and labels, in a fixed
            order. It is read into memory.
        labels: int [n], or one-hot [n, C]; the true ones. None beside a
            data set.
        batch_size: int, rows per step; the last batch is padded. An attack's
            random draws depend on the batch it works on.
        eval_seeds: ints, for the draws of randomised defences; 10 or more
            together with `selection_seeds`.
        selection_seeds: ints, for the draws on which the worst case is
            chosen; empty for no worst case.
        attack_seed: int, for the attacks' own draws.
        records_path: str or None; records are appended there batch by batch,
            and those found there are not computed again. What they belong
            to stands beside them (`identity.path_of`): models, attacks,
            defences, images. Another thing under the same name is refused.
        example_ids: int [n], or None for 0..n-1.
        pool_split: str or None, the split that the defences' pools hold.
        about: dict of JSON values that must stay the same beside the
            records, such as the data set's name; or None.
        pool_id: str that tells the defences' pool from another one; None
            takes a fingerprint of it.
        model_name: str, the classifier's name in records where `models` does
            not hold it by itself.
        num_classes: int, the width that all outputs must have; None takes it
            from one-hot labels, or asks only that it covers the labels and
            is the same for all models.
        keep: callable that gets the images of each attack, such as a
            `stored.Keeper`: (batch, `AttackSpec`, `Subject`, evaluation seed,
            `Crafted`). With it, images are made again where only their
            records are known. None keeps none.
        verbose: bool, whether to show a progress bar.
        stop: callable without arguments, asked after each attacked batch; it
            returns the reason to stop, a str, or something false.
        shard: str "i/n": only the i-th of n parts of the batches, for another
            process to do the rest; None for all. `shards.merge` joins the
            files of all parts into the records of one run.

    Returns:
        `Records`, in the order batch, attack, model, seed, row; the worst
        case comes after all attacks of the batch.

    Raises:
        ValueError: for unusable input, or outputs that are not finite
            logits [B, C] with every label below C, or an attack whose images
            leave its ball, or a file of records of something else.
        tf.errors.ResourceExhaustedError: when a single row is too large.
        Stopped: `stop` gave a reason; the records so far are in the file.
    """
    rows = _check_models(models, model_name)
    specs = specs_lib.check_specs(attacks, models.values())
    least = MIN_EVAL_SEEDS if len(selection_seeds) else 1
    given = _checks.check_seeds(eval_seeds, "eval_seeds", least)
    part = shards.parse(shard)
    if num_classes is not None:
        _checks.check_integer(num_classes, "num_classes")
    _checks.check_flag(verbose, "verbose")
    _checks.check_callable(stop, "stop")
    _checks.check_callable(keep, "keep")
    selection = _checks.check_seeds(selection_seeds, "selection_seeds", 0)
    _checks.check_seed(attack_seed, "attack_seed")
    _checks.check_integer(batch_size, "batch_size")
    images, labels = _inputs.read_pairs(images, labels)
    examples = data.image_set(images, labels, example_ids)
    batch_size = min(batch_size, len(examples.labels))
    if num_classes is None and np.shape(labels)[1:] not in ((), (1,)):
        num_classes = np.shape(labels)[1]
    pieces = Pieces(batch_size)
    batch = next(data.padded_batches(examples, batch_size))
    scorers = _tried(models, pieces, batch, given[0], num_classes, examples)
    seeds = given, selection
    subjects = [
        _subject(rows[name], models[name], scorer, batch, seeds, pool_split)
        for name, scorer in scorers.items()
    ]
    columns = list(specs)
    if selection:
        columns += specs_lib.worst_case_specs(specs, selection)
    crafter = Crafter(subjects, specs, attack_seed, pieces)
    run = batch_run.BatchRun(subjects, columns, crafter, attack_seed, keep)
    kept = store.Store(records_path, examples, verbose)
    told = examples, about, pool_id, model_name
    crafter.evidence.update(kept.identify(models, columns, *told))
    if part is not None and records_path is not None:
        plan = shards.plan_of(run, examples, batch_size)
        shards.note(records_path, part, plan)
    numbers = (part or shards.Shard(1, 1)).batches(examples, batch_size)
    if 0 in numbers:  # Of several shards, one.
        unfollowed.note(crafter.evidence, subjects, columns, batch, given[0])
    every = enumerate(data.padded_batches(examples, batch_size))
    batches = (batch for number, batch in every if number in numbers)
    advance = _progress(len(numbers) * len(columns), verbose)
    found = _loop(run, batches, kept, crafter, advance, stop)
    return records_lib.Records(
        found,
        {s.column: s.facts for s in columns if s.knowledge != "none"},
        identity.settings_of_defences(models, pool_id),
        crafter.evidence,
    )


def _tried(models, pieces, batch, seed, num_classes, examples):
    """Asks each model for its answer to clean images, before any attack.

    Returns dict name -> `Scorer`.
    """
    found, highest = {}, int(examples.labels.max())
    for name, model in models.items():
        scorer = scoring.Scorer(model, pieces, name, num_classes)
        scorer.judge(batch.images, batch, seed, "clean")
        num_classes = scorer.num_classes
        expected = f"below {num_classes}, the classes of {name}"
        _checks.check(highest < num_classes, "labels", expected, highest)
        found[name] = scorer
    return found


def _subject(row, model, scorer, batch, seeds, pool_split):
    given, selection = seeds
    own = scorer.seeds(batch, given)
    if getattr(model, "pool", None) is None:
        pool_split = None
    selection = own if own == [None] else selection
    return batch_run.Subject(
        scorer.name, model, row, own, selection, pool_split, scorer
    )


def _loop(run, batches, kept, crafter, advance, stop):
    collected, stop = [], stop or _stopping.never
    with kept.open(crafter.evidence):
        # A shard may have no batch, and says what it belongs to all the same.
        kept.add([])
        for batch in batches:
            for column in run.columns:
                kept.add(run.records(batch, column, kept.done))
                collected += [kept.done[key] for key in run.keys(batch, column)]
                advance()
                _stopping.check_stop(stop, f"with {len(collected)} records")
    return collected


def _progress(total, verbose):
    """Returns a function to be called after each attacked batch."""
    if not verbose:
        return lambda: None
    if sys.stdout.isatty():
        bar = keras.utils.Progbar(total, unit_name="attacked batch")
        return lambda: bar.add(1)
    done, said = 0, time.monotonic()

    def advance():
        # A log file gets a line a minute instead of a bar that redraws.
        nonlocal done, said
        done += 1
        if time.monotonic() - said > 60.0 or done == total:
            print(f"{done} of {total} attacked batches", flush=True)
            said = time.monotonic()

    return advance


def _check_models(models, model_name):
    okay = isinstance(models, dict) and len(models) > 0
    okay = okay and all(map(callable, models.values()))
    _checks.check(okay, "models", "a dict of name -> callable", models)
    for name, model in models.items():
        _classifiers.check_model(model, f"models[{name!r}]")
        protocol.check_call(model, f"models[{name!r}]")
    okay, expected = "none" not in models, 'without the name "none"'
    _checks.check(okay, "models", expected, list(models))
    return specs_lib.classifiers(models, model_name)[0]
