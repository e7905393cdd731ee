"""What one evaluation does with each batch: its columns and their records."""

from typing import NamedTuple

from keras_mixup.evaluation import scoring
from keras_mixup.evaluation import specs as specs_lib
from keras_mixup.evaluation import worst_case
from keras_mixup.evaluation.crafting import Crafted
from keras_mixup.evaluation.records import Record
from keras_mixup.evaluation.records import Row

_CLEAN = specs_lib.AttackSpec("clean", None, "none")


class Subject(NamedTuple):
    """A model of the evaluation.

    Attributes:
        name: str, its key among the models.
        model: callable from images to logits, or a defence.
        row: `Row`, its name in records.
        eval_seeds, selection_seeds: lists of int, `[None]` without draws.
        pool_split: str, or None without a pool.
        scorer: `Scorer`.
    """

    name: str
    model: object
    row: Row
    eval_seeds: list
    selection_seeds: list
    pool_split: str | None
    scorer: scoring.Scorer


class BatchRun:
    """What stays the same for all batches.

    Args:
        subjects: list of `Subject`.
        columns: list of `AttackSpec`.
        crafter: `Crafter`.
        attack_seed: int.
        keep: callable that gets each crafted batch, or None; see `evaluate`.
    """

    def __init__(self, subjects, columns, crafter, attack_seed, keep=None):
        self.columns, self._keep = columns, keep
        self._subjects, self._crafter = subjects, crafter
        self._attack_seed = attack_seed

    def keys(self, batch, column):
        """The keys of all records of this batch in this column."""
        return [
            key
            for subject in self._scored(column)
            for seed in subject.eval_seeds
            for key in self._keys(batch, column, subject, seed)
        ]

    def records(self, batch, column, done):
        """Computes the records that `done` lacks."""
        fresh = []
        for subject in self._scored(column):
            crafted = None
            for seed in subject.eval_seeds:
                keys = self._keys(batch, column, subject, seed)
                known = all(key in done for key in keys)
                wanted = self._keep is not None and column.knowledge != "none"
                if known and not wanted:
                    continue
                if crafted is None or column.knows_draws:
                    crafted = self._craft(batch, column, subject, seed)
                    if wanted:
                        self._keep(batch, column, subject, seed, crafted)
                if known:
                    continue
                answers = _answers(batch, column, subject, seed, crafted)
                fresh += [
                    Record(key[0], label, *key[1:-1], *answer, key[-1], sure)
                    for key, (label, *answer, sure) in zip(
                        keys, answers, strict=True
                    )
                    if key not in done
                ]
        return fresh

    def _scored(self, column):
        """All models, but for a worst case that no adaptive attack sought."""
        worst = isinstance(column.attack, specs_lib.WorstOf)
        known = not worst or any(
            spec.knowledge == "adaptive" for spec in column.attack.specs
        )
        return [
            subject
            for subject in self._subjects
            if known or not specs_lib.is_defence(subject.model)
        ]

    def attack_seed_of(self, column):
        """The attack seed in the records of a column, None without attack."""
        return None if column.knowledge == "none" else self._attack_seed

    def cells(self, column):
        """Lists of model, defence, evaluation seed and pool split, in order."""
        return [
            [*subject.row, seed, subject.pool_split]
            for subject in self._scored(column)
            for seed in subject.eval_seeds
        ]

    def _keys(self, batch, column, subject, seed):
        attack_seed = self.attack_seed_of(column)
        cell = *subject.row, *column.column, attack_seed, seed
        ids = batch.example_ids[: batch.size].tolist()
        return [(example, *cell, subject.pool_split) for example in ids]

    def _craft(self, batch, column, subject, eval_seed):
        if not isinstance(column.attack, specs_lib.WorstOf):
            return self._crafter.craft(batch, column, subject, eval_seed)
        # The attacker may also leave the image as it is.
        specs = (_CLEAN, *column.attack.specs)
        made = [self._crafter.craft(batch, s, subject) for s in specs]
        images, passes, queries = zip(*made, strict=True)
        seeds = subject.selection_seeds
        chosen = worst_case.select(subject.scorer, images, batch, seeds)
        # The choice itself asks the model, once per candidate and seed.
        asked = sum(queries) + len(specs) * len(seeds)
        return Crafted(worst_case.pick(images, chosen), sum(passes), asked)


def _answers(batch, column, subject, seed, crafted):
    """Rows of label, prediction, loss, costs and confidence."""
    images, *costs = crafted
    judged = subject.scorer.judge(images, batch, seed, column.name)
    columns = (batch.labels, *judged[:2], *costs, judged.confidences)
    return zip(*(part[: batch.size].tolist() for part in columns), strict=True)
