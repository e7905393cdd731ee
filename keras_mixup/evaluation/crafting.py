"""Adversarial images for a batch, made once per model that is attacked."""

from typing import NamedTuple

import numpy as np

from keras_mixup import _checks
from keras_mixup import ops
from keras_mixup.attacks import evidence
from keras_mixup.evaluation import scoring
from keras_mixup.evaluation import specs as specs_lib


class Crafted(NamedTuple):
    """Images of one attack on one model, and what they cost.

    Attributes:
        images: float32 [B, H, W, C].
        gradient_passes: int [B].
        queries: int [B].
    """

    images: np.ndarray
    gradient_passes: np.ndarray
    queries: np.ndarray


class Crafter:
    """Runs each attack of the list on each model, and keeps one batch of it.

    Oblivious images are made once on each undefended classifier, with all
    steps and on all rows, whatever is broken already: they are scored on
    other models afterwards.

    Args:
        subjects: list of `Subject`.
        specs: list of `AttackSpec`.
        attack_seed: int.
        pieces: `data.pieces.Pieces`.

    Attributes:
        evidence: dict (`Row`, `Column`) -> `Evidence` of the attacked models.
    """

    def __init__(self, subjects, specs, attack_seed, pieces):
        self.evidence = {}
        self._attack_seed, self._pieces = attack_seed, pieces
        bases = [specs_lib.undefended(subject.model) for subject in subjects]
        self._logits = {
            id(base): scoring.scoring_function(base) for base in bases
        }
        # Made once: an attack compiles itself for the model it meets.
        self._adaptive = {
            (spec.column, subject.name): specs_lib.attack_for(
                spec, subject.model, subject.eval_seeds != [None]
            )
            for spec in specs
            if spec.knowledge != "oblivious"
            for subject in subjects
        }
        self._batch, self._kept = None, {}

    def craft(self, batch, spec, subject, eval_seed=None):
        """Returns `Crafted` images of `spec` for a model.

        Args:
            batch: `Batch`.
            spec: `AttackSpec`.
            subject: `Subject`, the model.
            eval_seed: int, which an attacker who knows the draws is told;
                others are not.

        Raises:
            ValueError: when the attack's images leave the ball or bounds.
        """
        if spec.attack is None:
            zeros = np.zeros(len(batch.labels), int)
            return Crafted(batch.images, zeros, zeros)
        if batch is not self._batch:
            self._batch, self._kept = batch, {}
        base = specs_lib.undefended(subject.model)
        attack, attacked = spec.attack, base
        if spec.knowledge != "oblivious":
            attack = self._adaptive[spec.column, subject.name]
            attacked = subject.model
        told = eval_seed if spec.knows_draws else None
        key = spec.column, id(attacked), told
        if key not in self._kept:
            row = subject.row
            if attacked is not subject.model:
                row = row._replace(defence="none")
            self._kept[key] = self._run(
                batch, spec, attack, attacked, base, told, row
            )
        return self._kept[key]

    def _run(self, batch, spec, attack, attacked, base, told, row):
        seen, share = {}, batch.size / len(batch.labels)

        def piece(images, labels, example_ids):
            seed = self._seed(scoring.ATTACK, example_ids)
            if told is not None:
                seed = scoring.row_seeds(told, example_ids)
            targets = None
            if spec.targeted != "none":
                logits = self._logits[id(base)](images, None)
                aim = self._seed(scoring.TARGET, example_ids)
                targets = spec.targets(labels, logits, aim)
            result = attack(
                attacked, images, labels, targets=targets, seed=seed
            )
            # A batch that is done again in smaller pieces counts once.
            seen[int(example_ids[0])] = evidence.of_result(result, share)
            return result.images, result.gradient_passes, result.queries

        rows = batch.images, batch.labels, batch.example_ids
        crafted = Crafted(*self._pieces(piece, *rows))
        for found in filter(None, seen.values()):
            known = self.evidence.get((row, spec.column), evidence.Evidence())
            self.evidence[row, spec.column] = known.plus(found)
        threat = spec.attack.threat
        left = threat.excess(batch.images, crafted.images)
        low, high = threat.bounds
        _checks.check(
            left is None,
            f"images of {spec.name}",
            f"within eps {threat.eps:g} and the bounds [{low:g}, {high:g}]",
            left and f"{left[0]:g} beyond eps, {left[1]:g} beyond the bounds",
        )
        return crafted

    def _seed(self, purpose, example_ids):
        seed = ops.seed_pair(self._attack_seed)
        return ops.fold_in(seed, purpose, example_ids[0])
