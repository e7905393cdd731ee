"""The worst of several attacks, example by example, without fooling oneself.

A randomised model answers differently each time. Whoever picks the strongest
of several adversarial images by the same draws that score it afterwards
picks bad luck, and calls it robustness lost; whoever scores one draw alone
picks good luck just as easily. So the image is chosen on selection draws and
then scored on fresh ones.
"""

from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np

from keras_mixup import _checks
from keras_mixup import _tensors
from keras_mixup import data
from keras_mixup.data.pieces import Pieces
from keras_mixup.evaluation import scoring
from keras_mixup.evaluation import specs as specs_lib
from keras_mixup.metrics.estimates import Estimate
from keras_mixup.metrics.estimates import estimate

MIN_EVAL_SEEDS = 10


class WorstCase(NamedTuple):
    """What is left of a model under the strongest of several images.

    Attributes:
        chosen: int [n], the candidate that was scored.
        predictions: int [S, n], per evaluation seed; S = 1 for a model
            without draws.
        losses: float [S, n], cross-entropy with the true label in nats.
        estimate: `Estimate` of P(correct).
    """

    chosen: np.ndarray
    predictions: np.ndarray
    losses: np.ndarray
    estimate: Estimate


def worst_case(
    model: _tensors.ModelFn,
    candidates: Sequence[_tensors.ArrayLike],
    labels: _tensors.ArrayLike,
    *,
    selection_seeds: Sequence[int] = (0, 1, 2, 3, 4),
    eval_seeds: Sequence[int] = tuple(range(MIN_EVAL_SEEDS)),
    example_ids: _tensors.ArrayLike | None = None,
    batch_size: int = 128,
) -> WorstCase:
    """Scores, per example, the strongest of several adversarial images.

    For a defence the candidate with the lowest share of right answers over
    the selection seeds is chosen (of equals, the one with the largest mean
    loss) and scored on the evaluation seeds. The two kinds of seeds never
    give the same draws, even where their numbers are equal. A model without
    draws is broken as soon as one candidate breaks it.

    Args:
        model: callable from images to logits, or a defence.
        candidates: list of images, each uint8 [n, H, W, C] or float in
            [0, 1]; put the clean ones among them, since an example that is
            wrong without an attack is not robust.
        labels: int [n], the true ones.
        selection_seeds: ints, all different.
        eval_seeds: ints, all different, 10 or more.
        example_ids: int [n], or None for 0..n-1; draws depend on them.
        batch_size: int, rows per pass.

    Returns:
        `WorstCase`.

    Raises:
        ValueError: for no candidate, unusable images, labels or seeds.

    Source: the per-example worst case of Croce and Hein, 2020
    (arXiv 2003.01690), section 6; separate draws for choosing and scoring
    as AutoAttack's version for randomised models lacks them.
    """
    _checks.check(callable(model), "model", "a callable", model)
    okay = isinstance(candidates, (list, tuple)) and len(candidates) > 0
    expected = "a list of one or more arrays of images"
    _checks.check(okay, "candidates", expected, type(candidates).__name__)
    selection = _checks.check_seeds(selection_seeds, "selection_seeds")
    scored = _checks.check_seeds(eval_seeds, "eval_seeds", MIN_EVAL_SEEDS)
    sets = [
        data.image_set(images, labels, example_ids) for images in candidates
    ]
    count = len(sets[0].labels)
    batch_size = min(_checks.check_integer(batch_size, "batch_size"), count)
    scorer = scoring.Scorer(model, Pieces(batch_size))
    parts: list[Any] = []
    for batches in zip(
        *(data.padded_batches(one, batch_size) for one in sets), strict=True
    ):
        if not parts:
            scored = scorer.seeds(batches[0], scored)
        own = scored if scored == [None] else selection
        parts.append(_one_batch(scorer, batches, own, scored))
    chosen, predictions, losses = (
        np.concatenate(part, axis=-1)[..., :count]
        for part in zip(*parts, strict=True)
    )
    found = estimate(predictions, sets[0].labels)
    return WorstCase(chosen, predictions, losses, found)


def _one_batch(scorer, batches, selection, scored):
    batch, images = batches[0], [batch.images for batch in batches]
    chosen = select(scorer, images, batch, selection)
    picked = pick(images, chosen)
    judged = [
        scorer.judge(picked, batch, seed, specs_lib.WORST_CASE)[:2]
        for seed in scored
    ]
    return chosen, *map(np.stack, zip(*judged, strict=True))


def select(scorer, candidates, batch, seeds):
    """Returns int [B]: which candidate leaves the model right most rarely.

    Args:
        scorer: `scoring.Scorer`.
        candidates: list of float32 [B, H, W, C].
        batch: `Batch`, of their labels and ids.
        seeds: selection seeds, `[None]` for a model without draws.
    """
    hits, losses = [], []
    for images in candidates:
        predictions, nats, _ = zip(
            *(
                scorer.judge(images, batch, seed, "selection", scoring.SELECT)
                for seed in seeds
            ),
            strict=True,
        )
        hits.append(np.mean(predictions == batch.labels, axis=0))
        losses.append(np.mean(nats, axis=0))
    fewest = np.min(hits, axis=0) == hits
    return np.argmax(np.where(fewest, losses, -np.inf), axis=0)


def pick(candidates, chosen):
    """Returns row i of the candidate `chosen[i]`, for each row i."""
    return np.stack(candidates)[chosen, np.arange(len(chosen))]
