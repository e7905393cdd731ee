"""What one evaluation does with each batch: its columns and their records."""

from typing import NamedTuple

import numpy as np

from keras_mixup import _checks
from keras_mixup import ops
from keras_mixup.evaluation import memory
from keras_mixup.evaluation import records as records_lib
from keras_mixup.evaluation import scoring
from keras_mixup.evaluation import specs as specs_lib
from keras_mixup.evaluation import worst_case
from keras_mixup.evaluation.crafting import Crafted
from keras_mixup.evaluation.crafting import Crafter

_CLEAN = specs_lib.AttackSpec("clean", None, "none")


class Settings(NamedTuple):
    """The checked arguments of `evaluate` that are no object.

    Attributes:
        eval_seeds: list of int.
        selection_seeds: list of int, empty for no worst case.
        attack_seed: int.
        batch_size: int.
        pool_split: str or None.
        model_name: str.
        num_classes: int or None.
    """

    eval_seeds: list
    selection_seeds: list
    attack_seed: int
    batch_size: int
    pool_split: str | None
    model_name: str
    num_classes: int | None


class BatchRun:
    """Settings and compiled functions that stay the same for all batches.

    A column is an `AttackSpec`, or a `WorstCaseSpec`.

    Args:
        models: dict name -> callable.
        specs: list of checked `AttackSpec`.
        labels: int [n], of all examples.
        settings: `Settings`.
    """

    def __init__(self, models, specs, labels, settings):
        self.batch_size = settings.batch_size
        self.columns = list(specs)
        if settings.selection_seeds:
            self.columns += specs_lib.worst_case_specs(
                specs, settings.selection_seeds
            )
        self._models, self._labels = models, labels
        self._settings = settings
        self._num_classes = settings.num_classes
        self._checked = False
        self._names = {
            key: _row_name(key, model, models, settings.model_name)
            for key, model in models.items()
        }
        pieces = memory.Pieces(settings.batch_size)
        self._score = {
            key: scoring.Scorer(model, pieces) for key, model in models.items()
        }
        self._crafter = Crafter(models, specs, settings.attack_seed, pieces)

    def keys(self, batch, column):
        """The keys of all records of this batch in this column."""
        return [
            key
            for name in self._scored_models(column)
            for seed in self._seeds(name)
            for key in self._row_keys(batch, column, name, seed)
        ]

    def records(self, batch, column, done):
        """Computes the records that `done` lacks."""
        fresh = []
        for name in self._scored_models(column):
            missing = [
                seed
                for seed in self._seeds(name)
                if not all(
                    key in done
                    for key in self._row_keys(batch, column, name, seed)
                )
            ]
            if not missing:
                continue
            self._check_models(batch)
            crafted = None
            for seed in missing:
                if crafted is None or column.knows_draws:
                    crafted = self._craft(batch, column, name, seed)
                rows = self._scored(batch, column, name, seed, crafted)
                fresh += [row for row in rows if row.key not in done]
        return fresh

    def _scored_models(self, column):
        """All models, but for a worst case that no adaptive attack sought."""
        known = not specs_lib.is_worst_case(column) or column.goes_through
        return [
            name
            for name, model in self._models.items()
            if known or not specs_lib.is_defence(model)
        ]

    def _check_models(self, batch):
        """Before the first attack: what each model answers to clean images."""
        if self._checked:
            return
        for name in self._models:
            seed = self._seeds(name)[0]
            outputs = self._score[name](batch.images, batch.example_ids, seed)
            self._check_outputs(outputs, batch, name, "clean")
            highest = int(self._labels.max())
            self._num_classes = self._num_classes or outputs.shape[1]
            expected = f"below {self._num_classes}, the classes of {name}"
            okay = highest < self._num_classes
            _checks.check(okay, "labels", expected, highest)
        self._checked = True

    def _check_outputs(self, outputs, batch, name, attack):
        width = self._num_classes
        scoring.check_outputs(outputs, batch.labels, name, attack, width)

    def _seeds(self, name):
        randomized = specs_lib.is_randomized(self._models[name])
        return self._settings.eval_seeds if randomized else [None]

    def _row_keys(self, batch, column, name, seed):
        cell = self._cell(column, name, seed)
        pool = self._pool(name)
        ids = batch.example_ids[: batch.size].tolist()
        return [(example, *cell, pool) for example in ids]

    def _cell(self, column, name, seed):
        attacked = column.knowledge != "none"
        attack_seed = self._settings.attack_seed if attacked else None
        return (*self._names[name], *column.column, attack_seed, seed)

    def _pool(self, name):
        has_pool = getattr(self._models[name], "pool", None) is not None
        return self._settings.pool_split if has_pool else None

    def _craft(self, batch, column, name, eval_seed):
        if not specs_lib.is_worst_case(column):
            return self._crafter.craft(batch, column, name, eval_seed)
        # The attacker may also leave the image as it is.
        specs = (_CLEAN, *column.specs)
        found = [self._crafter.craft(batch, spec, name) for spec in specs]
        images = [crafted.images for crafted in found]
        randomized = specs_lib.is_randomized(self._models[name])
        seeds = self._settings.selection_seeds if randomized else [None]
        chosen = worst_case.select(
            self._score[name], images, batch.labels, batch.example_ids, seeds
        )
        passes = sum(crafted.gradient_passes for crafted in found)
        queries = sum(crafted.queries for crafted in found)
        # The choice itself asks the model, once per candidate and seed.
        queries = queries + len(specs) * len(seeds)
        return Crafted(worst_case.pick(images, chosen), passes, queries)

    def _scored(self, batch, column, name, seed, crafted):
        images, passes, queries = crafted
        outputs = self._score[name](images, batch.example_ids, seed)
        self._check_outputs(outputs, batch, name, column.name)
        predictions = np.argmax(outputs, axis=-1)
        losses = np.asarray(ops.cross_entropy(batch.labels, outputs))
        cell, pool = self._cell(column, name, seed), self._pool(name)
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
    if not specs_lib.is_defence(model):
        return key, "none"
    base = specs_lib.undefended(model)
    held = [name for name, other in models.items() if other is base]
    return (held or [model_name])[0], key
