"""Models times attacks times evaluation seeds: one record per example."""

import os
import sys
import time

import keras
import numpy as np

from keras_mixup import _checks
from keras_mixup import ops
from keras_mixup.evaluation import records as records_lib
from keras_mixup.evaluation import scoring
from keras_mixup.evaluation import specs as specs_lib
from keras_mixup.evaluation.examples import Examples


def evaluate(
    models,
    attacks,
    images,
    labels,
    *,
    batch_size=128,
    eval_seeds=(0,),
    attack_seed=0,
    records_path=None,
    example_ids=None,
    pool_split=None,
    model_name="classifier",
    verbose=True,
):
    """Scores every model under every attack and returns the records.

    Oblivious images are crafted once on the undefended classifier (all steps,
    last iterate) and scored on each model around it; adaptive ones are
    crafted anew through each model. A randomised defence is then scored with
    fresh draws that depend on (evaluation seed, example id) alone, so that a
    row's number does not depend on batch size or neighbours. Models without
    draws are scored once.

    Args:
        models: dict name -> callable from images to logits; a defence (with
            `draw` and `classifier`) is scored around its classifier.
        attacks: list of `AttackSpec`, or tuples (name, attack, knowledge).
        images: uint8 [n, H, W, C], or floats in [0, 1].
        labels: int [n], or one-hot [n, C]; the true ones.
        batch_size: int, rows per step; the last batch is padded. An attack's
            random draws depend on the batch it works on.
        eval_seeds: ints, for the draws of randomised defences.
        attack_seed: int, for the attacks' own draws.
        records_path: str or None; records are appended there batch by batch,
            and those found there are not computed again.
        example_ids: int [n], or None for 0..n-1.
        pool_split: str or None, the split that the defences' pools hold.
        model_name: str, the classifier's name in records where `models` does
            not hold it by itself.
        verbose: bool, whether to show a progress bar.

    Returns:
        list of `Record`, in the order batch, attack, model, seed, row.

    Raises:
        ValueError: for unusable input, or outputs that are not finite
            logits [B, C] with every label below C.
    """
    _check_models(models)
    seeds = [_checks.check_integer(s, "eval_seeds", 0) for s in eval_seeds]
    unique = len(seeds) > 0 and len(set(seeds)) == len(seeds)
    _checks.check(unique, "eval_seeds", "different integers", eval_seeds)
    _checks.check_integer(batch_size, "batch_size")
    examples = Examples(images, labels, example_ids)
    run = _Run(
        models,
        specs_lib.check_specs(attacks),
        seeds,
        _checks.check_integer(attack_seed, "attack_seed", 0),
        pool_split,
        model_name,
    )
    done = _existing(records_path, verbose)
    return _loop(run, examples, batch_size, done, records_path, verbose)


def _loop(run, examples, batch_size, done, records_path, verbose):
    total = -(-len(examples.labels) // batch_size) * len(run.specs)
    advance = _progress(total) if verbose else lambda: None
    collected = []
    batch_size = min(batch_size, len(examples.labels))
    for batch in examples.batches(batch_size):
        for spec in run.specs:
            fresh = run.records(batch, spec, done)
            if fresh and records_path is not None:
                records_lib.append_records(records_path, fresh)
            done.update((record.key, record) for record in fresh)
            collected += [done[key] for key in run.keys(batch, spec)]
            advance()
    return collected


class _Run:
    """What stays the same from batch to batch."""

    def __init__(self, models, specs, seeds, attack_seed, pool_split, name):
        self.models = models
        self.specs = specs
        self._seeds = seeds
        self._attack_seed = attack_seed
        self._pool_split = pool_split
        self._names = {
            key: _row_name(key, model, models, name)
            for key, model in models.items()
        }
        self._score = {
            key: scoring.scoring_function(model)
            for key, model in models.items()
        }
        bases = {
            id(base): base
            for base in map(specs_lib.undefended, models.values())
        }
        self._logits = {
            key: scoring.scoring_function(base) for key, base in bases.items()
        }
        # Made once: an attack compiles itself for the model it meets.
        self._adaptive = {
            (spec.column, key): specs_lib.attack_for(spec, model)
            for spec in specs
            if spec.knowledge == "adaptive"
            for key, model in models.items()
        }

    def keys(self, batch, spec):
        """The keys of all records of this batch under this attack."""
        return [
            key
            for name in self.models
            for seed in self._eval_seeds(name)
            for key in self._row_keys(batch, spec, name, seed)
        ]

    def records(self, batch, spec, done):
        """Computes the records that `done` lacks."""
        crafted, fresh = {}, []
        for name, model in self.models.items():
            missing = [
                seed
                for seed in self._eval_seeds(name)
                if not all(
                    key in done
                    for key in self._row_keys(batch, spec, name, seed)
                )
            ]
            if not missing:
                continue
            base = specs_lib.undefended(model)
            source = id(base) if spec.knowledge == "oblivious" else name
            if source not in crafted:
                crafted[source] = self._craft(batch, spec, name, model)
            for seed in missing:
                rows = self._scored(batch, spec, name, seed, *crafted[source])
                fresh += [row for row in rows if row.key not in done]
        return fresh

    def _eval_seeds(self, name):
        randomized = specs_lib.is_randomized(self.models[name])
        return self._seeds if randomized else [None]

    def _row_keys(self, batch, spec, name, seed):
        cell = self._cell(spec, name, seed)
        pool = self._pool(name)
        ids = batch.example_ids[: batch.size].tolist()
        return [(example, *cell, pool) for example in ids]

    def _cell(self, spec, name, seed):
        attack_seed = None if spec.attack is None else self._attack_seed
        return (*self._names[name], *spec.column, attack_seed, seed)

    def _pool(self, name):
        has_pool = getattr(self.models[name], "pool", None) is not None
        return self._pool_split if has_pool else None

    def _craft(self, batch, spec, name, model):
        """Returns (images, gradient passes, queries) for a batch."""
        zeros = np.zeros(len(batch.labels), int)
        if spec.attack is None:
            return batch.images, zeros, zeros
        base = specs_lib.undefended(model)
        attack, attacked = spec.attack, base
        if spec.knowledge == "adaptive":
            attack, attacked = self._adaptive[spec.column, name], model
        seed = ops.fold_in(
            ops.seed_pair(self._attack_seed),
            scoring.ATTACK,
            batch.example_ids[0],
        )
        result = attack(
            attacked,
            batch.images,
            batch.labels,
            targets=self._targets(batch, spec, base),
            seed=seed,
        )
        counts = np.asarray(result.gradient_passes), np.asarray(result.queries)
        return result.images, *counts

    def _targets(self, batch, spec, base):
        if spec.targeted == "none":
            return None
        logits = self._logits[id(base)](batch.images, None)
        seed = ops.fold_in(
            ops.seed_pair(self._attack_seed),
            scoring.TARGET,
            batch.example_ids[0],
        )
        return specs_lib.targets(spec, batch.labels, logits, seed)

    def _scored(self, batch, spec, name, seed, images, passes, queries):
        seeds = (
            None if seed is None else scoring.row_seeds(seed, batch.example_ids)
        )
        outputs = self._score[name](images, seeds)
        scoring.check_outputs(outputs, batch, name, spec)
        predictions = np.argmax(outputs, axis=-1)
        losses = np.asarray(ops.cross_entropy(batch.labels, outputs))
        cell, pool = self._cell(spec, name, seed), self._pool(name)
        return [
            records_lib.Record(
                int(batch.example_ids[row]),
                int(batch.labels[row]),
                *cell,
                int(predictions[row]),
                float(losses[row]),
                int(passes[row]),
                int(queries[row]),
                pool,
            )
            for row in range(batch.size)
        ]


def _row_name(key, model, models, model_name):
    """(model, defence) of a record: the classifier's name comes first."""
    if not specs_lib.is_randomized(model):
        return key, "none"
    base = specs_lib.undefended(model)
    held = [name for name, other in models.items() if other is base]
    return (held or [model_name])[0], key


def _progress(total):
    """Returns a function to be called after each attacked batch."""
    if sys.stdout.isatty():
        bar = keras.utils.Progbar(total, unit_name="attacked batch")
        return lambda: bar.add(1)
    state = {"done": 0, "said": time.monotonic()}

    def advance():
        # A log file gets a line a minute instead of a bar that redraws.
        state["done"] += 1
        if time.monotonic() - state["said"] > 60.0 or state["done"] == total:
            print(f"{state['done']} of {total} attacked batches", flush=True)
            state["said"] = time.monotonic()

    return advance


def _existing(records_path, verbose):
    if records_path is None or not os.path.exists(records_path):
        return {}
    found = records_lib.read_records(records_path)
    if found and verbose:
        print(f"{records_path}: {len(found)} records found, going on there.")
    return {record.key: record for record in found}


def _check_models(models):
    okay = (
        isinstance(models, dict)
        and models
        and all(map(callable, models.values()))
    )
    _checks.check(okay, "models", "a dict of name -> callable", models)
    taken = "none" in models
    _checks.check(not taken, "models", 'without the name "none"', list(models))
